"""PostgreSQL's quoting without a driver's: names and SQL texts in which a percent sign stays one percent sign."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy.dialects import postgresql

if TYPE_CHECKING:
    from sqlalchemy import Dialect
    from sqlalchemy.sql.compiler import IdentifierPreparer

__all__ = ["DIALECT", "PREPARER"]

DIALECT: Final[Dialect] = postgresql.dialect(paramstyle="named")  # type: ignore[no-untyped-call]  # untyped in SQLAlchemy
"""For SQL that is bound as a value or wrapped in ``text``, which takes care of percent signs itself."""

PREPARER: Final[IdentifierPreparer] = DIALECT.identifier_preparer
