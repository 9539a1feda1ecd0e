"""How the helpers are typed on SQLAlchemy 2.0 and 2.1, which spell the row type of a Select in two ways.

``select(Document, float)`` is a ``Select[Document, float]`` on 2.1 and a ``Select[tuple[Document, float]]`` on 2.0. No
annotation can say both, but ``select`` itself does: a helper whose result is "what select() would return for this
entity and a float" is right on either. mypy follows that through a decorator, pyright through a default value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Concatenate, Never, ParamSpec, TypedDict, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy_vecsearch.metrics import Metric
    from sqlalchemy_vecsearch.search.strategy import Strategy

__all__ = ["NearestOptions", "returns_like"]

_Entity = TypeVar("_Entity")
_Result = TypeVar("_Result")
_Parameters = ParamSpec("_Parameters")


MYPY = False  # mypy takes this name for true

if MYPY:

    def returns_like(
        shape: Callable[[type[_Entity], type[float]], _Result],
    ) -> Callable[[Callable[_Parameters, Any]], Callable[Concatenate[type[_Entity], _Parameters], _Result]]:
        """Say that a helper takes an entity first and returns what ``shape`` does for that entity and a float."""
else:

    def returns_like(
        shape: object,  # noqa: ARG001  # mypy reads it
    ) -> Callable[[Callable[_Parameters, Any]], Callable[Concatenate[Never, _Parameters], Never]]:
        """Leave an overload to mypy: pyright finds nothing that fits it, and takes the next."""
        return lambda overload: overload


class _RequiredNearestOptions(TypedDict):
    k: int


class NearestOptions(_RequiredNearestOptions, total=False):
    """The keyword arguments of ``nearest``."""

    metric: Metric | str | None
    within: float | None
    exact: bool
    ef_search: int | None
    probes: int | None
    max_scan_tuples: int | None
    strict: bool
    oversample: int | None
    strategy: Strategy | None
