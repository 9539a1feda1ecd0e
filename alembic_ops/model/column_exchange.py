"""Columns of one table that exchange their names. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy_vecsearch.quoting import qualified_name

__all__ = ["ColumnExchange", "Exchange"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """Two names that change places: that of what is in use, and that of what takes its place."""

    live: str
    replacement: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnExchange:
    """Columns of one table that exchange names.

    The first of ``pairs`` are the columns of vectors, by which errors speak of all of them. ``indexes`` are pairs that
    are known, and ``alone`` are names of indexes that need no partner; other indexes find theirs by what they are.
    ``nullable`` are names of columns that are NOT NULL no more, and ``published`` says that the subscribers of logical
    replication are changed with it.
    """

    table_name: str
    pairs: tuple[Exchange, ...]
    indexes: tuple[Exchange, ...] = ()
    alone: frozenset[str] = frozenset()
    nullable: frozenset[str] = frozenset()
    schema: str | None = None
    published: bool = False

    @property
    def live(self) -> str:
        """The column of vectors in use."""
        return self.pairs[0].live

    @property
    def replacement(self) -> str:
        """The column of vectors that takes its name."""
        return self.pairs[0].replacement

    @property
    def table(self) -> str:
        """The name of the table with its schema, quoted."""
        return qualified_name(self.schema, self.table_name)

    @property
    def columns(self) -> list[str]:
        """All columns."""
        return [name for pair in self.pairs for name in (pair.live, pair.replacement)]
