"""What belongs to the name of a column means the column that has the name after op.swap_embedding_columns."""

from __future__ import annotations

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DataError, IntegrityError

from alembic_ops.errors import DependentsError, MigrationError, PublishedTableError
from alembic_ops.model.column_exchange import ColumnExchange, Exchange
from alembic_ops.operations import SwapEmbeddingColumnsOp
from alembic_ops.planning.column_swap import exchange_of
from alembic_ops.running.column_exchange import Bound, ChangedMeanwhile, exchange_columns, planned_exchange
from alembic_ops.running.session import Session
from tests.db.operations.swap_rig import CARRIED, ROLES, TABLE, carried, execute, said, swap, types

BEFORE = {"embedding": "vector(3)", "embedding_v2": "halfvec(4)"}
AFTER = {"embedding": "halfvec(4)", "embedding_v2": "vector(3)"}


@pytest.fixture(scope="module")
def server(vecsearch_databases):
    """Give one database, and roles of the server, to all tests of this module."""
    url = vecsearch_databases.create()
    engine = create_engine(url)
    execute(engine, *(f"CREATE ROLE {role}" for role in ROLES))
    yield engine
    execute(engine, *(f"DROP OWNED BY {role} CASCADE" for role in ROLES), *(f"DROP ROLE {role}" for role in ROLES))
    engine.dispose()
    vecsearch_databases.drop(url)


@pytest.fixture
def engine(server):
    execute(server, *TABLE)
    return server


@pytest.mark.parametrize("kind", CARRIED)
def test_what_belongs_to_the_name_means_the_column_that_has_the_name(engine, kind):
    execute(engine, *carried(kind))
    before = said(engine)
    swap(engine)
    assert (types(engine), said(engine)) == (AFTER, before)
    swap(engine)
    assert (types(engine), said(engine)) == (BEFORE, before)


@pytest.mark.parametrize(
    "definition", ["(id, embedding)", "(id, embedding_v2) WHERE (id > 3)", "(id, embedding, embedding_v2)"]
)
def test_a_list_of_published_columns_means_the_columns_that_have_the_names(engine, definition, postgres_major):
    if postgres_major < 15:
        assert "prattrs" not in said_of_publications(engine)  # nothing there could be lost
        return
    execute(
        engine,
        "DROP PUBLICATION IF EXISTS carried_news",
        f"CREATE PUBLICATION carried_news FOR TABLE app.document {definition}",
    )
    before = said(engine)
    with pytest.raises(PublishedTableError):
        swap(engine)
    swap(engine, published=True)
    assert (types(engine), said(engine)) == (AFTER, before)
    execute(engine, "DROP PUBLICATION carried_news")


def test_all_that_is_carried_is_carried_at_once(engine):
    execute(engine, *carried(*CARRIED))
    before = said(engine)
    for _ in range(2):
        swap(engine)
        assert (types(engine), said(engine)) == (AFTER, before)
        swap(engine)
        assert (types(engine), said(engine)) == (BEFORE, before)


def said_of_publications(engine):
    with engine.connect() as connection:
        return list(connection.execute(text("SELECT * FROM pg_publication_rel LIMIT 0")).keys())


def refused(reason):
    return (
        f"The columns 'embedding' and 'embedding_v2' of 'document' were not swapped: {reason}. PostgreSQL ties "
        "these objects to the column and not to its name, so that they would go on using the old vectors. "
        "Drop them before the swap in this revision, and create them again after it."
    )


