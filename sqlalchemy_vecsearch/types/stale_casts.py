"""Casts in statements that were compiled before an engine had to name the schema of the extension."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import event

from sqlalchemy_vecsearch.types.qualified_names import name_with_schema

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect

__all__ = ["name_casts_of_compiled_statements"]

_CAST: Final = re.compile(r"::(VECTOR|HALFVEC|SPARSEVEC)\b")


def name_casts_of_compiled_statements(dialect: Dialect) -> None:
    """Let the INSERTs and UPDATEs that mappers keep compiled find their types, from the next one on.

    The cache of an engine can be emptied, those of the mappers can not. What they hold names nothing of pgvector but
    the types in the casts round parameters. Each statement of the dialect pays for a search.

    Args:
        dialect: one that has come to name the schema while its engine was at work.
    """
    if not event.contains(dialect, "do_execute", _execute_named):
        event.listen(dialect, "do_execute", _execute_named)
        event.listen(dialect, "do_executemany", _executemany_named)


def _execute_named(cursor: Any, statement: str, parameters: Any, context: Any) -> bool:  # a driver's cursor
    if _CAST.search(statement) is None:
        return False
    cursor.execute(_named(statement, context.dialect), parameters)
    return True


def _executemany_named(cursor: Any, statement: str, parameters: Any, context: Any) -> bool:  # as above
    if _CAST.search(statement) is None:
        return False
    cursor.executemany(_named(statement, context.dialect), parameters)
    return True


def _named(statement: str, dialect: Dialect) -> str:
    return _CAST.sub(lambda cast: f"::{name_with_schema(dialect, cast[1])}", statement)
