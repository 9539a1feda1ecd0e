"""Where a database has the vector extension, which every engine finds out by itself."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from sqlalchemy import event
from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.orm.mapper import _all_registries

from sqlalchemy_vecsearch.errors import SearchPathError
from sqlalchemy_vecsearch.sqlstates import sqlstate_of
from sqlalchemy_vecsearch.types.qualified_names import schema_of, write_names_with

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect, Engine, ExceptionContext

__all__ = ["find_extensions"]

# The types are asked for, and not pg_extension, which other servers of the protocol may lack.
_SCHEMA: Final = """
SELECT pg_catalog.min(n.nspname::pg_catalog.text), pg_catalog.bool_or(pg_catalog.pg_type_is_visible(t.oid)),
       pg_catalog.bool_or(n.nspname OPERATOR(pg_catalog.=) CASE
           WHEN path.schemas[1] OPERATOR(pg_catalog.=) 'pg_catalog'::pg_catalog.name THEN path.schemas[2]
           ELSE path.schemas[1] END)
FROM (SELECT pg_catalog.current_schemas(false)) AS path (schemas)
CROSS JOIN pg_catalog.pg_type t
JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) t.typnamespace
JOIN pg_catalog.pg_type h ON h.typnamespace OPERATOR(pg_catalog.=) n.oid
WHERE t.typname OPERATOR(pg_catalog.=) 'vector'::pg_catalog.name
  AND t.typtype OPERATOR(pg_catalog.=) 'b'::pg_catalog."char"
  AND h.typname OPERATOR(pg_catalog.=) 'halfvec'::pg_catalog.name
  AND h.typtype OPERATOR(pg_catalog.=) 'b'::pg_catalog."char"
"""

_MOVES_AN_EXTENSION: Final = re.compile(r"\b(?:create|alter|drop)\s+extension\b", re.IGNORECASE)

_NO_SCHEMA: Final = "3F000"
_NO_TYPE: Final = "42704"
_NOT_FOUND: Final = frozenset({"42883", _NO_TYPE, _NO_SCHEMA})  # the first: an operator or function
_MISSING_TYPE: Final = re.compile(r"\b(?:vector|halfvec|sparsevec)\b")
_OF_PGVECTOR: Final = re.compile(r"vector|halfvec|sparsevec|binary_quantize|bit_\w+_ops|<~>|<%>")

_looks: Final[WeakKeyDictionary[Dialect, bool]] = WeakKeyDictionary()  # to whether they were enough
_leads: Final[WeakKeyDictionary[Dialect, bool]] = WeakKeyDictionary()  # to whether the path led there


def find_extensions() -> None:
    """Let every PostgreSQL engine find the schema of the vector extension, and name it where another one comes first.

    The search path may not lead to the extension at all. Where it leads to another schema before, whoever may create
    there could put an operator of his own before the one of pgvector, which would run with the rights of the caller.

    One catalog query runs for an engine, at its first connection, beside those of SQLAlchemy; another after each
    ``CREATE``, ``ALTER`` or ``DROP EXTENSION`` that runs on the engine, and after an error that says that something of
    pgvector is not there. Any other statement pays about half a microsecond. While a database has no extension, the
    question is asked again before each query of the catalog, such as those of ``create_all`` and of reflection.
    """
    if not event.contains(PGDialect, "do_execute", _ask_in_time):
        event.listen(PGDialect, "do_execute", _ask_in_time)
        event.listen(PGDialect, "handle_error", _explain)


def _ask_in_time(cursor: Any, statement: str, parameters: Any, context: Any) -> bool:  # a driver's cursor
    """Ask before SQLAlchemy's own first statement, when nothing is compiled, and after one that moves an extension."""
    enough = _looks.get(context.dialect)
    if not enough and _should_ask(statement, asked=enough is not None):
        _ask(context)
    if ("xtension" in statement or "XTENSION" in statement) and _MOVES_AN_EXTENSION.search(statement):
        context.dialect.do_execute(cursor, statement, parameters, context)
        _ask(context)
        return True
    return False


