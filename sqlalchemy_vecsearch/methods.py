"""The two index methods of pgvector with their build parameters."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Integral
from typing import Any, ClassVar, Final, TypeAlias

from sqlalchemy_vecsearch.errors import DeclarationError
from sqlalchemy_vecsearch.representations import short_repr

__all__ = ["HNSW", "IVFFlat", "Method", "lists_for"]

_LARGEST_DIVIDED: Final = 1_000_000
_MOST_LISTS: Final = 32_768


@dataclass(frozen=True, slots=True)
class HNSW:
    """An HNSW graph: better recall for a given speed than IVFFlat, slower to build, no training rows needed.

    Args:
        m: connections a layer, 2 to 100. None leaves the server's default of 16.
        ef_construction: candidates while building, 4 to 1000 and at least twice m. None leaves the default of 64.

    Raises:
        DeclarationError: a value is out of its range.

    The ranges come from the pgvector README, section "HNSW", "Index Options".
    """

    name: ClassVar[str] = "hnsw"
    defaults: ClassVar[dict[str, int]] = {"m": 16, "ef_construction": 64}

    m: int | None = None
    ef_construction: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "m", _in_range("HNSW", "m", self.m, 2, 100))
        object.__setattr__(self, "ef_construction", _in_range("HNSW", "ef_construction", self.ef_construction, 4, 1000))
        m = self.defaults["m"] if self.m is None else self.m
        ef_construction = self.defaults["ef_construction"] if self.ef_construction is None else self.ef_construction
        if ef_construction < 2 * m:
            raise DeclarationError(
                f"HNSW(m={m}, ef_construction={ef_construction}) cannot be built. "
                "pgvector requires ef_construction to be at least twice m. "
                f"Raise ef_construction to {2 * m} or more, or lower m."
            )

    @property
    def parameters(self) -> dict[str, int]:
        """The parameters that were given, as they stand in ``WITH (...)``."""
        return {
            key: value for key, value in (("m", self.m), ("ef_construction", self.ef_construction)) if value is not None
        }


@dataclass(frozen=True, slots=True)
class IVFFlat:
    """An IVFFlat index: quick to build, needs rows to train on, and re-building when the data drifts.

    Args:
        lists: number of clusters, 1 to 32768. None leaves the server's default of 100; the pgvector README advises
            rows / 1000 up to a million rows, and the square root of the rows above.

    Raises:
        DeclarationError: the value is out of its range.
    """

    name: ClassVar[str] = "ivfflat"
    defaults: ClassVar[dict[str, int]] = {"lists": 100}

    lists: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "lists", _in_range("IVFFlat", "lists", self.lists, 1, _MOST_LISTS))

    @property
    def parameters(self) -> dict[str, int]:
        """The parameters that were given, as they stand in ``WITH (...)``."""
        return {} if self.lists is None else {"lists": self.lists}


Method: TypeAlias = HNSW | IVFFlat


def lists_for(rows: int) -> int:
    """Return the number of lists for a number of rows.

    The pgvector README, section "IVFFlat": rows / 1000 up to a million rows, and the square root above.
    """
    lists = rows // 1000 if rows <= _LARGEST_DIVIDED else math.isqrt(rows)
    return min(max(lists, 1), _MOST_LISTS)


def _in_range(owner: str, name: str, value: Any, low: int, high: int) -> int | None:
    """Return a parameter as an int, numpy's integers too."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise DeclarationError(
            f"{owner}({name}={short_repr(value)}) is not a whole number. "
            f"pgvector takes {name} as an integer from {low} to {high}. "
            f"Write {name}={low} or more, or leave it out for the server's default."
        )
    if not low <= int(value) <= high:
        raise DeclarationError(
            f"{owner}({name}={short_repr(value, written=str)}) is out of range. "
            f"pgvector accepts {name} from {low} to {high}. "
            "Choose a value in that range, or leave it out for the server's default."
        )
    return int(value)
