"""Server defaults of vector columns, and columns of vectors that the server generates."""

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from column_models import ALTER, CREATE, DROP, HALF, L2, VALUES, models
from pgvector.sqlalchemy import BIT, HALFVEC, SPARSEVEC, VECTOR
from sqlalchemy import Column, Computed, Index, text

from alembic_ops.errors import GeneratedColumnError, VectorMigrationWarning

DEFAULTS = {
    "vector": (VECTOR(3), "[1,2,3]", "[1,2,4]"),
    "halfvec": (HALFVEC(3), text("'[1,2,3]'"), text("'[1,2,4]'::halfvec")),
    "sparsevec": (SPARSEVEC(3), "{1:1}/3", "{1:2}/3"),
    "bit": (BIT(3), text("B'101'"), text("B'111'")),
}


@pytest.mark.parametrize("case", DEFAULTS)
def test_server_defaults_are_compared_where_alembic_is_asked_to(project, case):
    type_, default, other = DEFAULTS[case]
    project.options = {"compare_server_default": True}
    project.metadata = models(type_, server_default=default)
    project.metadata.create_all(project.engine)
    assert project.proposes_nothing()
    project.metadata = models(type_, server_default=other)
    project.cycle("alter_column", rows="INSERT INTO items DEFAULT VALUES")


@pytest.mark.parametrize("case", DEFAULTS)
def test_columns_with_a_server_default_are_created_and_then_equal(project, case):
    type_, default, other = DEFAULTS[case]
    project.options = {"compare_server_default": True}
    project.metadata = models(type_, server_default=default)
    project.cycle("create_table")
    project.options = {}
    project.metadata = models(type_, server_default=other)
    assert project.proposes_nothing()  # Alembic compares defaults only where it is asked to


def test_a_generated_column_is_created_and_then_equal(project):
    project.metadata = generated(HALFVEC(3), CAST, operators=HALF)
    project.cycle("create_table", CREATE)


def generated(type_, expression, *, source=None, operators=None):
    """Models with a column that is generated from another; an empty expression makes it an ordinary one."""
    metadata = models(source or VECTOR(3))
    items = metadata.tables["items"]
    half = Column("half", type_, Computed(expression, persisted=True)) if expression else Column("half", type_)
    items.append_column(half)
    if operators is not None:
        Index("ix_half", half, postgresql_using="hnsw", postgresql_ops={"half": operators})
    return metadata


CAST, PART, UNIT = "embedding::halfvec(3)", "subvector(embedding, 1, 2)", "l2_normalize(embedding)"
DROP_COLUMN, ADD_COLUMN = "drop_column", "add_column"

GENERATED = {
    "expression": (generated(VECTOR(3), UNIT), generated(VECTOR(3), "embedding"), [DROP_COLUMN, ADD_COLUMN]),
    "a cast that Alembic takes out": (generated(HALFVEC(), CAST), generated(HALFVEC(), "subvector(embedding,1,2)::halfvec(2)"), [DROP_COLUMN, ADD_COLUMN]),
    "dimensions of a cast": (generated(HALFVEC(), PART + "::halfvec(2)"), generated(HALFVEC(), PART + "::halfvec"), [DROP_COLUMN, ADD_COLUMN]),
    "type and expression": (generated(HALFVEC(3), CAST), generated(VECTOR(2), PART), [DROP_COLUMN, ADD_COLUMN]),
    "type alone": (generated(HALFVEC(3), "embedding"), generated(VECTOR(3), "embedding"), [DROP_COLUMN, ADD_COLUMN]),
    "under an index": (generated(VECTOR(3), UNIT, operators=L2), generated(VECTOR(3), "embedding", operators=L2), [DROP, DROP_COLUMN, ADD_COLUMN, CREATE]),
    "under an index that changes": (generated(HALFVEC(3), CAST, operators=HALF), generated(VECTOR(3), UNIT, operators=L2), [DROP, DROP_COLUMN, ADD_COLUMN, CREATE]),
    "from a column of another type": (generated(HALFVEC(3), CAST, operators=HALF), generated(HALFVEC(3), CAST, operators=HALF, source=HALFVEC(3)), [DROP, DROP_COLUMN, ALTER, ADD_COLUMN, CREATE]),
}  # fmt: skip


@pytest.mark.parametrize("case", GENERATED)
def test_a_generated_column_is_generated_anew(project, case):
    old, new, operations = GENERATED[case]
    old.create_all(project.engine)
    project.execute(VALUES["vector"])
    project.options = {"compare_server_default": True}
    project.metadata = old
    assert project.proposes_nothing()
    project.metadata = new
    project.cycle(*operations)
    with project.engine.connect() as connection:
        assert connection.scalar(text("SELECT count(half) FROM items")) == 20


