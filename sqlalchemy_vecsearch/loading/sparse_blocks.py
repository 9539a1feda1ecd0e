"""The elements of many sparse vectors at once, and their place in the rows of a binary COPY."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["SparseRows", "sparse_rows", "spliced"]

Matrix: TypeAlias = Any  # a numpy array of two axes, or a matrix or array of scipy in CSR form


@dataclass(frozen=True, slots=True, eq=False)
class SparseRows:
    """The non-zero elements of some rows, one row after the other.

    Attributes:
        starts: where each row starts among the elements, and the end of the last.
        indices: zero-based positions.
        values: the elements at these positions, float32; not checked.
    """

    starts: NDArray[np.int64]
    indices: NDArray[Any]
    values: NDArray[np.float32]

    @property
    def counts(self) -> NDArray[np.int64]:
        """How many elements each row has."""
        return np.diff(self.starts)


def sparse_rows(part: Matrix) -> SparseRows:
    """Return the elements of some rows."""
    with np.errstate(over="ignore"):  # an overflow becomes inf, which is refused by name
        single = part.astype(np.float32, copy=False)
    if not isinstance(single, np.ndarray):
        single = single.copy()
        single.sum_duplicates()
        single.eliminate_zeros()
        return SparseRows(single.indptr.astype(np.int64), single.indices, single.data)
    flat = np.flatnonzero(single)
    rows, indices = np.divmod(flat, single.shape[1])
    starts = np.searchsorted(rows, np.arange(len(single) + 1))
    return SparseRows(starts, indices, single.ravel()[flat])


def spliced(block: NDArray[Any], inserts: Sequence[tuple[int, SparseRows]]) -> bytes:
    """Return the rows of a block with the elements of sparse vectors put in.

    Args:
        block: the rows with all that has a fixed width.
        inserts: the elements, each with the offset in a row of the block behind which they go, ascending.
    """
    raw, width = block.tobytes(), block.dtype.itemsize
    elements = [
        (offset, (4 * rows.starts).tolist(), rows.indices.astype(">i4").tobytes(), rows.values.astype(">f4").tobytes())
        for offset, rows in inserts
    ]
    pieces: list[bytes] = []
    for row, begin in enumerate(range(0, len(raw), width)):
        done = begin
        for offset, starts, indices, values in elements:
            first, end = starts[row], starts[row + 1]
            pieces += (raw[done : begin + offset], indices[first:end], values[first:end])
            done = begin + offset
        pieces.append(raw[done : begin + width])
    return b"".join(pieces)
