"""How the searches are typed on SQLAlchemy 2.0 and 2.1, which spell the row type of a Select in two ways.

``select(Document, float)`` is a ``Select[Document, float]`` on 2.1 and a ``Select[tuple[Document, float]]`` on 2.0. No
annotation can say both, but ``select`` itself does: a search of an entity returns "what select() would return for this
entity and a float". mypy follows that through a decorator of a method, pyright through the inferred type of a function,
so each decorator here is written for each of them; what stays the caller's own Select has one overload for each
spelling. The searches themselves are written once, with their real parameters, which is what editors show of them.

At run time the decorators return the search as it is.
"""

# The declarations are for type checkers alone, and each is the same few shapes over.
# ruff: noqa: ANN201, ANN202, ARG001, D103

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Protocol, TypeVar, TypeVarTuple, overload

from sqlalchemy import select

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy import FromClause, Select

    from sqlalchemy_vecsearch.search.building.query_vector import Query

__all__ = ["adds_distance", "adds_keys", "adds_scores", "gives_number", "gives_pairs", "gives_score"]

_Key = TypeVar("_Key")
_Entity = TypeVar("_Entity")
_Result = TypeVar("_Result")
_Function = TypeVar("_Function")
_Columns = TypeVarTuple("_Columns")
_P = ParamSpec("_P")


MYPY = False  # mypy takes this name for true

if MYPY:

    def _one_float(
        shape: Callable[[type[_Entity], type[float]], _Result],
    ) -> Callable[[Callable[Concatenate[Any, Any, _P], Any]], Callable[Concatenate[Any, type[_Entity], _P], _Result]]:
        raise NotImplementedError

    def _two_floats(
        shape: Callable[[type[_Entity], type[float], type[float]], _Result],
    ) -> Callable[[Callable[Concatenate[Any, Any, _P], Any]], Callable[Concatenate[Any, type[_Entity], _P], _Result]]:
        raise NotImplementedError

    def _two_entities(
        shape: Callable[[type[_Entity], type[_Entity], type[float]], _Result],
    ) -> Callable[[Callable[Concatenate[Any, Any, _P], Any]], Callable[Concatenate[Any, type[_Entity], _P], _Result]]:
        raise NotImplementedError

    def _a_key(
        shape: Callable[[type[_Key], type[_Entity], type[float]], _Result],
    ) -> Callable[
        [Callable[Concatenate[Any, Any, Any, Any, _P], Any]],
        Callable[Concatenate[Any, type[_Entity], Any, Mapping[_Key, Query], _P], _Result],
    ]:
        raise NotImplementedError

    def _a_number(
        shape: Callable[[type[int]], _Result],
    ) -> Callable[[Callable[_P, Any]], Callable[_P, _Result]]:
        raise NotImplementedError

    def _a_score(
        shape: Callable[[type[Any], type[float]], _Result],
    ) -> Callable[[Callable[_P, Any]], Callable[_P, _Result]]:
        raise NotImplementedError

    class _AddsDistance(Protocol[_P]):
        @overload
        def __call__(  # type: ignore[overload-overlap]  # with a Select of tuples, which nobody has
            self, source: Select[tuple[*_Columns]], *args: _P.args, **options: _P.kwargs
        ) -> Select[tuple[*_Columns, float]]: ...
        @overload
        def __call__(
            self, source: Select[*_Columns], *args: _P.args, **options: _P.kwargs
        ) -> Select[*_Columns, float]: ...
        @overload
        def __call__(self, source: FromClause, *args: _P.args, **options: _P.kwargs) -> Select[Any]: ...
        @overload
        @_one_float(select)
        def __call__(self, source: Any, /, *args: _P.args, **options: _P.kwargs) -> Any: ...

    class _AddsScores(Protocol[_P]):
        @overload
        def __call__(  # type: ignore[overload-overlap]  # with a Select of tuples, which nobody has
            self, source: Select[tuple[*_Columns]], *args: _P.args, **options: _P.kwargs
        ) -> Select[tuple[*_Columns, float, float]]: ...
        @overload
        def __call__(
            self, source: Select[*_Columns], *args: _P.args, **options: _P.kwargs
        ) -> Select[*_Columns, float, float]: ...
        @overload
        def __call__(self, source: FromClause, *args: _P.args, **options: _P.kwargs) -> Select[Any]: ...
        @overload
        @_two_floats(select)
        def __call__(self, source: Any, /, *args: _P.args, **options: _P.kwargs) -> Any: ...

    class _GivesPairs(Protocol[_P]):
        @overload
        def __call__(  # type: ignore[overload-overlap]  # with a Select of tuples, which nobody has
            self, source: Select[tuple[_Entity]], *args: _P.args, **options: _P.kwargs
        ) -> Select[tuple[_Entity, _Entity, float]]: ...
        @overload
        def __call__(
            self, source: Select[_Entity], *args: _P.args, **options: _P.kwargs
        ) -> Select[_Entity, _Entity, float]: ...
        @overload
        def __call__(self, source: FromClause, *args: _P.args, **options: _P.kwargs) -> Select[Any]: ...
        @overload
        @_two_entities(select)
        def __call__(self, source: Any, /, *args: _P.args, **options: _P.kwargs) -> Any: ...

    class _AddsKeys(Protocol[_P]):
        @overload
        def __call__(
            self,
            source: Select[tuple[*_Columns]],
            column: Any,
            queries: Mapping[_Key, Query],
            *args: _P.args,
            **options: _P.kwargs,
        ) -> Select[tuple[_Key, *_Columns, float]]: ...
        @overload
        def __call__(
            self,
            source: Select[*_Columns],
            column: Any,
            queries: Mapping[_Key, Query],
            *args: _P.args,
            **options: _P.kwargs,
        ) -> Select[_Key, *_Columns, float]: ...
        @overload
        @_a_key(select)
        def __call__(self, source: Any, column: Any, queries: Any, /, *args: _P.args, **options: _P.kwargs) -> Any: ...
        @overload
        def __call__(
            self,
            source: type[_Entity],
            column: Any,
            queries: Select[tuple[_Key, Any]],
            *args: _P.args,
            **options: _P.kwargs,
        ) -> Select[tuple[_Key, _Entity, float]]: ...
        @overload
        def __call__(
            self, source: type[_Entity], column: Any, queries: Select[_Key, Any], *args: _P.args, **options: _P.kwargs
        ) -> Select[_Key, _Entity, float]: ...
        @overload
        def __call__(
            self,
            source: FromClause | Select[*tuple[Any, ...]],
            column: Any,
            queries: Mapping[Any, Query] | Select[*tuple[Any, ...]],
            *args: _P.args,
            **options: _P.kwargs,
        ) -> Select[Any]: ...

    def adds_distance(search: Callable[Concatenate[Any, _P], Any]) -> _AddsDistance[_P]:
        raise NotImplementedError

    def adds_scores(search: Callable[Concatenate[Any, _P], Any]) -> _AddsScores[_P]:
        raise NotImplementedError

    def gives_pairs(search: Callable[Concatenate[Any, _P], Any]) -> _GivesPairs[_P]:
        raise NotImplementedError

    def adds_keys(search: Callable[Concatenate[Any, Any, Any, _P], Any]) -> _AddsKeys[_P]:
        raise NotImplementedError

    gives_number = _a_number(select)
    gives_score = _a_score(select)

