"""What a sparse vector must be before it is sent, as its elements that are not zero."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from pgvector import SparseVector

from sqlalchemy_vecsearch.types.dense_values import Floats, checked_dense, float32_of, refuse_infinite
from sqlalchemy_vecsearch.types.faults import axes_error, length_error

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["SparseParts", "checked_sparse"]


@dataclass(frozen=True, slots=True, eq=False)
class SparseParts:
    """The non-zero elements of a sparse vector, ascending by index.

    Attributes:
        dimensions: the length of the whole vector.
        indices: zero-based positions, of any integer type.
        values: the elements at these positions, float32 and finite.
    """

    dimensions: int
    indices: NDArray[Any]
    values: Floats


def checked_sparse(value: object, dimensions: int | None = None, column: str | None = None) -> SparseParts:
    """Return the non-zero elements of the value; see `checked_vector`."""
    given: Any  # a row of numbers of any class
    if isinstance(value, SparseVector):
        length, indices, given = value.dimensions(), np.asarray(value.indices()), value.values()
    elif hasattr(value, "tocoo"):
        length, indices, given = _scipy_parts(value, column)
    else:
        return _nonzero_parts(value, dimensions, column)
    if dimensions is not None and length != dimensions:
        raise length_error(length, dimensions, column)
    values = float32_of(given, column)
    refuse_infinite(values, column, indices, given)
    kept = values != 0
    return SparseParts(length, indices[kept], values[kept])


def _nonzero_parts(value: object, dimensions: int | None, column: str | None) -> SparseParts:
    if type(value) is np.ndarray and value.dtype == np.float32 and value.ndim == 1 and len(value):
        dense: Floats = value
        if dimensions is not None and len(dense) != dimensions:
            raise length_error(len(dense), dimensions, column)
        (indices,) = dense.nonzero()
        values = dense[indices]
        refuse_infinite(values, column, indices)  # what is not finite is not zero
    else:
        dense = checked_dense(value, dimensions, column, longest=None)
        (indices,) = dense.nonzero()
        values = dense[indices]
    return SparseParts(len(dense), indices, values)


def _scipy_parts(value: Any, column: str | None) -> tuple[int, NDArray[Any], NDArray[Any]]:  # any scipy.sparse class
    shape = value.shape
    if len(shape) > 1 and shape[0] != 1:
        raise axes_error(shape, column)
    if value.format == "csr" and value.has_canonical_format:
        return int(shape[-1]), value.indices, value.data
    coordinates = value.tocoo(copy=True)
    coordinates.sum_duplicates()
    indices = coordinates.coords[-1] if hasattr(coordinates, "coords") else coordinates.col
    order = np.argsort(indices, kind="stable")
    return int(shape[-1]), indices[order], coordinates.data[order]
