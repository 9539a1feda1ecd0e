"""What refuses an operation on a job of re-embedding, with what is missing and what to do."""

from __future__ import annotations

import io

import pytest
import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations

from alembic_ops.errors import (
    JobNotReadyError,
    MigrationError,
    OperationArgumentError,
    PendingRowsError,
    PublishedTableError,
    ReembeddingConflictError,
    VectorsInTheWayError,
)
from sqlalchemy_vecsearch import HNSW, VECTOR
from tests.db.operations.reembedding_jobs import PROVENANCE, TABLE, Job

ARGUMENTS = {
    "table_name": "document",
    "source": ["title", "body"],
    "live": "embedding",
    "new": sa.Column("embedding_v2", VECTOR(4)),
    "model": "new",
    "index": HNSW(m=8),
}


@pytest.fixture
def job(vecsearch_url):
    found = Job(vecsearch_url)
    found.execute(TABLE)
    yield found
    found.engine.dispose()


def run(job, operation, *arguments, **keywords):
    with job.engine.connect() as connection:
        context = MigrationContext.configure(connection)
        with context.begin_transaction():
            return getattr(Operations(context), operation)(*arguments, **keywords)


def refusal(job, error, operation, *arguments, **keywords):
    before = job.catalog()
    with pytest.raises(error) as raised:
        run(job, operation, *arguments, **keywords)
    assert job.catalog() == before, "nothing was changed"
    return str(raised.value)


def test_a_job_is_switched_and_ended_only_when_it_may_be(job, caplog):
    for operation in ("swap_embedding", "swap_embedding_back", "finish_reembedding"):
        assert refusal(job, JobNotReadyError, operation, "j") == (
            "There is no job of re-embedding 'j'. The journal has none. "
            "Correct the name, or begin the job by op.begin_reembedding() in a revision."
        )
    run(job, "abort_reembedding", "j")  # as one that was aborted
    run(job, "begin_reembedding", "j", **ARGUMENTS)
    assert refusal(job, JobNotReadyError, "swap_embedding", "j") == (
        "The job 'j' is not ready: 50 rows are pending, the index 'ix_document_embedding_v2' is missing, its vectors "
        "were not compared. Searches are switched to vectors that are complete, indexed, and compared with those in "
        "use. Run `vecsearch reembed j --embedder module:function` until it says that the job is ready, and run the "
        "upgrade again."
    )
    assert refusal(job, JobNotReadyError, "finish_reembedding", "j").startswith(
        "The job 'j' can not be finished: its state is 'begun'. Searches use the former column, which would be dropped."
    )
    run(job, "swap_embedding_back", "j")  # searches use the former column
    job.fill(index=False)
    assert "is not ready: the index 'ix_document_embedding_v2' is missing. " in refusal(
        job, JobNotReadyError, "swap_embedding", "j"
    )
    job.fill()
    job.execute("UPDATE document SET title = 'edited' WHERE id < 3")
    for mode in ("rename", "pointer"):
        assert refusal(job, PendingRowsError, "swap_embedding", "j", mode=mode, max_pending=1) == (
            "Searches of the job 'j' were not switched: 2 rows are pending, and max_pending=1. They have no vector of "
            "the new model for the text that they have now, and nothing is embedded under a lock. Let `vecsearch "
            "reembed j --embedder module:function` catch up, or allow some by max_pending."
        )
    assert refusal(job, VectorsInTheWayError, "abort_reembedding", "j") == (
        "The job 'j' was not aborted: 50 rows have a vector of the model 'new' in 'embedding_v2'. They may have cost "
        "money and hours, and would be gone. Write op.abort_reembedding('j', discard_vectors=True) to throw them away."
    )
    run(job, "swap_embedding", "j", max_pending=2)
    assert (job.found().mode, job.found().state) == ("pointer", "swapped"), "the model is another"
    assert refusal(job, JobNotReadyError, "swap_embedding", "j", mode="rename").startswith(
        "The job 'j' is swapped, by 'pointer' and not by 'rename'."
    )
    run(job, "swap_embedding", "j")
    assert refusal(job, JobNotReadyError, "abort_reembedding", "j", discard_vectors=True).startswith(
        "The job 'j' can not be aborted: searches use its column."
    )
    assert refusal(job, PendingRowsError, "swap_embedding_back", "j").startswith(
        "Searches of the job 'j' were not switched back: 2 rows of 'embedding' are stale. They were inserted or changed"
    )
    caplog.set_level("INFO", "alembic.alembic_ops")
    run(job, "swap_embedding_back", "j", allow_stale=True)
    assert "2 of its rows are stale" in caplog.text
    run(job, "swap_embedding", "j", max_pending=2)
    run(job, "finish_reembedding", "j", keep_old=True)
    assert set(job.columns()) >= {"embedding", "embedding_v2"}
    for operation in ("swap_embedding_back", "abort_reembedding"):
        assert "finished" in refusal(job, JobNotReadyError, operation, "j")
    run(job, "finish_reembedding", "j")
    assert "and it is finished. " in refusal(job, ReembeddingConflictError, "begin_reembedding", "j", **ARGUMENTS)


