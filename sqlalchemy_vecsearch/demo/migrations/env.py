"""What Alembic runs to migrate; the line for vector columns and indexes is `import alembic_ops`."""

from __future__ import annotations

from alembic import context
from sqlalchemy import NullPool, create_engine

import alembic_ops  # noqa: F401 - teaches Alembic vector columns and indexes
from sqlalchemy_vecsearch.demo.models import Base

url = context.config.attributes.get("url") or context.get_x_argument(as_dictionary=True)["url"]


def run_migrations_offline() -> None:
    """Print the SQL."""
    context.configure(url=url, target_metadata=Base.metadata, literal_binds=True, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()


def run_migrations_online() -> None:
    """Run the SQL."""
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        context.configure(connection=connection, target_metadata=Base.metadata, transaction_per_migration=True)
        with context.begin_transaction():
            context.run_migrations()


if context.is_offline_mode():
    run_migrations_offline()
else:
    run_migrations_online()
