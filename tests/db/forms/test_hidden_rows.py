"""Rows that a Select does not name are hidden from it, and every form still returns all that there are, the near ones."""

import numpy as np
import pytest
from hidden_forms import DIMENSIONS, FORMS, Chunk, E, K, add, assert_found, fill, keys
from sqlalchemy import create_engine, event, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session, with_loader_criteria
from steps_of_plans import plan_of, steps

from sqlalchemy_vecsearch import SearchError, SettingsError, count_within, nearest, nearest_each, similar_pairs
from sqlalchemy_vecsearch.search.building import decided

ROWS = 12_000
OF_TENANTS = {1: ROWS // 10, 2: ROWS // 100, 3: ROWS // 1000, 4: 24}
OTHERS = range(5, 35)
POLICIES = {
    "bare": "tenant = current_setting('app.tenant')::int",
    "in a sub-select": "tenant = (select current_setting('app.tenant')::int)",
    "or for an administrator": "tenant = (select current_setting('app.tenant')::int) or current_setting('app.admin') = '1'",
}
SCANS_BY_NAME = [FORMS["nearest, iterative"], FORMS["nearest, filtered, iterative"]]
EVERY_FORM = pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
AS_RELEASED = {"_SMALL_ROWS": decided._SMALL_ROWS, "_SMALL_QUANTIZED": decided._SMALL_QUANTIZED}


@pytest.fixture(scope="module")
def url(vecsearch_databases):
    """Give a database of tenants in clusters of their own, four of them of known sizes, and a role under policies."""
    rng = np.random.default_rng(0)
    known = np.repeat(list(OF_TENANTS), list(OF_TENANTS.values()))
    tenants = rng.permutation(np.concatenate([known, rng.choice(OTHERS, ROWS - len(known))]))
    vectors = centres()[tenants] + 0.4 * rng.normal(size=(ROWS, DIMENSIONS))
    url = vecsearch_databases.create()
    engine = create_engine(url)
    with engine.begin() as connection:
        fill(connection, tenants, vectors)
        connection.execute(
            text("DO $$ BEGIN CREATE ROLE tenant_of_chunks; EXCEPTION WHEN duplicate_object THEN END $$")
        )
        connection.execute(text("GRANT SELECT ON chunk TO tenant_of_chunks"))
    engine.dispose()
    yield url
    vecsearch_databases.drop(url)


@pytest.fixture(scope="module")
def engine(url):
    engine = create_engine(url)
    yield engine
    engine.dispose()


def centres():
    return np.random.default_rng(5).normal(size=(max(OTHERS) + 1, DIMENSIONS))


def questions(count=6, tenant=OTHERS[0]):
    """Return questions that lie among the rows of one tenant, who is another than those that ask."""
    return (centres()[tenant] + 0.4 * np.random.default_rng(9).normal(size=(count, DIMENSIONS))).astype("f4")


def asked_of(form, count):
    """Return questions for a form.

    From among the first tenant's rows the graph leads to 0.92 of a tenth of the table, whatever the effort, and a scan
    that was asked for by name is the answer all the same.
    """
    return questions(count, OTHERS[1] if form in SCANS_BY_NAME else OTHERS[0])


@pytest.fixture(params=["as a large table", "as released"])
def gate(request, monkeypatch, small_tables_searched_as_large_ones):
    """Let a search take the table for a large one, or for what it is."""
    if request.param == "as released":
        for name, value in AS_RELEASED.items():
            monkeypatch.setattr(decided, name, value)


def seen_by(session, tenant, policy=POLICIES["in a sub-select"]):
    """Let a transaction see the rows of one tenant alone."""
    session.execute(text(f"CREATE POLICY own ON chunk USING ({policy})"))
    session.execute(text("ALTER TABLE chunk ENABLE ROW LEVEL SECURITY"))
    session.execute(text(f"SELECT set_config('app.tenant', '{tenant}', true), set_config('app.admin', '0', true)"))
    session.execute(text("SET LOCAL ROLE tenant_of_chunks"))


@pytest.mark.share(0, 7)
@EVERY_FORM
@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)
@pytest.mark.parametrize("tenant", OF_TENANTS, ids=["10%", "1%", "0.1%", "24 rows"])
@pytest.mark.usefixtures("gate")
def test_a_policy_takes_no_rows_away(engine, form, policy, tenant):
    with Session(engine) as session:
        seen_by(session, tenant, policy)
        assert_found(session, form, asked_of(form, 3))


class OfTenant(Session):
    """Sessions that see the rows of one tenant."""


@event.listens_for(OfTenant, "do_orm_execute")
def only_own(state):
    own = with_loader_criteria(Chunk, Chunk.tenant == 2, include_aliases=True)
    state.statement = state.statement.options(own)


@EVERY_FORM
def test_criteria_that_a_session_adds_when_a_statement_runs_take_no_rows_away(engine, form):
    with OfTenant(engine) as session:
        assert_found(session, form, questions(2))


@pytest.mark.parametrize("form", list(FORMS.values())[::3], ids=list(FORMS)[::3])
async def test_nor_do_those_of_an_async_session(make_engine, url, form):
    async with AsyncSession(make_engine("asyncpg", url=url), sync_session_class=OfTenant) as session:
        await session.run_sync(lambda sync: assert_found(sync, form, questions(1)))


