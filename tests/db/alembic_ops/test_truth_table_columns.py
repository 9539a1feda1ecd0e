"""Every change of a vector column that Alembic alone misses, proposes wrongly, or writes so that it fails."""

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from pgvector.sqlalchemy import BIT, HALFVEC, SPARSEVEC, VECTOR
from sqlalchemy import ARRAY, Column, Computed, Double, Index, Integer, MetaData, String, Table, cast, text
from sqlalchemy.types import TypeDecorator

from alembic_ops.errors import GeneratedColumnError, VectorMigrationWarning, VectorsInTheWayError
from sqlalchemy_vecsearch import types as ours

VALUES = {
    "vector": "INSERT INTO items (embedding) SELECT ARRAY[i, 7 - i, 1]::vector(3) FROM generate_series(1, 20) i",
    "bit": "INSERT INTO items (embedding) SELECT '101' FROM generate_series(1, 20) i",
    "array": "INSERT INTO items (embedding) SELECT ARRAY['[1,2,3]'::vector, '[4,5,6]'::vector]",
    "floats": "INSERT INTO items (embedding) SELECT ARRAY[i, 7 - i, 1]::float8[] FROM generate_series(1, 20) i",
    "text": "INSERT INTO items (embedding) SELECT '[1,2,3]'",
}


class Tagged(TypeDecorator):
    impl = HALFVEC
    cache_ok = True


def models(type_=None, *, operators=None, name="embedding", using="hnsw", element=None, **options):
    metadata = MetaData()
    items = Table("items", metadata, Column("id", Integer, primary_key=True))
    if type_ is not None:
        column = Column(name, type_, key="embedding", **options)
        items.append_column(column)
        if operators is not None:
            indexed = column if element is None else element(column).label("embedding")
            Index("ix_e", indexed, postgresql_using=using, postgresql_ops={"embedding": operators})
    return metadata


L2, HALF = "vector_l2_ops", "halfvec_l2_ops"
ALTER, CREATE, DROP, REBUILD = (
    "alter_embedding_type",
    "create_vector_index",
    "drop_vector_index",
    "rebuild_vector_index",
)


def as_vector(size):
    return lambda column: cast(column, VECTOR(size))


FOLLOWING = {
    "vector to halfvec": (models(VECTOR(3)), models(HALFVEC(3)), [ALTER], "vector"),
    "halfvec to vector": (models(HALFVEC(3)), models(VECTOR(3)), [ALTER], "vector"),
    "halfvec to sparsevec": (models(HALFVEC(3)), models(SPARSEVEC(3)), [ALTER], "vector"),
    "vector to sparsevec": (models(VECTOR(3)), models(SPARSEVEC(3)), [ALTER], "vector"),
    "vector to halfvec with its index": (models(VECTOR(3), operators=L2), models(HALFVEC(3), operators=HALF), [DROP, ALTER, CREATE], "vector"),
    "halfvec to sparsevec with its index": (models(HALFVEC(3), operators=HALF), models(SPARSEVEC(3), operators="sparsevec_ip_ops"), [DROP, ALTER, CREATE], "vector"),
    "dimensions lost": (models(VECTOR(3)), models(VECTOR()), [ALTER], "vector"),
    "dimensions gained": (models(VECTOR()), models(VECTOR(3)), [ALTER], "vector"),
    "dimensions lost with the index": (models(VECTOR(3), operators=L2), models(VECTOR()), [DROP, ALTER], "vector"),
    "dimensions lost, the index over a cast": (models(VECTOR(3), operators=L2), models(VECTOR(), operators=L2, element=as_vector(3)), [DROP, ALTER, CREATE], "vector"),
    "dimensions gained under an index": (models(VECTOR(), operators=L2, element=as_vector(3)), models(VECTOR(3), operators=L2), [DROP, ALTER, CREATE], "vector"),
    "a cast that is needed no more": (models(HALFVEC(3), operators=L2, element=as_vector(3)), models(VECTOR(3), operators=L2, element=as_vector(3)), [DROP, ALTER, CREATE], "vector"),
    "floats to vector": (models(ARRAY(Double())), models(VECTOR(3)), [ALTER], "floats"),
    "text to vector": (models(String()), models(VECTOR(3)), [ALTER], "text"),
    "arrays": (models(ARRAY(VECTOR(3))), models(ARRAY(HALFVEC(3))), [ALTER], "array"),
    "type decorator": (models(VECTOR(3)), models(Tagged()), [ALTER], "vector"),
    "variant": (models(VECTOR(3)), models(String().with_variant(HALFVEC(3), "postgresql")), [ALTER], "vector"),
    "type and nullability": (models(VECTOR(3)), models(HALFVEC(3), nullable=False), [ALTER, "alter_column"], "vector"),
    "our types": (models(VECTOR(3)), models(ours.HALFVEC(3)), [ALTER], "vector"),
}  # fmt: skip


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


STAYING = {
    "more dimensions": (models(VECTOR(3)), models(VECTOR(4)), [ALTER], "vector"),
    "more dimensions with the index": (models(VECTOR(3), operators=L2), models(VECTOR(4), operators=L2), [ALTER], "vector"),
    "other storage and dimensions": (models(VECTOR(3), operators=L2), models(HALFVEC(2), operators=HALF), [DROP, ALTER, CREATE], "vector"),
    "vector to bits": (models(VECTOR(3)), models(BIT(3)), [ALTER], "vector"),
    "more bits": (models(BIT(3)), models(BIT(4)), [ALTER], "bit"),
    "arrays of other dimensions": (models(ARRAY(VECTOR(3))), models(ARRAY(VECTOR(4))), [ALTER], "array"),
    "dimensions gained, but others": (models(VECTOR()), models(VECTOR(4)), [ALTER], "vector"),
}  # fmt: skip


