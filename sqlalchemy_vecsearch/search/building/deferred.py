"""What is built when a statement with it is compiled: once for each shape, and not for each search.

To build the ways to the nearest rows takes some forty clauses, and to make a cache key of them as long again, though
SQLAlchemy has compiled the statement already. So a search holds what they are built from: the caller's Select, the
query, and one parameter with all numbers.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Protocol

from sqlalchemy import ColumnClause, Float, Integer, TextualSelect, TypeDecorator, bindparam, cast, column
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.expression import ColumnElement
from sqlalchemy.sql.visitors import InternalTraversal

from sqlalchemy_vecsearch.selects import read_by, taken_from

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import BindParameter, Dialect
    from sqlalchemy.sql.compiler import SQLCompiler
    from sqlalchemy.types import TypeEngine

    from sqlalchemy_vecsearch.search.building.subselects import Selected

__all__ = ["DOUBLE", "Deferred", "DeferredExpression", "Numbers", "Recipe", "number"]


class Recipe(Protocol):
    """How a sub-select is built from its parts: a frozen value, equal where the result is the same. Pure."""

    def __call__(self, *parts: Any) -> Selected:  # Any: clauses of any kind
        """Return the SELECT that is built from the parts, which are in the order of the sub-select's."""
        ...

    def __hash__(self) -> int: ...


class ExpressionRecipe(Protocol):
    """How an expression is built from its parts: as :class:`Recipe`."""

    def __call__(self, *parts: Any) -> ColumnElement[Any]:  # Any: clauses of any kind
        """Return the expression."""
        ...

    def __hash__(self) -> int: ...


class _BuiltFromParts:
    """What is known by its parts and by how it is built from them."""

    recipe: Any  # Any: one of the two above
    parts: tuple[Any, ...]
    _made: tuple[tuple[Any, ...], Any] | None

    @property
    def built(self) -> Any:  # Any: the SELECT or the expression
        """The element itself, made anew where SQLAlchemy has put copies of the parts in their place."""
        if self._made is None or self._made[0] is not self.parts:
            self._made = self.parts, self.recipe(*self.parts)
        return self._made[1]

    def __getstate__(self) -> dict[str, Any]:  # Any: as SQLAlchemy has it
        """Leave the element out of what is pickled or copied whole: it is made anew from the parts."""
        state: dict[str, Any] = super().__getstate__()  # type: ignore[assignment]  # SQLAlchemy's
        return {**state, "_made": None}

    # Any: SQLAlchemy's own arguments
    def _copy_internals(self, *, omit_attrs: Iterable[str] = (), clone: Any = None, **arguments: Any) -> None:
        """Copy the parts so that columns among them go on to be of what is copied with them, as a Select does it."""
        read = {source for part in self.parts for source in read_by(part)}
        copies = {source: clone(source, **arguments) for source in read}

        def of_the_copy(element: Any, **_: Any) -> Any:
            if isinstance(element, ColumnClause) and element.table in copies:
                return copies[element.table].corresponding_column(element)
            return None

        arguments |= {"replace": of_the_copy, "omit_attrs": omit_attrs, "clone": clone}
        super()._copy_internals(**arguments)  # type: ignore[misc]  # SQLAlchemy's

    def get_children(self, **_: Any) -> Iterable[Any]:  # Any: SQLAlchemy's own arguments
        """Return what a walk through the statement is to see: the element itself."""
        return (self.built,)


class _Named:
    """Columns by name and type, which most searches never ask for: they are made for the first who does."""

    def __init__(self, types: Sequence[tuple[str, TypeEngine[Any]]]) -> None:
        self.types = types

    @cached_property
    def made(self) -> list[ColumnClause[Any]]:
        """The columns."""
        return [column(name, type_) for name, type_ in self.types]


class Deferred(_BuiltFromParts, TextualSelect):
    """A SELECT that is known by its parts and by how it is built from them.

    Parameters in the parts keep their values from search to search, as those of any statement do. What the recipe adds
    by itself is part of the compiled statement: a number that differs from search to search is one of ``Numbers``.

    Args:
        recipe: builds the SELECT from the parts.
        parts: SQLAlchemy's clauses: statements, columns, parameters.
        columns: the name and the type of each column that it will have.
    """

    _is_textual = False
    is_text = False
    _traverse_internals = [  # noqa: RUF012  # as the base declares it
        ("recipe", InternalTraversal.dp_plain_obj),
        ("parts", InternalTraversal.dp_clauseelement_tuple),
    ]

    def __init__(self, recipe: Recipe, parts: Iterable[Any], columns: Sequence[tuple[str, TypeEngine[Any]]]) -> None:
        self.recipe = recipe
        self.parts = tuple(parts)
        self.named = _Named(columns)
        self._made = None

    @property
    def columns_named(self) -> Sequence[tuple[str, TypeEngine[Any]]]:
        """The name and the type of each column."""
        return self.named.types

    @property
    def column_args(self) -> list[ColumnClause[Any]]:  # type: ignore[override]  # an attribute there
        """The columns of the SELECT: the same for each of its copies, by which SQLAlchemy finds them again there."""
        return self.named.made


