"""Names of indexes that go from one index to another within a revision: PostgreSQL has each only once in a schema."""

import re

import pytest
from item_models import half, ix, models
from sqlalchemy import Column, Index, MetaData, String, text
from sqlalchemy.exc import IntegrityError

CREATE, DROP, RENAME = "create_vector_index", "drop_vector_index", "rename_vector_index"
ROWS = "INSERT INTO items (kind, embedding) SELECT 'a', ARRAY[i, 7 - i, 1]::vector(3) FROM generate_series(1, 20) i"


def btree(name="ix_e", column="kind"):
    return lambda table: Index(name, table.c[column])


def both(items=(), others=()):
    return models(*others, name="others", metadata=models(*items))


IP = ix("ix_other", "vector_ip_ops")

MOVES = {
    "with a table under another name": (models(ix()), models(ix(), name="others"), ["create_table", DROP, CREATE, "drop_table"]),
    "to a table that stays": (both([ix()]), models(ix(), name="others"), [DROP, CREATE, "drop_table"]),
    "to a new table": (models(ix()), both([], [ix()]), [DROP, "create_table", CREATE]),
    "to a new table, the old one renamed": (models(ix()), both([ix("ix_f")], [ix()]), ["create_table", RENAME, CREATE]),
    "to another table": (both([ix()]), both([], [ix()]), [DROP, CREATE]),
    "to another table, the old one renamed": (both([ix()]), both([ix("ix_f")], [ix()]), [RENAME, CREATE]),
    "along a chain": (both([ix("ix_1")], [ix("ix_2")]), both([ix("ix_2")], [ix("ix_3")]), [RENAME, RENAME]),
    "along a chain to the start": (both([ix("ix_1"), IP], [ix("ix_2")]), both([ix("ix_2"), IP], [ix("ix_1", "vector_ip_ops")]), [DROP, RENAME, CREATE]),
    "exchanged": (both([ix("ix_1")], [ix("ix_2")]), both([ix("ix_2")], [ix("ix_1")]), [RENAME, RENAME, RENAME]),
    "from a btree": (models(btree()), models(ix()), ["drop_index", CREATE]),
    "from a btree on the vectors": (models(btree(column="embedding")), models(ix()), ["drop_index", CREATE]),
    "to a btree": (models(ix()), models(btree()), [DROP, "create_index"]),
    "from a btree of another table": (both([btree()]), both([], [ix()]), ["drop_index", CREATE]),
    "from a btree to a new table": (models(btree()), both([], [ix()]), ["create_table", "drop_index", CREATE]),
}  # fmt: skip


@pytest.mark.parametrize("case", MOVES)
def test_a_name_is_free_before_another_index_takes_it(project, case):
    old, new, operations = MOVES[case]
    old.create_all(project.engine)
    project.metadata = new
    project.cycle(*operations, rows=ROWS if "items" in old.tables else None)


def test_a_name_is_free_in_batches_too(project):
    project.options = {"render_as_batch": True}
    models(btree(), btree("ix_kind")).create_all(project.engine)
    project.metadata = models(ix())
    revision = project.cycle(CREATE, rows=ROWS)
    first, second = re.findall(r"batch_op.drop_index\(.*|op.create_vector_index", revision.upgrade)[:2]
    assert (first, second) == ("batch_op.drop_index(batch_op.f('ix_e'), if_exists=True)", "op.create_vector_index")


RENAMED_TABLE = """\
def upgrade() -> None:
    op.rename_table("items", "others")


def downgrade() -> None:
    op.rename_table("others", "items")
"""


def test_a_table_that_is_renamed_by_hand_keeps_its_rows_and_its_index(project):
    models(ix(), half()).create_all(project.engine)
    project.metadata = models(ix(), half(), name="others")
    project.cycle(
        "create_table", DROP, CREATE, DROP, CREATE, "drop_table",
        rows=ROWS,
        edit=lambda source: source.partition("def upgrade()")[0] + RENAMED_TABLE,
    )  # fmt: skip
    with project.engine.connect() as connection:
        assert connection.scalar(text("SELECT count(embedding) FROM others")) == 20


def test_names_in_two_schemas_do_not_meet(project):
    project.execute("CREATE SCHEMA app")
    project.options = {"include_schemas": True}
    models(ix(), schema="app").create_all(project.engine)
    project.metadata = models(ix(), metadata=models(schema="app"))
    project.cycle(DROP, "create_table", CREATE)


def test_the_default_schema_by_its_name_is_the_schema_without_a_name(project):
    models(ix()).create_all(project.engine)
    project.metadata = models(ix(), name="others", schema="public")
    project.cycle("create_table", DROP, "drop_table", CREATE, rows=ROWS)


def test_a_table_and_its_index_that_go_together(project):
    models(ix()).create_all(project.engine)
    project.metadata = MetaData()
    project.cycle(DROP, "drop_table", rows=ROWS)


def test_a_revision_that_takes_the_name_of_a_btree_is_run_again_after_a_failure(project):
    models(btree()).create_all(project.engine)
    project.execute(ROWS)
    project.metadata = models(ix())
    project.metadata.tables["items"].append_column(Column("lang", String(2), nullable=False))
    revision = project.autogenerate()
    assert revision.upgrade.startswith(
        "op.drop_index(op.f('ix_e'), table_name='items', if_exists=True)\nop.create_vector_index("
    )
    with pytest.raises(IntegrityError, match='column "lang" of relation "items" contains null values'):
        project.upgrade()
    project.execute("DELETE FROM items")
    project.upgrade()
    assert project.proposes_nothing()
