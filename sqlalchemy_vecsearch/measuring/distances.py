"""Finds the distances in an expression, and what they compare."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from sqlalchemy import Alias, Cast, Column, TableClause, TypeCoerce
from sqlalchemy.sql.elements import BinaryExpression, ColumnClause, Grouping, Label
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.operators import custom_op

from sqlalchemy_vecsearch.expressions import Subvector, dimensions_of, storage_of
from sqlalchemy_vecsearch.indexes import plain_column
from sqlalchemy_vecsearch.metrics import Metric
from sqlalchemy_vecsearch.search.statements import parts

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["FUNCTIONS", "METRICS", "Compared", "Distance", "distance_in", "distances_in", "without_name"]

Shape: TypeAlias = Literal["halfvec", "binary"] | Subvector | None

METRICS: Final[dict[str, Metric]] = {metric.operator: metric for metric in Metric}
FUNCTIONS: Final[dict[str, Metric]] = {
    "l2_distance": Metric.L2,
    "vector_negative_inner_product": Metric.INNER_PRODUCT,
    "inner_product": Metric.INNER_PRODUCT,
    "cosine_distance": Metric.COSINE,
    "l1_distance": Metric.L1,
    "hamming_distance": Metric.HAMMING,
    "jaccard_distance": Metric.JACCARD,
}


@dataclass(frozen=True, slots=True)
class Compared:
    """The stored side of a distance: a vector column of a table, or a quantised form of it.

    ``shape`` says in which form, and ``length`` how many dimensions its cast names, None when it names none.
    """

    column: Column[Any]
    shape: Shape
    length: int | None


@dataclass(frozen=True, slots=True)
class Distance:
    """A distance in an expression.

    ``function`` is its name when it is written as one, such as ``cosine_distance``; ``query`` is the other side, which
    may be a stored column too.
    """

    metric: Metric
    function: str | None
    stored: Compared
    query: Any  # Any: SQLAlchemy's clause elements have no common public class


def distance_in(expression: Any) -> Distance | None:  # Any: as above
    """Return the distance that an expression is, None when it is none, or none of a stored vector column. Pure."""
    element = without_name(expression)
    if isinstance(element, BinaryExpression) and isinstance(element.operator, custom_op):
        metric, function, sides = METRICS.get(element.operator.opstring), None, [element.left, element.right]
    elif isinstance(element, FunctionElement):
        function = str(getattr(element, "name", "")).lower()
        metric, sides = FUNCTIONS.get(function), list(element.clauses)
    else:
        return None
    if metric is None or len(sides) != 2:  # noqa: PLR2004  # a distance has two sides
        return None
    for stored, query in (sides, sides[::-1]):
        if (compared := _compared(stored)) is not None:
            return Distance(metric, function, compared, without_name(query))
    return None


def distances_in(expression: Any) -> Iterator[Distance]:  # Any: as above
    """Yield the distances anywhere in an expression; sub-selects are levels of their own. Pure."""
    for part in parts(expression):
        if (found := distance_in(part)) is not None and not isinstance(part, Label | Grouping):
            yield found


def without_name(expression: Any) -> Any:  # Any: as above
    """Return an expression without its label, parentheses, and Python-side type. Pure."""
    while isinstance(expression, Label | Grouping | TypeCoerce):
        expression = expression.typed_expression if isinstance(expression, TypeCoerce) else expression.element
    return expression


def _compared(side: Any) -> Compared | None:
    element, length, cast = without_name(side), None, False
    if isinstance(element, Cast):
        cast, length, target = True, dimensions_of(element.type), storage_of(element.type)
        inner = without_name(element.clause)
        if (column := _stored_column(inner)) is not None:
            if target is None:
                return None
            same = target is storage_of(column.type)
            return Compared(column, None if same else "halfvec", length)
        element = inner
    if isinstance(element, FunctionElement):
        return _quantised(element, length if cast else None)
    column = _stored_column(element)
    return None if column is None else Compared(column, None, dimensions_of(column.type))


def _quantised(call: FunctionElement[Any], length: int | None) -> Compared | None:
    first, *numbers = [without_name(clause) for clause in call.clauses] or [None]
    column = _stored_column(first)
    if column is None:
        return None
    if call.name == "binary_quantize":
        return Compared(column, "binary", length)
    bounds = [number.value for number in numbers if isinstance(getattr(number, "value", None), int)]
    if call.name == "subvector" and len(bounds) == 2:  # noqa: PLR2004  # start, length
        return Compared(column, Subvector(*bounds), length)
    return None


def _stored_column(element: Any) -> Column[Any] | None:
    """Return the table's column behind a vector column, None for columns of sub-selects and CTEs."""
    if not isinstance(element, ColumnClause) or storage_of(element.type) is None:
        return None
    source = element.table
    while isinstance(source, Alias):
        source = source.element
    return plain_column(element) if isinstance(source, TableClause) and element.base_columns else None
