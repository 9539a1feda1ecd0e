"""What a load does in the caller's transaction beside its rows: savepoints, a temporary table, indexes built last."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias
from uuid import uuid4

from sqlalchemy import Column, Connection, MetaData, Table, insert, inspect, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Mapper, Session, scoped_session

from sqlalchemy_vecsearch.errors import LoadingValueError
from sqlalchemy_vecsearch.quoting import PREPARER, literal, qualified_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sqlalchemy import CursorResult, Row

    from sqlalchemy_vecsearch.loading.target import CopyTarget, ServerColumn

__all__ = [
    "Indexes",
    "OnConflict",
    "all_or_nothing",
    "attempt",
    "check_indexes",
    "check_on_conflict",
    "connection_of",
    "create_stage",
    "moved",
    "run",
    "stage_of",
    "table_like",
    "type_of",
    "without_vector_indexes",
]

Indexes: TypeAlias = Literal["after"] | None
OnConflict: TypeAlias = Literal["nothing", "update"] | None

_SAVEPOINT: Final = "vecsearch_attempt"
_CHOICES: Final = (None, "nothing", "update")
_OIDS: Final = {"text": 25}  # of the stand-in, the same in every database

_INDEXES: Final = text(
    """
SELECT n.nspname AS schema, c.relname AS name, pg_catalog.pg_get_indexdef(c.oid) AS definition,
       s.spcname AS tablespace, pg_catalog.obj_description(c.oid, CAST('pg_class' AS pg_catalog.name)) AS comment,
       c.relispartition OR c.relkind OPERATOR(pg_catalog.=) CAST('I' AS pg_catalog."char") AS is_partitioned
FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) i.indexrelid
JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
JOIN pg_catalog.pg_am m ON m.oid OPERATOR(pg_catalog.=) c.relam
LEFT JOIN pg_catalog.pg_tablespace s ON s.oid OPERATOR(pg_catalog.=) c.reltablespace
WHERE i.indrelid OPERATOR(pg_catalog.=)
      CAST(pg_catalog.to_regclass(CAST(:name AS pg_catalog.text)) AS pg_catalog.oid)
AND m.amname OPERATOR(pg_catalog.=)
    ANY (ARRAY[CAST('hnsw' AS pg_catalog.name), CAST('ivfflat' AS pg_catalog.name)])
ORDER BY c.oid
"""
)


def run(connection: Connection, statement: str) -> CursorResult[Any]:
    """Run a statement whose text is final, so that its percent signs need no doubling."""
    return connection.exec_driver_sql(statement, execution_options={"no_parameters": True})


def connection_of(given: Any, entity: Any, table: Table) -> Connection:  # whatever the caller passed
    """Return the connection of the caller's transaction; a session is flushed first, if it does that by itself.

    Args:
        given: a Connection, a Session, or a registry of sessions.
        entity: the table or mapped class, by which a session with several databases finds its own, as for an INSERT.
        table: its table.

    Raises:
        LoadingValueError: it is something else.
    """
    session = given() if isinstance(given, scoped_session) else given
    if isinstance(session, Session):
        if session.autoflush:
            session.flush()
        mapper = inspect(entity, raiseerr=False)
        of_mapper = {"mapper": mapper} if isinstance(mapper, Mapper) else {}
        return session.connection(bind_arguments={"clause": insert(table), **of_mapper})
    if isinstance(given, Connection):
        return given
    raise LoadingValueError(
        f"Rows cannot be loaded through {given!r}. "
        "They go into the transaction of a Connection or a Session, and that is neither. "
        "Pass the connection of `with engine.begin() as connection:`, and await acopy_rows() for an async one."
    )


@contextmanager
def all_or_nothing(connection: Connection) -> Iterator[None]:
    """Give a savepoint in the caller's transaction, or a transaction where the connection is in autocommit."""
    dbapi_connection: Any = connection.connection.dbapi_connection  # every driver has the attribute
    if dbapi_connection.autocommit:
        run(connection, "BEGIN")
        keep: Callable[[], Any] = partial(run, connection, "COMMIT")
        undo: Callable[[], Any] = partial(run, connection, "ROLLBACK")
    else:
        nested = connection.begin_nested()
        keep, undo = nested.commit, nested.rollback
    try:
        yield
        keep()
    except BaseException:
        _undo_unless_lost(undo)
        raise


