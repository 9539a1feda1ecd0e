"""The begin of a job of re-embedding as SQL for later."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sqlalchemy import MetaData

from alembic_ops.catalog.reembedding import READERS, VECTOR_CLASSES
from alembic_ops.errors import OperationArgumentError
from alembic_ops.offline.column_addition import has_type
from alembic_ops.offline.gates import gate, leftover_gate, published_gate, valid_gate
from alembic_ops.planning.reembedding import brought_columns, pending_index_of
from alembic_ops.sql.columns import column_sql, column_type
from alembic_ops.sql.statements import RESET_TIMEOUTS, WITHOUT_TIMEOUTS, statement, written
from alembic_ops.sql.steps import BuildPendingIndex
from sqlalchemy_vecsearch.embedding.journal import JOURNAL_TABLE, journal_table
from sqlalchemy_vecsearch.embedding.work_table import creation_of, model_table, work_table
from sqlalchemy_vecsearch.provenance import Provenance
from sqlalchemy_vecsearch.quoting import DIALECT, PREPARER, dollar_quoted, literal, qualified_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from alembic_ops.operations import BeginReembeddingOp

__all__ = ["begin_script"]


def begin_script(operation: BeginReembeddingOp, metadata: object) -> list[str]:
    """Return the statements and gates that begin a job when they are run, and pass over what is begun already.

    Args:
        operation: the begin.
        metadata: the ``target_metadata`` of the environment, which may know the primary key.

    Raises:
        OperationArgumentError: the primary key is not known.
    """
    key = _key(operation, metadata)
    return [
        *WITHOUT_TIMEOUTS,
        *_gates(operation, key),
        "BEGIN",
        *_one_transaction(operation),
        "COMMIT",
        *_index(operation, key),
        *RESET_TIMEOUTS,
    ]


def _key(operation: BeginReembeddingOp, metadata: object) -> tuple[str, ...]:
    if operation.key is not None:
        return operation.key
    known = metadata if isinstance(metadata, list | tuple) else [metadata]
    for one in known:
        if not isinstance(one, MetaData):
            continue
        name = operation.table_name if operation.schema is None else f"{operation.schema}.{operation.table_name}"
        if name in one.tables and len(one.tables[name].primary_key):
            return tuple(column.name for column in one.tables[name].primary_key)
    raise OperationArgumentError(
        f"op.begin_reembedding({operation.job!r}) cannot become SQL for later, because the primary key of "
        f"{operation.table_name!r} is not known. "
        "The index of pending rows is over it, and target_metadata of env.py has no such table. "
        'Write key=["id"], or give context.configure() the target_metadata, offline too.',
        operation="begin_reembedding",
        argument="key",
    )


def _gates(operation: BeginReembeddingOp, key: Sequence[str]) -> list[str]:
    """Return what stops before anything is changed."""
    table = qualified_name(operation.schema, operation.table_name)
    columns = brought_columns(operation)
    missing = [
        gate(
            f"NOT {_attribute(table, name)})",
            f"The table {table} is not there, or has no column {name!r}, which the job {operation.job!r} names. "
            "A job needs the column in use, the primary key, and the columns whose text is embedded. "
            "Correct the name in the revision, or create what is missing first.",
        )
        for name in dict.fromkeys((operation.live, *key, *(operation.source or ())))
    ]
    others = [
        gate(
            f"{_attribute(table, column.name)} AND NOT {has_type(column_type(column))})",
            f"The table {operation.table_name!r} has a column {column.name!r} already, of another type than "
            f"{column_type(column).lower()}. "
            "A begin never changes a column that is there. "
            "Choose another name for the new column.",
        )
        for column in columns
    ]
    there = f"{_attribute(table, operation.replacement)})"
    return [*missing, *others, *published_gate(operation, unless=there)]


def _attribute(table: str, name: str) -> str:
    return (
        "EXISTS (SELECT FROM pg_catalog.pg_attribute a"  # literals
        f" WHERE a.attrelid OPERATOR(pg_catalog.=) pg_catalog.to_regclass({literal(table)})"
        f" AND a.attname OPERATOR(pg_catalog.=) {literal(name)} AND NOT a.attisdropped"
    )


def _one_transaction(operation: BeginReembeddingOp) -> list[str]:
    table = qualified_name(operation.schema, operation.table_name)
    journal = qualified_name(operation.schema, JOURNAL_TABLE)
    tables = [make(MetaData(), operation.schema) for make in (journal_table, work_table, model_table)]
    added = ", ".join(f"ADD COLUMN IF NOT EXISTS {column_sql(column)}" for column in brought_columns(operation))
    return [
        *(
            str(one.compile(dialect=DIALECT)).strip()
            for brought in tables
            for one in creation_of(brought, if_not_exists=True)
        ),
        _readers(journal, table),
        f"ALTER TABLE {table} {added}",
        _job(operation, journal, table),
        *_previous_model(operation, journal, table),
        _same_job_gate(operation, journal),
    ]


def _readers(journal: str, table: str) -> str:
    grant = literal(f"GRANT SELECT ON {journal} TO ".replace("%", "%%") + "%s")
    body = (
        f"DECLARE reader pg_catalog.text; BEGIN FOR reader IN {written(READERS, table=table)} LOOP"
        f" EXECUTE pg_catalog.format({grant}, reader); END LOOP; END"
    )
    return f"DO {dollar_quoted(body, tag='readers')}"


def _values(operation: BeginReembeddingOp) -> dict[str, str]:
    """Return what tells one job from another as SQL, by column."""
    source: Any = list(operation.source) if operation.source is not None else {"sql": operation.source_sql}
    return {
        "table_name": literal(operation.table_name),
        "live": literal(operation.live),
        "replacement": literal(operation.replacement),
        "source": _json(source),
        "digest": literal(operation.digest),
        "model": literal(operation.model),
    }


def _json(value: Any) -> str:  # Any: as json takes it
    return f"CAST({literal(json.dumps(value))} AS pg_catalog.jsonb)"


def _job(operation: BeginReembeddingOp, journal: str, table: str) -> str:
    """Return the INSERT of the job, which passes over one that is there."""
    values = {
        "job": literal(operation.job),
        **_values(operation),
        "live_number": "l.attnum",
        "replacement_number": "n.attnum",
        "previous_model": literal(operation.previous_model),
        "index_definition": _index_definition(operation, table),
    }
    numbers = " JOIN ".join(
        f"pg_catalog.pg_attribute {alias}"
        + ("" if alias == "l" else " ON n.attrelid OPERATOR(pg_catalog.=) l.attrelid")
        for alias in ("l", "n")
    )
    return (
        f"INSERT INTO {journal} ({', '.join(values)}) SELECT {', '.join(values.values())} FROM {numbers}"  # literals
        f" WHERE l.attrelid OPERATOR(pg_catalog.=) pg_catalog.to_regclass({literal(table)})"
        f" AND l.attname OPERATOR(pg_catalog.=) {literal(operation.live)} AND NOT l.attisdropped"
        f" AND n.attname OPERATOR(pg_catalog.=) {literal(operation.replacement)} AND NOT n.attisdropped"
        " ON CONFLICT DO NOTHING"
    )


def _index_definition(operation: BeginReembeddingOp, table: str) -> str:
    """Return the wished index as JSON; where its metric is left open, with that of the live column's index."""
    wish = operation.index
    if wish is None:
        return "NULL"
    if wish.is_known:
        return _json(wish.as_json())
    storage = operation.form.storage.value
    found = written(VECTOR_CLASSES, table=table, column=operation.live)
    return (
        f"{_json(wish.as_json())} OPERATOR(pg_catalog.||) pg_catalog.jsonb_build_object('operator_class', COALESCE("
        f"(SELECT pg_catalog.concat({literal(storage)}, pg_catalog.substring(c.opcname, '_.*$'))"
        f" FROM ({found}) AS c LIMIT 1), {literal(storage + '_cosine_ops')}))"  # literals
    )


