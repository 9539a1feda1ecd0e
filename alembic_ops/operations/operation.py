"""What every operation has, whatever it changes."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Operation"]


class Operation(Protocol):
    """An operation as what runs it sees it."""

    @property
    def subject(self) -> str:
        """The name of the index, the column or the extension that is changed."""

    def describe(self) -> str:
        """Return the operation in one line, for people."""

    def to_diff_tuple(self) -> tuple[object, ...]:
        """Return what ``alembic check`` shows, the name of the operation first."""