def _should_ask(statement: str, *, asked: bool) -> bool:
    if asked:
        return "pg_catalog." in statement
    return not statement.startswith("ROLLBACK")  # after an error nothing else runs


def _ask(context: Any) -> None:  # SQLAlchemy's execution context
    dialect, connection = context.dialect, context.root_connection
    cursor = connection.connection.cursor()
    try:
        cursor.execute(_SCHEMA)
        schema, visible, first = cursor.fetchone()
    except dialect.loaded_dbapi.Error:
        if connection.in_transaction():
            raise
        connection.connection.rollback()  # while SQLAlchemy makes its first connection: a server without such a catalog
        _looks[dialect] = True  # as it would fail again
        return
    finally:
        cursor.close()
    _looks[dialect], _leads[dialect] = schema is not None, bool(visible)
    named = schema_of(dialect)
    # what one session had to have named stays named, though the search path of another leads there
    if schema is not None and (named is not None or not first):
        write_names_with(dialect, schema)
        if connection.in_transaction():  # else it is the first connection, and nothing is compiled
            _forget_compiled_statements(connection.engine)


def _forget_compiled_statements(engine: Engine) -> None:
    """Let every statement be compiled again: those of the engine's cache, and the flushes that mappers keep."""
    engine.clear_compiled_cache()
    for registry in _all_registries():
        for mapper in registry.mappers:
            # the cache itself, which a flush of another thread may be filling, goes out of use as it is
            vars(mapper).pop("_compiled_cache", None)


def _explain(context: ExceptionContext) -> SearchPathError | None:
    """Return what PostgreSQL cannot know: that the name exists, where the search path does not lead."""
    original: Any = context.original_exception  # of any driver
    state = sqlstate_of(original)
    if state not in _NOT_FOUND:
        return None
    told, found = _first_line(original), schema_of(context.dialect)
    if _OF_PGVECTOR.search(told) is None and not (state == _NO_SCHEMA and found is not None and found in told):
        return None
    # another connection may have moved the extension, or this one its search path
    was_there = _looks.pop(context.dialect, None)
    if was_there is False and state == _NO_TYPE and _MISSING_TYPE.search(told):
        _add_how_to_create_the_extension(context)
    was_named = state == _NO_SCHEMA or f"function {found}." in told or f" {found}.<" in told
    if found is None or was_named or _leads.get(context.dialect):
        return None
    schema = context.dialect.identifier_preparer.quote(found)
    return SearchPathError(
        f"PostgreSQL did not find what pgvector brings: {told}. "
        f"The extension is in the schema {schema}, which is not on the search path; SQL that SQLAlchemy makes names "
        "the schema by itself, SQL that is written as text does not. Write the schema in the text, "
        f"or add it to the search path: ALTER ROLE your_role SET search_path = public, {schema}.",
        schema=schema,
    )


def _add_how_to_create_the_extension(context: ExceptionContext) -> None:
    """Add our sentences to SQLAlchemy's error, whose class, statement and original stay: programs may catch them."""
    error, engine = context.sqlalchemy_exception, context.engine
    if error is None or engine is None:
        return
    name = engine.url.database
    error.add_detail(
        f"The database{f' {name!r}' if name else ''} does not have the extension vector. "
        "pgvector's types come with it, and each database has extensions of its own. "
        "Run CREATE EXTENSION vector in this database before create_all(), or call op.create_vector_extension() in "
        "the first revision."
    )


def _first_line(error: Any) -> str:  # any driver's class
    arguments = error.args
    if arguments and isinstance(arguments[0], dict):  # pg8000: the fields by their letters in the protocol
        return str(arguments[0]["M"])
    return str(error.__cause__ or error).splitlines()[0]  # asyncpg's own error is the cause of SQLAlchemy's
