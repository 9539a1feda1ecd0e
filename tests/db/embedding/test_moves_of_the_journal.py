"""The journal of re-embedding on a server: each move is one conditional UPDATE."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from sqlalchemy import MetaData, text
from sqlalchemy.exc import IntegrityError

from sqlalchemy_vecsearch import JobStateError, Reembedding, UnknownJobError
from sqlalchemy_vecsearch.embedding.journal import find_reembedding, journal_table, known_jobs, record
from sqlalchemy_vecsearch.embedding.journal_moves import Move, forget, keep_report, make, pause

JOB = Reembedding(
    job="j",
    table_name="document",
    live="embedding",
    replacement="embedding_v2",
    live_number=3,
    replacement_number=7,
    source=("title", "body"),
    model="new",
    index_definition={"name": "ix", "method": "hnsw", "operator_class": "vector_cosine_ops", "with_": {"m": 16}},
)


@pytest.fixture
def journal(engine):
    """Give an engine on a database with an empty journal."""
    journal_table(MetaData(), None).create(engine)
    return engine


def test_a_job_is_read_as_it_was_written(journal):
    expression = replace(JOB, job="k", source=None, source_sql="lower(title)::text", index_definition=None)
    with journal.begin() as connection:
        for wished in (JOB, expression):
            record(connection, wished, None)
            found = find_reembedding(connection, wished.job, None)
            assert found.begun_at is not None
            assert replace(found, begun_at=None) == wished
        assert [one.job for one in known_jobs(connection, None)] == ["j", "k"]


def test_a_second_record_changes_nothing_and_gives_the_first(journal):
    with journal.begin() as connection:
        record(connection, JOB, None)
        first = find_reembedding(connection, JOB.job, None)
        record(connection, replace(JOB, model="another"), None)
        assert find_reembedding(connection, JOB.job, None) == first


def test_a_job_goes_there_and_back_and_ends(journal):
    report = {"recall": 0.98, "waived": ["latency"]}
    with journal.begin() as connection:
        record(connection, JOB, None)
        ready = make(connection, Move.READY, "j", None, verification=report)
        assert (ready.state, ready.verification, ready.ready_at is not None) == ("ready", report, True)
        assert keep_report(connection, "j", None, report).state == "begun"
        again = make(connection, Move.READY, "j", None)
        assert again.verification == report
        swapped = make(connection, Move.SWAP, "j", None, mode="rename")
        assert (swapped.state, swapped.mode, swapped.swapped_at is not None) == ("swapped", "rename", True)
        back = make(connection, Move.SWAP_BACK, "j", None)
        assert back == again
        make(connection, Move.SWAP, "j", None, mode="pointer")
        finished = make(connection, Move.FINISH, "j", None)
        assert (finished.state, finished.mode, finished.finished_at is not None) == ("finished", "pointer", True)


@pytest.mark.parametrize(
    ("way", "move", "message"),
    [
        ([], Move.SWAP, "The job 'j' can not become 'swapped': its state is 'begun'. Only from 'ready' does a job"),
        ([], Move.SWAP_BACK, "can not become 'ready': its state is 'begun'. Only from 'swapped'"),
        ([Move.READY, Move.SWAP], Move.READY, "its state is 'swapped'. Only from 'begun' or 'ready'"),
        ([Move.READY, Move.SWAP, Move.FINISH], Move.SWAP_BACK, "its state is 'finished'"),
        ([Move.READY], Move.FINISH, "its state is 'ready'. Only from 'swapped'"),
    ],
)
def test_a_move_from_another_state_is_refused_with_the_state(journal, way, move, message):
    with journal.begin() as connection:
        record(connection, JOB, None)
        for one in way:
            make(connection, one, "j", None, mode="rename" if one is Move.SWAP else None)
        before = find_reembedding(connection, "j", None)
        with pytest.raises(JobStateError) as refusal:
            make(connection, move, "j", None, mode="rename" if move is Move.SWAP else None)
        assert message in str(refusal.value)
        assert "vecsearch status j" in str(refusal.value)
        assert (refusal.value.job, refusal.value.state) == ("j", before.state)
        assert find_reembedding(connection, "j", None) == before


def test_of_many_that_make_a_move_at_once_one_makes_it(journal):
    with journal.begin() as connection:
        record(connection, JOB, None)
        make(connection, Move.READY, "j", None)

    def swap(_):
        with journal.begin() as connection:
            try:
                return make(connection, Move.SWAP, "j", None, mode="pointer").state
            except JobStateError as error:
                return error.state

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(swap, range(8), timeout=60)) == ["swapped"] * 8
    with journal.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM vecsearch_reembedding WHERE state = 'swapped'")) == 1


def test_a_pause_is_no_state(journal):
    with journal.begin() as connection:
        record(connection, JOB, None)
        assert (pause(connection, "j", None).paused, pause(connection, "j", None, paused=False).paused) == (True, False)
        with pytest.raises(UnknownJobError):
            pause(connection, "k", None)


def test_only_a_job_that_has_switched_nothing_is_forgotten(journal):
    with journal.begin() as connection:
        record(connection, JOB, None)
        make(connection, Move.READY, "j", None)
        make(connection, Move.SWAP, "j", None, mode="rename")
        with pytest.raises(JobStateError, match="can not be aborted: its state is 'swapped'"):
            forget(connection, "j", None)
        make(connection, Move.SWAP_BACK, "j", None)
        forget(connection, "j", None)
        assert known_jobs(connection, None) == ()


def test_a_missing_job_names_those_that_are_there(journal):
    with journal.begin() as connection:
        for call in (find_reembedding, forget):
            with pytest.raises(UnknownJobError, match=r"There is no job of re-embedding 'k'\. The journal has none\."):
                call(connection, "k", None)
        record(connection, JOB, None)
        with pytest.raises(UnknownJobError, match=r"The journal has 'j'\.") as refusal:
            make(connection, Move.READY, "k", None)
        assert (refusal.value.job, refusal.value.known) == ("k", ("j",))


def test_a_database_without_a_journal_has_no_jobs(engine):
    with engine.begin() as connection:
        assert known_jobs(connection, None) == ()
        with pytest.raises(UnknownJobError, match=r"'j' in the schema 'app'\. The journal has none\."):
            make(connection, Move.READY, "j", "app")


def test_the_table_takes_no_state_that_is_not_one(journal):
    with journal.begin() as connection:
        record(connection, JOB, None)
    for values in ("state = 'filled'", "mode = 'view'", "digest = 'crc'"):
        with journal.begin() as connection, pytest.raises(IntegrityError):
            connection.execute(text(f"UPDATE vecsearch_reembedding SET {values}"))


def test_the_schema_is_where_the_connection_translates_it_to(engine):
    with engine.begin() as connection:
        connection.execute(text("CREATE SCHEMA tenant"))
    with engine.connect().execution_options(schema_translate_map={None: "tenant"}) as connection, connection.begin():
        journal_table(MetaData(), None).create(connection)
        record(connection, JOB, None)
        assert make(connection, Move.READY, "j", None).state == "ready"
    with engine.connect() as connection:
        assert [one.job for one in known_jobs(connection, "tenant")] == ["j"]
        assert known_jobs(connection, None) == ()
