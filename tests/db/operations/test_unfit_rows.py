"""Rows that an index cannot hold are found before its build, so that no INVALID index is left."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext

from alembic_ops.errors import BuildError

LONG = "SELECT CAST('{{' || string_agg(i || ':1', ',') || '}}/5000' AS sparsevec) FROM generate_series(1, {}) i"
SPARSE = {"column": "terms", "operator_class": "sparsevec_l2_ops"}
CASES = {
    "a sparse vector with too many elements": (
        "CREATE TABLE document (terms sparsevec(5000))",
        [LONG.format(1_001), LONG.format(1_000), "SELECT NULL"],
        SPARSE,
        "In the table 'document' 1 row has too many elements in 'terms' for the index 'ix'. "
        "An index on sparsevec holds at most 1,000 non-zero elements of each row, and a build that meets one more leaves "
        "an INVALID index. "
        "Drop the smallest elements of these rows, or leave the rows out by where=, with a column that says which they are.",
    ),
    "vectors of several dimensions": (
        "CREATE TABLE document (embedding vector)",
        ["SELECT '[1,2,3]'", "SELECT '[1,2]'"],
        {"column": sa.text("(embedding::vector(3))"), "operator_class": "vector_l2_ops"},
        "The server did not create vector index ix on document: hnsw ((embedding::vector(3)) vector_l2_ops): "
        "expected 3 dimensions, not 2. "
        "A vector of the table has another number of dimensions than the index is made for. "
        "Cast to the dimensions that the vectors have, or leave the others out by "
        'where="vector_dims(embedding) = 384".',
    ),
    "numbers beyond half precision": (
        "CREATE TABLE document (embedding vector(2))",
        ["SELECT '[1,2]'", "SELECT '[1e30,2]'"],
        {"column": sa.text("(embedding::halfvec(2))"), "operator_class": "halfvec_l2_ops"},
        None,
    ),
}


def create(engine, *, concurrently, **definition):
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"vector_progress": "none"})
        with context.begin_transaction():
            Operations(context).create_vector_index("ix", "document", concurrently=concurrently, **definition)


def fill(catalog, table, rows):
    catalog.execute(table)
    for row in rows:
        catalog.execute(f"INSERT INTO document {row}")


@pytest.mark.parametrize("concurrently", [True, False])
@pytest.mark.parametrize("name", CASES)
def test_a_row_that_the_index_cannot_hold_is_refused_and_no_index_is_left(engine, catalog, name, concurrently):
    table, rows, definition, message = CASES[name]
    fill(catalog, table, rows)
    with pytest.raises(BuildError) as caught:
        create(engine, concurrently=concurrently, **definition)
    if message is not None:
        assert str(caught.value) == message
    assert catalog.indexes() == {}


def test_rows_outside_of_the_predicate_may_be_as_they_are(engine, catalog):
    fill(catalog, "CREATE TABLE document (short bool, terms sparsevec(5000))", [])
    catalog.execute(f"INSERT INTO document SELECT false, ({LONG.format(1_001)})")
    catalog.execute(f"INSERT INTO document SELECT true, ({LONG.format(1_000)})")
    create(engine, concurrently=True, where="short", **SPARSE)
    assert [usable for _, usable in catalog.indexes().values()] == [True]
