"""The moves of a job of re-embedding from state to state, each one conditional statement."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import ARRAY, MetaData, any_, cast, delete, false, func, null, true, update

from sqlalchemy_vecsearch.embedding.comparing import compared
from sqlalchemy_vecsearch.embedding.errors import JobStateError
from sqlalchemy_vecsearch.embedding.journal import find_reembedding, is_job, journal_table, value_of
from sqlalchemy_vecsearch.embedding.work_table import table_exists
from sqlalchemy_vecsearch.provenance import CATALOG_TEXT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import ColumnElement, Connection, Table

    from sqlalchemy_vecsearch.embedding.journal import Reembedding, State, SwitchMode

__all__ = ["Move", "forget", "forget_required", "keep_report", "make", "pause"]


class _MoveParts(NamedTuple):
    before: tuple[State, ...]
    after: State
    time: str | None = None


class Move(Enum):
    """The moves of a job: from which states, to which one, and the time that is noted."""

    READY = _MoveParts(("begun", "ready"), "ready", "ready_at")
    SWAP = _MoveParts(("ready",), "swapped", "swapped_at")
    SWAP_BACK = _MoveParts(("swapped",), "ready")
    FINISH = _MoveParts(("swapped",), "finished", "finished_at")


_FORGOTTEN_FROM: Final[tuple[State, ...]] = ("begun", "ready")


def make(
    connection: Connection,
    move: Move,
    job: str,
    schema: str | None,
    *,
    mode: SwitchMode | None = None,
    required: Sequence[str] = (),
    verification: Mapping[str, Any] | None = None,  # Any: a report, as JSON has it
) -> Reembedding:
    """Let a job make a move, by one conditional UPDATE in the transaction of the connection, and return it.

    Args:
        connection: whose transaction decides whether it was made.
        move: the move.
        job: the name of the job.
        schema: the schema of its table.
        mode: how searches are switched, for ``Move.SWAP``.
        required: what ``Reembedding.required`` becomes, for ``Move.SWAP`` and ``Move.SWAP_BACK``.
        verification: the report that says that it is ready, for ``Move.READY``; None leaves the last one.

    Raises:
        UnknownJobError: there is no such job.
        JobStateError: it is in a state that the move does not start from.
    """
    assert (mode is not None) == (move is Move.SWAP), "a switch has a mode"
    before, after, time = move.value
    journal = journal_table(MetaData(), schema)
    # Any: values and SQL expressions
    values: dict[str, Any] = {"state": after}
    if time is not None:
        values[time] = func.pg_catalog.now()
    if move is Move.SWAP:
        values["mode"] = mode
    if move is Move.SWAP_BACK:
        values |= {"mode": null(), "swapped_at": null()}
    if move in {Move.SWAP, Move.SWAP_BACK}:
        values["required"] = list(required) if required else null()
    if verification is not None:
        values["verification"] = verification
    statement = update(journal).where(is_job(journal, job), _is_in(journal, before)).values(values).returning(journal)
    row = connection.execute(statement).mappings().one_or_none() if table_exists(connection, journal) else None
    if row is None:
        raise _wrong_state(connection, job, schema, before, f"become {after!r}")
    return value_of(row)


def keep_report(
    connection: Connection,
    job: str,
    schema: str | None,
    verification: Mapping[str, Any],  # Any: a report, as JSON has it
) -> Reembedding:
    """Keep a report that says that a job is not ready, and let one that was be so no more.

    Raises:
        UnknownJobError: there is no such job.
        JobStateError: searches were switched.
    """
    journal = journal_table(MetaData(), schema)
    before: tuple[State, ...] = ("begun", "ready")
    statement = update(journal).where(is_job(journal, job), _is_in(journal, before))
    kept = statement.values(state="begun", verification=verification).returning(journal)
    row = connection.execute(kept).mappings().one_or_none() if table_exists(connection, journal) else None
    if row is None:
        raise _wrong_state(connection, job, schema, before, "become 'begun'")
    return value_of(row)


def pause(connection: Connection, job: str, schema: str | None, *, paused: bool = True) -> Reembedding:
    """Let the runner of a job rest, or go on.

    Raises:
        UnknownJobError: there is no such job.
    """
    find_reembedding(connection, job, schema)
    journal = journal_table(MetaData(), schema)
    connection.execute(update(journal).where(is_job(journal, job)).values(paused=true() if paused else false()))
    return find_reembedding(connection, job, schema)


def forget_required(connection: Connection, job: str, schema: str | None) -> None:
    """Note that the columns that were NOT NULL when names were exchanged are so again."""
    journal = journal_table(MetaData(), schema)
    connection.execute(update(journal).where(is_job(journal, job)).values(required=null()))


def forget(connection: Connection, job: str, schema: str | None) -> None:
    """Delete a job that has switched nothing, by one conditional DELETE.

    Raises:
        UnknownJobError: there is no such job.
        JobStateError: searches were switched.
    """
    journal = journal_table(MetaData(), schema)
    gone = None
    if table_exists(connection, journal):
        statement = (
            delete(journal).where(is_job(journal, job), _is_in(journal, _FORGOTTEN_FROM)).returning(journal.c.job)
        )
        gone = connection.scalar(statement)
    if gone is None:
        raise _wrong_state(connection, job, schema, _FORGOTTEN_FROM, "be aborted")


def _is_in(journal: Table, states: tuple[State, ...]) -> ColumnElement[bool]:
    return compared(journal.c.state, "=", any_(cast(list(states), ARRAY(CATALOG_TEXT))))


def _wrong_state(
    connection: Connection, job: str, schema: str | None, before: tuple[State, ...], wish: str
) -> JobStateError:
    found = find_reembedding(connection, job, schema)
    return JobStateError(
        f"The job {job!r} can not {wish}: its state is {found.state!r}. "
        f"Only from {' or '.join(repr(one) for one in before)} does a job get there. "
        "See what it needs by `vecsearch status " + job + "`.",
        job=job,
        state=found.state,
    )