def _previous_model(operation: BeginReembeddingOp, journal: str, table: str) -> list[str]:
    """Return what reads the model in use in the rows, where they keep one."""
    if operation.previous_model is not None:
        return []
    column = Provenance().named_for(operation.live).model
    name = PREPARER.quote(column)
    some = f"SELECT {name} AS model FROM {table} WHERE {name} IS NOT NULL LIMIT 1000"  # quoted names
    update = (
        f"UPDATE {journal} SET previous_model = (SELECT pg_catalog.string_agg(DISTINCT f.model, '')"  # as above
        f" FROM ({some}) AS f HAVING pg_catalog.count(DISTINCT f.model) OPERATOR(pg_catalog.=) 1)"
        f" WHERE job OPERATOR(pg_catalog.=) {literal(operation.job)} AND previous_model IS NULL"
    )
    body = f"BEGIN IF {_attribute(table, column)}) THEN EXECUTE {literal(update)}; END IF; END"
    return [f"DO {dollar_quoted(body, tag='model')}"]


def _same_job_gate(operation: BeginReembeddingOp, journal: str) -> str:
    same = " AND ".join(
        f"COALESCE({name} OPERATOR(pg_catalog.=) {value}, false)" for name, value in _values(operation).items()
    )
    return gate(
        f"EXISTS (SELECT FROM {journal} WHERE job OPERATOR(pg_catalog.=) {literal(operation.job)}"  # literals
        f" AND NOT ({same} AND state OPERATOR(pg_catalog.<>) 'finished'))",
        f"There is a job {operation.job!r} already, and it is another one, or finished. "
        "A job is known by its name, and its vectors may be in use or have cost money. "
        f"Choose another name, or end that job by op.abort_reembedding({operation.job!r}) first.",
    )


def _index(operation: BeginReembeddingOp, key: Sequence[str]) -> list[str]:
    wished = pending_index_of(operation, key, {})
    build = BuildPendingIndex(
        name=wished.name,
        table_name=operation.table_name,
        schema=operation.schema,
        key=wished.key,
        condition=wished.condition,
        if_not_exists=True,
    )
    return [
        leftover_gate(operation.schema, wished.name),
        str(statement(build).compile()),
        valid_gate(operation.schema, wished.name),
    ]