def _undo_unless_lost(undo: Callable[[], Any]) -> None:
    """Undo what was done; a server that has lost the connection does it by itself, and the first error says why."""
    try:
        undo()
    except DBAPIError as error:
        if not error.connection_invalidated:
            raise


def attempt(connection: Connection, action: Callable[[], Any]) -> Exception | None:
    """Do something in a savepoint, keep what it did and return None; or undo it and return the error.

    The savepoint is made by SQL, because that of SQLAlchemy would begin a transaction of its own in autocommit.

    Raises:
        DBAPIError: the connection is lost, so that nothing can be undone on it.
    """
    run(connection, f"SAVEPOINT {_SAVEPOINT}")
    try:
        action()
    except Exception as error:
        if isinstance(error, DBAPIError) and error.connection_invalidated:
            raise
        run(connection, f"ROLLBACK TO SAVEPOINT {_SAVEPOINT}")
        return error
    run(connection, f"RELEASE SAVEPOINT {_SAVEPOINT}")
    return None


def check_indexes(indexes: Any) -> None:
    """Raise a LoadingValueError unless the choice is known."""
    if indexes not in {None, "after"}:
        raise LoadingValueError(
            f"There is no indexes={indexes!r}. "
            "The rows go into the vector indexes as they come with None, and these are built over them with 'after'. "
            "Write one of these two."
        )


@contextmanager
def without_vector_indexes(connection: Connection, target: CopyTarget) -> Iterator[None]:
    """Drop the vector indexes of an empty table for the time of a load, and build them over its rows.

    The table is locked against readers and writers until the transaction ends.

    Raises:
        LoadingValueError: the table has rows, or an index belongs to a partitioned table.
    """
    found = connection.execute(_INDEXES, {"name": target.name}).all()
    if found:
        run(connection, f"LOCK TABLE {target.name} IN ACCESS EXCLUSIVE MODE")
        _check(connection, target, found)
    for index in found:
        run(connection, f"DROP INDEX {qualified_name(index.schema, index.name)}")
    yield
    for index in found:
        _create(connection, index)


def _check(connection: Connection, target: CopyTarget, found: Sequence[Row[Any]]) -> None:
    if run(connection, f"SELECT EXISTS (SELECT FROM {target.name})").scalar():  # noqa: S608  # a quoted name
        raise LoadingValueError(
            f"The table {target.name} has rows, and indexes='after' is for a first load. "
            "It would drop the vector indexes, and nobody could search or read the table until they are built again. "
            "Leave indexes='after' out, or drop and build the indexes by op.drop_vector_index and "
            "op.create_vector_index in a migration."
        )
    partitioned = [index.name for index in found if index.is_partitioned]
    if partitioned:
        raise LoadingValueError(
            f"The index {partitioned[0]!r} of {target.name} belongs to a partitioned table. "
            "It cannot be dropped for one partition, and for all of them the others would have to be built again. "
            "Leave indexes='after' out, and create the index after the first load."
        )


def _create(connection: Connection, index: Row[Any]) -> None:
    """Create an index as it was; its definition names everything but the tablespace and the comment."""
    run(connection, index.definition)
    name = qualified_name(index.schema, index.name)
    if index.tablespace is not None:
        run(connection, f"ALTER INDEX {name} SET TABLESPACE {PREPARER.quote(index.tablespace)}")
    if index.comment is not None:
        run(connection, f"COMMENT ON INDEX {name} IS {literal(index.comment)}")


