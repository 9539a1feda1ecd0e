"""Plans of searches on a real server."""

import pytest
from measured_corpus import Doc, Part, vectors
from sqlalchemy import (
    Column,
    Integer,
    MetaData,
    NullPool,
    String,
    Table,
    create_engine,
    event,
    func,
    insert,
    make_url,
    select,
    text,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session, scoped_session, sessionmaker, with_loader_criteria

from sqlalchemy_vecsearch import (
    IndexNotServedError,
    assert_index_served,
    explain,
    nearest,
    search_settings,
    vector_index,
)
from sqlalchemy_vecsearch.measuring.passed_over import PassedOver, TableSize
from sqlalchemy_vecsearch.search.building import decided
from sqlalchemy_vecsearch.types import VECTOR

QUERY = vectors()[7].tolist()


def ef_search(connection):
    return connection.scalar(text("SELECT current_setting('hnsw.ef_search', true)"))


def test_a_search_is_served_by_its_index(session):
    plan = explain(session, nearest(Doc, Doc.embedding, QUERY, k=10))
    assert plan.index_served
    assert plan.indexes == ("ix_doc_embedding",)
    assert (plan.rows.asked, plan.rows.returned) == (10, None)
    assert plan.render().startswith("Served by 'ix_doc_embedding'.\n\nLimit  (10 rows expected)\n")
    assert str(plan) == plan.render()
    assert ".embedding <=> '[... 8 numbers]'::vector(8))" in plan.render()


def test_an_exact_search_is_not(session):
    plan = explain(session, nearest(Doc, Doc.embedding, QUERY, k=10, exact=True))
    assert not plan.index_served
    assert plan.indexes == ()


@pytest.mark.parametrize(("column", "index"), [("bits", "ix_doc_bits_binary"), ("half", "ix_doc_half_halfvec")])
def test_a_search_through_a_quantised_index_is_served(session, column, index):
    plan = explain(session, nearest(Doc, getattr(Doc, column), QUERY, k=10))
    assert plan.indexes == (index,)
    assert plan.index_served


def test_a_partitioned_table_is_served_by_the_index_that_was_declared(session):
    assert explain(session, nearest(Part, Part.embedding, QUERY, k=10)).indexes == ("ix_part_embedding",)


def test_analyze_counts_the_rows_that_the_filter_drops(session):
    statement = nearest(select(Doc).where(Doc.lang == "de").offset(2), Doc.embedding, QUERY, k=10)
    session.execute(text("SET LOCAL enable_seqscan = off"))  # reading all 4,000 rows costs nearly the same
    plan = explain(session, statement, analyze=True)
    assert plan.index_served
    assert (plan.rows.asked, plan.rows.returned) == (10, 10)
    assert plan.rows.removed >= 20


def test_what_analyze_ran_leaves_no_setting_behind(session):
    explain(session, nearest(Doc, Doc.embedding, QUERY, k=300), analyze=True)
    assert ef_search(session) in {None, "40"}  # 40 once pgvector is loaded
    with search_settings(session, ef_search=77):
        explain(session, nearest(Doc, Doc.embedding, QUERY, k=300), analyze=True)
        assert ef_search(session) == "77"


@pytest.mark.parametrize("driver", ["psycopg", "psycopg2", "pg8000"])
@pytest.mark.parametrize("isolation", ["AUTOCOMMIT", "READ COMMITTED"])
def test_every_driver_explains(measured_url, driver, isolation):
    engine = create_engine(make_url(measured_url).set(drivername=f"postgresql+{driver}"), isolation_level=isolation)
    with engine.connect() as connection:
        plan = explain(connection, nearest(Doc, Doc.embedding, QUERY, k=50), analyze=True)
        assert plan.index_served
        assert plan.rows.returned == 50
        assert ef_search(connection) in {None, "40"}  # 40 once pgvector is loaded
        assert connection.scalar(select(func.count()).select_from(Doc)) == 4000
    engine.dispose()


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
async def test_async_sessions_explain(measured_url, driver):
    engine = create_async_engine(make_url(measured_url).set(drivername=f"postgresql+{driver}"), poolclass=NullPool)
    async with AsyncSession(engine) as session:
        plan = await session.run_sync(explain, nearest(Doc, Doc.embedding, QUERY, k=5), analyze=True)
        assert plan.index_served
        assert plan.rows.returned == 5
    await engine.dispose()


def test_analyze_undoes_what_the_statement_changes_but_not_what_came_before(session):
    session.execute(update(Doc).where(Doc.id == 1).values(rank=1000))
    explain(session, update(Doc).where(Doc.id == 1).values(rank=2000), analyze=True)
    assert session.scalar(select(Doc.rank).where(Doc.id == 1)) == 1000


def test_a_pending_object_is_flushed_before_and_stays(session):
    session.add(Doc(id=90_000, lang="fr", rank=1, embedding=QUERY, bits=QUERY, half=QUERY))
    plan = explain(session, select(Doc).where(Doc.lang == "fr"), analyze=True)
    assert plan.rows.returned == 1
    assert session.scalar(select(func.count()).where(Doc.lang == "fr")) == 1


def test_the_criteria_that_a_session_adds_are_in_the_plan(session):
    event.listen(
        session,
        "do_orm_execute",
        lambda state: setattr(state, "statement", state.statement.options(with_loader_criteria(Doc, Doc.lang == "fr"))),
    )
    plan = explain(session, select(Doc).order_by(Doc.embedding.cosine_distance(QUERY)).limit(5))
    assert "lang" in "".join(node.detail("Filter") + node.detail("Index Cond") for node in plan.root.walk())


def test_a_session_of_several_engines_plans_on_the_one_of_the_entity(measured_url, engine):
    own = create_engine(measured_url)
    with Session(engine, binds={Doc: own}) as session:
        assert explain(session, nearest(Doc, Doc.embedding, QUERY, k=5), analyze=True).index_served
    own.dispose()


def test_a_scoped_session_explains(measured_url):
    engine = create_engine(measured_url)
    registry = scoped_session(sessionmaker(engine))
    assert explain(registry, nearest(Doc, Doc.embedding, QUERY, k=5)).index_served
    registry.remove()
    engine.dispose()


def test_a_statement_that_streams_its_rows_is_explained_all_the_same(session):
    statement = nearest(Doc, Doc.embedding, QUERY, k=5).execution_options(yield_per=2)
    assert explain(session, statement).index_served
    assert explain(session.connection(), statement.execution_options(stream_results=True)).index_served


def test_sql_text_is_explained(session):
    plan = explain(
        session, text("SELECT id FROM doc ORDER BY embedding <=> CAST(:q AS vector) LIMIT 3").bindparams(q=str(QUERY))
    )
    assert plan.indexes == ("ix_doc_embedding",)
    assert plan.rows.asked is None


def test_the_indexes_of_a_temporary_table_are_known(session):
    session.execute(text("CREATE TEMP TABLE brief (id int, v vector(3))"))
    session.execute(text("INSERT INTO brief SELECT i, ARRAY[i, 1, 2]::vector FROM generate_series(1, 3000) AS i"))
    session.execute(text("CREATE INDEX brief_v ON brief USING ivfflat (v vector_l2_ops) WITH (lists = 10)"))
    session.execute(text("ANALYZE brief"))
    plan = explain(session, text("SELECT id FROM brief ORDER BY v <-> '[1,2,3]' LIMIT 3"))
    assert plan.indexes == ("brief_v",)


def test_the_statement_still_runs_afterwards(session):
    statement = nearest(Doc, Doc.embedding, QUERY, k=3)
    explain(session, statement)
    assert next(document.id for document, _ in session.execute(statement)) == 7


def test_a_foreign_table_leaves_open_how_its_server_sorts(session):
    for command in (
        "CREATE EXTENSION postgres_fdw",
        "CREATE SERVER elsewhere FOREIGN DATA WRAPPER postgres_fdw OPTIONS (extensions 'vector')",
        "CREATE USER MAPPING FOR CURRENT_USER SERVER elsewhere",
        "CREATE FOREIGN TABLE far (id int, embedding vector(3)) SERVER elsewhere",
    ):
        session.execute(text(command))
    statement = text("SELECT id FROM far ORDER BY embedding <=> '[1,2,3]' LIMIT 3")
    plan = explain(session, statement)
    assert not plan.index_served
    assert plan.unseen == ("far",)
    with pytest.raises(IndexNotServedError) as error:
        assert_index_served(session, statement)
    assert str(error.value).startswith(
        "Whether an index serves the statement can not be seen here. Rows of 'far' come from another server, whose plan "
        "EXPLAIN does not show. Assert it on a connection to that server.\n\nNot known: 'far' is searched by a plan that "
        "only its own server can show.\n\n"
    )


def make_invalid(session, index):
    session.execute(
        text("UPDATE pg_index SET indisvalid = false WHERE indexrelid = CAST(:name AS regclass)"), {"name": index}
    )


def test_an_invalid_index_is_named_as_the_reason(session):
    make_invalid(session, "ix_doc_embedding")
    statement = nearest(Doc, Doc.embedding, QUERY, k=10)
    plan = explain(session, statement)
    assert plan.invalid == ("ix_doc_embedding",)
    assert plan.verdict == (
        "Not served by a vector index. INVALID: 'ix_doc_embedding', which a build that did not finish has left, and "
        "which no search uses. Rebuild it by REINDEX INDEX CONCURRENTLY or op.rebuild_vector_index()."
    )
    with pytest.raises(IndexNotServedError) as error:
        assert_index_served(session, statement)
    assert str(error.value).startswith(
        "No vector index can serve the statement. INVALID: 'ix_doc_embedding', which a build that did not finish has "
        "left, and which no search uses. Rebuild it by REINDEX INDEX CONCURRENTLY or op.rebuild_vector_index().\n\n"
    )


def test_an_invalid_index_of_a_partition_or_its_parent_is_named(session):
    (of_partition,) = session.scalars(
        text(
            "SELECT indexrelid::regclass::text FROM pg_index WHERE indrelid = 'part_de'::regclass AND NOT indisprimary"
        )
    )
    make_invalid(session, of_partition)
    make_invalid(session, "ix_part_embedding")
    plan = explain(session, nearest(select(Part).where(Part.lang == "de"), Part.embedding, QUERY, k=10, metric="l2"))
    assert not plan.index_served
    by_hand = select(Part.id).order_by(Part.embedding.l2_distance(QUERY)).limit(3)
    assert set(explain(session, by_hand).invalid) == {of_partition, "ix_part_embedding"}


def test_an_invalid_index_of_another_table_is_no_reason(session):
    make_invalid(session, "ix_part_embedding")
    plan = explain(session, select(Doc.id).order_by(Doc.embedding.l1_distance(QUERY)).limit(3))
    assert plan.unserved == ("doc",)
    assert plan.invalid == ()


BY_ARMS = """
WITH first_1 AS MATERIALIZED (
  SELECT id, embedding <=> '{query}' AS distance FROM doc WHERE {condition} ORDER BY embedding <=> '{query}' LIMIT 20
), way_1 AS MATERIALIZED (
  SELECT CASE WHEN count(*) >= {enough} THEN 'first' WHEN count(*) >= {likely} THEN 'scan' ELSE 'exact' END AS taken
  FROM first_1
), scan_1 AS MATERIALIZED (
  SELECT id, embedding <=> '{query}' AS distance FROM doc
  WHERE {condition} AND (SELECT taken FROM way_1) = 'scan' ORDER BY embedding <=> '{query}' LIMIT {scanned}
), arm_1 AS MATERIALIZED (
  SELECT CASE WHEN taken = 'scan' AND (SELECT count(*) FROM scan_1) < 10 THEN 'exact' ELSE taken END AS taken FROM way_1
)
SELECT id, distance FROM (
  SELECT id, distance FROM first_1 WHERE (SELECT taken FROM arm_1) = 'first'
  UNION ALL SELECT id, distance FROM scan_1
  UNION ALL (SELECT id, embedding <=> '{query}' FROM doc WHERE {condition} AND (SELECT taken FROM arm_1) = 'exact'
             ORDER BY (embedding <=> '{query}') + 0 LIMIT 10)
) AS arms ORDER BY distance + 0 LIMIT 10
"""


@pytest.mark.parametrize(
    ("decided", "ran", "said"),
    [
        (
            {"enough": 10, "likely": 1, "scanned": 10},
            ["first"],
            ["The first look near the question found 20 rows that pass."],
        ),
        (
            {"enough": 99, "likely": 1, "scanned": 10},
            ["first", "scan"],
            [
                "The first look near the question found 20 rows that pass.",
                "The iterative scan went on and found 10.",
            ],
        ),
        (
            {"enough": 99, "likely": 1, "scanned": 4},
            ["first", "scan", "exact"],
            [
                "The first look near the question found 20 rows that pass.",
                "The iterative scan went on and found 4.",
                "It came short, so every row that passes was compared: 10.",
            ],
        ),
        (
            {"enough": 99, "likely": 99, "scanned": 10},
            ["first", "exact"],
            [
                "The first look near the question found 20 rows that pass.",
                "They are so few that to scan on would cost more, so every row that passes was compared: 10.",
            ],
        ),
    ],
)
def test_the_ways_that_a_search_took_are_told_from_its_plan(session, decided, ran, said):
    session.execute(text("SET LOCAL enable_seqscan = off"))
    sql = BY_ARMS.format(query=QUERY, condition="rank >= 0", **decided).replace(":", r"\:")
    plan = explain(session, text(sql), analyze=True)
    assert [way.name for way in plan.ways] == ["first", "scan", "exact"]
    assert [way.name for way in plan.ways if way.ran] == ran
    assert plan.render().splitlines()[2 : 2 + len(said)] == said
    assert {way.ran for way in explain(session, text(sql)).ways} == {None}


def test_an_exact_search_has_the_exact_way_alone(session):
    plan = explain(session, nearest(Doc, Doc.embedding, QUERY, k=10, exact=True), analyze=True)
    assert [(way.name, way.ran, way.rows) for way in plan.ways] == [("exact", True, 10)]
    assert "Every row that passes was compared: 10." in plan.render()


FEW = Table("few", MetaData(), Column("id", Integer, primary_key=True), Column("lang", String), Column("v", VECTOR(2)))
vector_index("few_v", FEW.c.v, metric="l2")


@pytest.fixture
def few(session):
    FEW.create(session.connection())
    session.execute(insert(FEW), [{"id": i, "lang": f"l{i % 2}", "v": [i, 1]} for i in range(10)])
    return session


def test_a_small_table_that_is_read_whole_says_that_the_index_can_serve_and_why_it_does_not(few):
    statement = select(FEW.c.id).where(FEW.c.lang == "l1").order_by(FEW.c.v.l2_distance([1, 2])).limit(3)
    assert explain(few, statement).verdict == (
        "Not served by a vector index. 'few_v' can serve it, and PostgreSQL reckons comparing row by row as cheaper: "
        "'few' has 1 page and was never analysed (run ANALYZE). assert_index_served() asks whether an index can."
    )
    few.execute(text("ANALYZE few"))
    plan = explain(few, statement)
    assert plan.passed_over == PassedOver(
        indexes=("few_v",), tables=(TableSize(name="few", rows=10, pages=1, compared=5),)
    )
    assert plan.verdict == (
        "Not served by a vector index. 'few_v' can serve it, and PostgreSQL reckons comparing row by row as cheaper: "
        "'few' has 10 rows on 1 page, 5 of them to be compared. assert_index_served() asks whether an index can."
    )
    assert assert_index_served(few, statement).passed_over is None


def test_what_no_index_can_serve_is_not_passed_over(session):
    plan = explain(session, select(Doc.id).order_by(Doc.embedding.l1_distance(QUERY)).limit(3))
    assert (plan.index_served, plan.passed_over, plan.verdict) == (False, None, "Not served by a vector index.")


def test_a_search_that_reads_a_small_table_whole_says_so(few, monkeypatch):
    monkeypatch.setattr(decided, "_SMALL_ROWS", 20_000)  # as released; the tests of this folder search without it
    few.execute(text("ANALYZE few"))
    statement = nearest(select(FEW.c.id).where(FEW.c.lang == "l1"), FEW.c.v, [1, 2], k=3)
    plan = explain(few, statement, analyze=True)
    small = "The table is small, so every row that passes was compared: 3."
    assert small in plan.render()
    assert "first look" not in plan.render()
    assert small not in explain(few, nearest(FEW, FEW.c.v, [1, 2], k=3, exact=True), analyze=True).render()