def test_options_added_after_a_search_take_no_rows_away(engine):
    own = with_loader_criteria(Chunk, Chunk.tenant == 1)
    with Session(engine) as session:
        for name, form in FORMS.items():
            if name != "max_sim":
                asked = asked_of(form, 1)
                assert_found(session, lambda q, form=form, **o: form(q, **o).options(own), asked)


def test_a_view_that_hides_rows_takes_none_away(engine):
    with Session(engine) as session:
        session.connection(execution_options={"schema_translate_map": {None: "visible"}})
        session.execute(text("CREATE SCHEMA visible"))
        session.execute(
            text("CREATE VIEW visible.chunk WITH (security_barrier) AS SELECT * FROM public.chunk WHERE tenant = 2")
        )
        for form in FORMS.values():
            assert_found(session, form, questions(1))


_PLUS = "+ '0'::double precision"  # behind a distance: an order that no index serves


def arms_that_ran(session, statement):
    """Return the arms whose scan of the table ran, in their order."""
    names = {}
    for node in plan_of(session, statement):
        for below in steps(node):
            for name in ("first", "scan", "exact"):
                sorts = name == "exact" and any("<=>" in key and _PLUS in key for key in node.get("Sort Key", ()))
                if sorts or node.get("Subplan Name", "").startswith(f"CTE {name}_1"):
                    names.setdefault(name, 0)
                    if below.get("Relation Name") == "chunk":
                        names[name] += below["Actual Loops"]
    return [name for name, loops in names.items() if loops]


