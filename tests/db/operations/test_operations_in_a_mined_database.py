"""No statement of an operation names anything that a stranger can put in its way, whatever the rows lead to."""

from __future__ import annotations

import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import create_engine, make_url

from tests.db.mined_database import MinedDatabase
from tests.db.operations.reembedding_jobs import PROVENANCE, Job
from tests.db.operations.reembedding_jobs import TABLE as EMBEDDED
from tests.db.operations.swap_rig import CARRIED, ROLES, TABLE, carried, execute, swap
from tests.db.operations.test_planted_overloads_and_jobs import ENDS, STEPS, begin
from tests.db.operations.test_planted_overloads_and_operations import OPERATIONS, SOON
from tests.db.operations.test_planted_overloads_and_operations import TABLE as INDEXED

# a table of partitions, with everything that a swap carries from one of its columns to the other
PARTITIONED = (
    *TABLE[:2],
    "CREATE TABLE app.document (id int, lang text NOT NULL DEFAULT 'en', embedding vector(3), embedding_v2 halfvec(4),"
    " PRIMARY KEY (id, lang)) PARTITION BY LIST (lang)",
    "CREATE TABLE app.part PARTITION OF app.document FOR VALUES IN ('en') PARTITION BY LIST (id)",
    "CREATE TABLE app.leaf PARTITION OF app.part DEFAULT",
    *TABLE[3:],
)
PUBLISHED = "CREATE PUBLICATION mined_news FOR TABLE app.document (id, embedding) WHERE (id > 3) WITH (publish_via_partition_root)"
NEVER_RUN = {"max", "min", ">"}
"""What the planner leaves out: of the query that asks whether anything is tied to a column, and of the size of a column
where an index is on an expression."""

OF_A_SCHEMA = "ELSE n.nspname OPERATOR(pg_catalog.=)"
"""Where it leaves out what asks for a schema of the table, since none is given: the parameter before it is NULL."""


def safe_without(mines):
    """Return the names that statements were prepared without, but where the planner leaves them out."""
    return {name for name, _, until in mines.safe_without if not until.rstrip().endswith(OF_A_SCHEMA)} - NEVER_RUN


@pytest.fixture(scope="module")
def database(vecsearch_databases):
    """Give one mined database to all tests of this module, and an engine with names as they should be found."""
    url = make_url(vecsearch_databases.create())
    safe = create_engine(url.update_query_dict({"options": "-csearch_path=public"}))
    sent = create_engine(url)
    MinedDatabase(sent).lay()
    yield safe, sent
    safe.dispose()
    sent.dispose()
    vecsearch_databases.drop(url.render_as_string(hide_password=False))


@pytest.fixture
def mines(database):
    """Give what is sent to the mined database, anew for each test."""
    return MinedDatabase(database[1])


@pytest.fixture
def safe(database):
    execute(
        database[0], "DROP TABLE IF EXISTS document, measured, vecsearch_reembedding, vecsearch_embedding_work CASCADE"
    )
    return database[0]


@pytest.fixture
def tied(safe, postgres_major):
    """Create the table with everything that a swap carries."""
    execute(safe, *(f"CREATE ROLE {role}" for role in ROLES))
    execute(safe, *PARTITIONED, *carried(*CARRIED), *([PUBLISHED] if postgres_major >= 15 else []))
    yield
    execute(safe, "DROP SCHEMA app CASCADE", "DROP PUBLICATION IF EXISTS mined_news")
    execute(safe, *(f"DROP OWNED BY {role} CASCADE" for role in ROLES), *(f"DROP ROLE {role}" for role in ROLES))


def step(engine, operation):
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts=SOON)
        with context.begin_transaction():
            operation(Operations(context))


def lay_out(safe, engine, operation):
    """Run an operation of indexes and columns on the table that it is for."""
    execute(safe, *INDEXED)
    step(engine, OPERATIONS[operation])


def do_job(safe, engine, steps):
    """Run the steps of a job, with a filler between that stands for the worker."""
    url = safe.url.render_as_string(hide_password=False)
    job = Job(url)
    job.execute(EMBEDDED, PROVENANCE)
    for one in steps:
        step(engine, one)
        if one is begin:
            job.fill()
    job.engine.dispose()


@pytest.mark.parametrize("operation", OPERATIONS)
def test_no_statement_of_an_operation_steps_on_a_mine(mines, safe, operation):
    with mines.watched():
        lay_out(safe, mines.engine, operation)
    assert mines.stepped == {}
    assert len(mines.names) >= 5


def test_no_statement_of_a_job_that_is_aborted_steps_on_a_mine(mines, safe):
    with mines.watched():
        do_job(safe, mines.engine, ENDS)
    assert mines.stepped == {}
    assert len(mines.names) >= 30


EVERY_PLACE = [
    pytest.param(False, id="of each name"),
    pytest.param(True, id="at every place", marks=pytest.mark.slow),
]
"""At one place of each name in each statement by default: all of them take a minute for a swap."""


@pytest.mark.parametrize("every_place", EVERY_PLACE)
def test_no_statement_of_a_swap_with_all_that_it_carries_steps_on_a_mine_but_without_a_qualification(
    mines, tied, every_place
):
    with mines.each_taken_away(every_place=every_place):
        swap(mines.engine, published=True)
    assert mines.stepped == {}
    assert len(mines.names) >= 30
    assert safe_without(mines) == set()


@pytest.mark.parametrize("every_place", EVERY_PLACE)
def test_no_statement_of_a_job_steps_on_a_mine_but_without_a_qualification(mines, safe, every_place):
    with mines.each_taken_away(every_place=every_place):
        do_job(safe, mines.engine, STEPS)
    assert mines.stepped == {}
    assert len(mines.names) >= 30
    assert safe_without(mines) == set()


@pytest.mark.parametrize(
    "operation",
    [
        "create in the transaction",
        "create with automatic lists",
        "alter to dimensions",
        "create the extension",
        *(pytest.param(one, marks=pytest.mark.slow) for one in OPERATIONS),
    ],
)
def test_each_qualification_of_an_operation_that_is_taken_away_is_found(mines, safe, operation):
    with mines.each_taken_away():
        lay_out(safe, mines.engine, operation)
    assert safe_without(mines) == set()
