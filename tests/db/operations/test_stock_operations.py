"""Alembic's own operations on tables of vectors warn before they block the application, and only then."""

import warnings

import pytest
import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy.dialects import postgresql

import alembic_ops  # noqa: F401  # puts the warnings in
from alembic_ops.errors import OperationArgumentError, UnsafeOperationWarning
from sqlalchemy_vecsearch import VECTOR

PAGE = "https://sqlalchemy-vecsearch.readthedocs.io/how_to/change_tables_safely/"
TABLE = "CREATE TABLE document (id int PRIMARY KEY, lang varchar(9), body text, number int, embedding vector(3))"
ROWS = "INSERT INTO document SELECT g, 'en', 'a text', g, ARRAY[g, 1, 2]::vector FROM generate_series(1, 9) g"
COMPUTED = sa.Computed("to_tsvector('english', body)", persisted=True)

BLOCKING = (
    "op.create_index('ix') blocks every write to the table 'document', which has rows. "
    "It is not built concurrently, and its lock is held until the revision's transaction ends. "
)
REWRITING = (
    "writes the whole table 'document' anew, which has rows, and blocks readers and writers meanwhile. "
    "It takes an exclusive lock, and builds every index of the table anew, those on vectors among them, which takes"
    " minutes for a million vectors. "
)

UNSAFE = {
    "an index": (
        lambda op: op.create_index("ix", "document", ["lang", sa.text("lower(body)")]),
        BLOCKING + "Let the revision build it outside of its transaction:\n\n"
        "    with op.get_context().autocommit_block():\n"
        "        op.create_index('ix', 'document', ['lang', ...], postgresql_concurrently=True)\n",
    ),
    "a vector index": (
        lambda op: op.create_index(
            "ix", "document", ["embedding"], postgresql_using="hnsw", postgresql_ops={"embedding": "vector_l2_ops"}
        ),
        BLOCKING + "Write op.create_vector_index('ix', 'document', 'embedding', method='hnsw',"
        " operator_class='vector_l2_ops') in its place, which builds concurrently, looks whether the index is valid, and"
        " can be run again after a failure.",
    ),
    "a vector index with parameters": (
        lambda op: op.create_index(
            "ix",
            "document",
            ["embedding"],
            postgresql_using="ivfflat",
            postgresql_with={"lists": 2},
            postgresql_ops={"embedding": "vector_cosine_ops"},
        ),
        BLOCKING + "Write op.create_vector_index('ix', 'document', 'embedding', method='ivfflat',"
        " operator_class='vector_cosine_ops', with_={'lists': 2}) in its place, which builds concurrently, looks whether"
        " the index is valid, and can be run again after a failure.",
    ),
    "a partial vector index": (
        lambda op: op.create_index(
            "ix",
            "document",
            ["embedding"],
            postgresql_using="hnsw",
            postgresql_where=sa.text("lang = 'en'"),
            postgresql_ops={"embedding": "vector_l2_ops"},
        ),
        BLOCKING + "Write op.create_vector_index('ix', 'document', ...) in its place, which builds concurrently,"
        " looks whether the index is valid, and can be run again after a failure.",
    ),
    "a B-tree on vectors": (
        lambda op: op.create_index("ix", "document", ["lang", "embedding"]),
        "The index 'ix' of the table 'document' is a B-tree on the vectors of 'embedding'. "
        "No search by distance uses a B-tree, and vectors of more than some 670 dimensions do not fit into one, so that"
        " their rows are refused. "
        "Write op.create_vector_index('ix', 'document', 'embedding', method='hnsw',"
        " operator_class='vector_cosine_ops'), or declare vector_index(), with the metric that you search by.",
    ),
    "a generated column": (
        lambda op: op.add_column("document", sa.Column("fts", postgresql.TSVECTOR, COMPUTED)),
        "op.add_column('document', 'fts') "
        + REWRITING
        + "Add a plain column, let a trigger keep it, fill the rows that"
        f" are there in batches, and build its index concurrently: {PAGE}#a-generated-column",
    ),
    "a default of each row's own": (
        lambda op: op.add_column("document", sa.Column("key", sa.Uuid, server_default=sa.func.gen_random_uuid())),
        "op.add_column('document', 'key') " + REWRITING + "Add 'key' without the default, give it the default by"
        " op.alter_column(), and fill the rows that are there in batches:"
        f" {PAGE}#a-default-that-differs-from-row-to-row",
    ),
    "another type": (
        lambda op: op.alter_column("document", "number", type_=sa.BigInteger()),
        "op.alter_column('document', 'number') " + REWRITING + "Add a column of the new type, fill it in batches, and"
        f" let the columns exchange names: {PAGE}#another-type",
    ),
    "another type of the vectors": (
        lambda op: op.alter_column(
            "document", "embedding", type_=postgresql.ARRAY(sa.REAL), postgresql_using="embedding::real[]"
        ),
        "op.alter_column('document', 'embedding') " + REWRITING + "Write op.alter_embedding_type('document',"
        " 'embedding', ...), which takes the indexes along, or to block nobody fill a second column and let them exchange"
        f" names by op.swap_embedding_columns(): {PAGE}#another-type",
    ),
}