@pytest.mark.parametrize("case", STAYING)
def test_vectors_that_cannot_follow_are_not_lost(project, case):
    old, new, operations, rows = STAYING[case]
    old.create_all(project.engine)
    project.metadata = new
    project.cycle(*operations)
    project.downgrade("base")
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
    with project.engine.connect() as connection:
        assert connection.scalar(text("SELECT count(embedding) FROM items")) > 0


def edited(project, old, new):
    revision = project.autogenerate()
    source = revision.whole
    up, mark, down = source.partition("def downgrade()")
    assert old in up
    revision.path.write_text(up.replace(old, new) + mark + down)


def test_a_using_expression_makes_the_new_vectors(project):
    models(VECTOR(3), operators=L2).create_all(project.engine)
    project.execute(VALUES["vector"])
    project.metadata = models(VECTOR(2), operators=L2)
    edited(project, "VECTOR(2),", "VECTOR(2), using='subvector(embedding, 1, 2)::vector(2)',")
    project.upgrade()
    assert project.proposes_nothing()
    with project.engine.connect() as connection:
        assert connection.scalar(text("SELECT embedding::text FROM items ORDER BY id LIMIT 1")) == "[1,6]"


def test_vectors_are_thrown_away_by_name(project):
    models(VECTOR(3), operators=L2).create_all(project.engine)
    project.execute(VALUES["vector"])
    project.metadata = models(VECTOR(4), operators=L2)
    edited(project, "VECTOR(4),", "VECTOR(4), discard_vectors=True,")
    project.upgrade()
    assert project.proposes_nothing()
    with project.engine.connect() as connection:
        assert connection.execute(text("SELECT count(*), count(embedding) FROM items")).one() == (20, 0)


def test_the_operation_by_hand_takes_the_plain_indexes_along(project):
    models(VECTOR(3), operators="vector_cosine_ops").create_all(project.engine)
    project.execute(VALUES["vector"])
    project.metadata = models(HALFVEC(3), operators="halfvec_cosine_ops")
    revision = project.autogenerate()
    revision.path.write_text(
        revision.path.read_text().partition("def upgrade()")[0]
        + "import sqlalchemy_vecsearch\n\ndef upgrade() -> None:\n"
        "    op.alter_embedding_type('items', 'embedding', existing_type=pgvector.sqlalchemy.VECTOR(3), type_=pgvector.sqlalchemy.HALFVEC(3))\n"
        "def downgrade() -> None:\n"
        "    op.alter_embedding_type('items', 'embedding', existing_type=pgvector.sqlalchemy.HALFVEC(3), type_=pgvector.sqlalchemy.VECTOR(3))\n"
    )
    before = project.catalog()
    project.upgrade()
    assert project.proposes_nothing()
    project.downgrade()
    assert project.catalog() == before


def test_a_renamed_column_keeps_its_vectors_and_its_index(project):
    models(VECTOR(3), operators=L2).create_all(project.engine)
    project.execute(VALUES["vector"])
    project.metadata = models(VECTOR(3), operators=L2, name="vector")
    with pytest.warns(VectorMigrationWarning) as caught:
        revision = project.autogenerate()
    assert [str(one.message) for one in caught] == [
        "The column 'embedding' of the table 'items' is taken to be renamed to 'vector'. "
        "Both have one type, and dropping the one would throw its vectors away. "
        "If 'vector' is for other vectors, replace the op.alter_column() by op.add_column() and op.drop_column()."
    ]
    assert revision.upgrade.count("op.") == 1
    project.upgrade()
    assert project.proposes_nothing()
    with project.engine.connect() as connection:
        assert connection.scalar(text("SELECT count(vector) FROM items")) == 20
    after = project.catalog()
    project.downgrade()
    with project.engine.connect() as connection:
        assert connection.scalar(text("SELECT count(embedding) FROM items")) == 20
    project.upgrade()
    assert project.catalog() == after


def test_a_renamed_column_under_an_index_over_an_expression(project):
    models(VECTOR(3), operators=HALF, element=lambda column: cast(column, HALFVEC(3))).create_all(project.engine)
    project.execute(VALUES["vector"])
    project.metadata = models(VECTOR(3), operators=HALF, element=lambda column: cast(column, HALFVEC(3)), name="vector")
    with pytest.warns(VectorMigrationWarning):
        assert project.autogenerate().upgrade.count("op.") == 1
    project.upgrade()
    assert project.proposes_nothing()


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


@pytest.mark.parametrize("type_", [VECTOR(3), HALFVEC(3), SPARSEVEC(3), ARRAY(VECTOR(3)), BIT(3)], ids=repr)
def test_columns_of_every_type_are_created_and_then_equal(project, type_):
    project.metadata = models(type_)
    project.cycle("create_table")


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
    assert project.autogenerate().upgrade.startswith("op.alter_column('items', 'embedding',")
    project.upgrade()
    assert project.proposes_nothing()


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
