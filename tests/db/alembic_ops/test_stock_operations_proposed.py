"""Autogenerate warns of the stock operations that it proposes on tables of vectors, as their upgrade would."""

import warnings

import pytest
from pgvector.sqlalchemy import VECTOR
from sqlalchemy import BigInteger, Column, Computed, Index, Integer, MetaData, String, Table, Text
from sqlalchemy.dialects.postgresql import TSVECTOR

from alembic_ops.errors import UnsafeOperationWarning

ROWS = "INSERT INTO items (kind, number, embedding) SELECT 'a', g, '[1,2,3]' FROM generate_series(1, 9) g"
FTS = Computed("to_tsvector('english', kind)", persisted=True)


def models(*more, number=Integer, kind=9):
    columns = [Column("id", Integer, primary_key=True), Column("kind", String(kind)), Column("number", number)]
    return Table("items", MetaData(), *columns, Column("embedding", VECTOR(3)), *more).metadata


CASES = {
    "an index": (lambda: models(Index("ix", "kind")), "op.create_index('ix') blocks every write"),
    "a generated column": (lambda: models(Column("fts", TSVECTOR, FTS)), "op.add_column('items', 'fts') writes the"),
    "another type": (lambda: models(number=BigInteger), "op.alter_column('items', 'number') writes the whole table"),
    "a longer text": (lambda: models(kind=20), None),
    "a concurrent index": (lambda: models(Index("ix", "kind", postgresql_concurrently=True)), None),
    "a vector index": (
        lambda: models(
            Index("ix", "embedding", postgresql_using="hnsw", postgresql_ops={"embedding": "vector_l2_ops"})
        ),
        None,
    ),
    "a column": (lambda: models(Column("note", Text)), None),
}


@pytest.fixture
def warned(project):
    """Give `warned(metadata)`: what autogenerate warns of with these models."""

    def run(metadata):
        project.metadata = metadata
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            revision = project.autogenerate()
        revision.path.unlink()
        assert {warning.category for warning in caught} <= {UnsafeOperationWarning}
        return [str(warning.message) for warning in caught]

    return run


def test_a_proposal_on_a_table_with_rows_is_warned_of_where_it_blocks(project, warned):
    models().create_all(project.engine)
    project.execute(ROWS)
    for name, (make, start) in CASES.items():
        found = warned(make())
        assert [text[: len(start or "")] for text in found] == ([start] if start else []), name


def test_nothing_is_warned_of_an_empty_or_new_table(project, warned):
    every = models(Index("ix", "kind"), Column("fts", TSVECTOR, FTS), number=BigInteger)
    assert warned(every) == []
    models().create_all(project.engine)
    assert warned(every) == []


def test_the_option_switches_the_warnings_off(project, warned):
    models().create_all(project.engine)
    project.execute(ROWS)
    project.options = {"vector_safety": False}
    assert [warned(make()) for make, _ in CASES.values()] == [[]] * len(CASES)


def test_looking_leaves_nothing_behind(project, warned):
    models().create_all(project.engine)
    project.execute(ROWS)
    before = project.catalog()
    warned(models(number=BigInteger))
    assert project.catalog() == before