VIEW = "CREATE VIEW app.v AS SELECT id, embedding FROM app.document"
REFUSED = {
    "materialized view": (
        ["CREATE MATERIALIZED VIEW app.m AS SELECT embedding FROM app.document"],
        "rule _RETURN on materialized view app.m uses 'embedding'",
    ),
    "unique constraint": (
        ["ALTER TABLE app.document ADD CONSTRAINT once UNIQUE (embedding_v2)"],
        "constraint once on table app.document uses 'embedding_v2'",
    ),
    "primary key": (
        [
            "ALTER TABLE app.document DROP CONSTRAINT document_pkey",
            "ALTER TABLE app.document ADD PRIMARY KEY (embedding)",
        ],
        "constraint document_pkey on table app.document uses 'embedding'",
    ),
    "exclusion constraint": (
        ["ALTER TABLE app.document ADD CONSTRAINT other EXCLUDE USING btree (embedding WITH =)"],
        "constraint other on table app.document uses 'embedding'",
    ),
    "foreign key": (
        [
            "CREATE TABLE app.word (embedding vector(3) PRIMARY KEY)",
            "INSERT INTO app.word SELECT DISTINCT embedding FROM app.document",
            "ALTER TABLE app.document ADD CONSTRAINT known FOREIGN KEY (embedding) REFERENCES app.word",
        ],
        "constraint known on table app.document uses 'embedding'",
    ),
    "generated column": (
        ["ALTER TABLE app.document ADD COLUMN d int GENERATED ALWAYS AS (vector_dims(embedding)) STORED"],
        "default value for column d of table app.document uses 'embedding'",
    ),
    "function": (
        ["CREATE FUNCTION app.f() RETURNS vector LANGUAGE sql BEGIN ATOMIC SELECT embedding FROM app.document; END"],
        "function app.f() uses 'embedding'",
    ),
    "rule": (
        ["CREATE RULE r AS ON UPDATE TO app.document WHERE new.embedding IS NULL DO NOTHING"],
        "rule r on table app.document uses 'embedding'",
    ),
    "rule of a view that is created again": (
        [VIEW, "CREATE RULE r AS ON INSERT TO app.v DO INSTEAD NOTHING"],
        "rule r on view app.v uses 'app.v'",
    ),
    "materialized view of a view": (
        [VIEW, "CREATE MATERIALIZED VIEW app.m AS SELECT id FROM app.v"],
        "rule _RETURN on materialized view app.m uses 'app.v'",
    ),
    "function of a view": (
        [VIEW, "CREATE FUNCTION app.f() RETURNS SETOF app.v LANGUAGE sql AS 'SELECT * FROM app.v'"],
        "function app.f() uses 'app.v'",
    ),
    "table with rows of a view": (
        [VIEW, "CREATE TABLE app.kept (rows app.v[])"],
        "column rows of table app.kept uses 'app.v'",
    ),
    "view of the session": (
        ["CREATE TEMP VIEW seen AS SELECT embedding FROM app.document"],
        "rule _RETURN on view seen uses 'embedding'",
    ),
    "view of an extension": (
        [VIEW, "ALTER EXTENSION vector ADD VIEW app.v"],
        "rule _RETURN on view app.v uses 'embedding'",
    ),
    "security label": (
        [
            "INSERT INTO pg_seclabel SELECT 'app.document'::regclass, 'pg_class'::regclass, attnum, 'test', 'secret'"
            " FROM pg_attribute WHERE attrelid = 'app.document'::regclass AND attname = 'embedding'"
        ],
        "the security label of column embedding of table app.document uses 'embedding'",
    ),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_follow_is_refused_with_its_name_and_nothing_has_changed(engine, kind):
    statements, reason = REFUSED[kind]
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT", no_parameters=True) as other:
        for sql in statements:
            other.exec_driver_sql(sql)
        before = said(engine)
        with pytest.raises(DependentsError) as error:
            swap(engine)
        if kind == "view of an extension":
            other.exec_driver_sql("ALTER EXTENSION vector DROP VIEW app.v")
        other.exec_driver_sql("DELETE FROM pg_seclabel")
    assert str(error.value) == refused(
        reason if kind != "view of the session" else str(error.value).partition("swapped: ")[2].partition(". ")[0]
    )
    assert "seen" in str(error.value) or kind != "view of the session"  # its schema is a number of the session
    assert (types(engine), said(engine)) == (BEFORE, before)


def test_everything_that_cannot_follow_is_named_at_once(engine):
    execute(engine, *REFUSED["rule"][0], *REFUSED["function"][0], *carried("policy"), VIEW)
    with pytest.raises(DependentsError) as error:
        swap(engine)
    assert str(error.value) == refused(
        "function app.f() uses 'embedding'; rule r on table app.document uses 'embedding'"
    )
    assert error.value.dependents == ("function app.f()", "rule r on table app.document")


def test_a_check_that_rows_of_the_new_column_break_is_refused_with_their_number(engine):
    execute(engine, "ALTER TABLE app.document ADD CONSTRAINT few CHECK (vector_dims(embedding) = 3)")
    execute(engine, "UPDATE app.document SET embedding_v2 = NULL WHERE id > 5")
    before = said(engine)
    with pytest.raises(MigrationError) as error:
        swap(engine)
    assert str(error.value) == (
        "The constraint 'few' of 'document' would not hold after the swap: 5 rows of the column 'embedding_v2' break it. It "
        "belongs to the name of the column, and every write of the application would rely on it. Mend the rows WHERE NOT "
        "((public.vector_dims(embedding_v2) = 3)), or drop the constraint in an earlier revision."
    )
    assert (types(engine), said(engine)) == (BEFORE, before)


def test_a_check_that_does_not_suit_the_other_type_is_refused(engine):
    execute(engine, "ALTER TABLE app.document ADD CONSTRAINT odd CHECK (vector_to_float4(embedding, 3, false) <> '{}')")
    before = said(engine)
    with pytest.raises(MigrationError) as error:
        swap(engine)
    assert str(error.value) == (
        "The constraint 'odd' of 'document' does not suit the column 'embedding_v2' (function "
        "public.vector_to_float4(public.halfvec, integer, boolean) does not exist). It has to hold for the column that has the name "
        "after the swap. Drop it before the swap in this revision, and add one that suits after it."
    )
    assert (types(engine), said(engine)) == (BEFORE, before)


def test_what_the_server_does_not_create_again_over_the_other_type_is_named(engine):
    execute(engine, "CREATE VIEW app.odd AS SELECT vector_to_float4(embedding, 3, false) AS f FROM app.document")
    before = said(engine)
    with pytest.raises(DependentsError) as error:
        swap(engine)
    assert str(error.value) == (
        "The columns 'embedding' and 'embedding_v2' of 'document' were not swapped: the view app.odd cannot be created again "
        "over the column that would have its name then (function public.vector_to_float4(public.halfvec, integer, boolean) "
        "does not exist). It would have to go on using the old vectors. Drop it before the swap in this revision, and "
        "create it as it has to be after it."
    )
    assert (types(engine), said(engine)) == (BEFORE, before)


def test_proofs_that_an_interrupted_swap_has_left_are_used_or_dropped(engine):
    execute(engine, "ALTER TABLE app.document ADD CONSTRAINT one CHECK (embedding IS NOT NULL)")
    oid = scalar(engine, "SELECT oid FROM pg_constraint WHERE conname = 'one'")
    execute(
        engine,
        f"ALTER TABLE app.document ADD CONSTRAINT alembic_ops_check_{oid} CHECK (embedding_v2 IS NOT NULL) NOT VALID",
        "ALTER TABLE app.document ADD CONSTRAINT alembic_ops_check_1 CHECK (embedding_v2 IS NOT NULL) NOT VALID",
    )
    swap(engine)
    assert [row[1:4] for row in said(engine)["constraints"]] == [
        ("document_pkey", "PRIMARY KEY (id)", True),
        ("one", "CHECK ((embedding IS NOT NULL))", True),
    ]


def test_a_constraint_that_came_after_the_proof_is_not_read_under_the_lock(engine):
    execute(engine, "ALTER TABLE app.document ADD CONSTRAINT late CHECK (embedding IS NOT NULL)")
    exchange = exchange_of(
        SwapEmbeddingColumnsOp(table_name="document", live="embedding", replacement="embedding_v2", schema="app")
    )
    with engine.connect() as connection, connection.begin():
        running = Session(connection=connection, in_transaction=True, server_version=0, on_replica=False, options={})
        with planned_exchange(running, exchange) as planned, pytest.raises(MigrationError) as error:
            exchange_columns(running, planned)
    assert str(error.value) == (
        "The columns 'embedding' and 'embedding_v2' of 'document' were not swapped: nothing proves that the rows keep "
        "constraint late on table app.document after it. To read them now would stop every reader and writer. Run the upgrade "
        "again, which lets the server check them first."
    )


LATE = {
    "grant": "GRANT SELECT (embedding) ON app.document TO PUBLIC",
    "view": "CREATE VIEW app.late AS SELECT embedding FROM app.document",
    "check": "ALTER TABLE app.document ADD CONSTRAINT late CHECK (embedding IS NOT NULL)",
    "index": "CREATE INDEX late ON app.document (lang) WHERE embedding IS NULL",
    "comment": "COMMENT ON COLUMN app.document.embedding_v2 IS 'late'",
    "publication": "CREATE PUBLICATION late FOR TABLE app.document",
    "rows": "INSERT INTO app.document (id) SELECT -i FROM generate_series(1, 3) i",
    "another definition of a view": "CREATE OR REPLACE VIEW app.early AS SELECT embedding FROM app.document WHERE id > 1",
}


@pytest.mark.parametrize("kind", LATE)
def test_what_has_changed_since_the_look_is_seen_under_the_lock_and_nothing_is_done(engine, kind):
    execute(engine, "CREATE VIEW app.early AS SELECT embedding FROM app.document" if "another" in kind else "SELECT 1")
    exchange = exchange_of(
        SwapEmbeddingColumnsOp(table_name="document", live="embedding", replacement="embedding_v2", schema="app")
    )
    before = types(engine)
    bound = Bound(condition="id OPERATOR(pg_catalog.<) 0", most=2)
    try:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            running = Session(
                connection=connection, in_transaction=False, server_version=0, on_replica=False, options={}
            )
            with planned_exchange(running, exchange, bound=bound) as planned:
                execute(engine, LATE[kind])
                with pytest.raises(ChangedMeanwhile):
                    running.atomically(lambda own: exchange_columns(own, planned), table_name="document", schema="app")
        assert types(engine) == before
    finally:
        execute(engine, "DROP PUBLICATION IF EXISTS late")


def test_several_pairs_of_columns_exchange_names_in_one_transaction(engine):
    execute(
        engine,
        "ALTER TABLE app.document ADD model text DEFAULT 'old', ADD model_v2 text DEFAULT 'new'",
        "CREATE INDEX todo ON app.document (id) WHERE embedding IS NULL OR model IS DISTINCT FROM 'old'",
        "CREATE INDEX todo_v2 ON app.document (id) WHERE embedding_v2 IS NULL OR model_v2 IS DISTINCT FROM 'new'",
        "CREATE VIEW app.v AS SELECT id, embedding, model FROM app.document",
    )
    exchange = ColumnExchange(
        table_name="document",
        schema="app",
        pairs=(Exchange(live="embedding", replacement="embedding_v2"), Exchange(live="model", replacement="model_v2")),
        indexes=(Exchange(live="todo", replacement="todo_v2"),),
    )
    with engine.connect() as connection, connection.begin():
        running = Session(connection=connection, in_transaction=True, server_version=0, on_replica=False, options={})
        with planned_exchange(running, exchange) as planned:
            exchange_columns(running, planned)
    assert scalar(engine, "SELECT model || vector_dims(embedding) FROM app.v LIMIT 1") == "new4"
    assert "'new'::text" in scalar(engine, "SELECT pg_get_indexdef('app.todo'::regclass)")
    assert (
        scalar(engine, "SELECT column_default FROM information_schema.columns WHERE column_name = 'model'")
        == "'old'::text"
    )


def test_an_insert_that_names_only_the_column_in_use_goes_on_where_it_is_not_null(engine):
    execute(engine, "ALTER TABLE app.document ALTER embedding SET NOT NULL")
    execute(
        engine,
        "INSERT INTO app.document (id, embedding) VALUES (101, '[1,2,3]')",
        "DELETE FROM app.document WHERE id = 101",
    )
    swap(engine)
    execute(engine, "INSERT INTO app.document (id, embedding) VALUES (101, '[1,2,3,4]')")
    with pytest.raises(IntegrityError, match='null value in column "embedding"'):
        execute(engine, "INSERT INTO app.document (id, embedding_v2) VALUES (102, '[1,2,3]')")


def test_an_instance_that_still_writes_by_the_old_model_is_told_by_the_dimensions(engine):
    swap(engine)
    with pytest.raises(DataError, match="expected 4 dimensions, not 3"):
        execute(engine, "UPDATE app.document SET embedding = '[1,2,3]' WHERE id = 1")
    assert scalar(engine, "SELECT embedding::text FROM app.document WHERE id = 1") == "[1,1,2,3]"


def test_a_plain_storage_that_the_longer_vectors_do_not_fit_is_refused(engine):
    execute(engine, "ALTER TABLE app.document DROP embedding_v2, ADD embedding_v2 vector(3072)")
    execute(engine, "ALTER TABLE app.document ALTER embedding SET STORAGE PLAIN")
    with pytest.raises(MigrationError) as error:
        swap(engine)
    assert str(error.value) == (
        "The columns 'embedding' and 'embedding_v2' of 'document' were not swapped: 'embedding' has the storage PLAIN, and would "
        "be of the type public.vector(3072). Storage stays with the name, a plain value has to fit into a page of 8 kB, and "
        "every insert would fail. Write ALTER TABLE app.document ALTER COLUMN embedding SET STORAGE EXTERNAL before the swap."
    )
    execute(engine, "ALTER TABLE app.document ALTER COLUMN embedding SET STORAGE EXTERNAL")
    swap(engine)
    assert types(engine)["embedding"] == "vector(3072)"


def test_an_index_without_a_partner_is_refused_with_the_statement_that_builds_one(engine):
    execute(engine, "CREATE INDEX missing ON app.document (id) WHERE embedding IS NULL")
    execute(engine, "CREATE INDEX lang_v2 ON app.document (lang) WHERE embedding_v2 IS NULL")
    with pytest.raises(MigrationError) as error:
        swap(engine)
    create = (
        "CREATE INDEX CONCURRENTLY missing_embedding_v2 ON app.document USING btree (id) WHERE (embedding_v2 IS NULL)"
    )
    assert str(error.value) == (
        "The column 'embedding_v2' has no index like 'missing' of 'embedding'. After the swap queries that rely on it would "
        f"read the whole table. Build it by {create}, and swap."
    )
    execute(engine, create)
    swap(engine)


def scalar(engine, sql):
    with engine.connect() as connection:
        return connection.scalar(text(sql.replace(":", r"\:")))
