"""How the searches are typed on SQLAlchemy 2.0 and 2.1, which spell the row type of a Select in two ways.

``select(Document, float)`` is a ``Select[Document, float]`` on 2.1 and a ``Select[tuple[Document, float]]`` on 2.0. No
annotation can say both, but ``select`` itself does: a search whose result is "what select() would return for this
entity and a float" is right on either. mypy follows that through a decorator, pyright through a default value, so such
a search has an overload for each; what stays the caller's own Select has one for each spelling.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Concatenate, Never, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = [
    "returns_any_and_float_like",
    "returns_keyed_like",
    "returns_like",
    "returns_number_like",
    "returns_pairs_like",
    "returns_scores_like",
]

_Key = TypeVar("_Key")
_Entity = TypeVar("_Entity")
_Result = TypeVar("_Result")
_Parameters = ParamSpec("_Parameters")


MYPY = False  # mypy takes this name for true

if MYPY:

    def returns_like(
        shape: Callable[[type[_Entity], type[float]], _Result],
    ) -> Callable[[Callable[_Parameters, Any]], Callable[Concatenate[type[_Entity], _Parameters], _Result]]:
        """Say that a search takes an entity first and returns what ``shape`` does for that entity and a float."""

    def returns_scores_like(
        shape: Callable[[type[_Entity], type[float], type[float]], _Result],
    ) -> Callable[[Callable[_Parameters, Any]], Callable[Concatenate[type[_Entity], _Parameters], _Result]]:
        """Say the same of a search that returns two floats."""

    def returns_pairs_like(
        shape: Callable[[type[_Entity], type[_Entity], type[float]], _Result],
    ) -> Callable[[Callable[_Parameters, Any]], Callable[Concatenate[type[_Entity], _Parameters], _Result]]:
        """Say the same of a search that returns the entity twice, and a float."""

    def returns_keyed_like(
        shape: Callable[[type[_Key], type[_Entity], type[float]], _Result],
    ) -> Callable[
        [Callable[_Parameters, Any]],
        Callable[Concatenate[type[_Entity], Any, Mapping[_Key, Any], _Parameters], _Result],
    ]:
        """Say the same of a search that takes queries by key third, and returns a key first."""

    def returns_number_like(
        shape: Callable[[type[int]], _Result],
    ) -> Callable[[Callable[_Parameters, Any]], Callable[_Parameters, _Result]]:
        """Say that a search returns what ``shape`` does for a number."""

    def returns_any_and_float_like(
        shape: Callable[[type[Any], type[float]], _Result],
    ) -> Callable[[Callable[_Parameters, Any]], Callable[_Parameters, _Result]]:
        """Say that a search returns what ``shape`` does for something whose type is not known, and a float."""
else:

    def returns_like(
        shape: object,  # noqa: ARG001  # mypy reads it
    ) -> Callable[[Callable[_Parameters, Any]], Callable[Concatenate[Never, _Parameters], Never]]:
        """Leave an overload to mypy: pyright finds nothing that fits Never, and takes the next."""
        return lambda overload: overload

    def returns_scores_like(
        shape: object,
    ) -> Callable[[Callable[_Parameters, Any]], Callable[Concatenate[Never, _Parameters], Never]]:
        """Leave an overload to mypy: pyright finds nothing that fits Never, and takes the next."""
        return returns_like(shape)

    def returns_pairs_like(
        shape: object,
    ) -> Callable[[Callable[_Parameters, Any]], Callable[Concatenate[Never, _Parameters], Never]]:
        """Leave an overload to mypy: pyright finds nothing that fits Never, and takes the next."""
        return returns_like(shape)

    def returns_keyed_like(
        shape: object,
    ) -> Callable[[Callable[_Parameters, Any]], Callable[Concatenate[Never, _Parameters], Never]]:
        """Leave an overload to mypy: pyright finds nothing that fits Never, and takes the next."""
        return returns_like(shape)

    def returns_number_like(
        shape: object,
    ) -> Callable[[Callable[_Parameters, Any]], Callable[Concatenate[Never, _Parameters], Never]]:
        """Leave an overload to mypy: pyright finds nothing that fits Never, and takes the next."""
        return returns_like(shape)

    def returns_any_and_float_like(
        shape: object,
    ) -> Callable[[Callable[_Parameters, Any]], Callable[Concatenate[Never, _Parameters], Never]]:
        """Leave an overload to mypy: pyright finds nothing that fits Never, and takes the next."""
        return returns_like(shape)