def test_stale_rows_are_those_of_the_former_columns_own_pending_index(job):
    job.execute(PROVENANCE)
    run(job, "begin_reembedding", "j", **ARGUMENTS)
    assert job.found().previous_model == "old"
    job.fill()
    run(job, "swap_embedding", "j", mode="rename")
    run(job, "swap_embedding_back", "j")
    run(job, "swap_embedding", "j", mode="rename")
    job.execute("UPDATE document SET title = 'edited' WHERE id = 1")
    assert "1 row of 'embedding_v2' is stale" in refusal(job, PendingRowsError, "swap_embedding_back", "j")


def scripted_refusal(job, operation, *arguments, **keywords):
    """Return how the script of an operation stops."""
    script = io.StringIO()
    options = {"as_sql": True, "output_buffer": script}
    context = MigrationContext.configure(dialect_name="postgresql", opts=options)
    getattr(Operations(context), operation)(*arguments, **keywords)
    with pytest.raises(sa.exc.DBAPIError) as raised:
        job.execute(script.getvalue())
    return str(raised.value.orig)


def test_of_two_models_on_one_column_the_second_switches_when_the_first_has_gone_back(job):
    run(job, "begin_reembedding", "j", **ARGUMENTS)
    run(job, "begin_reembedding", "k", **ARGUMENTS | {"new": sa.Column("embedding_v3", VECTOR(4)), "model": "newer"})
    job.fill()
    job.fill(job="k")
    run(job, "swap_embedding", "j", mode="pointer")
    left = "Searches of the job 'k' were not switched: they have left "
    for mode in ("pointer", "rename"):
        assert refusal(job, JobNotReadyError, "swap_embedding", "k", mode=mode) == (
            f"{left}'embedding' for 'embedding_v2' by the job 'j'. A second switch from the same column would be "
            "followed by none of them. Switch back by op.swap_embedding_back('j') first, or, where that is finished, "
            "begin a job with live='embedding_v2'."
        )
        stopped = scripted_refusal(job, "swap_embedding", "k", mode=mode)
        assert stopped.startswith(f"{left}embedding for embedding_v2 by the job j.")
    run(job, "swap_embedding_back", "j")
    run(job, "swap_embedding", "k", mode="pointer")
    assert [(job.found(one).state, job.found(one).mode) for one in "jk"] == [("ready", None), ("swapped", "pointer")]


