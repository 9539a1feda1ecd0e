"""What a leg of a hybrid search can do: one way to find rows, beside others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from sqlalchemy import BindParameter, ColumnElement, FromClause

    from sqlalchemy_vecsearch.search.building.row_keys import RowKeys
    from sqlalchemy_vecsearch.search.building.subselects import Selected
    from sqlalchemy_vecsearch.selects import Statement

__all__ = ["Leg", "LegForm"]


class LegForm(Protocol):
    """How the rows of a leg are selected: a frozen value, equal where the result is the same. Pure."""

    def __hash__(self) -> int: ...

    def limited(self, statement: Statement, keys: RowKeys, pool: BindParameter[int], *parts: Any) -> Selected:
        """Return the select of the best ``pool`` rows: their keys and their ``score``, larger being better.

        Args:
            statement: what is searched.
            keys: what tells its rows apart.
            pool: how many rows.
            parts: those of the leg.
        """

    def ranking(self, rows: FromClause) -> ColumnElement[Any]:
        """Return what the rows are ranked by, ascending."""


class Leg(Protocol):
    """One way to find rows: what :func:`dense`, :func:`sparse`, :func:`fulltext` and :func:`trigram` return."""

    @property
    def name(self) -> str:
        """What its rank and score columns, and its weight, are called by."""

    @property
    def element(self) -> Any:  # Any: a mapped attribute or a column
        """The column that it searches."""

    @property
    def label(self) -> str:
        """The column's name, for messages."""

    @property
    def table(self) -> Any:  # Any: a Table, whose dialect options a FromClause does not have
        """The table of that column."""

    @property
    def form(self) -> LegForm:
        """How its rows are selected."""

    def shared_conditions(self) -> tuple[ColumnElement[bool], ...]:
        """Return the conditions that it brings for all legs."""

    def parts(self, statement: Statement, keys: RowKeys, count: int) -> tuple[Any, ...]:
        """Return the clauses that the select of its ``count`` best rows is built from."""
