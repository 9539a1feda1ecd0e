"""Whether a plain index leads to the rows that pass a filter, which is then read sooner than a vector index.

The conditions are known when a statement is built; the indexes of the table are looked up when it runs, since a model
need not declare all of them, and one that it declares need not be there.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import BigInteger, Boolean, ScalarSelect, SelectBase, distinct, func, literal_column, select
from sqlalchemy.sql import operators
from sqlalchemy.sql.elements import BinaryExpression
from sqlalchemy.types import Text

from sqlalchemy_vecsearch.quoting import literal
from sqlalchemy_vecsearch.search.building.index_predicates import root_column
from sqlalchemy_vecsearch.search.building.table_statistics import INDEX, index_is_of
from sqlalchemy_vecsearch.selects import parts, where_criteria

if TYPE_CHECKING:
    from sqlalchemy import Column, ColumnElement

    from sqlalchemy_vecsearch.selects import Statement

__all__ = ["columns_compared", "lead_plain_indexes"]

_FIRST_OF_INDEX: Final[ColumnElement[str]] = literal_column("pg_catalog.pg_get_indexdef(i.indexrelid, 1, true)", Text)
"""The first column of an index, quoted where it has to be, or an expression."""
_PLAIN: Final[ColumnElement[bool]] = literal_column(
    "i.indisvalid AND i.indpred IS NULL AND pg_catalog.pg_index_has_property(i.indexrelid, 'bitmap_scan')"
    " AND pg_catalog.pg_index_has_property(i.indexrelid, 'index_scan')",
    Boolean,
)
"""Such as B-tree and hash: vector indexes lack the first property, GIN and BRIN, which say less of a row, the other."""

_SERVED: Final = frozenset(
    {operators.eq, operators.in_op, operators.lt, operators.le, operators.gt, operators.ge, operators.between_op}
)
_OF_FLAGS: Final = frozenset({operators.is_, operators.is_not})


def columns_compared(statement: Statement, searched: Any) -> tuple[str, ...]:
    """Return the names of the columns whose plain indexes lead to the rows that pass, none where that is not known.

    Each condition is to compare a column of the table with values. Flags do not count: what is a boolean, or asks for
    NULL, as in ``deleted_at IS NULL``, seldom has an index and lets most rows pass.
    """
    found: set[str] = set()
    for criterion in where_criteria(statement):
        if _is_flag(criterion, searched):
            continue
        compared = _compared(criterion, searched)
        if compared is None:
            return ()
        found.add(compared.name)
    return tuple(sorted(found))


@lru_cache(maxsize=512)
def lead_plain_indexes(searched: Any, names: tuple[str, ...]) -> ColumnElement[bool]:
    """Return whether each of the columns is the first of a plain index of the table that is valid and not partial."""
    leading = func.pg_catalog.count(distinct(_FIRST_OF_INDEX), type_=BigInteger)
    named = [func.pg_catalog.quote_ident(literal_column(literal(name), Text), type_=Text) for name in names]
    found = select(leading).select_from(INDEX).where(index_is_of(searched), _PLAIN, _FIRST_OF_INDEX.in_(named))
    return found.scalar_subquery() == literal_column(f"CAST({len(names):d} AS BIGINT)", BigInteger)


def _is_flag(criterion: Any, searched: Any) -> bool:
    """Return whether a condition is a boolean column, or asks for NULL."""
    element = getattr(criterion, "element", criterion)  # of NOT
    if isinstance(element, BinaryExpression):
        alone = element.operator in _OF_FLAGS or isinstance(element.left.type, Boolean)
        return alone and _of(element.left, searched) is not None and not _reads(element.right)
    return _of(element, searched) is not None


def _compared(criterion: Any, searched: Any) -> Column[Any] | None:
    """Return the column of the table that a condition compares with values."""
    if not isinstance(criterion, BinaryExpression) or criterion.operator not in _SERVED:
        return None
    for side, other in ((criterion.left, criterion.right), (criterion.right, criterion.left)):
        found = _of(side, searched)
        if found is not None and not _reads(other):
            return found
    return None


def _of(element: Any, searched: Any) -> Column[Any] | None:
    found = root_column(element)
    return found if found is not None and found.table is searched else None


def _reads(value: Any) -> bool:
    """Return whether a value is of a row, as that of another column or of a sub-select."""
    return any(isinstance(part, SelectBase | ScalarSelect) or root_column(part) is not None for part in parts(value))
