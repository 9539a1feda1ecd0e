"""The expressions that an index and the queries it serves must share."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from sqlalchemy import Cast, Float, TypeCoerce, cast, func
from sqlalchemy.sql.elements import ColumnClause, Grouping, Label
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.operators import custom_op

from sqlalchemy_vecsearch.errors import DeclarationError
from sqlalchemy_vecsearch.metrics import Metric, Storage, index_limit, operator_class
from sqlalchemy_vecsearch.storages import VectorForm, storage_type, vector_form
from sqlalchemy_vecsearch.types import BIT, HALFVEC
from sqlalchemy_vecsearch.types.percent import with_percent_sign

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement

__all__ = ["Quantize", "StoredForm", "Subvector", "stored_form", "without_name"]


@dataclass(frozen=True, slots=True)
class Subvector:
    """Index only ``length`` dimensions from ``start`` on, as Matryoshka embeddings allow.

    Args:
        start: the first dimension, counted from 1.
        length: how many dimensions, at least 1.

    Raises:
        DeclarationError: a value is below 1.
    """

    start: int
    length: int

    def __post_init__(self) -> None:
        if self.start < 1 or self.length < 1:
            raise DeclarationError(
                f"Subvector({self.start}, {self.length}) is no part of a vector. "
                "pgvector counts dimensions from 1, and a part has at least one of them. "
                "Write Subvector(1, 256) for the first 256 dimensions."
            )
        object.__setattr__(self, "start", int(self.start))
        object.__setattr__(self, "length", int(self.length))


Quantize: TypeAlias = Literal["halfvec", "binary"] | Subvector
"""What is indexed instead of the whole vector: half precision, one bit a dimension, or a part."""

INDEXED: Final = "indexed_expression"
"""The label of an indexed expression: SQLAlchemy finds the operator class of an expression by its label."""


def indexed_storage(storage: Storage, quantize: Quantize | None) -> Storage:
    """Return the storage of what is indexed: the column's own, or that of its quantised form."""
    if quantize == "halfvec":
        return Storage.HALFVEC
    if quantize == "binary":
        return Storage.BIT
    return storage


def indexed_metric(metric: Metric, quantize: Quantize | None) -> Metric:
    """Return the metric of what is indexed: one bit a dimension is compared by Hamming distance."""
    return Metric.HAMMING if quantize == "binary" else metric


def indexed_dimensions(dimensions: int | None, quantize: Quantize | None) -> int | None:
    """Return how many dimensions are indexed."""
    return quantize.length if isinstance(quantize, Subvector) else dimensions


def indexed_expression(
    column: ColumnElement[Any], quantize: Quantize | None, *, storage: Storage, dimensions: int | None
) -> ColumnElement[Any]:
    """Return what an index on ``column`` holds, which is what a query must write to be served by that index.

    The planner compares expressions by structure: a cast without its length, or another spelling, is another
    expression, and the index is not used.
    """
    match quantize:
        case None:
            return column
        case "halfvec":
            return cast(column, HALFVEC(dimensions))
        case "binary":
            return cast(func.binary_quantize(column), BIT(dimensions))
        case Subvector(start, length):
            return cast(func.subvector(column, start, length), storage_type(storage, length))


def quantized_query(
    query: ColumnElement[Any], quantize: Quantize | None, *, storage: Storage, dimensions: int | None
) -> ColumnElement[Any]:
    """Return the query vector in the form that is comparable with :func:`indexed_expression`."""
    match quantize:
        case None:
            return query
        case "halfvec":
            return cast(query, HALFVEC(dimensions))
        case "binary":
            return func.binary_quantize(cast(query, storage_type(storage, dimensions)), type_=BIT(dimensions))
        case Subvector(start, length):
            whole = cast(query, storage_type(storage, dimensions))
            return func.subvector(whole, start, length, type_=storage_type(storage, length))


@dataclass(frozen=True, slots=True)
class StoredForm:
    """What an index holds, or a distance compares: a vector column as it is, cast, or quantised.

    ``cast`` is the type that the column is cast to first, None where it is not, or to its own; ``length`` is the number
    of dimensions that the whole of it declares. ``is_cast`` tells a quantised form with a cast around it from one
    without, which is another expression.
    """

    column: Any  # Any: a column of a table, or one of an alias of it
    cast: VectorForm | None = None
    quantize: Quantize | None = None
    length: int | None = None
    is_cast: bool = False


def stored_form(expression: Any) -> StoredForm | None:  # Any: SQLAlchemy's clause elements have no common public class
    """Return the column, the cast and the quantisation of an expression: the reverse of :func:`indexed_expression`.

    None means that it is of another shape, or over no vector column. Pure.
    """
    element = without_name(expression)
    if isinstance(element, Cast):
        return _cast_form(element)
    if isinstance(element, FunctionElement):
        return _function_form(element)
    if isinstance(element, ColumnClause) and (own := vector_form(element.type)) is not None:
        return StoredForm(element, length=own.dimensions)
    return None


def without_name(expression: Any) -> Any:  # Any: as above
    """Return an expression without its label, parentheses, and Python-side type. Pure."""
    while isinstance(expression, Label | Grouping | TypeCoerce):
        expression = expression.typed_expression if isinstance(expression, TypeCoerce) else expression.element
    return expression


