"""Alembic operations and autogenerate support for pgvector."""

from typing import TYPE_CHECKING, Any

try:
    import alembic  # noqa: F401  # before the modules that need it, for an error that says which extra brings it
except ModuleNotFoundError as error:
    from sqlalchemy_vecsearch.extras import not_installed

    raise ModuleNotFoundError(not_installed("alembic", user="alembic_ops"), name=error.name) from None

from alembic_ops import op
from alembic_ops.model.build import Build
from alembic_ops.plugin import register
from alembic_ops.running.other_upgrades import wait_for_other_upgrades
from alembic_ops.sql.in_schema import InSchema
from sqlalchemy_vecsearch.versions import __version__

if TYPE_CHECKING:
    from alembic_ops.running.reembed import reembed

__all__ = ["Build", "InSchema", "__version__", "op", "reembed", "register", "wait_for_other_upgrades"]

register()


def __getattr__(name: str) -> Any:  # Any: whatever the name stands for
    """Import the work of a job when it is asked for: it measures searches, of which migrations know nothing."""
    if name != "reembed":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from alembic_ops.running.reembed import reembed

    return reembed
