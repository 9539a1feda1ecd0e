"""Every change of a vector column that Alembic alone misses, proposes wrongly, or writes so that it fails."""

import re
import subprocess
import sys
from subprocess import CalledProcessError

import pytest
import side_by_side
from column_models import ALTER, CREATE, DROP, HALF, L2, VALUES, models
from column_rows import FOLLOWING, STAYING, TYPES
from pgvector.sqlalchemy import HALFVEC, VECTOR
from sqlalchemy import MetaData, cast, text

from alembic_ops.autogenerate.declared import IndexRuleError
from alembic_ops.errors import MigrationError, VectorMigrationWarning, VectorsInTheWayError


def test_vectors_follow_their_columns_side_by_side(project):
    project.metadata = side_by_side.columns(FOLLOWING, 0)
    project.metadata.create_all(project.engine)
    assert project.proposes_nothing()
    project.execute(side_by_side.column_values(FOLLOWING))
    project.metadata = side_by_side.columns(FOLLOWING, 1)
    project.cycle(of_tables=side_by_side.operations(FOLLOWING))
    for table in side_by_side.tables_of(FOLLOWING).values():
        with project.engine.connect() as connection:
            assert connection.scalar(text(f"SELECT count(embedding) FROM {table}")) > 0


@pytest.mark.slow  # all of them together, each in a database of its own; the test above has each case too
@pytest.mark.parametrize("case", FOLLOWING)
def test_vectors_follow_their_column_with_its_indexes(project, case):
    old, new, operations, rows = FOLLOWING[case]
    old.create_all(project.engine)
    project.metadata = old
    assert project.proposes_nothing()
    project.execute(VALUES[rows])
    project.metadata = new
    project.cycle(*operations)
    with project.engine.connect() as connection:
        assert connection.scalar(text("SELECT count(embedding) FROM items")) > 0


def test_columns_without_vectors_change_side_by_side(project):
    side_by_side.columns(STAYING, 0).create_all(project.engine)
    project.metadata = side_by_side.columns(STAYING, 1)
    project.cycle(of_tables=side_by_side.operations(STAYING))


@pytest.mark.slow  # all of them together, each in a database of its own; the test above has each case too
@pytest.mark.parametrize("case", STAYING)
def test_a_column_without_vectors_changes(project, case):
    old, new, operations, _ = STAYING[case]
    old.create_all(project.engine)
    project.metadata = new
    project.cycle(*operations)


@pytest.mark.parametrize("case", STAYING)
def test_vectors_that_cannot_follow_are_not_lost(project, case):
    old, new, operations, rows = STAYING[case]
    old.create_all(project.engine)
    project.metadata = new
    assert project.autogenerate().operations() == operations
    before = project.catalog()
    project.execute(VALUES[rows])
    with pytest.raises(VectorsInTheWayError) as caught:
        project.upgrade()
    type_ = new.tables["items"].c.embedding.type
    assert str(caught.value) == (
        f"The column 'items.embedding' holds vectors that cannot become {type_!r}. "
        "Another number of dimensions is another embedding model, and nothing converts one into the other. "
        "Give op.alter_embedding_type() a using= expression, or discard_vectors=True to set them all to NULL and embed"
        " the rows again, or fill a column beside it and exchange their names: op.add_embedding_column(), and"
        " op.swap_embedding_columns() in a later revision."
    )
    assert project.catalog() == before
    project.execute("DROP TABLE IF EXISTS alembic_version")
    with pytest.raises(CalledProcessError) as stopped:
        project.psql(project.sql_of_upgrade())
    assert str(caught.value) in " ".join(stopped.value.stderr.split())
    assert project.catalog() == before
    with project.engine.connect() as connection:
        assert connection.scalar(text("SELECT count(embedding) FROM items")) > 0


