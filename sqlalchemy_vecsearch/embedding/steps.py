"""The steps of a worker, as values that whoever drives it takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

__all__ = ["Ask", "Embed", "Step", "Wait", "Wake"]


@dataclass(frozen=True, slots=True)
class Ask:
    """Call a function with the connection, which is in autocommit."""

    function: Callable[[Connection], Any]


@dataclass(frozen=True, slots=True)
class Embed:
    """Call the embedder, with no transaction open."""

    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Wait:
    """Wait, or until the run is stopped."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Wake:
    """Wait for a change of the table, by a notification or at the latest after some seconds."""

    seconds: float


Step: TypeAlias = Ask | Embed | Wait | Wake
