"""The trigger that notifies workers of rows that may be pending."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy_vecsearch.embedding.declared import embedded_column
from sqlalchemy_vecsearch.names import fitted
from sqlalchemy_vecsearch.quoting import PREPARER

__all__ = ["CHANNEL", "NotifyTrigger", "notify_trigger"]

CHANNEL: Final = "vecsearch_embedding"
_FUNCTION: Final = "vecsearch_embedding_changed"


@dataclass(frozen=True, slots=True)
class NotifyTrigger:
    """The statements that create and drop a trigger, for ``op.execute`` in a revision or ``DDL`` after a table.

    Args:
        create: in their order; they can be run again.
        drop: the trigger; the function stays while other tables use it.
    """

    create: tuple[str, ...]
    drop: tuple[str, ...]


def notify_trigger(column: Any) -> NotifyTrigger:
    """Return the trigger that tells following workers of each statement that may make rows pending.

    It is a convenience, not a promise: a worker that hears nothing looks by itself. It runs once a statement, after it,
    and costs some microseconds; writes with triggers off are found by looking.

    Args:
        column: the embedding column with a source.

    Raises:
        DeclarationError: the column declares no source.
    """
    found = embedded_column(column)
    quote = PREPARER.quote
    schema = "" if found.table.schema is None else f"{PREPARER.quote(found.table.schema)}."
    table, function = schema + quote(found.table.name), schema + _FUNCTION
    trigger = quote(fitted(f"{found.table.name}_{found.column.name}", suffix="_pending"))
    named = [found.table.c[name].name for name in found.source] if isinstance(found.source, tuple) else []
    columns = f" OF {', '.join(quote(name) for name in named)}" if named else ""
    return NotifyTrigger(
        create=(
            (
                f"CREATE OR REPLACE FUNCTION {function}() RETURNS pg_catalog.trigger LANGUAGE plpgsql"
                " SET search_path = pg_catalog, pg_temp AS $$ BEGIN"
                f" PERFORM pg_catalog.pg_notify('{CHANNEL}', TG_TABLE_NAME); RETURN NULL; END $$"
            ),
            (
                f"CREATE OR REPLACE TRIGGER {trigger} AFTER INSERT OR UPDATE{columns} ON {table}"
                f" FOR EACH STATEMENT EXECUTE FUNCTION {function}()"
            ),
        ),
        drop=(f"DROP TRIGGER IF EXISTS {trigger} ON {table}",),
    )
