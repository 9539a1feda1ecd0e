"""The rows of one load as what the COPY of a driver takes: values one by one, or whole batches as blocks."""

from __future__ import annotations

from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Final, TypeVar

from sqlalchemy_vecsearch.errors import LoadingError
from sqlalchemy_vecsearch.loading.batches import gathered, gatherers
from sqlalchemy_vecsearch.loading.blocks import HEADER, TRAILER, block
from sqlalchemy_vecsearch.loading.encoding import encoders
from sqlalchemy_vecsearch.loading.refusals import refused_row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from sqlalchemy.engine import Dialect

    from sqlalchemy_vecsearch.loading.encoding import Encoder
    from sqlalchemy_vecsearch.loading.rows import Row
    from sqlalchemy_vecsearch.loading.target import CopyTarget

__all__ = ["RowStream"]

_BATCH: Final = 1_000  # often enough for an eye, seldom enough for the clock, and large enough for numpy

_Item = TypeVar("_Item")


class RowStream:
    """The encoded rows of one load.

    Attributes:
        position: the number of the last row that was handed out, counted from 0.
        failure: the error that ended the rows, None as long as there is none.
    """

    def __init__(
        self,
        rows: Iterator[Row],
        target: CopyTarget,
        dialect: Dialect,
        texts: Sequence[Encoder | None],
        advance: Callable[[int], None],
        first: int = 0,
    ) -> None:
        self.position = first - 1
        self.failure: Exception | None = None
        self._rows = rows
        self._target = target
        self._encoders = encoders(target, dialect, texts)
        self._gatherers = None if any(texts) else gatherers(target, dialect)
        self._advance = advance

    def __iter__(self) -> Iterator[list[Any]]:
        """Give each row as a list of what the driver takes for its values."""
        return self._watched(self._encoded(self._rows))

    def blocks_and_rows(self) -> Iterator[bytes | list[Any]]:
        """Give whole batches in the binary COPY format as long as arrays can be made of them, then row by row.

        The first block starts with the header of the format. Where no row follows a block, the trailer does.
        """
        return self._watched(self._batched())

    def _watched(self, items: Iterator[_Item]) -> Iterator[_Item]:
        try:
            yield from items
        except Exception as error:
            self.failure = error
            raise

    def _batched(self) -> Iterator[bytes | list[Any]]:
        if self._gatherers is None:
            yield from self._encoded(self._rows)
            return
        head = HEADER
        while batch := list(islice(self._rows, _BATCH)):
            packed = self._packed(batch)
            if packed is None:
                yield from self._encoded(chain(batch, self._rows))
                return
            yield head + packed
            head = b""
            self.position += len(batch)
            self._advance(len(batch))
        yield TRAILER

    def _packed(self, batch: Sequence[Row]) -> bytes | None:
        """Return a batch as a block, or None when only its rows, one by one, say what is wrong or cannot be packed."""
        assert self._gatherers is not None
        arrays = gathered(self._gatherers, batch)
        try:
            return None if arrays is None else block(self._target, arrays, self.position + 1)
        except LoadingError:
            return None

    def _encoded(self, rows: Iterable[Row]) -> Iterator[list[Any]]:
        pending = 0
        plan = self._encoders
        for row in rows:
            self.position += 1
            try:
                encoded = [value if encode is None else encode(value) for encode, value in zip(plan, row, strict=True)]
            except Exception as error:  # whatever a type of the application raises for a value
                raise self._explained(row, error) from error
            yield encoded
            pending += 1
            if pending == _BATCH:
                self._advance(pending)
                pending = 0
        self._advance(pending)

    def refused(self, column: str | None, error: Exception) -> LoadingError:
        """Return the error for the row that was handed out last; the column is None when it is not known."""
        return refused_row(self._target, self.position, column, error)

    def _explained(self, row: Row, error: Exception) -> LoadingError:
        for encode, value, column in zip(self._encoders, row, self._target.declared, strict=True):
            try:
                if encode is not None:
                    encode(value)
            except Exception as found:  # noqa: BLE001  # the same as above, now for one column
                return self.refused(column.name, found)
        return self.refused(None, error)
