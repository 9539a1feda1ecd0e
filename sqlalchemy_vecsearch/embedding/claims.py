"""Pending rows that one worker has for itself."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import (
    ARRAY,
    BigInteger,
    DateTime,
    Float,
    Integer,
    Interval,
    String,
    and_,
    any_,
    bindparam,
    case,
    cast,
    column,
    delete,
    func,
    literal,
    or_,
    select,
    table,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB, insert

from sqlalchemy_vecsearch.embedding.comparing import (
    CATALOG_JSONB,
    behind,
    compared,
    counted,
    given_keys,
    key_is_given,
    within,
    without,
)
from sqlalchemy_vecsearch.embedding.work_table import LOCKS, work_table
from sqlalchemy_vecsearch.provenance import CATALOG_TEXT

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from sqlalchemy import ColumnElement, Connection, Select, Table, TextClause

    from sqlalchemy_vecsearch.embedding.declared import EmbeddedColumn

__all__ = ["Claimed", "Claims", "Found"]


@dataclass(frozen=True, slots=True)
class Found:
    """A pending row: its key, the same as the work table has it, and the hash of its text."""

    key: tuple[Any, ...]  # Any: values of the primary key
    row_key: str
    text_hash: str


@dataclass(frozen=True, slots=True)
class Claimed(Found):
    """One pending row that a worker has for itself, with its text."""

    text: str


@dataclass(frozen=True)
class Claims:
    """The claims of one worker on the pending rows of one column.

    A claim lapses with its lease, or with the session of its worker: that holds an advisory lock, so that the others
    see at once that it is gone. Where a pooler keeps the session, the lease alone counts.

    Args:
        found: the embedding column.
        worker: a number of 31 bits.
        lease: how long a claim holds.
        where: what rows this worker takes, besides being pending.
    """

    found: EmbeddedColumn
    worker: int
    lease: timedelta
    where: ColumnElement[bool] | TextClause | None = None

    @property
    def work(self) -> Table:
        """The work table."""
        return work_table(self.found.table.metadata, self.found.table.schema)

    def come_alive(self, connection: Connection) -> None:
        """Take the lock that says that the worker lives, for the time of its session."""
        connection.execute(select(func.pg_catalog.pg_advisory_lock(LOCKS, self.worker)))

    def leave(self, connection: Connection) -> None:
        """Give that lock back."""
        connection.execute(select(func.pg_catalog.pg_advisory_unlock(LOCKS, self.worker)))

    def find(self, connection: Connection, *, after: tuple[Any, ...] | None, size: int) -> list[Found]:
        """Return pending rows in the order of their keys.

        Args:
            connection: in autocommit, as for the other methods: no lock of the table outlives a statement.
            after: the key to go on behind, None from the first row.
            size: the most rows.
        """
        if after is None:
            rows = connection.execute(self._first, {"size": size}).all()
        else:
            behind = {f"after_{place}": value for place, value in enumerate(after)}
            rows = connection.execute(self._further, {"size": size, **behind}).all()
        return [Found(tuple(row[:-2]), row[-2], row[-1] or "") for row in rows]

    def claim(self, connection: Connection, found: Sequence[Found]) -> list[Found]:
        """Claim rows, and return those that nobody else has and that do not rest."""
        hashes = json.dumps({one.row_key: one.text_hash for one in found})
        mine = set(connection.scalars(self._claim, {"hashes": hashes}))
        return [one for one in found if one.row_key in mine]

    def read(self, connection: Connection, claimed: Sequence[Found]) -> tuple[Claimed, ...]:
        """Return claimed rows with their texts, without those that their former worker has embedded meanwhile."""
        if not claimed:
            return ()
        rows = connection.execute(self._texts, given_keys(self.found.key, [one.key for one in claimed]))
        return tuple(Claimed(tuple(row[:-3]), row[-3], row[-1] or "", row[-2] or "") for row in rows)

    def release(self, connection: Connection, row_keys: Sequence[str]) -> None:
        """Give up claims of this worker; what the rows were refused for stays known."""
        if row_keys:
            listed = {"row_keys": f"[{','.join(row_keys)}]"}
            connection.execute(self._release_unrefused, listed)
            connection.execute(self._release_refused, listed)

    def finish(self, connection: Connection, row_keys: Sequence[str]) -> None:
        """Forget rows that are embedded."""
        if row_keys:
            connection.execute(self._finish, {"row_keys": f"[{','.join(row_keys)}]"})

    def refuse(self, connection: Connection, row: Claimed, *, reason: str, first_wait: timedelta) -> None:
        """Keep why a text was refused, and when it is tried again: the wait is four times as long after each time."""
        work = self.work
        factor = func.pg_catalog.power(cast(4, Float(53)), cast(func.least(work.c.attempts, _LONGEST_WAIT), Float(53)))
        seconds = counted(cast(first_wait.total_seconds(), Float(53)), "*", factor)
        rest = func.pg_catalog.make_interval(0, 0, 0, 0, 0, 0, seconds)
        connection.execute(
            update(work)
            .where(self._listed, self._mine)
            .values(
                attempts=counted(work.c.attempts, "+", 1),
                retry_at=_plus(func.pg_catalog.now(), rest),
                reason=reason,
                source_hash=row.text_hash,
                worker=None,
                claimed_until=None,
            ),
            {"row_keys": f"[{row.row_key}]"},
        )

    def forget_finished(self, connection: Connection) -> None:
        """Remove what the work table has of rows that are not pending any more, or are gone."""
        found, work = self.found, self.work
        pending = select(1).select_from(found.table).where(found.pending, compared(found.row_key, "=", work.c.row_key))
        connection.execute(
            delete(work).where(
                compared(work.c.target, "=", found.label),
                or_(work.c.claimed_until.is_(None), _has_lapsed(work)),
                ~pending.exists(),
            )
        )

    @cached_property
    def _first(self) -> Select[Any]:
        found = self.found
        key = cast(found.row_key, CATALOG_TEXT)
        statement = select(*found.key, key, found.text_hash).where(found.pending).order_by(*found.key)
        return (statement if self.where is None else statement.where(self.where)).limit(
            bindparam("size", type_=Integer)
        )

    @cached_property
    def _further(self) -> Select[Any]:
        key = self.found.key
        after = [bindparam(f"after_{place}", type_=column.type) for place, column in enumerate(key)]
        return self._first.where(behind(key, after))

    @cached_property
    def _texts(self) -> Select[Any]:
        found = self.found
        key = cast(found.row_key, CATALOG_TEXT)
        statement = select(*found.key, key, found.text, found.text_hash).order_by(*found.key)
        return statement.where(found.pending, key_is_given(found.key))

    @cached_property
    def _claim(self) -> Any:  # an INSERT that returns keys
        work = self.work
        pairs = cast(bindparam("hashes", type_=String), CATALOG_JSONB)
        given = func.pg_catalog.jsonb_each_text(pairs).table_valued("key", "value", name="given")
        until = _plus(func.pg_catalog.now(), literal(self.lease, Interval))
        names = ["target", "row_key", "source_hash", "model", "worker", "claimed_until"]
        values = (
            *(literal(self.found.label), cast(given.c.key, CATALOG_JSONB), given.c.value),
            *(literal(self.found.model), literal(self.worker, BigInteger), until),
        )
        # what others have is left out beforehand: a conflict locks a row even where it changes nothing
        there = work.alias("there")
        taken_by_others = (
            select(1)
            .where(compared(there.c.target, "=", self.found.label))
            .where(compared(there.c.row_key, "=", cast(given.c.key, CATALOG_JSONB)))
            .where(~_is_free(there, compared(there.c.source_hash, "=", given.c.value), self.found.model))
        )
        found = select(*values).select_from(given).where(~taken_by_others.exists()).order_by(values[1])
        statement = insert(work).from_select(names, found)
        new = statement.excluded
        same_text = compared(work.c.source_hash, "=", new.source_hash)
        same = and_(same_text, compared(work.c.model, "=", new.model))
        taken = {name: new[name] for name in names[2:]} | {"attempts": case((same, work.c.attempts), else_=0)}
        return statement.on_conflict_do_update(
            index_elements=[work.c.target, work.c.row_key],
            set_=taken,
            where=_is_free(work, same_text, self.found.model),
        ).returning(cast(work.c.row_key, CATALOG_TEXT))

    @cached_property
    def _listed(self) -> ColumnElement[bool]:
        """The condition that a claim is on a given row; all workers lock claims in one order, and none deadlock."""
        work = self.work.alias("listed")
        listed = cast(bindparam("row_keys", type_=String), CATALOG_JSONB)
        given = func.pg_catalog.jsonb_array_elements(listed, type_=JSONB).column_valued("given")
        ours = and_(compared(work.c.target, "=", self.found.label), within(work.c.row_key, select(given)))
        locked = select(work.c.row_key).where(ours).order_by(work.c.row_key).with_for_update().scalar_subquery()
        ordered = func.array(locked, type_=ARRAY(JSONB))  # syntax, no function that anybody could have planted
        return and_(
            compared(self.work.c.target, "=", self.found.label), compared(self.work.c.row_key, "=", any_(ordered))
        )

    @cached_property
    def _mine(self) -> ColumnElement[bool]:
        return compared(self.work.c.worker, "=", self.worker)

    @cached_property
    def _finish(self) -> Any:  # a DELETE
        return delete(self.work).where(self._listed)

    @cached_property
    def _release_unrefused(self) -> Any:  # a DELETE
        return delete(self.work).where(self._listed, self._mine, compared(self.work.c.attempts, "=", 0))

    @cached_property
    def _release_refused(self) -> Any:  # an UPDATE
        return update(self.work).where(self._listed, self._mine).values(worker=None, claimed_until=None)


def _has_lapsed(work: Any) -> ColumnElement[bool]:
    """Return the condition that a claim is over: by its time, or with the session of its worker."""
    by_time = compared(work.c.claimed_until, "<", func.pg_catalog.now())
    return or_(by_time, without(work.c.worker, _living()))


def _is_free(work: Any, same_text: ColumnElement[bool], model: str) -> ColumnElement[bool]:
    """Return the condition that a row of the work table may be claimed: by nobody else, and not resting."""
    due = or_(
        compared(work.c.attempts, "=", 0),
        compared(work.c.retry_at, "<=", func.pg_catalog.now()),
        ~and_(same_text, compared(work.c.model, "=", model)),
    )
    return and_(or_(work.c.claimed_until.is_(None), _has_lapsed(work)), due)


def _plus(time: ColumnElement[Any], interval: ColumnElement[Any]) -> ColumnElement[Any]:
    return time.op("OPERATOR(pg_catalog.+)", return_type=DateTime(timezone=True))(interval)


def _living() -> Any:  # a sub-select
    """Return the numbers of the workers whose sessions hold their locks in this database."""
    locks = table(
        "pg_locks",
        *(column(name) for name in ("locktype", "database", "classid", "objid", "objsubid")),
        schema="pg_catalog",
    )
    databases = table("pg_database", column("oid"), column("datname"), schema="pg_catalog")
    here = select(databases.c.oid).where(compared(databases.c.datname, "=", func.pg_catalog.current_database()))
    return select(cast(locks.c.objid, BigInteger)).where(
        compared(locks.c.locktype, "=", literal("advisory", String)),
        compared(cast(locks.c.classid, BigInteger), "=", LOCKS),
        compared(locks.c.objsubid, "=", literal(_TWO_KEYS, Integer)),
        within(locks.c.database, here),
    )


_LONGEST_WAIT: Final = 6  # 4 ** 6 minutes are almost three days
_TWO_KEYS: Final = 2  # pg_locks.objsubid of an advisory lock that was taken by two integers