def test_a_generated_column_in_other_words_is_the_same(project):
    project.metadata = generated(HALFVEC(3), CAST)
    project.cycle("create_table")
    project.metadata = generated(HALFVEC(3), "CAST( (embedding) AS HALFVEC(3) )")
    assert project.proposes_nothing()


def test_a_generated_column_follows_the_new_name_of_its_source(project):
    generated(HALFVEC(3), CAST).create_all(project.engine)
    project.metadata = models(VECTOR(3), name="vector")
    project.metadata.tables["items"].append_column(
        Column("half", HALFVEC(3), Computed("vector::halfvec(3)", persisted=True))
    )
    with pytest.warns(VectorMigrationWarning, match="is taken to be renamed"):
        project.cycle("alter_column", rows=VALUES["vector"])


def test_a_generated_column_that_the_server_refuses_is_an_error_with_its_words(project):
    generated(VECTOR(3), "embedding").create_all(project.engine)
    project.metadata = generated(VECTOR(3), "embedding + no_such")
    with pytest.raises(GeneratedColumnError) as caught:
        project.autogenerate()
    assert str(caught.value) == (
        "The column 'half' of the table 'items' cannot be generated as embedding + no_such. "
        'The server says: column "no_such" does not exist. '
        "Correct the expression of its Computed()."
    )
    assert (caught.value.table_name, caught.value.column) == ("items", "half")


def test_a_read_only_server_says_which_generated_column_it_does_not_compare(project, make_engine):
    project.metadata = generated(VECTOR(3), "embedding")
    project.metadata.create_all(project.engine)
    project.engine = make_engine(connect_args={"options": "-cdefault_transaction_read_only=on"})
    with project.engine.connect() as connection, pytest.warns(VectorMigrationWarning) as caught:
        assert compare_metadata(MigrationContext.configure(connection), project.metadata) == []
    assert [str(one.message) for one in caught] == [
        "The column 'half' of the table 'items' could not be compared. "
        "Its expression is compared on an empty temporary table, and the server says: "
        "cannot execute CREATE TABLE in a read-only transaction. "
        "Run autogenerate with a role that may create temporary tables, on a server that takes writes."
    ]


HALVES = {
    "generated in the database": (
        generated(HALFVEC(3), CAST),
        generated(HALFVEC(3), ""),
        "The column 'half' of the table 'items' is generated as (embedding)::halfvec(3) in the database,"
        " and an ordinary column in the models. "
        "One cannot become the other without a decision about the vectors that it holds. "
        "Write op.execute('ALTER TABLE items ALTER COLUMN half DROP EXPRESSION') in a revision to keep its vectors,"
        " or op.drop_column() and op.add_column().",
    ),
    "generated in the models": (
        generated(HALFVEC(3), ""),
        generated(HALFVEC(3), CAST),
        "The column 'half' of the table 'items' is generated as embedding::halfvec(3) in the models,"
        " and an ordinary column in the database. "
        "One cannot become the other without a decision about the vectors that it holds. "
        "Write op.drop_column() and op.add_column() in a revision, which replaces its vectors.",
    ),
}


@pytest.mark.parametrize("case", HALVES)
def test_a_column_that_is_generated_on_one_side_only_is_named(project, case):
    old, new, expected = HALVES[case]
    old.create_all(project.engine)
    project.metadata = new
    with pytest.warns(VectorMigrationWarning) as caught:
        assert project.proposes_nothing()
    assert {str(one.message) for one in caught} == {expected}


def test_server_defaults_are_compared_where_the_search_path_does_not_lead_to_the_extension(bare_project):
    project = bare_project
    project.options = {"compare_server_default": True}
    project.execute("CREATE SCHEMA ext")
    project.execute("CREATE EXTENSION vector SCHEMA ext")
    project.metadata = models(VECTOR(3), server_default="[1,2,3]")
    project.metadata.create_all(project.engine)
    project.metadata = models(VECTOR(3), server_default="[1, 2, 3.0]")
    assert project.proposes_nothing()
    project.metadata = models(VECTOR(3), server_default="[1,2,4]")
    with project.engine.connect() as connection:
        configured = MigrationContext.configure(connection, opts={"compare_server_default": True})
        with pytest.warns(VectorMigrationWarning):
            ((change,),) = compare_metadata(configured, project.metadata)
        assert change[0] == "modify_default"
        assert connection.scalar(text("SHOW search_path")) == '"$user", public'
