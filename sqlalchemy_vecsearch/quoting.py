"""PostgreSQL's quoting without a driver's: names and texts in which a percent sign stays one percent sign."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy.dialects.postgresql.base import PGDialect

if TYPE_CHECKING:
    from sqlalchemy import Dialect
    from sqlalchemy.sql.compiler import IdentifierPreparer

__all__ = ["DIALECT", "PREPARER", "dollar_quoted", "literal", "qualified_name"]

DIALECT: Final[Dialect] = PGDialect(paramstyle="named")  # type: ignore[no-untyped-call]  # untyped in SQLAlchemy
"""For SQL that is bound as a value or wrapped in ``text``, which takes care of percent signs itself."""

PREPARER: Final[IdentifierPreparer] = DIALECT.identifier_preparer


def qualified_name(schema: str | None, name: str) -> str:
    """Return a name with its schema, both quoted where they must be."""
    quoted = str(PREPARER.quote(name))  # which keeps the class of the first that asks, and no literal has a quoted_name
    return quoted if schema is None else f"{PREPARER.quote(schema)}.{quoted}"


def literal(value: str | None) -> str:
    """Return a string as SQL that means it whatever ``standard_conforming_strings`` is, and None as NULL."""
    if value is None:
        return "NULL"
    quoted = value.replace("'", "''")
    return f"'{quoted}'" if "\\" not in quoted else "E'" + quoted.replace("\\", "\\\\") + "'"


def dollar_quoted(body: str, *, tag: str) -> str:
    """Return the body of a DO block between dollar signs, with a longer tag where a name in it holds this one."""
    while f"${tag}" in body:
        tag += "_"
    return f"${tag}$ {body} ${tag}$"
