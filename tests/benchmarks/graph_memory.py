"""The memory that a graph takes: after how many rows a build outgrows it, beside what the estimate says."""

from __future__ import annotations

import logging
import re
import time
from dataclasses import asdict, dataclass
from functools import partial

from sqlalchemy import Column, Integer, MetaData, NullPool, Table, create_engine, event, text

import alembic_ops
from alembic_ops.catalog.server import find_build_facts
from alembic_ops.model.build_settings import graph_bytes
from alembic_ops.model.index_state import IndexDefinition
from sqlalchemy_vecsearch import HALFVEC, VECTOR, copy_rows
from tests.benchmarks.corpus import embeddings
from tests.benchmarks.index_operations import run
from tests.benchmarks.tables import table

DIMENSIONS = 384
SHARES = (0.95, 1.05)  # of the estimate
FORMS = (("vector", VECTOR, 16, 1), ("vector", VECTOR, 24, 6), ("halfvec", HALFVEC, 16, 6), ("halfvec", HALFVEC, 24, 6))
OUTGROWN = re.compile(r"no longer fits into maintenance_work_mem after (\d+) tuples")


@dataclass(frozen=True, slots=True)
class Built:
    """One build.

    Attributes:
        storage: the type of the column.
        m: the connections of an element.
        rows: how many the table has.
        estimate: the kilobytes of its graph, by the formula.
        memory: the kilobytes that the build had.
        predicted: the rows after which it should outgrow them, None where it should not.
        found: the rows after which it did, None where it did not.
        seconds: what it took.
    """

    storage: str
    m: int
    rows: int
    estimate: int
    memory: int
    predicted: int | None
    found: int | None
    seconds: float


def measure(url, *, rows):
    """Return builds with just less and just more memory than the estimate of their graph.

    The last forms are built on a sixth of the rows.
    """
    logging.getLogger("alembic.alembic_ops").setLevel(logging.ERROR)  # it warns of what is wanted here
    alembic_ops.register()
    engine = create_engine(url, poolclass=NullPool)
    outgrown = []
    event.listen(engine, "connect", lambda driver, _: driver.add_notice_handler(partial(_collect, outgrown)))
    measured = []
    for storage, type_, m, part in FORMS:
        _fill(engine, type_(DIMENSIONS), rows // part)
        measured += [asdict(_build(engine, storage, m, rows // part, share, outgrown)) for share in SHARES]
    engine.dispose()
    return measured


def tables(measured):
    """Return a Markdown table."""
    headings = ("type", "m", "rows", "estimate", "memory", "outgrown after", "as predicted", "seconds")
    rows = [
        (
            one["storage"],
            one["m"],
            f"{one['rows']:,}",
            f"{one['estimate'] // 1024:,} MB",
            f"{one['memory'] // 1024:,} MB",
            _count(one["found"]),
            _count(one["predicted"]),
            f"{one['seconds']:,.0f}",
        )
        for one in measured
    ]
    return "### What a graph takes\n\n" + table(headings, rows)


def _collect(outgrown, diagnostic):
    found = OUTGROWN.search(diagnostic.message_primary or "")
    if found is not None:
        outgrown.append(int(found[1]))


def _fill(engine, type_, rows):
    metadata = MetaData()
    document = Table("document", metadata, Column("id", Integer), Column("embedding", type_))
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE IF EXISTS document"))
        metadata.create_all(connection)
        copy_rows(connection, document, {"id": range(rows), "embedding": embeddings(rows, DIMENSIONS)})
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE document"))


def _build(engine, storage, m, rows, share, outgrown):
    definition = IndexDefinition(
        method="hnsw", operator_class=f"{storage}_l2_ops", column="embedding", parameters=(("m", m),)
    )
    with engine.connect() as connection:
        estimate = graph_bytes(definition, find_build_facts(connection, "document", definition)) // 1024
    memory = int(share * estimate)
    outgrown.clear()
    began = time.perf_counter()
    run(
        engine,
        lambda operations: operations.create_vector_index(
            "ix",
            "document",
            "embedding",
            operator_class=definition.operator_class,
            with_=dict(definition.parameters),
            build=alembic_ops.Build(memory=f"{memory}kB"),
        ),
    )
    seconds = round(time.perf_counter() - began, 1)
    run(engine, lambda operations: operations.drop_vector_index("ix", "document"))
    predicted = rows * memory // estimate if memory < estimate else None
    return Built(storage, m, rows, estimate, memory, predicted, outgrown[0] if outgrown else None, seconds)


def _count(rows):
    return "not" if rows is None else f"{rows:,}"
