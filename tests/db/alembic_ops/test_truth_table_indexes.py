"""Every change of a vector index that Alembic alone misses, proposes wrongly, or writes so that it fails."""

import re

import pytest
import side_by_side
from index_rows import CASES, CREATE, DROP, HALF, REBUILD, RENAME, ROWS, half, ix, models
from pgvector.sqlalchemy import HALFVEC
from sqlalchemy import Index, text
from sqlalchemy.exc import InternalError

from alembic_ops.errors import BuildError, VectorMigrationWarning


def test_changes_of_indexes_are_proposed_made_and_undone_side_by_side(project):
    project.metadata = side_by_side.indexes(CASES, 0)
    project.metadata.create_all(project.engine)
    assert project.proposes_nothing()
    project.metadata = side_by_side.indexes(CASES, 1)
    project.cycle(of_tables=side_by_side.operations(CASES), rows=side_by_side.index_values(CASES))


@pytest.mark.slow  # all of them together, each in a database of its own; the test above has each case too
@pytest.mark.parametrize("case", CASES)
def test_a_change_of_an_index_is_proposed_made_and_undone(project, case):
    old, new, operations = CASES[case]
    convention = {"ix": "ix_%(table_name)s_%(column_0_name)s"}
    project.metadata = models(*old, naming_convention=convention)
    project.metadata.create_all(project.engine)
    assert project.proposes_nothing()
    project.metadata = models(*new, naming_convention=convention)
    project.cycle(*operations, rows=ROWS)


SAME = {
    "c parameters that are the defaults": ([ix()], [ix(with_={"m": 16, "ef_construction": "64"})]),
    "c predicate in other words": ([ix(where=text("id > 1 and kind = 'a'"))], [ix(where=text("((id)>1) AND ((kind)::text = 'a'::text)"))]),
    "d expression in other words": ([ix(half, HALF)], [ix(lambda _: text("(((embedding))::halfvec(3)) halfvec_l2_ops"))]),
    "j operator class with its schema": ([ix()], [ix(operators="public.vector_l2_ops")]),
    "o tablespace": ([ix()], [ix(tablespace="pg_default")]),
}  # fmt: skip


@pytest.mark.parametrize("case", SAME)
def test_other_words_for_the_same_index_are_no_change(project, case):
    old, new = SAME[case]
    project.metadata = models(*old)
    project.metadata.create_all(project.engine)
    project.metadata = models(*new)
    assert project.proposes_nothing()


def test_a_declared_tablespace_is_named_in_a_warning(project):
    project.metadata = models()
    project.metadata.create_all(project.engine)
    project.metadata = models(ix(tablespace="Fast one"))
    with pytest.warns(VectorMigrationWarning) as caught:
        project.cycle(CREATE, rows=ROWS)
    assert {str(one.message) for one in caught} == {
        "The index 'ix_e' of the table 'items' declares the tablespace 'Fast one'. "
        "Operations on vector indexes build in the default tablespace of the session. "
        "Put op.execute('SET default_tablespace = \"Fast one\"') before the operation in the revision, and"
        " op.execute('RESET default_tablespace') after it."
    }
    assert project.proposes_nothing()


def test_an_index_for_a_type_that_is_not_compared_is_named_in_a_warning(project):
    project.options = {"compare_type": False}
    project.metadata = models(ix())
    project.metadata.create_all(project.engine)
    project.metadata = models(ix(operators="halfvec_l2_ops"))
    project.metadata.tables["items"].c.embedding.type = HALFVEC(3)
    with pytest.warns(VectorMigrationWarning) as caught:
        revision = project.autogenerate()
    assert [str(one.message) for one in caught] == [
        "The index 'ix_e' of the table 'items' has the operator class 'halfvec_l2_ops', and its column 'embedding' is"
        " a VECTOR in the database. "
        "The models say another type, which autogenerate was not to compare, by compare_type or a filter of env.py. "
        "Put op.alter_embedding_type() in the operation's place: it takes the indexes of the column along."
    ]
    proposed = re.compile(r"op\.rebuild_vector_index\(.*?\n    \)", re.DOTALL)
    types = "existing_type=pgvector.sqlalchemy.VECTOR(3), type_=pgvector.sqlalchemy.HALFVEC(3)"
    by_hand = f"import pgvector.sqlalchemy\n    op.alter_embedding_type('items', 'embedding', {types})"
    revision.path.write_text(proposed.sub(by_hand, revision.whole, count=1))
    project.execute(ROWS)
    project.upgrade()
    assert project.proposes_nothing()


