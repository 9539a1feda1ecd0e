"""The work of a job of re-embedding: from wherever it was left to the same end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import numpy as np
import pytest
from sqlalchemy import select, text, update

from alembic_ops import reembed
from sqlalchemy_vecsearch import EmbedderError, JobStateError, Retry, UnknownJobError, VerificationError, embedder
from sqlalchemy_vecsearch.embedding.declared import embedded_column
from sqlalchemy_vecsearch.embedding.jobs import jobs_now
from sqlalchemy_vecsearch.embedding.journal import find_reembedding
from sqlalchemy_vecsearch.embedding.journal_moves import Move, make, pause
from sqlalchemy_vecsearch.embedding.reembedding import embedded_column_of
from tests.db.embedding.embedded_models import digits
from tests.db.embedding.reembedded_models import INDEX, JOB, NEW, OLD, Document, begun, old_digits, wrong_rows

ROOT = Path(__file__).parents[3]
QUICKLY = Retry(attempts=3, first_wait=0.001, longest_wait=0.01)


@pytest.fixture
def sent():
    """Give the texts of each call of the new model, in batches of 8."""
    calls = []

    @embedder(NEW, dimensions=8, batch_size=8)
    def embed(texts):
        calls.append(texts)
        return digits(texts)

    embedder(OLD, dimensions=4)(old_digits)
    return calls


@pytest.fixture
def job(engine, sent):  # registers the models
    """Give an engine on a database with 60 rows and a job that has begun."""
    begun(engine, rows=60)
    return engine


def work(engine, *, thresholds=None, **options):
    """Run the job; the times of four questions say nothing on a busy machine, so that they decide nothing."""
    usual = {"vector_progress": "none", "sample": 4, "retry": QUICKLY}
    return reembed(engine, JOB, thresholds={"latency": 1000} | (thresholds or {}), **(usual | options))


def state(engine):
    with engine.connect() as connection:
        return find_reembedding(connection, JOB, None).state


def index_is_valid(engine):
    with engine.connect() as connection:
        return connection.scalar(
            text("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(:name)"), {"name": INDEX}
        )


UNDISTURBED = ([], 0, 4, True, "ready")


def end_of(engine):
    """Return what an undisturbed run leaves: no wrong row, no claim, four indexes with a valid one, a job that is ready."""
    with engine.connect() as connection:
        left = connection.scalar(text("SELECT count(*) FROM vecsearch_embedding_work"))
        indexes = connection.scalar(text("SELECT count(*) FROM pg_index WHERE indrelid = 'document'::regclass"))
        return (wrong_rows(connection), left, indexes, index_is_valid(engine), state(engine))


def test_the_column_of_a_job_is_what_the_model_declares(job):
    declared = embedded_column(Document.embedding_v2)
    with job.connect() as connection:
        found = embedded_column_of(connection, JOB)
    same = ("label", "model", "dimensions", "index_name", "source")
    assert [getattr(found, name) for name in same] == [getattr(declared, name) for name in same]
    for name in ("pending", "text", "text_hash", "row_key"):
        assert str(getattr(found, name).compile(dialect=job.dialect)) == str(
            getattr(declared, name).compile(dialect=job.dialect)
        )


def test_a_job_fills_indexes_verifies_and_is_ready(job, sent):
    result = work(job)
    assert end_of(job) == UNDISTURBED
    assert (result.state, result.pending, result.failed, result.refreshed.written) == ("ready", 0, 0, 60)
    assert result.report.passed
    assert [check.name for check in result.report.checks] == [
        *("pending", "failed", "dimensions", "finite", "zero", "norms", "sample", "index", "recall", "overlap"),
        "latency",
    ]
    assert result.next == f"Let the searches change over, in a revision: op.swap_embedding('{JOB}')"
    assert sum(map(len, sent)) == 60 + 4
    with job.connect() as connection:
        kept = find_reembedding(connection, JOB, None)
        (now,) = jobs_now(connection)
    assert kept.verification == result.report.to_json() | {
        "checks": [dict(one) for one in kept.verification["checks"]],
        "answered": [dict(one) for one in kept.verification["answered"]],
    }
    assert (now.done, now.pending, now.index_state, now.verified, now.failures) == (60, 0, "valid", True, ())


@pytest.mark.slow
def test_a_second_run_embeds_nothing_and_verifies_anew(job, sent):
    work(job)
    before = len(sent)
    assert work(job).refreshed.written == 0
    assert sum(map(len, sent[before:])) == 4
    assert end_of(job) == UNDISTURBED


def test_a_limit_ends_the_run_before_the_index(job):
    first = work(job, limit=20)
    assert (first.state, first.pending, first.report, index_is_valid(job)) == ("begun", 40, None, None)
    assert first.next == f"Embed, index and verify: vecsearch reembed {JOB} --embedder package.module:function"
    work(job)
    assert end_of(job) == UNDISTURBED


def test_a_stop_ends_the_run_after_the_batch(job, sent):
    stop = Event()

    @embedder(NEW, dimensions=8, batch_size=8)
    def stops(texts):
        stop.set()
        sent.append(texts)
        return digits(texts)

    result = work(job, stop=stop)
    assert (result.stopped, result.refreshed.written, result.state, len(sent)) == (True, 8, "begun", 1)
    work(job)
    assert end_of(job) == UNDISTURBED


@pytest.mark.slow
def test_a_stop_ends_a_verification_without_a_report(job):
    stop = Event()
    result = work(job, stop=stop, told=lambda *_: stop.set())
    assert (result.stopped, result.report, result.state) == (True, None, "begun")
    assert index_is_valid(job)
    work(job)
    assert end_of(job) == UNDISTURBED


def test_a_paused_job_ends_after_its_batch_and_rests_until_it_is_resumed(job, sent):
    @embedder(NEW, dimensions=8, batch_size=8)
    def pauses(texts):
        with job.begin() as connection:
            pause(connection, JOB, None)
        sent.append(texts)
        return digits(texts)

    result = work(job)
    assert (result.paused, result.state, result.report) == (True, "begun", None)
    assert result.next == f"It rests until: vecsearch reembed {JOB} --resume"
    written, calls = result.refreshed.written, len(sent)
    assert 0 < written < 60
    assert (work(job).refreshed, len(sent)) == (None, calls)
    with job.begin() as connection:
        pause(connection, JOB, None, paused=False)
    embedder(NEW, dimensions=8, batch_size=8)(digits)
    assert work(job).refreshed.written == 60 - written
    assert end_of(job) == UNDISTURBED


def test_a_trial_on_some_rows_compares_them_and_changes_no_state(job):
    result = work(job, where="tenant = 3")
    assert (result.state, result.refreshed.written, result.pending) == ("begun", 6, 0)
    assert (result.report.where, result.report.rows, result.report.passed) == ("tenant = 3", 6, True)
    assert "recall" not in {check.name for check in result.report.checks}
    assert len(result.report.answered) == 4
    assert index_is_valid(job) is None
    with job.connect() as connection:
        assert find_reembedding(connection, JOB, None).verification is None


def test_another_answer_to_the_same_text_is_found_and_may_be_waived(job):
    work(job, limit=60, waive=["sample"])

    @embedder(NEW, dimensions=8)
    def another(texts):
        return -digits(texts)

    failed = work(job)
    assert [check.name for check in failed.report.failures] == ["sample"]
    assert failed.state == "begun"
    with job.connect() as connection:
        assert jobs_now(connection)[0].failures == ("sample",)
    waived = work(job, waive=["sample"])
    assert (waived.state, [one.verdict for one in waived.report.checks if one.name == "sample"]) == (
        "ready",
        ["waived"],
    )
    assert work(job, thresholds={"sample": -1}).report.passed


@pytest.mark.parametrize("factor", [2, 0])
def test_where_the_metric_heeds_lengths_a_vector_of_another_length_is_found(engine, sent, factor):  # registers
    begun(engine, rows=20, metric="l2")
    assert work(engine).state == "ready"
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE document SET embedding_v2 = embedding_v2 * array_fill(CAST(:by AS real), ARRAY[8])::vector"),
            {"by": factor},
        )
    found = work(engine)
    assert (found.state, [check.name for check in found.report.failures][:1]) == ("begun", ["sample"])


def test_a_column_that_gets_worse_is_not_ready_any_more(job):
    work(job)
    with job.begin() as connection:
        connection.execute(update(Document).where(Document.id < 6).values(title="changed"))
        connection.execute(text("UPDATE document SET embedding_v2 = '[0,0,0,0,0,0,0,0]' WHERE id > 50"))
    failed = work(job)
    assert {check.name for check in failed.report.failures} >= {"zero"}
    assert (failed.state, state(job)) == ("begun", "begun")


def test_a_refused_text_is_counted_apart(job):
    @embedder(NEW, dimensions=8)
    def refuses(texts):
        if any("title 7\n" in one for one in texts):
            raise ValueError("no sevens")
        return digits(texts)

    result = work(job)
    assert ([check.name for check in result.report.failures], result.failed) == (["failed"], 1)
    ready = work(job, thresholds={"failed": 1})
    assert ready.state == "ready"
    assert ready.next.endswith(f"op.swap_embedding('{JOB}', max_pending=1)")


def test_a_job_beside_a_busy_writer_comes_to_its_end(job):
    @embedder(NEW, dimensions=8, batch_size=8)
    def edits_as_it_embeds(texts):
        with job.begin() as connection:
            connection.execute(text("UPDATE document SET body = body || '.' WHERE id <= 8"))
        return digits(texts)

    result = work(job, thresholds={"pending": 0.5}, stop=(ended := Event()), waive=["sample"])
    assert not ended.is_set()
    assert (result.state, index_is_valid(job), 0 < result.pending <= 8) == ("ready", True, True)


def test_questions_in_words_are_asked_of_both_models(job):
    report = work(job, questions=["title 5\nbody of 5", "title 9\nbody of 9"], k=3).report
    assert [one.question for one in report.answered] == ["title 5\nbody of 5", "title 9\nbody of 9"]
    assert all(one.overlap >= 1 / 3 for one in report.answered)


@pytest.mark.slow
def test_vectors_as_questions_measure_the_recall_and_rows_the_overlap(job):
    report = work(job, questions=np.ones((4, 8), dtype=np.float32), k=3).report
    notes = {check.name: check.note for check in report.checks}
    assert (notes["recall"], notes["overlap"]) == ("recall@3 of 4 questions", "overlap@3 of 4 questions")


def test_two_runners_at_once_share_the_rows_and_the_index(job, sent):
    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(work, job) for _ in range(2)]
        results = [one.result(timeout=120) for one in both]
    assert sum(one.refreshed.written for one in results) == 60
    assert len({words for call in sent for words in call}) == 60
    assert end_of(job) == UNDISTURBED


def test_a_table_without_rows_has_nothing_to_measure(engine, sent):  # registers the models
    begun(engine, rows=0)
    result = work(engine)
    assert result.state == "ready"
    assert {one.name for one in result.report.checks if one.value is None} >= {"sample", "index", "recall", "overlap"}


@pytest.mark.slow
def test_a_job_without_an_index_is_verified_by_exact_searches(engine, sent):  # registers the models
    begun(engine, rows=30, indexed=False)
    result = work(engine)
    assert result.state == "ready"
    assert {"index", "recall", "latency"}.isdisjoint(one.name for one in result.report.checks)


def test_a_job_that_was_switched_meanwhile_is_not_made_ready(job):
    def switch(*_):
        with job.begin() as connection:
            if find_reembedding(connection, JOB, None).state == "begun":
                make(connection, Move.READY, JOB, None)
                make(connection, Move.SWAP, JOB, None, mode="pointer")

    with pytest.raises(JobStateError, match="its state is 'swapped'"):
        work(job, told=switch)
    assert work(job).next == f"End it by op.finish_reembedding('{JOB}'), or go back by op.swap_embedding_back('{JOB}')"


def test_names_that_are_not_there_are_refused_before_the_work(job, sent):
    with pytest.raises(UnknownJobError, match=f"no job of re-embedding 'other'. The journal has '{JOB}'"):
        reembed(job, "other")
    with pytest.raises(VerificationError, match="There is no check 'recal'"):
        work(job, waive=["recal"])
    with pytest.raises(EmbedderError, match=f"is that of the model '{OLD}', and the model '{NEW}' is wanted"):
        work(job, embedder=old_digits)
    assert sent == []


KILLED = """
import os, signal, sys
from sqlalchemy import create_engine, event
from alembic_ops import reembed
from sqlalchemy_vecsearch import embedder
from tests.db.embedding.embedded_models import digits
from tests.db.embedding.reembedded_models import JOB, NEW, OLD, old_digits
embedder(NEW, dimensions=8, batch_size=8)(digits)
embedder(OLD, dimensions=4)(old_digits)
engine, at, after = create_engine(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "after"
count = 0
def reached(*_):
    global count
    count += 1
    if count == at:
        os.kill(os.getpid(), signal.SIGKILL)
event.listen(engine, "after_cursor_execute" if after else "before_cursor_execute", reached)
reembed(engine, JOB, vector_progress="none", sample=4, thresholds={"latency": 1000})
print(count)
"""


def run_until(engine, statement, when):
    url = engine.url.render_as_string(hide_password=False)
    return subprocess.run(
        [sys.executable, "-c", KILLED, url, str(statement), when],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(
    "statements",
    [(60, 120), pytest.param(tuple(range(1, 180, 7)), marks=pytest.mark.slow)],
    ids=["some", "many"],
)
def test_a_job_that_is_killed_again_and_again_comes_to_the_same_end(job, statements):
    for place, statement in enumerate(statements):
        ended = run_until(job, statement, "after" if place % 2 else "before")
        assert ended.returncode in {-signal.SIGKILL, 0}, ended.stderr
    ended = run_until(job, 0, "before")
    assert ended.returncode == 0, ended.stderr
    assert end_of(job) == UNDISTURBED
    with job.connect() as connection:
        assert connection.scalar(select(Document.embedding_v2_model).limit(1)) == NEW
