"""The ways in which a hybrid search makes one score of the ranks or scores of its legs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import cast, func, literal

from sqlalchemy_vecsearch.errors import SearchError
from sqlalchemy_vecsearch.search.building.arithmetic import divided, minus, plus, times
from sqlalchemy_vecsearch.search.building.checks import is_finite
from sqlalchemy_vecsearch.search.building.deferred import DOUBLE
from sqlalchemy_vecsearch.selects import shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement, FromClause

    from sqlalchemy_vecsearch.search.building.deferred import Numbers

__all__ = ["RRF", "Fusion", "Weighted"]

_NONE: Mapping[str, float] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class RRF:
    """Reciprocal rank fusion: each leg adds ``weight / (constant + rank)``. Only the order of each leg counts.

    Args:
        constant: how little the first places differ, 0 or more; 60 is the value of Cormack, Clarke and Buettcher,
            "Reciprocal Rank Fusion outperforms Condorcet and individual Rank Learning Methods" (2009).
        weights: a weight by the name of a leg; a leg that is not named has 1.

    Raises:
        SearchError: the constant or a weight is negative or not finite.
    """

    constant: float = 60
    weights: Mapping[str, float] = field(default_factory=lambda: _NONE)

    def __post_init__(self) -> None:
        _require_weight("constant", self.constant)
        _require_names(self.weights)
        for name, weight in self.weights.items():
            _require_weight(name, weight)


@dataclass(frozen=True, slots=True)
class Weighted:
    """A weighted sum: each leg's scores are brought to 0..1 between its worst and best row, times its weight.

    The scores count, and not only their order: a row that is far better than the next stays so. A leg whose rows all
    have one score gives each of them 1.

    Args:
        weights: a weight by the name of a leg; a leg that is not named has 1.

    Raises:
        SearchError: a weight is negative or not finite.
    """

    weights: Mapping[str, float] = field(default_factory=lambda: _NONE)

    def __post_init__(self) -> None:
        _require_names(self.weights)
        for name, weight in self.weights.items():
            _require_weight(name, weight)


Fusion = RRF | Weighted


def numbers_of(fusion: Fusion, names: Sequence[str]) -> dict[str, float]:
    """Return the numbers of a fusion: the weight of each leg by its place, and the constant."""
    weights = {f"weight_{place}": float(fusion.weights.get(name, 1)) for place, name in enumerate(names)}
    return {"constant": float(fusion.constant), **weights} if isinstance(fusion, RRF) else weights


def part_of_score(kind: type[Fusion], numbers: Numbers, place: int, rows: FromClause) -> ColumnElement[Any]:
    """Return what a leg adds to the score of its rows, from their ``rank`` or their ``score``.

    Args:
        kind: the fusion.
        numbers: those of :func:`numbers_of`.
        place: which of the legs.
        rows: the rows of the leg.
    """
    return _PARTS[kind](numbers, _double(numbers.bound_double(f"weight_{place}")), rows)


def _by_rank(numbers: Numbers, weight: ColumnElement[float], rows: FromClause) -> ColumnElement[Any]:
    place = plus(_double(numbers.bound_double("constant")), _double(rows.c.rank))
    return divided(weight, place)


def _by_score(_: Numbers, weight: ColumnElement[float], rows: FromClause) -> ColumnElement[Any]:
    """Return a part by the score among all rows of the leg."""
    worst, best = (
        func.pg_catalog.min(rows.c.score, type_=DOUBLE).over(),
        func.pg_catalog.max(rows.c.score, type_=DOUBLE).over(),
    )
    width = func.nullif(minus(best, worst), _double(literal(0.0, DOUBLE)), type_=DOUBLE)
    normal = func.coalesce(divided(minus(rows.c.score, worst), width), _double(literal(1.0, DOUBLE)), type_=DOUBLE)
    return times(weight, normal)


_PARTS: Final = {RRF: _by_rank, Weighted: _by_score}


def require_known_legs(fusion: Fusion, names: Sequence[str]) -> None:
    """Check that every weight belongs to a leg.

    Raises:
        SearchError: a weight names no leg.
    """
    unknown = [name for name in fusion.weights if name not in names]
    if not unknown:
        return
    raise SearchError(
        f"The weight of {unknown[0]!r} belongs to no leg. "
        f"The legs of this search are {', '.join(repr(name) for name in names)}, and a weight without a leg would be "
        "ignored without a word. "
        "Use the name of a leg, or give the leg that name: dense(..., name=...)."
    )


def _double(value: ColumnElement[Any]) -> ColumnElement[float]:
    return cast(value, DOUBLE)


def _require_names(weights: Any) -> None:  # Any: whatever the caller passed
    if isinstance(weights, Mapping):
        return
    raise SearchError(
        f"weights={shown(weights)} names no legs. "
        "A weight belongs to a leg by its name, since legs may be added and left out. "
        'Pass a dict such as weights={"fulltext": 0.5}; a leg that it does not name has 1.'
    )


def _require_weight(name: str, value: Any) -> None:  # Any: as above
    if not isinstance(value, bool) and is_finite(value) and float(value) >= 0:
        return
    raise SearchError(
        f"{name}={shown(value)} can not weigh a leg. "
        "Scores are added, larger being better, so a weight is a finite number of 0 or more. "
        "Choose such a number; leave a leg out to ignore it."
    )
