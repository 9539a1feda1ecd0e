"""The rows of the truth table on a database whose extension is in a schema that the search path does not lead to."""

import column_models
import index_rows
import pytest
import side_by_side
from column_rows import FOLLOWING, STAYING, TYPES
from index_rows import CASES
from pgvector.sqlalchemy import VECTOR
from sqlalchemy import Column, Computed, MetaData

from sqlalchemy_vecsearch import SearchPathError

pytestmark = pytest.mark.filterwarnings("ignore:The vector extension is in the schema 'My Ext', which is not on")

AS_THEY_ARE = {
    # old models whose SQL is text, which create_all sends as it is, and models that name another schema
    "d operator class in a text": 'type "halfvec" does not exist',
    "j operator class with its schema": 'operator class "public.vector_l2_ops" does not exist',
}


@pytest.fixture
def project(bare_project):
    bare_project.execute('CREATE SCHEMA "My Ext"; CREATE EXTENSION vector SCHEMA "My Ext"')
    return bare_project


def found(rows):
    """Return the statement for rows, which names functions and types without a schema, as one that finds them."""
    return f'SET search_path = public, "My Ext"; {rows}; RESET search_path'


QUALIFIED = {case: CASES[case] for case in CASES if case not in AS_THEY_ARE}
CREATED = {repr(type_): (MetaData(), column_models.models(type_), ["create_table"]) for type_ in TYPES}


def test_changes_of_indexes_side_by_side(project):
    project.metadata = side_by_side.indexes(QUALIFIED, 0)
    project.metadata.create_all(project.engine)
    assert project.proposes_nothing()
    project.metadata = side_by_side.indexes(QUALIFIED, 1)
    project.cycle(of_tables=side_by_side.operations(QUALIFIED), rows=found(side_by_side.index_values(QUALIFIED)))


def test_vectors_follow_their_columns_side_by_side(project):
    side_by_side.columns(FOLLOWING, 0).create_all(project.engine)
    project.metadata = side_by_side.columns(FOLLOWING, 0)
    assert project.proposes_nothing()
    project.metadata = side_by_side.columns(FOLLOWING, 1)
    project.cycle(of_tables=side_by_side.operations(FOLLOWING), rows=found(side_by_side.column_values(FOLLOWING)))


def test_columns_without_vectors_change_side_by_side(project):
    side_by_side.columns(STAYING, 0).create_all(project.engine)
    project.metadata = side_by_side.columns(STAYING, 1)
    project.cycle(of_tables=side_by_side.operations(STAYING))


def test_columns_of_every_type_are_created_side_by_side_and_then_equal(project):
    project.metadata = side_by_side.columns(CREATED, 1)
    project.cycle(of_tables=side_by_side.operations(CREATED))


# The tests above have all the cases together; with `--every-combination` each runs in a database of its own too.


@pytest.mark.slow
@pytest.mark.parametrize("case", QUALIFIED)
def test_a_change_of_an_index(project, case):
    old, new, operations = CASES[case]
    convention = {"ix": "ix_%(table_name)s_%(column_0_name)s"}
    project.metadata = index_rows.models(*old, naming_convention=convention)
    project.metadata.create_all(project.engine)
    assert project.proposes_nothing()
    project.metadata = index_rows.models(*new, naming_convention=convention)
    project.cycle(*operations, rows=found(index_rows.ROWS))


@pytest.mark.parametrize("case", AS_THEY_ARE)
def test_sql_that_is_given_as_text_is_sent_as_it_is(project, case):
    old, new, _ = CASES[case]
    with pytest.raises(SearchPathError, match=AS_THEY_ARE[case]):
        index_rows.models(*(old or new)).create_all(project.engine)


@pytest.mark.slow
@pytest.mark.parametrize("case", FOLLOWING)
def test_vectors_follow_their_column(project, case):
    old, new, operations, rows = FOLLOWING[case]
    old.create_all(project.engine)
    project.metadata = old
    assert project.proposes_nothing()
    project.metadata = new
    project.cycle(*operations, rows=found(column_models.VALUES[rows]))


@pytest.mark.slow
@pytest.mark.parametrize("case", STAYING)
def test_vectors_that_cannot_follow(project, case):
    old, new, operations, _ = STAYING[case]
    old.create_all(project.engine)
    project.metadata = new
    project.cycle(*operations)


@pytest.mark.slow
@pytest.mark.parametrize("type_", TYPES, ids=repr)
def test_columns_of_every_type_are_created_and_then_equal(project, type_):
    project.metadata = column_models.models(type_)
    project.cycle("create_table")


def test_a_renamed_column(project):
    column_models.models(VECTOR(3), operators=column_models.L2).create_all(project.engine)
    project.metadata = column_models.models(VECTOR(3), operators=column_models.L2, name="vector")
    with pytest.warns(UserWarning, match="is taken to be renamed"):
        project.cycle("alter_column", rows=found(column_models.VALUES["vector"]))


def test_a_generated_column(project):
    def generated(expression):
        metadata = column_models.models(VECTOR(3))
        metadata.tables["items"].append_column(Column("unit", VECTOR(3), Computed(expression, persisted=True)))
        return metadata

    generated('"My Ext".l2_normalize(embedding)').create_all(project.engine)
    project.metadata = generated("embedding")
    project.cycle("drop_column", "add_column", rows=found(column_models.VALUES["vector"]))