def check_on_conflict(target: CopyTarget, on_conflict: OnConflict) -> None:
    """Raise a LoadingValueError unless the choice is known and the rows hold what it needs."""
    if on_conflict not in _CHOICES:
        raise LoadingValueError(
            f"There is no on_conflict={on_conflict!r}. "
            "A row that exists already stops the load with None, is left as it is with 'nothing', and takes the new "
            "values with 'update'. "
            "Write one of these three."
        )
    missing = [column.name for column in target.table.primary_key if column not in target.declared]
    if on_conflict == "update" and (missing or not len(target.table.primary_key)):
        raise LoadingValueError(
            f"Rows of {target.table.name!r} cannot be updated without their primary key. "
            f"on_conflict='update' finds the existing row by it, and the rows lack {missing or 'one'}. "
            "Add the key to the rows, or load them with on_conflict='nothing'."
        )


def stage_of(target: CopyTarget, stand_ins: Sequence[str | None]) -> CopyTarget:
    """Return the target's twin: a temporary table with the same columns.

    Args:
        target: the table that the rows are for.
        stand_ins: for each column the type that the driver sends instead of its own, None where it sends that.
    """
    server = tuple(
        column
        if stand_in is None
        else replace(column, type_name=stand_in, type_schema="pg_catalog", oid=_OIDS[stand_in])
        for column, stand_in in zip(target.server, stand_ins, strict=True)
    )
    return replace(target, schema=None, relation=f"vecsearch_load_{uuid4().hex}", server=server, made=())


def table_like(stage: CopyTarget) -> Table:
    """Return the temporary table for INSERT: its columns have the declared types and the names of the database."""
    columns = (Column(column.name, column.type) for column in stage.declared)
    return Table(stage.relation, MetaData(), *columns, schema="pg_temp")  # so that no schema_translate_map moves it


def create_stage(stage: CopyTarget, target: CopyTarget) -> str:
    """Return the SQL that creates the temporary table."""
    columns = ", ".join(
        PREPARER.quote(ours.name) if ours is theirs else f"CAST(NULL AS {type_of(ours)}) AS {PREPARER.quote(ours.name)}"
        for ours, theirs in zip(stage.server, target.server, strict=True)
    )
    return f"CREATE TEMPORARY TABLE {stage.name} AS SELECT {columns} FROM {target.name} WITH NO DATA"  # noqa: S608  # every name is quoted


def moved(stage: CopyTarget, target: CopyTarget, on_conflict: OnConflict, part: tuple[int, int] | None) -> str:
    """Return the SQL that moves the rows, or the part of them from one number up to another."""
    names = ", ".join([target.column_list, *(PREPARER.quote(name) for name, _ in target.made)])
    values = ", ".join([*map(_moved_column, stage.server, target.server), *(sql for _, sql in target.made)])
    overriding = " OVERRIDING SYSTEM VALUE" if any(column.always_identity for column in target.server) else ""
    rows = stage.name
    if part is not None:
        first, end = part
        rows = f"(SELECT *, ctid FROM {rows} ORDER BY ctid OFFSET {first:d} LIMIT {end - first:d}) AS part"  # noqa: S608  # a quoted name, two numbers
    select, conflict = f"SELECT {values} FROM {rows}", ""  # noqa: S608  # every name is quoted
    if on_conflict == "nothing":
        conflict = " ON CONFLICT DO NOTHING"
    elif on_conflict == "update":
        unchanged = {*target.table.primary_key, *target.filled}
        keys = [PREPARER.quote(column.name) for column in target.table.primary_key]
        changed = [PREPARER.quote(column.name) for column in target.declared if column not in unchanged]
        key = ", ".join(keys)
        select = f"SELECT DISTINCT ON ({key}) {values} FROM {rows} ORDER BY {key}, ctid DESC"  # noqa: S608  # the same
        action = f"UPDATE SET {', '.join(f'{name} = EXCLUDED.{name}' for name in changed)}" if changed else "NOTHING"
        conflict = f" ON CONFLICT ({key}) DO {action}"
    return f"INSERT INTO {target.name} ({names}){overriding} {select}{conflict}"  # every name is quoted


def _moved_column(ours: ServerColumn, theirs: ServerColumn) -> str:
    name = PREPARER.quote(theirs.name)
    if ours is theirs:
        return name
    return f"CAST({name} AS {type_of(theirs)})"


def type_of(column: ServerColumn) -> str:
    """Return the name of the type of a column, without its length: a cast to that would cut values off."""
    return qualified_name(column.type_schema, column.type_name)
