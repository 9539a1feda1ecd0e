"""Metrics, storages, and the one table that says which operator, operator class and limit belongs to which.

The numbers come from the pgvector README, sections "HNSW", "IVFFlat", "Half-Precision Vectors", "Binary Vectors" and
"Sparse Vectors".
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from sqlalchemy_vecsearch.errors import DeclarationError, MetricError

__all__ = ["Metric", "Storage"]


class Metric(StrEnum):
    """How the distance of two vectors is measured; smaller is nearer for all of them."""

    L2 = "l2"
    INNER_PRODUCT = "inner_product"
    COSINE = "cosine"
    L1 = "l1"
    HAMMING = "hamming"
    JACCARD = "jaccard"

    @classmethod
    def of(cls, value: Metric | str) -> Metric:
        """Return the member for a name such as ``"cosine"``.

        Raises:
            MetricError: the name is not one of the six.
        """
        try:
            return cls(value)
        except ValueError:
            known = ", ".join(repr(member.value) for member in cls)
            raise MetricError(
                f"There is no metric {value!r}. "
                f"pgvector has an operator for each of {known}, and for no other. "
                "Write one of these names, or the Metric member."
            ) from None

    @property
    def operator(self) -> str:
        """The pgvector operator that returns this distance, ``<=>`` for cosine."""
        return _OPERATORS[self]


class Storage(StrEnum):
    """The column type that holds the vectors."""

    VECTOR = "vector"
    HALFVEC = "halfvec"
    SPARSEVEC = "sparsevec"
    BIT = "bit"

    @classmethod
    def of(cls, value: Storage | str) -> Storage:
        """Return the member for a name such as ``"halfvec"``.

        Raises:
            DeclarationError: the name is not one of the four.
        """
        try:
            return cls(value)
        except ValueError:
            known = ", ".join(repr(member.value) for member in cls)
            raise DeclarationError(
                f"There is no storage {value!r}. "
                f"pgvector stores embeddings as {known}. "
                "Write one of these names, or the Storage member."
            ) from None

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """The metrics that have an operator for this storage."""
        return tuple(metric for storage, metric in _OPERATOR_CLASSES if storage is self)

    @property
    def limit(self) -> int | None:
        """The most dimensions a column of this storage can declare, None where PostgreSQL sets the only limit."""
        return _COLUMN_LIMITS[self]


_OPERATORS: Final[dict[Metric, str]] = {
    Metric.L2: "<->",
    Metric.INNER_PRODUCT: "<#>",
    Metric.COSINE: "<=>",
    Metric.L1: "<+>",
    Metric.HAMMING: "<~>",
    Metric.JACCARD: "<%>",
}

_COLUMN_LIMITS: Final[dict[Storage, int | None]] = {
    Storage.VECTOR: 16_000,
    Storage.HALFVEC: 16_000,
    Storage.SPARSEVEC: 1_000_000_000,
    Storage.BIT: 83_886_080,
}


@dataclass(frozen=True, slots=True)
class OperatorClass:
    """One operator class of pgvector and the index methods that offer it."""

    name: str
    methods: frozenset[str]


_BOTH: Final = frozenset({"hnsw", "ivfflat"})
_HNSW: Final = frozenset({"hnsw"})

# (storage, metric) -> operator class; a pair that is missing has no operator.
_OPERATOR_CLASSES: Final[dict[tuple[Storage, Metric], OperatorClass]] = {
    (Storage.VECTOR, Metric.L2): OperatorClass("vector_l2_ops", _BOTH),
    (Storage.VECTOR, Metric.INNER_PRODUCT): OperatorClass("vector_ip_ops", _BOTH),
    (Storage.VECTOR, Metric.COSINE): OperatorClass("vector_cosine_ops", _BOTH),
    (Storage.VECTOR, Metric.L1): OperatorClass("vector_l1_ops", _HNSW),
    (Storage.HALFVEC, Metric.L2): OperatorClass("halfvec_l2_ops", _BOTH),
    (Storage.HALFVEC, Metric.INNER_PRODUCT): OperatorClass("halfvec_ip_ops", _BOTH),
    (Storage.HALFVEC, Metric.COSINE): OperatorClass("halfvec_cosine_ops", _BOTH),
    (Storage.HALFVEC, Metric.L1): OperatorClass("halfvec_l1_ops", _HNSW),
    (Storage.SPARSEVEC, Metric.L2): OperatorClass("sparsevec_l2_ops", _HNSW),
    (Storage.SPARSEVEC, Metric.INNER_PRODUCT): OperatorClass("sparsevec_ip_ops", _HNSW),
    (Storage.SPARSEVEC, Metric.COSINE): OperatorClass("sparsevec_cosine_ops", _HNSW),
    (Storage.SPARSEVEC, Metric.L1): OperatorClass("sparsevec_l1_ops", _HNSW),
    (Storage.BIT, Metric.HAMMING): OperatorClass("bit_hamming_ops", _BOTH),
    (Storage.BIT, Metric.JACCARD): OperatorClass("bit_jaccard_ops", _HNSW),
}

# The most dimensions an index can cover. A sparsevec index counts non-zero elements, which only the rows show.
_INDEX_LIMITS: Final[dict[Storage, int | None]] = {
    Storage.VECTOR: 2_000,
    Storage.HALFVEC: 4_000,
    Storage.SPARSEVEC: None,
    Storage.BIT: 64_000,
}

MAXIMUM_INDEXED_NONZERO: Final = 1_000
"""The most non-zero elements that a row of an HNSW indexed sparsevec column can have."""


def operator_class(storage: Storage, metric: Metric) -> OperatorClass:
    """Return the operator class that indexes a metric on a storage.

    Raises:
        DeclarationError: the storage has no operator for the metric.
    """
    try:
        return _OPERATOR_CLASSES[storage, metric]
    except KeyError:
        offered = ", ".join(repr(member.value) for member in storage.metrics)
        raise DeclarationError(
            f"The metric {metric.value!r} is not offered for the storage {storage.value!r}. "
            f"pgvector compares {storage.value} values by {offered} only. "
            "Choose one of these metrics, or another storage."
        ) from None


def metric_of_operator_class(name: str) -> tuple[Storage, Metric] | None:
    """Return what an operator class indexes, or None when the name is not one of pgvector's."""
    bare = name.rpartition(".")[2].strip('"')
    for pair, candidate in _OPERATOR_CLASSES.items():
        if candidate.name == bare:
            return pair
    return None


def index_limit(storage: Storage) -> int | None:
    """Return the most dimensions that an index on a storage can cover, None where only the rows can tell."""
    return _INDEX_LIMITS[storage]