def _cast_form(element: Cast[Any]) -> StoredForm | None:
    target, inner = vector_form(element.type), stored_form(element.clause)
    if target is None or inner is None or (inner.is_cast and inner.quantize is not None):
        return None
    if inner.quantize is not None:
        return replace(inner, length=target.dimensions, is_cast=_is_held_as(inner.quantize, target))
    own = inner.cast or vector_form(inner.column.type)
    if own is None or (own.storage is target.storage and target.dimensions in {None, own.dimensions}):
        return inner
    halved = own.storage is Storage.VECTOR and target.storage is Storage.HALFVEC and own.dimensions is not None
    if halved:
        return replace(inner, quantize="halfvec", length=target.dimensions, is_cast=True)
    return None if inner.cast else replace(inner, cast=target, length=target.dimensions)


def _is_held_as(quantize: Quantize, target: VectorForm) -> bool:
    return target.storage is Storage.BIT or quantize != "binary"


def _function_form(call: FunctionElement[Any]) -> StoredForm | None:
    arguments = list(call.clauses)
    inner, numbers = (stored_form(arguments[0]), arguments[1:]) if arguments else (None, [])
    if inner is None or inner.quantize is not None:
        return None
    if call.name == "binary_quantize" and not numbers:
        return replace(inner, quantize="binary", length=None)
    bounds = [value for number in numbers if isinstance(value := getattr(number, "value", None), int)]
    if call.name == "subvector" and len(bounds) == len(numbers) == 2:  # noqa: PLR2004  # start, length
        return replace(inner, quantize=Subvector(*bounds), length=None)
    return None


def distance_between(left: ColumnElement[Any], right: ColumnElement[Any], metric: Metric) -> ColumnElement[float]:
    """Return ``left <operator> right``, the bare form that an index serves."""
    distance: ColumnElement[float] = left.operate(_DISTANCES[metric], right)
    return with_percent_sign(distance) if metric is Metric.JACCARD else distance


def validate_indexable(
    *, storage: Storage, metric: Metric, method: str, dimensions: int | None, quantize: Quantize | None
) -> str:
    """Check that pgvector can build this index, and return its operator class.

    Raises:
        DeclarationError: the metric, the method, the quantisation or the dimensions do not go together.
    """
    validate_quantize(storage, dimensions, quantize)
    held = indexed_storage(storage, quantize)
    operators = operator_class(held, indexed_metric(metric, quantize))
    if quantize == "binary":
        operator_class(storage, metric)
    if method not in operators.methods:
        raise DeclarationError(_method_refusal(held, metric, method))
    size = indexed_dimensions(dimensions, quantize)
    if size is None:
        raise DeclarationError(
            "A column without dimensions can not be indexed. "
            f"pgvector builds {method} indexes only over vectors of one known length. "
            "Declare the dimensions of the column, or index a part of the rows by cast(column, VECTOR(384))."
        )
    limit = index_limit(held)
    if limit is not None and size > limit:
        raise DeclarationError(
            f"An index over {held.value}({size}) can not be built. "
            f"pgvector indexes at most {limit:,} dimensions of {held.value}. {_smaller(held, size)}"
        )
    return operators.name


def validate_quantize(storage: Storage, dimensions: int | None, quantize: Quantize | None) -> None:
    if quantize is None:
        return
    if not isinstance(quantize, Subvector) and quantize not in {"halfvec", "binary"}:
        raise DeclarationError(
            f"There is no quantisation {quantize!r}. "
            "An index can hold the vectors as 'halfvec', as 'binary', or a part of them as Subvector(start, length). "
            "Write one of these, or leave quantize out."
        )
    allowed = {Storage.VECTOR} if quantize == "halfvec" else {Storage.VECTOR, Storage.HALFVEC}
    if storage not in allowed:
        raise DeclarationError(
            f"A {storage.value} column can not be quantised as {quantize!r}. "
            f"pgvector quantises {' and '.join(sorted(member.value for member in allowed))} columns this way, "
            "and no others. Leave quantize out, or choose another storage."
        )
    if isinstance(quantize, Subvector) and dimensions is not None and quantize.start + quantize.length - 1 > dimensions:
        raise DeclarationError(
            f"Subvector({quantize.start}, {quantize.length}) ends after the {dimensions} dimensions of the column. "
            "A part of a vector must lie within it. "
            f"Keep start + length - 1 at {dimensions} or below."
        )


def _method_refusal(storage: Storage, metric: Metric, method: str) -> str:
    return (
        f"The method {method!r} has no operator class for {storage.value} and the metric {metric.value!r}. "
        "pgvector offers that pair for HNSW only. "
        "Declare index=HNSW(), or another metric."
    )


def _smaller(storage: Storage, size: int) -> str:
    if storage is Storage.VECTOR and size <= (index_limit(Storage.HALFVEC) or 0):
        return 'Write quantize="halfvec", which covers 4,000 dimensions.'
    if storage is not Storage.BIT and size <= (index_limit(Storage.BIT) or 0):
        return 'Write quantize="binary", which covers 64,000 dimensions, or index a Subvector.'
    return "Store shorter vectors, or leave the index out."


_DISTANCES: Final[dict[Metric, custom_op[float]]] = {
    metric: custom_op(metric.operator, return_type=Float(53)) for metric in Metric
}