else:

    def _typed_as(like: _Function) -> Callable[[Callable[..., Any]], _Function]: ...

    def _of_entity(
        shape: Callable[[type[_Entity], type[float]], _Result], search: Callable[Concatenate[Any, _P], Any]
    ) -> Callable[Concatenate[type[_Entity], _P], _Result]: ...

    def _of_keys(
        shape: Callable[[type[_Key], type[_Entity], type[float]], _Result],
        search: Callable[Concatenate[Any, Any, Any, _P], Any],
    ) -> Callable[Concatenate[type[_Entity], Any, Mapping[_Key, Query], _P], _Result]: ...

    def _one_float(entity: type[_Entity], number: type[float]):
        return select(entity, number)

    def _two_floats(entity: type[_Entity], number: type[float]):
        return select(entity, number, number)

    def _two_entities(entity: type[_Entity], number: type[float]):
        return select(entity, entity, number)

    def _a_key(key: type[_Key], entity: type[_Entity], number: type[float]):
        return select(key, entity, number)

    def _a_number(number: type[int]):
        return select(number)

    def _a_score(by: type[Any], number: type[float]):
        return select(by, number)

    def adds_distance(search: Callable[Concatenate[Any, _P], Any]):
        if not TYPE_CHECKING:
            return search

        @overload
        def typed(
            source: Select[tuple[*_Columns]], *args: _P.args, **options: _P.kwargs
        ) -> Select[tuple[*_Columns, float]]: ...
        @overload
        def typed(source: Select[*_Columns], *args: _P.args, **options: _P.kwargs) -> Select[*_Columns, float]: ...
        @overload
        def typed(source: FromClause, *args: _P.args, **options: _P.kwargs) -> Select[Any]: ...
        @overload
        @_typed_as(_of_entity(_one_float, search))
        def typed(source: Any, *args: _P.args, **options: _P.kwargs) -> Any: ...
        def typed(source: Any, *args: _P.args, **options: _P.kwargs) -> Any: ...

        return typed

    def adds_scores(search: Callable[Concatenate[Any, _P], Any]):
        if not TYPE_CHECKING:
            return search

        @overload
        def typed(
            source: Select[tuple[*_Columns]], *args: _P.args, **options: _P.kwargs
        ) -> Select[tuple[*_Columns, float, float]]: ...
        @overload
        def typed(
            source: Select[*_Columns], *args: _P.args, **options: _P.kwargs
        ) -> Select[*_Columns, float, float]: ...
        @overload
        def typed(source: FromClause, *args: _P.args, **options: _P.kwargs) -> Select[Any]: ...
        @overload
        @_typed_as(_of_entity(_two_floats, search))
        def typed(source: Any, *args: _P.args, **options: _P.kwargs) -> Any: ...
        def typed(source: Any, *args: _P.args, **options: _P.kwargs) -> Any: ...

        return typed

    def gives_pairs(search: Callable[Concatenate[Any, _P], Any]):
        if not TYPE_CHECKING:
            return search

        @overload
        def typed(
            source: Select[tuple[_Entity]], *args: _P.args, **options: _P.kwargs
        ) -> Select[tuple[_Entity, _Entity, float]]: ...
        @overload
        def typed(source: Select[_Entity], *args: _P.args, **options: _P.kwargs) -> Select[_Entity, _Entity, float]: ...
        @overload
        def typed(source: FromClause, *args: _P.args, **options: _P.kwargs) -> Select[Any]: ...
        @overload
        @_typed_as(_of_entity(_two_entities, search))
        def typed(source: Any, *args: _P.args, **options: _P.kwargs) -> Any: ...
        def typed(source: Any, *args: _P.args, **options: _P.kwargs) -> Any: ...

        return typed

    def adds_keys(search: Callable[Concatenate[Any, Any, Any, _P], Any]):
        if not TYPE_CHECKING:
            return search

        @overload
        def typed(
            source: Select[tuple[*_Columns]],
            column: Any,
            queries: Mapping[_Key, Query],
            *args: _P.args,
            **options: _P.kwargs,
        ) -> Select[tuple[_Key, *_Columns, float]]: ...
        @overload
        def typed(
            source: Select[*_Columns], column: Any, queries: Mapping[_Key, Query], *args: _P.args, **options: _P.kwargs
        ) -> Select[_Key, *_Columns, float]: ...
        @overload
        @_typed_as(_of_keys(_a_key, search))
        def typed(source: Any, column: Any, queries: Any, *args: _P.args, **options: _P.kwargs) -> Any: ...
        @overload
        def typed(
            source: type[_Entity],
            column: Any,
            queries: Select[tuple[_Key, Any]],
            *args: _P.args,
            **options: _P.kwargs,
        ) -> Select[tuple[_Key, _Entity, float]]: ...
        @overload
        def typed(
            source: type[_Entity], column: Any, queries: Select[_Key, Any], *args: _P.args, **options: _P.kwargs
        ) -> Select[_Key, _Entity, float]: ...
        @overload
        def typed(
            source: FromClause | Select[*tuple[Any, ...]],
            column: Any,
            queries: Mapping[Any, Query] | Select[*tuple[Any, ...]],
            *args: _P.args,
            **options: _P.kwargs,
        ) -> Select[Any]: ...
        def typed(source: Any, column: Any, queries: Any, *args: _P.args, **options: _P.kwargs) -> Any: ...

        return typed

    def gives_number(search: Callable[_P, Any]):
        def typed(*args: _P.args, **options: _P.kwargs):
            return _a_number(int)

        return typed if TYPE_CHECKING else search

    def gives_score(search: Callable[_P, Any]):
        def typed(*args: _P.args, **options: _P.kwargs):
            return _a_score(Any, float)

        return typed if TYPE_CHECKING else search