@pytest.fixture
def scans_that_pay(monkeypatch):
    """Let an iterative scan be taken as in a table that is thirty times as large."""
    monkeypatch.setattr(decided, "_READ_FOR_VISITED", decided._READ_FOR_VISITED // 30)
    decided.decided.cache_clear()
    yield
    decided.decided.cache_clear()


@pytest.mark.parametrize("scattered", [1.3, 1.6])
@pytest.mark.usefixtures("scans_that_pay")
def test_few_scattered_rows_near_the_question_are_not_passed_over_for_farther_ones(engine, scattered, pgvector_version):
    """A scan ends as soon as it has rows enough, and of these few it reaches some late: it looks about more widely."""
    chance = np.random.default_rng(80)
    middle = 0.75 * centres()[OTHERS[1]] + 0.66 * chance.normal(size=DIMENSIONS)
    asked = (middle + 0.4 * chance.normal(size=(12, DIMENSIONS))).astype("f4")
    taken, hits = set(), 0
    with Session(engine) as session:
        near = middle + scattered * chance.normal(size=(40, DIMENSIONS))
        add(session.connection(), ROWS + np.arange(40), np.ones(40, int), near)
        seen_by(session, 1)
        for question in asked:
            search = nearest(Chunk, E, question, k=K)
            right = keys(session, nearest(Chunk, E, question, k=K, exact=True))
            with session.begin_nested() as alone:  # a setting lasts to its end, and the next search would have it
                hits += len(set(right) & set(keys(session, search)))
                alone.rollback()
            with session.begin_nested() as alone:
                taken.update(arms_that_ran(session, search))
                alone.rollback()
    again = "scan" if pgvector_version >= (0, 8) else "exact"  # before, there are no iterative scans
    assert again in taken
    assert hits / len(asked) / K >= 0.97


def test_a_filter_that_no_row_passes_is_no_walk_through_the_graph(engine):
    with Session(engine) as session:
        session.execute(text("SET LOCAL enable_seqscan = off"))
        nobody = select(Chunk).where(Chunk.id * 1 < 0)  # the planner takes it for a third of the table
        assert arms_that_ran(session, nearest(nobody, E, questions()[0], k=K)) == ["first", "exact"]


def test_rows_that_the_planner_reads_all_are_not_read_twice(engine):
    with Session(engine) as session:
        session.execute(text("SET LOCAL enable_indexscan = off"))
        few = select(Chunk).where(Chunk.id < 4)
        assert arms_that_ran(session, nearest(few, E, questions()[0], k=K)) == ["first"]
        assert len(session.execute(nearest(few, E, questions()[0], k=K)).all()) == 4


def test_an_ordinary_search_is_content_with_the_first_scan(engine):
    with Session(engine) as session:
        session.execute(text("SET LOCAL enable_seqscan = off"))
        for source in (Chunk, select(Chunk).where(Chunk.id % 2 == 0)):
            assert arms_that_ran(session, nearest(source, E, questions()[0], k=K)) == ["first"]
        for column in (Chunk.lists, Chunk.half, Chunk.bits):
            assert arms_that_ran(session, nearest(Chunk, column, questions()[0], k=K)) == ["first"]


def test_a_scan_of_lists_that_finds_enough_among_hidden_rows_is_not_taken_for_the_answer(engine):
    search = nearest(Chunk, Chunk.lists, questions()[0], k=K)
    with Session(engine) as session:
        session.execute(text("SET LOCAL enable_seqscan = off"))
        seen_by(session, 1)
        assert arms_that_ran(session, search) == ["first", "exact"]
        session.execute(text("SET LOCAL ivfflat.probes = 20"))  # the first scan finds many, in all lists
        assert arms_that_ran(session, search) == ["first", "exact"]
        probed = nearest(Chunk, Chunk.lists, questions()[0], k=K, probes=20)  # told how much to scan, it is content
        assert arms_that_ran(session, probed) == ["first"]


def test_rows_that_are_read_by_other_means_are_not_ranked_by_what_a_quantised_index_holds(engine):
    """Of a tenant in one cluster all vectors have nearly the same signs, by which 800 of its rows are chance."""
    with Session(engine) as session:
        seen_by(session, 1)
        for question in questions(3):
            right = session.scalars(nearest(select(Chunk.id), Chunk.bits, question, k=K, exact=True)).all()
            assert session.scalars(nearest(select(Chunk.id), Chunk.bits, question, k=K)).all() == right


@pytest.mark.parametrize(("filtered", "planned_once"), [(True, False), (False, True)])
def test_a_search_is_planned_for_the_values_of_its_filter_and_once_without_one(engine, filtered, planned_once):
    """A generic plan knows nothing of how many rows pass: it scans the graph where a plain index leaves a few rows."""
    source = select(Chunk.id).where(Chunk.id < ROWS // 3) if filtered else select(Chunk.id)
    with engine.connect() as connection:
        connection.connection.driver_connection.prepare_threshold = 0
        connection.execute(text("SET cpu_tuple_cost = 2"))  # so that the table counts for a large one
        for vector in questions(12):
            assert len(connection.execute(nearest(source, E, vector, k=K)).all()) == K
        asked = text("SELECT sum(generic_plans) > 0 FROM pg_prepared_statements WHERE statement LIKE 'WITH%'")
        assert connection.scalar(asked) is planned_once


def rows_read(session, statement):
    """Return how many rows of the table a statement has read, those that it passed over included."""
    nodes = [node for node in plan_of(session, statement) if node.get("Relation Name") == "chunk"]
    seen = ("Actual Rows", "Rows Removed by Filter")
    return sum(node["Actual Loops"] * sum(node.get(name, 0) for name in seen) for node in nodes)


def test_the_exact_way_is_left_out_of_tables_beyond_its_bound(engine):
    with Session(engine) as session:
        session.execute(text("SET LOCAL enable_seqscan = off"))
        nobody = select(Chunk).where(Chunk.id * 1 < 0)
        bounded = nearest(nobody, E, questions()[0], k=K, max_exact_rows=ROWS - 1, max_scan_tuples=500)
        assert arms_that_ran(session, bounded) == ["first", "scan"]
        allowed = nearest(nobody, E, questions()[0], k=K, max_exact_rows=ROWS, max_scan_tuples=500)
        assert arms_that_ran(session, allowed) == ["first", "exact"]


@pytest.mark.parametrize("form", [form for name, form in FORMS.items() if "lists" not in name])  # those have probes=
def test_every_form_is_bounded_by_name(engine, form):
    nobody = select(Chunk).where(Chunk.id * 1 < 0)
    with Session(engine) as session:
        session.execute(text("SET LOCAL enable_seqscan = off"))
        bounded = form(questions()[0], nobody, max_exact_rows=ROWS - 1, max_scan_tuples=500)
        assert keys(session, bounded) == []
        if "stream" not in str(bounded.get_execution_options()):
            assert rows_read(session, bounded) < ROWS - 1
            assert rows_read(session, form(questions()[0], nobody, max_exact_rows=ROWS)) >= ROWS


def test_a_bound_leaves_the_groups_that_the_scan_has_found(engine):
    few = select(Chunk).where(Chunk.id.in_(range(0, 3000, 1000)))
    with Session(engine) as session:
        session.execute(text("SET LOCAL enable_indexscan = off"))
        for name in ("one of each group", "max_sim"):
            assert len(keys(session, FORMS[name](questions()[0], few, max_exact_rows=1))) == 3


def test_bounds_are_out_of_range_for_every_form():
    for form in FORMS.values():
        with pytest.raises(SearchError, match="max_exact_rows=0 is not possible"):
            form(questions()[0], max_exact_rows=0)
        with pytest.raises(SettingsError, match="max_scan_tuples=0 is out of range"):
            form(questions()[0], max_scan_tuples=0)


def test_a_batch_a_count_and_pairs_are_bounded(engine):
    nobody = select(Chunk).where(Chunk.id * 1 < 0)
    bounds = {"max_exact_rows": ROWS - 1, "max_scan_tuples": 500}
    with Session(engine) as session:
        session.execute(text("SET LOCAL enable_seqscan = off"))
        assert rows_read(session, count_within(nobody, E, questions()[0], within=1.0, **bounds)) < ROWS
        assert rows_read(session, nearest_each(nobody, E, {1: questions()[0], 2: questions()[1]}, k=K, **bounds)) < ROWS
        few = select(Chunk).where(Chunk.id < 3)
        assert rows_read(session, similar_pairs(few, E, within=0.0, **bounds)) < 3 * ROWS
