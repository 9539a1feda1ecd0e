"""Gates of a script: blocks that stop it with a message where something is not as it has to be when it is run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alembic_ops.catalog.publications import PUBLICATIONS
from alembic_ops.planning.publications import published_columns, published_message
from alembic_ops.sql.statements import written
from sqlalchemy_vecsearch.quoting import dollar_quoted, literal, qualified_name

if TYPE_CHECKING:
    from alembic_ops.model.column_exchange import ColumnExchange
    from alembic_ops.operations import AddEmbeddingColumnOp, AlterEmbeddingTypeOp, BeginReembeddingOp

__all__ = ["gate", "leftover_gate", "published_gate", "valid_gate"]


def gate(condition: str, message: str) -> str:
    """Return a block that raises a message where a condition holds when it is run."""
    body = f"BEGIN IF {condition} THEN RAISE EXCEPTION USING MESSAGE = {literal(message)}; END IF; END"
    return f"DO {dollar_quoted(body, tag='gate')}"


def published_gate(
    operation: AddEmbeddingColumnOp | AlterEmbeddingTypeOp | BeginReembeddingOp | ColumnExchange,
    *,
    unless: str = "false",
) -> list[str]:
    """Return the block that stops at a published table, none where the operation says that its subscribers are changed.

    Args:
        operation: what the script does.
        unless: the condition under which it does nothing.
    """
    if operation.published:
        return []
    table = qualified_name(operation.schema, operation.table_name)
    query = written(PUBLICATIONS, table=table, columns=published_columns(operation))
    message = literal(published_message(operation, "\0").replace("%", "%%").replace("\0", "%s"))
    names = "SELECT pg_catalog.string_agg(CAST(name AS pg_catalog.text), ', ') INTO found"
    refuse = f"RAISE EXCEPTION USING MESSAGE = pg_catalog.format({message}, found)"
    body = (
        f"DECLARE found pg_catalog.text; BEGIN IF {unless} THEN RETURN; END IF; {names} FROM ({query}) AS published;"
        f" IF found IS NOT NULL THEN {refuse}; END IF; END"
    )
    return [f"DO {dollar_quoted(body, tag='published')}"]


def leftover_gate(schema: str | None, name: str) -> str:
    """Return what stops at an INVALID index of the name."""
    quoted = qualified_name(schema, name)
    return gate(
        "EXISTS (SELECT FROM pg_catalog.pg_index x"
        f" WHERE x.indexrelid OPERATOR(pg_catalog.=) pg_catalog.to_regclass({literal(quoted)}) AND NOT x.indisvalid)",
        f"There is an INVALID index {quoted}. "
        "An interrupted build has left it, or another session is building it now. "
        f"When no session is, run DROP INDEX CONCURRENTLY {quoted}, and run this script again.",
    )


def valid_gate(schema: str | None, name: str) -> str:
    """Return what stops where there is no valid index of the name."""
    quoted = qualified_name(schema, name)
    return gate(
        "NOT EXISTS (SELECT FROM pg_catalog.pg_index x"
        f" WHERE x.indexrelid OPERATOR(pg_catalog.=) pg_catalog.to_regclass({literal(quoted)})"
        " AND x.indisvalid AND x.indisready AND x.indislive)",
        f"The index {quoted} is not valid. "
        "Its build was interrupted, so that no query uses it. "
        f"Run DROP INDEX CONCURRENTLY {quoted}, and run this script again.",
    )
