"""Vectors into their rows, where the text is still the one that was read."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import (
    Integer,
    Interval,
    String,
    bindparam,
    cast,
    column,
    func,
    literal,
    null,
    select,
    table,
    true,
    update,
)
from sqlalchemy.exc import DBAPIError

from sqlalchemy_vecsearch.embedding.comparing import CATALOG_JSONB, compared, given_keys, key_is, key_is_given
from sqlalchemy_vecsearch.embedding.switched import refuse_switched
from sqlalchemy_vecsearch.embedding.work_table import written_name
from sqlalchemy_vecsearch.provenance import CATALOG_TEXT
from sqlalchemy_vecsearch.sqlstates import sqlstate_of
from sqlalchemy_vecsearch.types.sql import ParameterArray

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement, Connection

    from sqlalchemy_vecsearch.embedding.claims import Claimed, Claims

__all__ = ["Left", "Made", "Target", "Writer", "Wrote"]


@dataclass(frozen=True, slots=True)
class Made:
    """A claimed row with its new vector, None for one that has no text any more."""

    row: Claimed
    vector: Any


@dataclass(frozen=True, slots=True)
class Target:
    """The table as the connection writes it, and the number of the column that is written."""

    table: str
    number: int

    @property
    def parameters(self) -> dict[str, Any]:
        """What is bound in a statement; a parameter of an UPDATE that is named as a column would be set."""
        return {"vecsearch_table": self.table, "vecsearch_number": self.number}


@dataclass(frozen=True, slots=True)
class Wrote:
    """The keys of the rows that one statement has written, and how many seconds the server held them."""

    row_keys: frozenset[str]
    seconds: float


@dataclass(frozen=True, slots=True)
class Left:
    """What became of rows that were not written: changed, gone or embedded by others, or locked by the application."""

    edited: int
    locked: tuple[Made, ...]


@dataclass(frozen=True)
class Writer:
    """Writes what one worker has made, on a connection in autocommit; each statement is built once."""

    claims: Claims

    def target(self, connection: Connection) -> Target:
        """Look whether the column is still the one of this model, and which one that is.

        Raises:
            ColumnSwitchedError: the column has got the name of another one.
        """
        name = written_name(connection, self.claims.found.table)
        number = connection.scalar(self._number, {"vecsearch_table": name})
        refuse_switched(connection, self.claims.found)
        return Target(name, number or 0)

    def write(self, connection: Connection, target: Target, made: Sequence[Made]) -> Wrote:
        """Write vectors by compare-and-set.

        One statement locks the rows, writes and commits them, so that their locks end on the server by themselves: a
        worker that stalls, is stopped or loses its network holds none. It never waits for a row: one that the
        application has locked is left out, and so the application never meets a deadlock with it. What a trigger of the
        table waits for is given up after a tenth of a second, and then nothing is written; nor is anything where the
        column is not the target any more. The commit need not wait for the disk: a row whose write is lost in a crash
        of the server is pending afterwards.
        """
        wrote = []
        for statement, embedded in ((self._embed, True), (self._clear, False)):
            rows = [one for one in made if (one.vector is not None) is embedded]
            if rows:
                vectors = {"vecsearch_vectors": [one.vector for one in rows]} if embedded else {}
                wrote.append(self._wrote(connection, statement, rows, {**target.parameters, **vectors}))
        return Wrote(frozenset().union(*(one.row_keys for one in wrote)), max(one.seconds for one in wrote))

    def settle(self, connection: Connection, made: Sequence[Made], written: frozenset[str]) -> Left:
        """See what became of rows that were not written, and end the claims on all that are not locked."""
        left = [one for one in made if one.row.row_key not in written]
        now = self._now(connection, left) if left else {}
        done = [one for one in left if not now.get(one.row.row_key, ("", True))[1]]
        locked = tuple(one for one in left if now.get(one.row.row_key) == (one.row.text_hash, True))
        kept = {one.row.row_key for one in (*done, *locked)}
        self.claims.finish(connection, [*written, *(one.row.row_key for one in done)])
        self.claims.release(connection, [one.row.row_key for one in left if one.row.row_key not in kept])
        return Left(len(left) - len(locked), locked)

    def _wrote(self, connection: Connection, statement: Any, rows: list[Made], parameters: dict[str, Any]) -> Wrote:
        places = {one.row.row_key: (one.row.text_hash, place) for place, one in enumerate(rows, start=1)}
        keys = given_keys(self.claims.found.key, [one.row.key for one in rows])
        try:
            returned = connection.execute(statement, {**parameters, **keys, "vecsearch_made": json.dumps(places)}).all()
        except DBAPIError as error:
            if sqlstate_of(error.orig) not in _GIVEN_UP:
                raise
            return Wrote(frozenset(), float("inf"))
        return Wrote(
            frozenset(key for key, _ in returned), max((held.total_seconds() for _, held in returned), default=0.0)
        )

    def _now(self, connection: Connection, left: Sequence[Made]) -> dict[str, tuple[str, bool]]:
        """Return what the hash of each row's text is now, and whether the row is pending."""
        rows = connection.execute(self._state, given_keys(self.claims.found.key, [one.row.key for one in left]))
        return {row[0]: (row[1], row[2]) for row in rows}

    @cached_property
    def _embed(self) -> Any:  # an UPDATE that returns keys
        found = self.claims.found
        vectors = select(ParameterArray("vecsearch_vectors", found.column.type)).scalar_subquery()
        free = self._free(found.has_text, lambda place: vectors[place])
        values = {
            found.column: free.c.vector,
            found.source_hash: free.c.read_hash,
            found.made_by: literal(found.model),
            found.embedded_at: func.pg_catalog.now(),
        }
        return self._update(free, values)

    @cached_property
    def _clear(self) -> Any:  # an UPDATE that returns keys
        found = self.claims.found
        free = self._free(lambda read_hash: func.coalesce(found.has_text(read_hash), found.text.is_(None)), None)
        provenance = (found.column, found.source_hash, found.made_by, found.embedded_at)
        return self._update(free, dict.fromkeys(provenance, null()))

    def _update(self, free: Any, values: dict[Any, Any]) -> Any:
        found = self.claims.found
        # the row's text does not change, and so neither does the time of its change
        kept = {one: one for one in found.table.c if one.onupdate is not None and one not in values}
        key = [free.c[f"key_{place}"] for place in range(len(found.key))]
        since, now = func.pg_catalog.statement_timestamp(), func.pg_catalog.clock_timestamp()
        held = now.op("OPERATOR(pg_catalog.-)", return_type=Interval())(since)
        return update(found.table).where(key_is(found.key, key)).values(kept | values).returning(free.c.row_key, held)

    def _free(self, unchanged: Any, vector: Any) -> Any:  # a CTE; functions of the hash that was read, and of a place
        """Lock the rows that nobody has locked, that have the text that was read, and whose column is the target."""
        found = self.claims.found
        row_key = cast(found.row_key, CATALOG_TEXT)
        mine = _given().op("OPERATOR(pg_catalog.->)", return_type=CATALOG_JSONB)(row_key)
        element = mine.op("OPERATOR(pg_catalog.->>)", return_type=CATALOG_TEXT)
        read_hash = element(cast(0, Integer))
        named = [
            *(one.label(f"key_{place}") for place, one in enumerate(found.key)),
            *(row_key.label("row_key"), read_hash.label("read_hash")),
            *(() if vector is None else (vector(cast(element(cast(1, Integer)), Integer)).label("vector"),)),
        ]
        return (
            select(*named)
            .select_from(found.table)
            .where(key_is_given(found.key), unchanged(read_hash), self._is_target)
            .with_for_update(key_share=True, skip_locked=True, of=found.table)
            .cte("vecsearch_free")
        )

    @property
    def _is_target(self) -> ColumnElement[bool]:
        return compared(self._number.scalar_subquery(), "=", bindparam("vecsearch_number", type_=Integer))

    @cached_property
    def _number(self) -> Any:  # a SELECT
        """The number of the column that has the name now: another one after columns have exchanged their names."""
        attributes = table("pg_attribute", *map(column, ("attrelid", "attname", "attnum")), schema="pg_catalog")
        name = cast(bindparam("vecsearch_table", type_=String), CATALOG_TEXT)
        return select(cast(attributes.c.attnum, Integer)).where(
            compared(attributes.c.attrelid, "=", func.pg_catalog.to_regclass(name)),
            compared(attributes.c.attname, "=", cast(literal(self.claims.found.column.name), CATALOG_TEXT)),
        )

    @cached_property
    def _state(self) -> Any:  # a SELECT
        found = self.claims.found
        key = cast(found.row_key, CATALOG_TEXT)
        statement = select(key, func.coalesce(found.text_hash, ""), found.pending).select_from(found.table)
        return statement.where(key_is_given(found.key))


def _given() -> Any:  # a sub-select
    """Read what the worker has made once a statement, and say for this statement alone how it commits and waits.

    A sub-select of its own, since the server would carry what is joined to a locked row with each of them.
    """
    settings = [func.pg_catalog.set_config(name, value, true()).label(name) for name, value in _SETTINGS.items()]
    made = cast(bindparam("vecsearch_made", type_=String), CATALOG_JSONB).label("made")
    given = select(*settings, made).cte("vecsearch_given").prefix_with("MATERIALIZED")
    return select(given.c.made).scalar_subquery()


_SETTINGS: Final = {"synchronous_commit": "off", "lock_timeout": "100ms"}
_GIVEN_UP: Final = frozenset({"40P01", "40001", "55P03"})  # a deadlock, a row that has changed, a wait for a lock