def test_a_drop_carries_the_whole_definition(project):
    project.metadata = models(ix(half, HALF, with_={"m": 24}, where=text("kind = 'a'")))
    project.metadata.create_all(project.engine)
    project.metadata = models()
    revision = project.cycle(DROP, rows=ROWS)
    assert revision.downgrade == (
        "op.create_vector_index(\n'ix_e',\n'items',\nsa.text('(embedding::halfvec(3))'),\nmethod='hnsw',\n"
        "operator_class='halfvec_l2_ops',\nwith_={'m': 24},\nwhere=\"kind::text = 'a'::text\",\n)"
    )


def test_a_renamed_index_is_not_built_again(project):
    project.metadata = models(ix(name="ix_old"))
    project.metadata.create_all(project.engine)
    with project.engine.connect() as connection:
        before = connection.scalar(text("SELECT relfilenode FROM pg_class WHERE relname = 'ix_old'"))
    project.metadata = models(ix())
    assert project.autogenerate().upgrade == "op.rename_vector_index(\n'ix_old',\n'ix_e',\ntable_name='items',\n)"
    project.upgrade()
    with project.engine.connect() as connection:
        assert connection.scalar(text("SELECT relfilenode FROM pg_class WHERE relname = 'ix_e'")) == before


def test_the_case_of_two_names_for_one_definition_is_settled_by_name(project):
    project.metadata = models(ix(), ix(name="ix_f"))
    project.metadata.create_all(project.engine)
    project.metadata = models(ix(name="ix_f"), ix(name="ix_g"))
    project.cycle(RENAME)


def test_a_cast_to_other_dimensions_needs_vectors_that_have_them(project):
    project.metadata = models(ix(half, HALF))
    project.metadata.create_all(project.engine)
    project.metadata = models(ix(lambda c: half(c, 2), HALF))
    project.cycle(REBUILD)
    project.downgrade("base")
    before = project.catalog()
    project.execute(ROWS)
    with pytest.raises(BuildError) as caught:
        project.upgrade()
    assert str(caught.value) == (
        "The server did not rebuild vector index ix_e of items as hnsw ((embedding::halfvec(2)) halfvec_l2_ops):"
        " expected 2 dimensions, not 3. "
        "A vector of the table has another number of dimensions than the index is made for. "
        "Cast to the dimensions that the vectors have, or leave the others out by"
        ' where="vector_dims(embedding) = 384".'
    )
    assert project.catalog() == before  # the rows are looked at before a build, which would leave an INVALID index
    project.execute("DELETE FROM items")
    project.upgrade()
    assert project.proposes_nothing()
    assert len(project.catalog()[0]) == len(before[0])


def test_an_index_that_create_all_passes_over_is_proposed(project):
    models().create_all(project.engine)
    project.metadata = models(ix())
    project.metadata.create_all(project.engine)
    project.cycle(CREATE, rows=ROWS)


def test_an_index_that_is_concurrent_in_the_model_is_built_plainly_with_its_table(project):
    project.metadata = models(ix(concurrently=True))
    with pytest.raises(InternalError, match="CREATE INDEX CONCURRENTLY cannot run inside a transaction block"):
        project.metadata.create_all(project.engine)
    revision = project.cycle("create_table", CREATE)
    assert "concurrently=False" in revision.upgrade


def test_a_detached_text_is_an_index_of_no_table_and_stays_unseen(project):
    project.metadata = models()
    project.metadata.create_all(project.engine)
    detached = Index("ix_e", text("(embedding::halfvec(3)) halfvec_l2_ops"), postgresql_using="hnsw")
    assert detached.table is None
    assert project.proposes_nothing()