SAFE = {
    "a column": lambda op: op.add_column("document", sa.Column("title", sa.Text)),
    "a constant default": lambda op: op.add_column("document", sa.Column("n", sa.Integer, server_default="7")),
    "a longer text": lambda op: op.alter_column("document", "lang", type_=sa.String(20)),
    "a text of any length": lambda op: op.alter_column("document", "lang", type_=sa.Text()),
    "vectors of any length": lambda op: op.alter_column("document", "embedding", type_=VECTOR()),
    "a default later": lambda op: op.alter_column("document", "number", server_default="1"),
    "another name": lambda op: op.alter_column("document", "number", new_column_name="place"),
}


@pytest.fixture
def upgrade(engine):
    """Give `upgrade(function, **options)`, which runs it as a revision and returns what was warned of."""
    with engine.begin() as connection:
        connection.exec_driver_sql(TABLE)

    def run(function, **options):
        with engine.connect() as connection, warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            context = MigrationContext.configure(connection, opts=options)
            with context.begin_transaction():
                function(Operations(context))
        assert {warning.category for warning in caught} <= {UnsafeOperationWarning}
        assert {warning.filename for warning in caught} <= {__file__}
        return [str(warning.message) for warning in caught]

    run.execute = lambda sql: run(lambda op: op.execute(sql))
    return run


@pytest.mark.parametrize(("change", "text"), UNSAFE.values(), ids=UNSAFE)
def test_what_blocks_a_table_with_rows_is_warned_of_with_the_safe_form(upgrade, change, text):
    upgrade.execute(ROWS)
    assert upgrade(change) == [text]


@pytest.mark.parametrize("change", [change for change, _ in UNSAFE.values()], ids=UNSAFE)
def test_nothing_is_warned_of_an_empty_table_nor_with_the_option(upgrade, change):
    assert upgrade(change) == []
    for column in ("fts", "key"):
        upgrade.execute(f"ALTER TABLE document DROP COLUMN IF EXISTS {column}")
    upgrade.execute("DROP INDEX IF EXISTS ix")
    upgrade.execute("DROP TABLE document")
    upgrade.execute(TABLE)
    upgrade.execute(ROWS)
    assert upgrade(change, vector_safety=False) == []


@pytest.mark.parametrize("change", SAFE.values(), ids=SAFE)
def test_what_writes_no_row_anew_is_not_warned_of(upgrade, change):
    upgrade.execute(ROWS)
    assert upgrade(change) == []


def test_a_table_that_the_same_transaction_has_made_and_filled_is_new(upgrade):
    def revision(op):
        op.execute(TABLE.replace("document", "fresh"))
        op.execute(ROWS.replace("document", "fresh"))
        op.create_index("ix", "fresh", ["lang"])
        op.add_column("fresh", sa.Column("fts", postgresql.TSVECTOR, COMPUTED))

    assert upgrade(revision) == []


