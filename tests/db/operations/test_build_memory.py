"""The memory of a build: what is said before it is what the server finds."""

from __future__ import annotations

import logging
import re

import numpy as np
import pytest
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from sqlalchemy import event, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from alembic_ops import Build
from sqlalchemy_vecsearch import VECTOR, copy_rows

ROWS, DIMENSIONS, M = 60_000, 384, 16
NEEDED = ROWS * (8 + 4 * DIMENSIONS + 32 * M + 200) / 2**20  # in MB, as the documentation has it
SAID = re.compile(r"After about ([\d,]+) rows each further row takes")
FOUND = re.compile(r"no longer fits into maintenance_work_mem after (\d+) tuples")


class Base(DeclarativeBase):
    pass


class Document(Base):
    __tablename__ = "document"
    id: Mapped[int] = mapped_column(primary_key=True)
    embedding: Mapped[list[float]] = mapped_column(VECTOR(DIMENSIONS))


@pytest.fixture
def documents(engine):
    vectors = np.random.default_rng(1).standard_normal((ROWS, DIMENSIONS), dtype=np.float32)
    with engine.begin() as connection:
        Base.metadata.create_all(connection)
        copy_rows(connection, Document, {"id": range(ROWS), "embedding": vectors})
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE document"))


def build(engine, caplog, megabytes):
    """Return after how many rows the graph was said to outgrow its memory, and after how many it did."""
    notices = []
    event.listen(
        engine,
        "connect",
        lambda driver, _: driver.add_notice_handler(lambda notice: notices.append(notice.message_primary)),
    )
    engine.dispose()  # so that connections come that are listened to
    caplog.clear()
    with engine.connect() as connection, caplog.at_level(logging.INFO, "alembic.alembic_ops"):
        context = MigrationContext.configure(connection, opts={"vector_progress": "none"})
        with context.begin_transaction():
            Operations(context).create_vector_index(
                "ix",
                "document",
                "embedding",
                operator_class="vector_l2_ops",
                with_={"m": M, "ef_construction": 2 * M},
                build=Build(memory=f"{megabytes:.0f}MB"),
            )
    said, found = SAID.search(caplog.text), FOUND.search("\n".join(notices))
    return said and int(said[1].replace(",", "")), found and int(found[1])


@pytest.mark.slow
def test_a_graph_outgrows_its_memory_where_the_estimate_says(engine, documents, caplog):
    said, found = build(engine, caplog, 0.93 * NEEDED)
    assert (said, found) == (pytest.approx(0.93 * ROWS, rel=0.02), pytest.approx(said, rel=0.15))


@pytest.mark.slow
def test_a_graph_fits_just_above_the_estimate(engine, documents, caplog):
    assert build(engine, caplog, 1.07 * NEEDED) == (None, None)
