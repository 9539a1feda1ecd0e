"""PostgreSQL's quoting without a driver's: names and SQL texts in which a percent sign stays one percent sign."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy.dialects import postgresql

if TYPE_CHECKING:
    from sqlalchemy import Dialect
    from sqlalchemy.sql.compiler import IdentifierPreparer

__all__ = ["DIALECT", "PREPARER", "dollar_quoted"]

DIALECT: Final[Dialect] = postgresql.dialect(paramstyle="named")  # type: ignore[no-untyped-call]  # untyped in SQLAlchemy
"""For SQL that is bound as a value or wrapped in ``text``, which takes care of percent signs itself."""

PREPARER: Final[IdentifierPreparer] = DIALECT.identifier_preparer


def dollar_quoted(body: str, *, tag: str) -> str:
    """Return the body of a DO block between dollar signs, with a longer tag where a name in it holds this one."""
    while f"${tag}" in body:
        tag += "_"
    return f"${tag}$ {body} ${tag}$"
