"""Finds the distances in an expression, and what they compare."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Alias, Column, TableClause
from sqlalchemy.sql.elements import BinaryExpression, Grouping, Label
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.operators import custom_op

from sqlalchemy_vecsearch.expressions import stored_form, without_name
from sqlalchemy_vecsearch.indexes import plain_column
from sqlalchemy_vecsearch.metrics import Metric
from sqlalchemy_vecsearch.selects import parts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy_vecsearch.expressions import Quantize
    from sqlalchemy_vecsearch.storages import VectorForm

__all__ = ["FUNCTIONS", "METRICS", "Compared", "Distance", "distance_in", "distances_in"]

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

    ``cast`` is the type that the column is cast to, None when it is not, or to its own; ``quantize`` says in which form
    it is compared, and ``length`` how many dimensions that names, None when it names none.
    """

    column: Column[Any]
    cast: VectorForm | None
    quantize: Quantize | None
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


def _compared(side: Any) -> Compared | None:
    form = stored_form(side)
    column = None if form is None else _stored_column(form.column)
    return None if form is None or column is None else Compared(column, form.cast, form.quantize, form.length)


def _stored_column(element: Any) -> Column[Any] | None:
    """Return the table's column behind a vector column, None for columns of sub-selects and CTEs."""
    source = element.table
    while isinstance(source, Alias):
        source = source.element
    return plain_column(element) if isinstance(source, TableClause) and element.base_columns else None
