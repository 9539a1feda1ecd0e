"""What Alembic runs to migrate; the line for vector columns and indexes is `import alembic_ops`."""

from __future__ import annotations

from logging.config import fileConfig

from alembic import context
from app.database import database_url
from app.models import Base
from sqlalchemy import NullPool, create_engine

import alembic_ops


def run_migrations_offline() -> None:
    """Print the SQL: `alembic upgrade head --sql`."""
    context.configure(
        url=database_url(), target_metadata=Base.metadata, literal_binds=True, transaction_per_migration=True
    )
    with context.begin_transaction():
        context.run_migrations()


def run_migrations_online() -> None:
    """Run the SQL; of several processes that start at once, one migrates and the others wait for it."""
    engine = create_engine(context.config.attributes.get("url") or database_url(), poolclass=NullPool)
    with engine.connect() as connection:
        context.configure(connection=connection, target_metadata=Base.metadata, transaction_per_migration=True)
        with alembic_ops.wait_for_other_upgrades(connection), context.begin_transaction():
            context.run_migrations()


if context.config.config_file_name is not None and context.config.attributes.get("configure_logging", True):
    fileConfig(context.config.config_file_name, disable_existing_loggers=False)
if context.is_offline_mode():
    run_migrations_offline()
else:
    run_migrations_online()
