"""Single steps on a column: ALTER TABLE under a short lock, and the validation of a constraint, which blocks nobody."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Final

from sqlalchemy.exc import DBAPIError

from alembic_ops.errors import MigrationError
from alembic_ops.sql.steps import AlterTable, Step, ValidateCheck
from sqlalchemy_vecsearch.quoting import PREPARER, qualified_name
from sqlalchemy_vecsearch.sqlstates import sqlstate_of

if TYPE_CHECKING:
    from alembic_ops.catalog.columns import ColumnFacts
    from alembic_ops.running.session import Session

__all__ = ["act_on_column"]

_LOG: Final = logging.getLogger("alembic.alembic_ops")


def act_on_column(running: Session, step: Step, _: ColumnFacts) -> bool:
    """Take a step, and say that it was taken."""
    if isinstance(step, AlterTable):
        _LOG.info("%s", step.sql)
        running.shortly(partial(running.execute, step.sql), table_name=step.table_name, schema=step.schema)
    else:
        assert isinstance(step, ValidateCheck), "a column has no other steps"
        _validate(running, step)
    return True


def _validate(running: Session, step: ValidateCheck) -> None:
    table, check = qualified_name(step.schema, step.table_name), PREPARER.quote(step.check)
    try:
        running.execute(f"ALTER TABLE {table} VALIDATE CONSTRAINT {check}")
    except DBAPIError as error:
        if sqlstate_of(error.orig) != "23514":
            raise
        drop = f"ALTER TABLE {table} DROP CONSTRAINT {check}"
        running.shortly(partial(running.execute, drop), table_name=step.table_name, schema=step.schema)
        raise MigrationError(
            f"The column {step.column!r} of {step.table_name!r} has rows without a vector. "
            "It has to be NOT NULL, and every insert of the application would rely on that. "
            f"Fill the rows WHERE {step.column} IS NULL, and run the upgrade again."
        ) from error
