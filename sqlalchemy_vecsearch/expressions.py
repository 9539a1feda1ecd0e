"""The expressions that an index and the queries it serves must share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from pgvector import sqlalchemy as pgvector_types
from sqlalchemy import Float, cast, func
from sqlalchemy.dialects.postgresql import BIT as PostgresBit
from sqlalchemy.sql.operators import custom_op

from sqlalchemy_vecsearch.errors import DeclarationError
from sqlalchemy_vecsearch.metrics import Metric, Storage, index_limit, operator_class
from sqlalchemy_vecsearch.types import BIT, HALFVEC, SPARSEVEC, VECTOR
from sqlalchemy_vecsearch.types.percent import with_percent_sign

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement
    from sqlalchemy.types import TypeEngine

__all__ = ["Quantize", "Subvector"]


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


Quantize: TypeAlias = Literal["halfvec", "binary"] | Subvector
"""What is indexed instead of the whole vector: half precision, one bit a dimension, or a part."""

INDEXED: Final = "indexed_expression"
"""The label of an indexed expression: SQLAlchemy finds the operator class of an expression by its label."""


def storage_of(type_: TypeEngine[Any]) -> Storage | None:
    """Return the storage that a column type holds vectors in, or None for other types.

    The types of ``pgvector.sqlalchemy`` and PostgreSQL's own ``BIT`` count as much as ours.
    """
    for family, storage in _STORAGES:
        if isinstance(type_, family):
            return storage
    return None


def dimensions_of(type_: TypeEngine[Any]) -> int | None:
    """Return the number of dimensions that a vector type declares, None when it declares none."""
    held = getattr(type_, "impl_instance", type_)  # BIT of pgvector-python is a decorator since 0.5
    size: int | None = getattr(held, "length" if storage_of(type_) is Storage.BIT else "dim", None)
    return size


def storage_type(storage: Storage, dimensions: int | None, **arguments: Any) -> TypeEngine[Any]:
    """Return the column type of a storage; ``arguments`` go to its constructor."""  # Any: the types differ in them
    made: TypeEngine[Any] = _TYPES[storage](dimensions, **arguments)
    return made


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
            "Declare the dimensions of the column."
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


_STORAGES: Final[tuple[tuple[type[TypeEngine[Any]], Storage], ...]] = (
    (pgvector_types.VECTOR, Storage.VECTOR),
    (pgvector_types.HALFVEC, Storage.HALFVEC),
    (pgvector_types.SPARSEVEC, Storage.SPARSEVEC),
    (pgvector_types.BIT, Storage.BIT),
    (PostgresBit, Storage.BIT),
)

_DISTANCES: Final[dict[Metric, custom_op[float]]] = {
    metric: custom_op(metric.operator, return_type=Float(53)) for metric in Metric
}

_TYPES: Final[dict[Storage, Any]] = {  # Any: the constructors differ in their keywords
    Storage.VECTOR: VECTOR,
    Storage.HALFVEC: HALFVEC,
    Storage.SPARSEVEC: SPARSEVEC,
    Storage.BIT: BIT,
}
