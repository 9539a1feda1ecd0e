"""Changes of columns and indexes that come in one revision."""

import warnings

import pytest
from pgvector.sqlalchemy import HALFVEC, VECTOR
from sqlalchemy import Column, Computed, Index, Integer, MetaData, String, Table, text

from alembic_ops.errors import UnsafeOperationWarning, VectorMigrationWarning

ROWS = "INSERT INTO items (kind, embedding) SELECT 'a', ARRAY[i, 7 - i, 1]::vector(3) FROM generate_series(1, 20) i"


def models(*columns, indexes=()):
    metadata = MetaData(naming_convention={"ix": "ix_%(table_name)s_%(column_0_name)s"})
    items = Table("items", metadata, Column("id", Integer, primary_key=True), Column("kind", String(10)), *columns)
    for index in indexes:
        index(items)
    return metadata


def column(name="embedding", type_=None, **options):
    return Column(name, type_ or VECTOR(3), **options)


def half():
    return Column("half", HALFVEC(3), Computed("embedding::halfvec(3)", persisted=True))


def ix(column="embedding", operators="vector_l2_ops", *, name=None, where=None, **parameters):
    def declare(table):
        Index(
            name,
            table.c[column],
            postgresql_using="hnsw",
            postgresql_ops={column: operators},
            postgresql_with=parameters,
            postgresql_where=None if where is None else text(where),
        )

    return declare


def indexed(*indexes, **options):
    return models(column(**options), indexes=indexes)


HALF = "halfvec_l2_ops"
CREATE, DROP, REBUILD, RENAME = (
    "create_vector_index",
    "drop_vector_index",
    "rebuild_vector_index",
    "rename_vector_index",
)
RETYPE, ALTER, ADD, NEW = "alter_embedding_type", "alter_column", "add_column", "add_embedding_column"
MAY = (
    "Columns of the table 'items' are dropped and added that may only be renamed: 'a' to 'b', 'a' to 'other', "
    "'embedding' to 'b', 'embedding' to 'other'. Several go or come, so that only you can tell which is which, and "
    "dropping one throws its vectors away. Replace the operations on two columns that are one by "
    "op.alter_column('items', 'a', new_column_name='b')."
)
TAKEN, SPLIT, SPLIT_BACK = (
    "is taken to be renamed",
    "into a revision of its own, after",
    "into a revision of its own, before",
)

CASES = {
    "renamed, with the index by convention": (indexed(ix()), indexed(ix("vector"), name="vector"), [ALTER, RENAME], [TAKEN]),
    "renamed, the index rebuilt": (indexed(ix(name="ix")), indexed(ix("vector", "vector_ip_ops", name="ix"), name="vector"), [ALTER, REBUILD], [TAKEN, SPLIT]),
    "renamed, another index": (indexed(ix()), indexed(ix("vector", "vector_ip_ops"), name="vector"), [DROP, ALTER, CREATE], [TAKEN, SPLIT, SPLIT_BACK]),
    "renamed, a new index": (indexed(), indexed(ix("vector"), name="vector"), [ALTER, CREATE], [TAKEN, SPLIT]),
    "renamed, the index dropped": (indexed(ix()), indexed(name="vector"), [DROP, ALTER], [TAKEN, SPLIT_BACK]),
    "renamed under a predicate, with a new column": (indexed(ix(where="kind = 'a'")), models(column("vector"), Column("more", Integer), indexes=[ix("vector", where="kind = 'a'")]), [ALTER, ADD, RENAME], [TAKEN]),
    "another type, the index renamed": (indexed(ix()), indexed(ix(operators=HALF, name="ix"), type_=HALFVEC(3)), [DROP, RETYPE, CREATE], []),
    "another type, the index dropped": (indexed(ix()), indexed(type_=HALFVEC(3)), [DROP, RETYPE], []),
    "another type, a new index": (indexed(), indexed(ix(operators=HALF), type_=HALFVEC(3)), [RETYPE, CREATE], []),
    "another type, the index changed": (indexed(ix()), indexed(ix(operators=HALF, m=24), type_=HALFVEC(3)), [DROP, RETYPE, CREATE], []),
    "another type under a predicate": (indexed(ix(where="kind = 'a'")), indexed(ix(operators=HALF, where="kind = 'a'"), type_=HALFVEC(3)), [DROP, RETYPE, CREATE], []),
    "another column under the index": (indexed(ix(name="ix")), indexed(ix("other", name="ix"), name="other", type_=VECTOR(4)), [NEW, REBUILD, "drop_column"], [SPLIT_BACK]),
    "another column under the index, the old one stays": (indexed(ix(name="ix")), models(column(), column("other", VECTOR(4)), indexes=[ix("other", name="ix")]), [NEW, REBUILD], []),
    "another column with its index": (indexed(ix()), models(column(), column("other", VECTOR(4)), indexes=[ix(), ix("other")]), [NEW, CREATE], []),
    "the column of the predicate goes": (models(column(), Column("lang", String(2)), indexes=[ix(where="lang = 'en'")]), indexed(ix()), [REBUILD, "drop_column"], [SPLIT_BACK]),
    "another column under the predicate": (models(column(), Column("lang", String(2)), indexes=[ix(where="lang = 'en'")]), models(column(), Column("tongue", String(2)), indexes=[ix(where="tongue = 'en'")]), [ADD, REBUILD, "drop_column"], [SPLIT, SPLIT_BACK]),
    "two columns go, and two of their type come": (models(column("a"), column(), indexes=[ix(name="ix")]), models(column("b"), column("other"), indexes=[ix("other", name="ix")]), [NEW, NEW, REBUILD, "drop_column", "drop_column"], [MAY, SPLIT_BACK]),
    "two columns go, and two of other types come": (models(column("a"), column()), models(column("b", VECTOR(4)), column("other", HALFVEC(3))), [NEW, NEW, "drop_column", "drop_column"], []),
    "without null, the index changed": (indexed(ix()), indexed(ix(m=24), nullable=False), [REBUILD, ALTER], []),
    "a generated column goes": (models(column(), half(), indexes=[ix("half", HALF)]), indexed(ix()), [CREATE, DROP, "drop_column"], []),
    "a generated column comes": (indexed(ix()), models(column(), half(), indexes=[ix("half", HALF)]), [DROP, ADD, CREATE], [SPLIT]),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_column_and_its_index_change_together(project, case):
    old, new, operations, expected = CASES[case]
    old.create_all(project.engine)
    project.metadata = new
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", VectorMigrationWarning)
        warnings.simplefilter("ignore", UnsafeOperationWarning)  # of test_stock_operations_proposed.py
        project.cycle(*operations, rows=ROWS)
    for message in {str(one.message) for one in caught}:
        (found,) = (one for one in expected if one in message)
        expected = [one for one in expected if one != found]
    assert expected == []


def test_other_dimensions_and_another_index(project):
    indexed(ix()).create_all(project.engine)
    project.metadata = indexed(ix(m=24), type_=VECTOR(4))
    project.cycle(DROP, RETYPE, CREATE)