@pytest.mark.parametrize("mode", ["pointer", "rename"])
def test_ways_back_are_taken_in_their_order(job, mode):
    run(job, "begin_reembedding", "j", **ARGUMENTS)
    job.fill()
    run(job, "swap_embedding", "j", mode=mode)
    live = "embedding_v2" if mode == "pointer" else "embedding"
    third = {"live": live, "new": sa.Column("embedding_v3", VECTOR(4)), "model": "newer"}
    run(job, "begin_reembedding", "k", **ARGUMENTS | third)
    job.fill(job="k")
    run(job, "swap_embedding", "k", mode=mode)
    since = "Searches of the job 'j' were not switched back: the job "
    told = refusal(job, JobNotReadyError, "swap_embedding_back", "j", allow_stale=True)
    assert told.startswith(f"{since}'k' has switched them since.")
    stopped = scripted_refusal(job, "swap_embedding_back", "j", allow_stale=True)
    assert stopped.startswith(f"{since}k has switched them since.")
    run(job, "swap_embedding_back", "k", allow_stale=True)
    run(job, "swap_embedding_back", "j", allow_stale=True)
    assert job.columns()["embedding"][0] == "vector(3)"


@pytest.mark.parametrize("mode", ["pointer", "rename"])
def test_a_job_from_a_column_that_searches_no_longer_use_is_not_switched(job, mode):
    run(job, "begin_reembedding", "j", **ARGUMENTS)
    job.fill()
    run(job, "swap_embedding", "j", mode=mode)
    live = "embedding_v2" if mode == "pointer" else "embedding"
    third = {"live": live, "new": sa.Column("embedding_v3", VECTOR(4)), "model": "newer"}
    run(job, "begin_reembedding", "k", **ARGUMENTS | third)
    job.fill(job="k")
    run(job, "swap_embedding_back", "j", allow_stale=True)
    before = job.columns()
    told = "Searches of the job 'k' were not switched: it goes on from the new column of the job "
    assert refusal(job, JobNotReadyError, "swap_embedding", "k", mode=mode) == (
        f"{told}'j', which searches do not use. The job 'j' is not switched, or was switched back, so that none of them "
        "would follow. Switch it by op.swap_embedding('j') first, or begin a job with the column in use as live."
    )
    stopped = scripted_refusal(job, "swap_embedding", "k", mode=mode)
    assert stopped.startswith(f"{told}j, which searches do not use.")
    assert (job.columns(), job.found("k").state) == (before, "ready")
    run(job, "swap_embedding", "j", mode=mode)
    run(job, "swap_embedding", "k", mode=mode)
    assert job.found("k").state == "swapped"