def written(up, down):
    """Return what a person adds to the two calls of op.alter_embedding_type."""

    def edit(source):
        head, mark, tail = source.partition("def downgrade()")
        return "".join(
            re.sub(r"(\n +type_=.*\n)", rf"\1        {argument},\n", part)
            for part, argument in ((head, up), (mark + tail, down))
        )

    return edit


def vectors(project):
    """Return the first vector, and how many rows and vectors there are."""
    first = text("SELECT (array_agg(embedding::text ORDER BY id))[1], count(*), count(embedding) FROM items")
    with project.engine.connect() as connection:
        return connection.execute(first).one()


def test_a_using_expression_makes_the_new_vectors(project):
    models(VECTOR(3), operators=L2).create_all(project.engine)
    project.metadata = models(VECTOR(2), operators=L2)
    edit = written("using='subvector(embedding, 1, 2)::vector(2)'", "using='(embedding::real[] || 9::real)::vector(3)'")
    project.cycle(ALTER, rows=VALUES["vector"], edit=edit)
    assert vectors(project) == ("[1,6]", 20, 20)


def test_vectors_are_thrown_away_by_name(project):
    models(VECTOR(3), operators=L2).create_all(project.engine)
    project.metadata = models(VECTOR(4), operators=L2)
    edit = written("discard_vectors=True", "discard_vectors=True")
    project.cycle(ALTER, rows=VALUES["vector"], edit=edit)
    assert vectors(project) == (None, 20, 0)


BY_HAND = """\
def upgrade() -> None:
    op.alter_embedding_type(
        "items",
        "embedding",
        existing_type=pgvector.sqlalchemy.VECTOR(3),
        type_=pgvector.sqlalchemy.HALFVEC(3),
    )


def downgrade() -> None:
    op.alter_embedding_type(
        "items",
        "embedding",
        existing_type=pgvector.sqlalchemy.HALFVEC(3),
        type_=pgvector.sqlalchemy.VECTOR(3),
    )
"""


def test_the_operation_by_hand_takes_the_plain_indexes_along(project):
    models(VECTOR(3), operators="vector_cosine_ops").create_all(project.engine)
    project.execute(VALUES["vector"])
    project.metadata = models(HALFVEC(3), operators="halfvec_cosine_ops")
    revision = project.autogenerate()
    revision.path.write_text(revision.whole.partition("def upgrade()")[0] + BY_HAND)
    before = project.catalog()
    project.upgrade()
    assert project.proposes_nothing()
    after = project.catalog()
    project.downgrade()
    assert project.catalog() == before
    project.upgrade()
    assert project.catalog() == after
    project.downgrade()
    project.execute("DROP TABLE alembic_version")
    with pytest.raises(CalledProcessError, match="exit status 3") as stopped:  # a script does not know the indexes
        project.psql(project.sql_of_upgrade())
    assert (
        "The column 'items.embedding' has vector indexes that cannot follow it to HALFVEC(dim=3)."
        in stopped.value.stderr
    )
    assert project.catalog() == before


RENAMED = (
    "The column 'embedding' of the table 'items' is taken to be renamed to 'vector'. "
    "Both have one type, and dropping the one would throw its vectors away. "
    "If 'vector' is for other vectors, replace the op.alter_column() by op.add_column() and op.drop_column()."
)

ELEMENTS = {"alone": (None, None), "under an index": (L2, None), "under an expression": (HALF, lambda column: cast(column, HALFVEC(3)))}  # fmt: skip


@pytest.mark.parametrize("case", ELEMENTS)
def test_a_renamed_column_keeps_its_vectors_and_its_index(project, case):
    operators, element = ELEMENTS[case]
    models(VECTOR(3), operators=operators, element=element).create_all(project.engine)
    project.metadata = models(VECTOR(3), operators=operators, element=element, name="vector")
    with pytest.warns(VectorMigrationWarning) as caught:
        project.cycle("alter_column", rows=VALUES["vector"])
    assert {str(one.message) for one in caught} == {RENAMED}
    with project.engine.connect() as connection:
        assert connection.scalar(text("SELECT count(vector) FROM items")) == 20