def test_a_table_without_vectors_is_another_tool_s_business(upgrade):
    upgrade.execute("CREATE TABLE plain AS SELECT 1 AS id")
    assert upgrade(lambda op: op.create_index("ix", "plain", ["id"])) == []


def test_partitions_count_as_the_rows_of_their_table(upgrade):
    upgrade.execute("CREATE TABLE log (day int, embedding vector(3)) PARTITION BY LIST (day)")
    upgrade.execute("CREATE TABLE log_1 PARTITION OF log FOR VALUES IN (1)")
    assert upgrade(lambda op: op.create_index("first", "log", ["day"])) == []
    upgrade.execute("INSERT INTO log VALUES (1, '[1,2,3]')")
    assert len(upgrade(lambda op: op.create_index("second", "log", ["day"]))) == 1


def test_rows_that_a_policy_hides_are_rows(upgrade):
    upgrade.execute(ROWS)
    upgrade.execute("CREATE ROLE migrator")
    upgrade.execute("ALTER TABLE document OWNER TO migrator, ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
    upgrade.execute("GRANT ALL ON SCHEMA public TO migrator")

    def as_migrator(op):
        op.execute("SET LOCAL ROLE migrator")
        op.create_index("ix", "document", ["lang"])

    try:
        assert len(upgrade(as_migrator)) == 1
    finally:
        upgrade.execute("DROP OWNED BY migrator")
        upgrade.execute("DROP ROLE migrator")


def test_an_index_in_an_autocommit_block_is_built_concurrently_without_a_word(upgrade, engine):
    upgrade.execute(ROWS)

    def revision(op):
        with op.get_context().autocommit_block():
            op.create_index("ix", "document", ["lang"], postgresql_concurrently=True)
            op.alter_column("document", "number", type_=sa.BigInteger())

    assert len(upgrade(revision)) == 1  # of the type
    names = [index["name"] for index in sa.inspect(engine).get_indexes("document")]
    assert (names, sa.inspect(engine).get_table_names()) == (["ix"], ["document"])


def test_a_warning_made_an_error_stops_before_the_operation(upgrade, engine):
    upgrade.execute(ROWS)

    def strict(op):
        warnings.simplefilter("error", UnsafeOperationWarning)
        op.create_index("ix", "document", ["lang"])

    with pytest.raises(UnsafeOperationWarning):
        upgrade(strict)
    assert sa.inspect(engine).get_indexes("document") == []


def test_a_type_that_the_server_refuses_is_refused_by_it_alone(upgrade):
    upgrade.execute(ROWS)
    with pytest.raises(sa.exc.ProgrammingError, match="cannot be cast automatically"):
        upgrade(lambda op: op.alter_column("document", "body", type_=sa.Integer()))


def test_an_option_of_another_kind_is_refused(upgrade):
    with pytest.raises(OperationArgumentError, match="vector_safety='off' is neither True nor False"):
        upgrade(lambda op: op.create_index("ix", "document", ["lang"]), vector_safety="off")


def test_a_batch_of_alembic_warns_too(upgrade):
    upgrade.execute(ROWS)

    def revision(op):
        with op.batch_alter_table("document") as batch:
            batch.create_index("ix", ["lang"])

    assert len(upgrade(revision)) == 1


def test_wide_vectors_do_not_fit_into_a_b_tree(engine):
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE wide (embedding vector(700)); CREATE INDEX ON wide (embedding)")
    row = "INSERT INTO wide SELECT array_agg(random())::vector FROM generate_series(1, {})"
    with engine.begin() as connection, pytest.raises(sa.exc.OperationalError, match="exceeds btree version 4 maximum"):
        connection.exec_driver_sql(row.format(700))


def test_no_planted_overload_is_called_to_look_at_a_table(upgrade, engine, planted):
    upgrade.execute(ROWS)
    planted.plant(
        {"=", ">", "array_agg", "has_table_privilege", "pg_relation_size", "row_security_active", "to_regclass"},
        first=True,
    )
    before = planted.calls()
    assert len(upgrade(UNSAFE["an index"][0])) == len(upgrade(UNSAFE["another type"][0])) == 1
    assert planted.calls() == before