def test_a_begin_is_the_same_or_is_refused_with_the_difference(job):
    run(job, "begin_reembedding", "j", **ARGUMENTS)
    before = job.catalog()
    run(job, "begin_reembedding", "j", **ARGUMENTS)
    assert job.catalog() == before
    assert refusal(job, ReembeddingConflictError, "begin_reembedding", "j", **ARGUMENTS | {"model": "newer"}) == (
        "There is a job 'j' already, and it is another one: model is 'new' there and 'newer' here. A job is known by "
        "its name, and its vectors may be in use or have cost money. Choose another name, or end that job by "
        "op.abort_reembedding('j') first."
    )
    assert "another one: index is {" in refusal(
        job, ReembeddingConflictError, "begin_reembedding", "j", **ARGUMENTS | {"index": HNSW(m=9)}
    )
    assert "belongs to the job 'j'" in refusal(job, ReembeddingConflictError, "begin_reembedding", "k", **ARGUMENTS)
    other = ARGUMENTS | {"new": sa.Column("embedding_v2", VECTOR(5))}
    assert "has a column 'embedding_v2' already, of type vector(4), where the job 'k' brings one of type vector(5)" in (
        refusal(job, ReembeddingConflictError, "begin_reembedding", "k", **other)
    )
    run(job, "begin_reembedding", "k", **ARGUMENTS | {"new": sa.Column("embedding_v3", VECTOR(5))})


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"table_name": "nothing"}, MigrationError, "There is no table 'nothing'."),
        ({"live": "vector"}, MigrationError, "has no column 'vector', which the job 'j' names."),
        ({"source": ["titel"]}, MigrationError, "has no column 'titel', which the job 'j' names."),
        ({"source": ["at"]}, OperationArgumentError, "can not be part of the source of an embedding"),
        (
            {"key": ["title"]},
            ReembeddingConflictError,
            "was given key=['title'], and the primary key of 'document' is ['id']",
        ),
        ({"table_name": "keyless"}, MigrationError, "The table 'keyless' has no primary key"),
        ({"table_name": "part"}, MigrationError, "'part' is a partition of another table, or inherits."),
        ({"source": sa.text("now()")}, OperationArgumentError, "calls now(), which is not immutable"),
        (
            {"new": sa.Column("v", VECTOR(4), nullable=False)},
            OperationArgumentError,
            "the column 'v', which is NOT NULL",
        ),
        ({"new": sa.Column("v", VECTOR())}, OperationArgumentError, "does not say how long its vectors are"),
        ({"new": sa.Column("v", sa.Integer)}, OperationArgumentError, "does not say how long its vectors are"),
        ({"new": sa.Column("v", VECTOR(3), server_default="[1,2,3]")}, OperationArgumentError, "would fill by itself"),
        ({"new": sa.Column("v", VECTOR(3000))}, OperationArgumentError, "An index over vector(3000) can not be built."),
        ({"index": {"lists": 3}}, OperationArgumentError, "An index is HNSW(...), IVFFlat(...), or a mapping of name"),
        ({"metric": "hamming"}, OperationArgumentError, "The metric 'hamming' is not offered"),
        ({"model": ""}, OperationArgumentError, "was given model=''"),
        ({"live": "embedding_v2"}, OperationArgumentError, "was given the column 'embedding_v2' twice"),
        ({"source": []}, OperationArgumentError, "source=[] is no source of an embedding"),
    ],
)
def test_what_cannot_begin_is_refused_before_anything_is_changed(tables_of_all_kinds, changes, error, message):
    assert message in refusal(tables_of_all_kinds, error, "begin_reembedding", "j", **ARGUMENTS | changes)


@pytest.fixture(scope="module")
def tables_of_all_kinds(vecsearch_databases):
    url = vecsearch_databases.create()
    found = Job(url)
    found.execute(
        TABLE,
        "ALTER TABLE document ADD COLUMN at timestamptz",
        "CREATE TABLE keyless (title text, body text, embedding vector(3))",
        "CREATE TABLE whole (id int PRIMARY KEY, title text, body text, embedding vector(3)) PARTITION BY RANGE (id)",
        "CREATE TABLE part PARTITION OF whole FOR VALUES FROM (1) TO (10)",
    )
    yield found
    found.engine.dispose()
    vecsearch_databases.drop(url)


def test_a_published_table_gets_no_column_that_its_subscribers_lack(job):
    job.execute("CREATE PUBLICATION news FOR TABLE document")
    assert "is published by 'news'" in refusal(job, PublishedTableError, "begin_reembedding", "j", **ARGUMENTS)
    run(job, "begin_reembedding", "j", published=True, **ARGUMENTS)
    job.fill()
    assert "is published by 'news'" in refusal(job, PublishedTableError, "swap_embedding", "j", mode="rename")
    run(job, "swap_embedding", "j", mode="rename", published=True)


PROOF = "ALTER TABLE document ADD CONSTRAINT alembic_ops_check_4711 CHECK (embedding IS NULL OR title <> '') NOT VALID"


@pytest.mark.parametrize("end", ["abort_reembedding", "finish_reembedding"])
def test_what_a_swap_that_did_not_come_has_left_goes_with_the_end_of_the_job(job, end):
    run(job, "begin_reembedding", "j", **ARGUMENTS)
    job.execute(PROOF)
    if end == "finish_reembedding":
        job.fill()
        run(job, "swap_embedding", "j", mode="pointer")
    run(job, end, "j", **({"keep_old": True} if end == "finish_reembedding" else {}))
    assert "alembic_ops_check_4711" not in str(job.catalog())