def test_a_new_column_and_its_index_on_a_table_with_rows(project):
    models().create_all(project.engine)
    project.execute("INSERT INTO items SELECT FROM generate_series(1, 20)")
    project.metadata = models(VECTOR(3), operators=L2)
    revision = project.cycle("add_embedding_column", CREATE)
    assert "concurrently=False" not in revision.upgrade


def test_a_column_that_goes_takes_its_index_and_brings_it_back(project):
    models(VECTOR(3), operators=L2).create_all(project.engine)
    project.metadata = models()
    project.cycle(DROP, "drop_column", rows=VALUES["vector"])


def test_a_table_that_goes_takes_its_index_and_brings_it_back(project):
    models(VECTOR(3), operators=L2).create_all(project.engine)
    project.metadata = MetaData()
    project.cycle(DROP, "drop_table", rows=VALUES["vector"])


def test_a_column_without_null_waits_for_the_rows_that_have_no_vector(project):
    models().create_all(project.engine)
    project.metadata = models(VECTOR(3), operators=L2, nullable=False)
    project.cycle("add_embedding_column", CREATE)
    project.downgrade("base")
    before = project.catalog()
    project.execute("INSERT INTO items SELECT FROM generate_series(1, 20)")
    with pytest.raises(MigrationError) as caught:
        project.upgrade()
    assert str(caught.value) == (
        "The column 'embedding' cannot be added as NOT NULL: 'items' has rows. "
        "They have no vector yet, and PostgreSQL would refuse them. "
        "Add the column with nullable=True, fill it, and then use op.add_embedding_column() with nullable=False in a later"
        " revision, or give it a server_default."
    )
    assert project.catalog() == before
    project.execute("DELETE FROM items")
    project.upgrade()
    assert project.proposes_nothing()


CREATED = {repr(type_): (MetaData(), models(type_), ["create_table"]) for type_ in TYPES}


def test_columns_of_every_type_are_created_side_by_side_and_then_equal(project):
    project.metadata = side_by_side.columns(CREATED, 1)
    project.cycle(of_tables=side_by_side.operations(CREATED))


@pytest.mark.slow  # all of them together, each in a database of its own; the test above has each type too
@pytest.mark.parametrize("type_", TYPES, ids=repr)
def test_columns_of_every_type_are_created_and_then_equal(project, type_):
    project.metadata = models(type_)
    project.cycle("create_table")


def test_a_template_that_imports_pgvector_already_is_no_hindrance(project):
    template = project.folder / "script.py.mako"
    template.write_text(
        template.read_text().replace("import sqlalchemy as sa", "import sqlalchemy as sa\nimport pgvector.sqlalchemy")
    )
    project.metadata = models(VECTOR(3), operators=L2)
    project.cycle("create_table", CREATE)


def test_a_type_that_leaves_its_operator_class_behind_is_an_error(project):
    models(VECTOR(3), operators=L2).create_all(project.engine)
    project.metadata = models(HALFVEC(3), operators=L2)
    with pytest.raises(IndexRuleError, match="has the operator class 'vector_l2_ops' on a halfvec"):
        project.autogenerate()


REFLECT = """\
import sys, warnings
warnings.simplefilter("error")
import alembic_ops
from sqlalchemy import create_engine, inspect
(column,) = inspect(create_engine(sys.argv[1])).get_columns("items")[1:]
print(column["type"])
"""


def test_columns_are_known_where_nothing_else_has_imported_pgvector(project):
    models(VECTOR(3)).create_all(project.engine)
    url = project.engine.url.render_as_string(hide_password=False)
    done = subprocess.run([sys.executable, "-c", REFLECT, url], check=True, capture_output=True, text=True)
    assert done.stdout == "VECTOR(3)\n"
