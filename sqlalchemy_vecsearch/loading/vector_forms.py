"""The binary forms of vectors and bit strings, for whole columns at once; a wrong one is named by its position."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np

from sqlalchemy_vecsearch.errors import VectorValueError
from sqlalchemy_vecsearch.loading.binary_format import BinaryForm, Encoded, fixed, variable
from sqlalchemy_vecsearch.types.bit_values import bits_binary
from sqlalchemy_vecsearch.types.dense_values import LONGEST, checked_dense
from sqlalchemy_vecsearch.types.sparse_values import checked_sparse
from sqlalchemy_vecsearch.types.wire import halfvec_binary, sparse_binary, vector_binary

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sqlalchemy_vecsearch.loading.target import ServerColumn

__all__ = ["UnfitVectorError", "vector_form"]

Values: TypeAlias = Sequence[Any]
Matrix: TypeAlias = Any  # a numpy array of two axes, or a matrix or array of scipy in CSR form

_NUMBER_KINDS: Final = "fiu"
_HALF_LIMIT: Final = float(np.finfo(np.float16).max)
_SINGLE_LIMIT: Final = float(np.finfo(np.float32).max)
_ZERO: Final = ord("0")
_AXES: Final = 2


class UnfitVectorError(Exception):
    """A value of a column is no vector that it holds.

    Attributes:
        position: which one, counted from 0.
        error: what is wrong with it.
    """

    def __init__(self, position: int, error: VectorValueError) -> None:
        super().__init__(str(error))
        self.position = position
        self.error = error


def vector_form(server: ServerColumn) -> BinaryForm | None:
    """Return the form of a vector or a bit string, None for any other column."""
    if server.is_dense:
        return DenseForm(server)
    if server.is_sparse:
        return SparseForm(server)
    return BitForm(server) if server.is_bits else None


@dataclass(frozen=True, slots=True)
class DenseForm(BinaryForm):
    """A column of ``vector`` or ``halfvec``.

    Attributes:
        server: the column.
        scratch: an array that all batches share, because a new one costs more than its contents; empty at first.
    """

    server: ServerColumn
    scratch: list[NDArray[np.float32]] = field(default_factory=list)

    def encode(self, values: Values, classes: set[type]) -> Encoded:
        """Return the vectors, made into one array where they are of one class and length."""
        matrix = _as_matrix(values, classes, self.scratch)
        if matrix is not None and matrix.shape[1] == (self.server.dimensions or matrix.shape[1]):
            return self.encode_array(matrix)
        return variable(_each(self._value, values))

    def encode_array(self, values: Matrix) -> Encoded:
        """Return the rows of an array of two axes."""
        half = self.server.type_name == "halfvec"
        count = values.shape[1] if values.ndim == _AXES else 0
        wanted = self.server.dimensions
        good = count == wanted or (wanted is None and 0 < count <= (LONGEST or count))
        if not good or values.dtype.kind not in _NUMBER_KINDS or not _is_finite(values, half=half):
            return variable(_each(self._value, values))
        return fixed((">u2", (), count), (">u2", (), 0), (">f2" if half else ">f4", (count,), values))

    def _value(self, value: Any) -> bytes:
        half = self.server.type_name == "halfvec"
        send = halfvec_binary if half else vector_binary
        return send(checked_dense(value, self.server.dimensions, self.server.name, half=half))


@dataclass(frozen=True, slots=True)
class SparseForm(BinaryForm):
    """A column of ``sparsevec``."""

    server: ServerColumn

    def encode(self, values: Values, classes: set[type]) -> Encoded:
        """Return the vectors, made into one array where they are arrays of one length."""
        matrix = _as_matrix(values, classes, []) if classes == {np.ndarray} else None
        return variable(_each(self._value, values)) if matrix is None else self.encode_array(matrix)

    def encode_array(self, values: Matrix) -> Encoded:
        """Return the rows of an array, or a sparse array, of two axes."""
        count = values.shape[1] if values.ndim == _AXES else 0
        if count and self.server.dimensions in {None, count}:
            found = _sparse_rows(values)
            if found is not None:
                return variable(found)
        rows = values if isinstance(values, np.ndarray) else (values[row : row + 1] for row in range(values.shape[0]))
        return variable(_each(self._value, rows))

    def _value(self, value: Any) -> bytes:
        return sparse_binary(checked_sparse(value, self.server.dimensions, self.server.name))


@dataclass(frozen=True, slots=True)
class BitForm(BinaryForm):
    """A column of ``bit(n)``."""

    server: ServerColumn

    def encode(self, values: Values, classes: set[type]) -> Encoded:
        """Return the bits, made into one array where all are texts, or arrays of numpy."""
        read = _BITS.get(next(iter(classes))) if len(classes) == 1 and self.server.dimensions else None
        matrix = None if read is None else read(values, self.server.dimensions or 0)
        if matrix is not None:
            return self.encode_array(matrix)
        return variable(_each(partial(bits_binary, dimensions=self.server.dimensions, column=self.server.name), values))

    def encode_array(self, values: Matrix) -> Encoded:
        """Return the rows of an array of booleans with two axes."""
        if values.dtype != np.bool_ or values.ndim != _AXES or values.shape[1] != self.server.dimensions:
            return self.encode(list(values), {np.generic})
        packed = np.packbits(values, axis=1)
        return fixed((">i4", (), values.shape[1]), ("u1", (packed.shape[1],), packed))


def _each(encode: Callable[[Any], bytes], values: Any) -> list[bytes]:
    encoded: list[bytes] = []
    try:
        for value in values:
            encoded.append(encode(value))  # noqa: PERF401  # their number says where it failed
    except VectorValueError as error:
        raise UnfitVectorError(len(encoded), error) from error
    return encoded


def _is_finite(values: NDArray[Any], *, half: bool) -> bool:
    """Tell whether all numbers are finite in the precision of the column."""
    if values.dtype == np.float16 or (values.dtype == np.float32 and not half):
        return bool(np.isfinite(values).all())
    return bool(float(np.abs(values).max()) <= (_HALF_LIMIT if half else _SINGLE_LIMIT))  # False for what is no number


def _as_matrix(values: Values, classes: set[type], scratch: list[NDArray[np.float32]]) -> NDArray[Any] | None:
    """Return lists, tuples or arrays of one length as the rows of an array, None where they are something else."""
    are_arrays = classes == {np.ndarray} and values[0].ndim == 1
    length = len(values[0]) if are_arrays or classes <= {list, tuple} else 0
    if not length or set(map(len, values)) != {length}:
        return None
    try:
        joined = _stacked(values, length, scratch) if are_arrays else _of_lists(values, length)
    except (TypeError, ValueError, OverflowError):  # an element is no number, or an array has more axes
        return None
    return joined if joined is not None and joined.dtype.kind in _NUMBER_KINDS else None


def _of_lists(values: Values, length: int) -> NDArray[np.float32]:
    return np.frombuffer(b"".join([array("f", value) for value in values]), np.float32).reshape(-1, length)


def _stacked(values: Values, length: int, scratch: list[NDArray[np.float32]]) -> NDArray[Any] | None:
    types = set(map(attrgetter("dtype"), values))
    if len(types) > 1:
        return None
    if types != {np.dtype(np.float32)}:
        return np.concatenate(values).reshape(-1, length)
    if not scratch or scratch[0].shape[1] != length or len(scratch[0]) < len(values):
        scratch[:] = [np.empty((len(values), length), dtype=np.float32)]
    out = scratch[0][: len(values)]
    np.concatenate(values, out=out.reshape(-1))
    return out


def _sparse_rows(part: Matrix) -> list[bytes] | None:
    """Return the rows as ``sparsevec_recv`` reads them, None where a number is not finite in single precision."""
    with np.errstate(over="ignore"):  # an overflow becomes inf, which is refused by name
        single = part.astype(np.float32, copy=False)
    if isinstance(single, np.ndarray):
        flat = np.flatnonzero(single)
        rows, indices = np.divmod(flat, single.shape[1])
        starts, values = np.searchsorted(rows, np.arange(len(single) + 1)), single.ravel()[flat]
    else:
        single = single.copy()
        single.sum_duplicates()
        single.eliminate_zeros()
        starts, indices, values = single.indptr, single.indices, single.data
    if not bool(np.isfinite(values).all()):
        return None
    counts = np.diff(starts)
    heads = np.zeros((len(counts), 3), dtype=">i4")
    heads[:, 0], heads[:, 1] = part.shape[1], counts
    ends = (4 * starts).tolist()
    head, index, value = heads.tobytes(), indices.astype(">i4").tobytes(), values.astype(">f4").tobytes()
    return [
        head[12 * row : 12 * row + 12] + index[first:end] + value[first:end]
        for row, (first, end) in enumerate(pairwise(ends))
    ]


def _bits_of_texts(values: Values, length: int) -> NDArray[np.bool_] | None:
    if set(map(len, values)) != {length}:
        return None
    joined = "".join(values)
    if not joined.isascii():
        return None
    characters = np.frombuffer(joined.encode(), dtype=np.uint8) - _ZERO  # what is below a zero comes out large
    return characters.reshape(-1, length).astype(np.bool_) if int(characters.max()) <= 1 else None


def _bits_of_arrays(values: Values, length: int) -> NDArray[np.bool_] | None:
    if {value.shape for value in values} != {(length,)} or {value.dtype for value in values} != {np.dtype(np.bool_)}:
        return None
    return np.concatenate(values).reshape(-1, length)


_BITS: Final = {str: _bits_of_texts, np.ndarray: _bits_of_arrays}
