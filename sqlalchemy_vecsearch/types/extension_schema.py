"""The schema of the extension in the casts of parameters, when the search path does not lead there."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from sqlalchemy import event

from sqlalchemy_vecsearch.errors import SearchPathError

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect, ExceptionContext

__all__ = ["qualify_casts"]

_CAST: Final = re.compile(r"::(?=(?:VECTOR|HALFVEC|SPARSEVEC)\b)")

_SCHEMA: Final = """
SELECT CASE WHEN pg_type_is_visible(t.oid) THEN '' ELSE quote_ident(n.nspname) || '.' END
FROM pg_extension e
JOIN pg_namespace n ON n.oid = e.extnamespace
JOIN pg_type t ON t.typnamespace = n.oid AND t.typname = 'vector'
WHERE e.extname = 'vector'
"""

_NOT_FOUND: Final = frozenset({"42883", "42704"})  # an operator or function; a type or another object
_OF_PGVECTOR: Final = re.compile(r"vector|halfvec|sparsevec|binary_quantize|bit_\w+_ops|<~>|<%>")

_prefixes: Final[WeakKeyDictionary[Dialect, str]] = WeakKeyDictionary()


def qualify_casts(dialect: Dialect) -> None:
    """Let the casts that stand round vector parameters find their types in whatever schema the extension is.

    One catalog query runs for an engine, before its first statement with such a cast; after that it costs a search of
    the statement for ``::VECTOR``. When the search path leads to the extension, nothing is changed. When it does not,
    an operator or function that is not found is a `SearchPathError`.

    Args:
        dialect: of psycopg or asyncpg; the other drivers send text without a cast.
    """
    if not event.contains(dialect, "do_execute", _execute_qualified):
        event.listen(dialect, "do_execute", _execute_qualified)
        event.listen(dialect, "do_executemany", _executemany_qualified)
        event.listen(dialect, "handle_error", _explain)


def _execute_qualified(cursor: Any, statement: str, parameters: Any, context: Any) -> bool:  # a driver's cursor
    qualified = _qualified(statement, context)
    if qualified is not None:
        cursor.execute(qualified, parameters)
    return qualified is not None


def _executemany_qualified(cursor: Any, statement: str, parameters: Any, context: Any) -> bool:  # as above
    qualified = _qualified(statement, context)
    if qualified is not None:
        cursor.executemany(qualified, parameters)
    return qualified is not None


def _qualified(statement: str, context: Any) -> str | None:  # SQLAlchemy's execution context
    """Return the statement with the schema in its casts, or None when it runs as it is."""
    if _CAST.search(statement) is None:
        return None
    prefix = _prefixes.get(context.dialect)
    if prefix is None:
        prefix = _find_prefix(context)
    return _CAST.sub(f"::{prefix}", statement) if prefix else None


def _find_prefix(context: Any) -> str:  # as above
    cursor = context.root_connection.connection.cursor()
    try:
        cursor.execute(_SCHEMA)
        row = cursor.fetchone()
    finally:
        cursor.close()
    if row is None:  # the extension is not there yet, so there is nothing to remember
        return ""
    prefix: str = row[0]
    _prefixes[context.dialect] = prefix
    return prefix


def _explain(context: ExceptionContext) -> SearchPathError | None:
    """Return what PostgreSQL cannot know: that the name exists, where the search path does not lead."""
    original: Any = context.original_exception  # of any driver
    prefix = _prefixes.get(context.dialect)
    told = str(original.__cause__ or original).splitlines()[0]  # asyncpg's own error is the cause of SQLAlchemy's
    if not prefix or getattr(original, "sqlstate", None) not in _NOT_FOUND or _OF_PGVECTOR.search(told) is None:
        return None
    schema = prefix[:-1]
    return SearchPathError(
        f"PostgreSQL did not find what pgvector brings: {told}. "
        f"The extension is in the schema {schema}, which is not on the search path; only the casts round "
        "parameters are written with their schema. "
        f"Add the schema to the search path: ALTER ROLE your_role SET search_path = public, {schema}.",
        schema=schema,
    )