class DeferredExpression(_BuiltFromParts, ColumnElement[Any]):
    """An expression that is known as :class:`Deferred` is.

    Args:
        recipe: builds the expression from the parts.
        parts: as for :class:`Deferred`.
        type_: of the expression.
    """

    _traverse_internals = [  # noqa: RUF012  # as the base declares it
        ("recipe", InternalTraversal.dp_plain_obj),
        ("parts", InternalTraversal.dp_clauseelement_tuple),
        ("type", InternalTraversal.dp_type),
    ]

    def __init__(self, recipe: ExpressionRecipe, parts: Iterable[Any], type_: TypeEngine[Any]) -> None:
        self.recipe = recipe
        self.parts = tuple(parts)
        self.type = type_
        self._made = None


@compiles(DeferredExpression)
@compiles(Deferred)
def _compile(
    element: Deferred | DeferredExpression, compiler: SQLCompiler, **arguments: Any
) -> str:  # Any: SQLAlchemy's own arguments
    text: str = compiler.process(element.built, **arguments)
    return text


class Numbers:
    """The numbers of a search, which stand in the SQL as such: one parameter holds them all.

    A bound LIMIT is unknown to a generic plan, so that PostgreSQL plans the statement anew each time: 0.4 ms. And each
    parameter is made, put into the cache key and sent for each search.

    Args:
        parameter: the parameter, as it came back among the parts of a deferred sub-select.
    """

    def __init__(self, parameter: BindParameter[Any]) -> None:
        self._parameter = parameter
        self._values: Mapping[str, float] = parameter.value or {}
        self._made: dict[str, BindParameter[int]] = {}

    @staticmethod
    def parameter(values: Mapping[str, float]) -> BindParameter[Any]:
        """Return the parameter for some numbers by name."""
        return bindparam(None, values, _MANY, unique=True)

    def __getitem__(self, name: str) -> BindParameter[int]:
        """The number of this name, as a literal of SQL."""
        if name not in self._made:
            self._made[name] = self._taken(name, _NumberOf(name), literal=True)
        return self._made[name]

    def bound(self, name: str) -> BindParameter[int]:
        """The number of this name, sent beside the SQL.

        As a LIMIT it is unknown to a generic plan, whose cost is then a tenth of reading everything: so PostgreSQL
        keeps on planning the statement for the values of its filter.
        """
        return self._taken(name, _NumberOf(name), literal=False)

    def double(self, name: str) -> ColumnElement[float]:
        """The number of this name in double precision."""
        return cast(self[name], DOUBLE)

    def bound_double(self, name: str) -> BindParameter[float]:
        """The number of this name, which need not be whole, sent beside the SQL."""
        return self._taken(name, _DoubleOf(name), literal=False)

    def _taken(self, name: str, type_: TypeEngine[Any], *, literal: bool) -> BindParameter[Any]:
        taken: BindParameter[Any] = taken_from(self._parameter, self._values[name], type_, literal=literal)
        return taken


def number(value: int) -> BindParameter[int]:
    """Return a number that stands as such in the SQL, without being part of the compiled statement's cache key.

    A bound LIMIT is unknown to a generic plan, so that PostgreSQL plans the statement anew each time: 0.4 ms.
    """
    return bindparam(None, value, _INTEGER, literal_execute=True)


class _NumberOf(TypeDecorator[int]):
    """The number of one name among many."""

    impl = Integer
    cache_ok = True

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def process_bind_param(self, value: Any, dialect: Dialect) -> int:  # Any: the mapping of them all, or one number
        del dialect
        number: int = value[self.name] if isinstance(value, dict) else value
        return number

    def process_literal_param(self, value: Any, dialect: Dialect) -> str:  # Any: as above
        return str(self.process_bind_param(value, dialect))


class _DoubleOf(TypeDecorator[float]):
    """The number of one name among many, in double precision."""

    impl = Float(53)
    cache_ok = True

    def __init__(self, name: str) -> None:
        super().__init__(53)
        self.name = name

    def process_bind_param(self, value: Any, dialect: Dialect) -> float:  # Any: the mapping of them all, or one number
        del dialect
        return float(value[self.name] if isinstance(value, dict) else value)


_MANY = _NumberOf("")
_INTEGER: Final = Integer()  # one for all, since a type works its part of the cache key out once
DOUBLE: Final = Float(53)
"""Double precision, the type of distances."""
