"""The worker embeds what is pending, once, and never over an edit."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import numpy as np
import pytest
from sqlalchemy import create_engine, func, insert, select, text, update
from sqlalchemy.orm import Session

from sqlalchemy_vecsearch import (
    DeclarationError,
    EmbedderRefusesAllError,
    FingerprintError,
    Rate,
    RetryLater,
    WaitForDatabase,
    WorkTableError,
    arefresh,
    census,
    embed_query,
    embedder,
    nearest,
    notify_trigger,
    preflight,
    refresh,
    stale,
)
from sqlalchemy_vecsearch.embedding.work_table import work_table
from tests.db.embedding.conftest import QUICKLY
from tests.db.embedding.embedded_models import (
    DIMENSIONS,
    MODEL,
    Base,
    Chunk,
    Document,
    digits,
    text_of,
    vector_of,
    wrong_rows,
)

WORK = work_table(Base.metadata, None)


def work_rows(engine):
    with engine.connect() as connection:
        return connection.execute(select(WORK.c.row_key, WORK.c.attempts, WORK.c.reason).order_by(WORK.c.row_key)).all()


def count(engine):
    with engine.connect() as connection:
        return census(connection, Document.embedding)


def test_all_rows_are_embedded_once_in_batches(tables, fill, calls):
    fill(10)
    done = refresh(tables, Document.embedding)
    assert (done.written, done.calls, done.texts) == (10, 3, 10)
    assert [len(call) for call in calls] == [4, 4, 2]
    assert calls.texts == [text_of(f"title {key}", f"body of {key}") for key in range(1, 11)]
    with tables.connect() as connection:
        assert wrong_rows(connection) == []
        assert connection.scalar(text("SELECT count(*) FROM document WHERE edited_at IS NOT NULL")) == 0
    found = count(tables)
    assert (found.by_model, found.pending, found.failed, found.without_provenance, found.total) == (
        {MODEL: 10}, 0, 0, 0, 10,
    )  # fmt: skip
    assert work_rows(tables) == []
    assert refresh(tables, Document.embedding).calls == 0


@pytest.mark.parametrize(
    ("change", "pending"),
    [
        ("UPDATE document SET title = 'other' WHERE id = 3", {3}),
        ("UPDATE document SET body = NULL WHERE id = 3", {3}),
        ("UPDATE document SET embedding = NULL WHERE id < 3", {1, 2}),
        ("UPDATE document SET embedding_model = 'another' WHERE id = 3", {3}),
        ("UPDATE document SET embedding_source_hash = NULL WHERE id = 3", {3}),
        ("UPDATE document SET language = 'fr', title = title", set()),
        ("INSERT INTO document (id, title) VALUES (9, 'new')", {9}),
        ("INSERT INTO document (id, title, embedding) VALUES (9, 'new', '[1,1,1,1,1,1,1,1]')", {9}),
        ("INSERT INTO document (id, title) VALUES (9, ' '), (10, E'\\n\\t')", set()),
        ("UPDATE document SET title = '', body = NULL WHERE id = 3", {3}),
        ("INSERT INTO document (id, title) VALUES (3, 'x') ON CONFLICT (id) DO UPDATE SET title = 'y'", {3}),
    ],
)
def test_what_is_stale_follows_from_the_row_alone(tables, fill, calls, change, pending):
    fill(5)
    refresh(tables, Document.embedding)
    with Session(tables) as session:
        session.execute(text("SET session_replication_role = replica"))
        session.execute(text(change))
        assert {one.id for one in session.scalars(stale(Document.embedding))} == pending
        assert census(session, Document.embedding).pending == len(pending)
        assert {one.id for one in session.scalars(stale(Document.embedding).where(Document.id != 3))} == pending - {3}


def test_stale_is_served_by_the_pending_index(tables, fill, calls):
    fill(300)
    refresh(tables, Document.embedding)
    with tables.begin() as connection:
        connection.execute(text("UPDATE document SET title = 'changed' WHERE id % 100 = 0"))
    with tables.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE document"))
        statement = stale(Document.embedding).order_by(Document.id).limit(10)
        compiled = statement.compile(tables, compile_kwargs={"literal_binds": True})
        plan = "\n".join(connection.scalars(text(f"EXPLAIN {compiled}".replace(":", r"\:"))))
        assert "Index Scan using ix_document_embedding_pending" in plan
        assert "Filter" not in plan
        assert "Sort" not in plan


def test_a_row_without_a_text_loses_the_vector_of_its_former_one(tables, fill, calls):
    fill(2)
    refresh(tables, Document.embedding)
    with tables.begin() as connection:
        connection.execute(text("UPDATE document SET title = '', body = NULL WHERE id = 1"))
    calls.clear()
    assert refresh(tables, Document.embedding).written == 1
    assert calls == []
    with tables.connect() as connection:
        row = connection.execute(select(Document.embedding, Document.embedding_model).where(Document.id == 1)).one()
    assert tuple(row) == (None, None)
    assert count(tables).pending == 0


def test_no_transaction_is_open_while_the_model_runs(tables, fill, calls):
    fill(8)
    seen = []
    others = create_engine(tables.url)

    def look(texts):
        with others.connect() as connection:
            seen.extend(
                connection.scalars(
                    text("SELECT state FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
                         " AND backend_type = 'client backend'")
                )
            )  # fmt: skip
        return digits(texts)

    calls.answer = look
    refresh(tables, Document.embedding)
    others.dispose()
    assert set(seen) == {"idle"}


@pytest.mark.parametrize(
    ("edit", "left"),
    [
        ("UPDATE document SET body = 'edited' WHERE id = 2", 0),
        ("DELETE FROM document WHERE id = 2", 0),
        ("TRUNCATE document", 0),
    ],
)
def test_an_edit_while_the_model_runs_is_never_overwritten(tables, fill, calls, edit, left):
    fill(3)
    edits = iter([edit])

    def while_it_runs(texts):
        for one in edits:
            with tables.begin() as connection:
                connection.execute(text(one))
        return digits(texts)

    calls.answer = while_it_runs
    done = refresh(tables, Document.embedding)
    assert done.edited == (3 if "TRUNCATE" in edit else 1)
    with tables.connect() as connection:
        assert wrong_rows(connection) == []
    assert count(tables).pending == left
    assert work_rows(tables) == []


def test_no_row_is_left_where_all_of_a_sweep_were_edited(tables, fill, calls):
    fill(3)
    edits = iter(["UPDATE document SET body = 'edited'", "UPDATE document SET body = 'edited again'"])

    def while_it_runs(texts):
        edit = next(edits, None)
        if edit is not None:
            with tables.begin() as connection:
                connection.execute(text(edit))
        return digits(texts)

    calls.answer = while_it_runs
    done = refresh(tables, Document.embedding)
    assert (done.written, done.edited) == (3, 6)
    assert count(tables).pending == 0


def test_rows_that_are_edited_faster_than_they_are_embedded_do_not_keep_a_run_for_ever(tables, fill, calls):
    fill(3)

    def edits(texts):
        with tables.begin() as connection:
            connection.execute(text("UPDATE document SET body = concat(body, '.')"))
        return digits(texts)

    calls.answer = edits
    done = refresh(tables, Document.embedding)
    assert (done.written, done.edited, done.calls) == (0, 9, 3)
    assert count(tables).pending == 3


def test_a_locked_row_is_left_alone_and_does_not_hold_up_the_rest(tables, fill, calls):
    fill(5)
    with tables.begin() as application:
        application.execute(text("UPDATE document SET body = 'being edited' WHERE id = 2"))
        done = refresh(tables, Document.embedding)
        assert (done.written, done.locked) == (4, 1)
    assert count(tables).pending == 1
    refresh(tables, Document.embedding)
    with tables.connect() as connection:
        assert wrong_rows(connection) == []


@pytest.mark.parametrize("workers", [2, 8])
def test_many_workers_embed_no_row_twice(tables, fill, calls, workers):
    fill(120)
    together = threading.Barrier(2, timeout=30)
    first = threading.Event()

    def meet(texts):
        if not first.is_set() and together.n_waiting < 2:
            with suppress(threading.BrokenBarrierError):
                together.wait()
            first.set()
        return digits(texts)

    calls.answer = meet
    done = refresh(tables, Document.embedding, workers=workers)
    assert done.written == 120
    assert sorted(calls.texts) == sorted(set(calls.texts))
    assert len(calls.texts) == 120
    with tables.connect() as connection:
        assert wrong_rows(connection) == []


def test_where_limit_and_budgets(tables, fill, calls):
    fill(12)
    with tables.begin() as connection:
        connection.execute(text("UPDATE document SET language = 'fr' WHERE id > 6"))
    assert refresh(tables, Document.embedding, where=Document.language == "fr", limit=3).written == 3
    assert refresh(tables, Document.embedding, where="language = 'fr'", max_texts=2).written == 2
    with tables.connect() as connection:
        done = set(connection.scalars(select(Document.id).where(Document.embedding.is_not(None))))
    assert done == {7, 8, 9, 10, 11}
    assert refresh(tables, Document.embedding, max_tokens=7).written == 1
    assert refresh(tables, Document.embedding, max_texts=0).calls == 0
    assert work_rows(tables) == []
    assert refresh(tables, Document.embedding).written == 6


def faulty(fault, times):
    """Return an embedder that shows a fault in its first calls, or in those with one text."""
    left = [times]

    def answer(texts):
        if left[0] <= 0:
            return digits(texts)
        left[0] -= 1
        return fault(texts)

    return answer


def raising(error):
    def fault(_texts):
        raise error

    return fault


class TooManyRequestsError(Exception):
    status_code = 429


FAULTS = {
    "short batch": lambda texts: digits(texts)[:-1],
    "one axis": lambda texts: digits(texts)[0],
    "nothing": lambda _texts: None,
    "NaN": lambda texts: np.where(np.arange(DIMENSIONS) == 3, np.nan, digits(texts)),
    "wrong length": lambda texts: [row[:-1] for row in digits(texts).tolist()],
    "zero": lambda texts: np.zeros_like(digits(texts)),
    "429": raising(TooManyRequestsError("slow down")),
    "time-out": raising(TimeoutError()),
    "later": raising(RetryLater(seconds=0.002)),
    "a refusal": raising(ValueError("no")),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_an_embedder_that_fails_now_and_then_leaves_no_trace(tables, fill, calls, fault):
    fill(10)
    calls.answer = faulty(FAULTS[fault], 2)
    done = refresh(tables, Document.embedding, retry=QUICKLY)
    assert (done.written, done.refused) == (10, 0)
    with tables.connect() as connection:
        assert wrong_rows(connection) == []
    assert work_rows(tables) == []


@pytest.mark.parametrize("fault", ["short batch", "NaN", "wrong length", "zero", "a refusal"])
def test_a_text_that_is_refused_is_split_off_and_kept_with_the_reason(tables, fill, calls, fault):
    fill(10)
    poison = text_of("title 6", "body of 6")

    def answer(texts):
        if poison not in texts:
            return digits(texts)
        if fault in {"short batch", "a refusal"}:
            return FAULTS[fault](texts)
        bad = next(iter(FAULTS[fault]([poison])))
        return [bad if one == poison else vector_of(one) for one in texts]

    calls.answer = answer
    done = refresh(tables, Document.embedding, retry=QUICKLY)
    assert (done.written, done.refused) == (9, 1)
    ((key, attempts, reason),) = work_rows(tables)
    assert (key, attempts) == ([6], 1)
    assert {"short batch": "array of shape (0, 8) for 1 text", "NaN": "nan", "wrong length": "7", "zero": "is zero",
            "a refusal": "ValueError: no"}[fault] in reason  # fmt: skip
    found = count(tables)
    assert (found.pending, found.failed) == (1, 1)

    calls.clear()
    assert refresh(tables, Document.embedding, retry=QUICKLY).calls == 0
    assert calls == [], "the text rests until its time has come"
    with tables.begin() as connection:
        connection.execute(update(WORK).values(retry_at=func.now()))
    refresh(tables, Document.embedding, retry=QUICKLY)
    assert work_rows(tables)[0].attempts == 2
    with tables.begin() as connection:
        connection.execute(text("UPDATE document SET body = 'harmless' WHERE id = 6"))
    assert count(tables).failed == 0, "another text was refused"
    assert refresh(tables, Document.embedding, retry=QUICKLY).written == 1
    assert work_rows(tables) == []


def test_zero_vectors_may_be_allowed(tables, fill, calls):
    fill(3)
    calls.answer = FAULTS["zero"]
    assert refresh(tables, Document.embedding, zero_allowed=True).written == 3


@pytest.mark.parametrize("error", [ValueError("no credit"), TimeoutError("no route")])
def test_an_embedder_that_refuses_everything_ends_the_run(tables, fill, calls, error):
    fill(40)
    calls.answer = raising(error)
    with pytest.raises(EmbedderRefusesAllError) as raised:
        refresh(tables, Document.embedding, retry=QUICKLY)
    assert str(error) in str(raised.value)
    assert len(calls) < 60
    calls.answer = digits
    refresh(tables, Document.embedding)
    with tables.begin() as connection:
        connection.execute(update(WORK).values(retry_at=func.now()))
    refresh(tables, Document.embedding)
    with tables.connect() as connection:
        assert wrong_rows(connection) == []


def test_a_composite_key_and_half_precision(tables, calls):
    with tables.begin() as connection:
        connection.execute(
            insert(Chunk.__table__),
            [
                {"book": book, "position": place, "content": f"{book} {place}"}
                for book in "ab'\"%"
                for place in range(5)
            ],
        )
    assert refresh(tables, Chunk.embedding, workers=2).written == 25
    with tables.connect() as connection:
        for book, place, vector in connection.execute(select(Chunk.book, Chunk.position, Chunk.embedding)):
            assert list(vector) == vector_of(f"{book} {place}")
        assert connection.scalar(select(func.count()).select_from(stale(Chunk.embedding).subquery())) == 0


@pytest.mark.parametrize("is_async", [False, True], ids=["embedder", "async embedder"])
@pytest.mark.parametrize("driver", ["psycopg", "psycopg2", "pg8000", "psycopg_async", "asyncpg"])
def test_every_driver_refreshes(make_engine, fill, calls, driver, is_async):
    fill(9)
    if is_async:

        @embedder(MODEL, dimensions=DIMENSIONS, batch_size=4)
        async def later(texts):
            await asyncio.sleep(0)
            return digits(texts)

    engine = make_engine(driver)
    if driver in {"psycopg_async", "asyncpg"}:
        done = asyncio.run(arefresh(engine, Document.embedding, workers=2))
    else:
        done = refresh(engine, Document.embedding, workers=2)
    assert done.written == 9
    with make_engine("psycopg").connect() as connection:
        assert wrong_rows(connection) == []
        found = connection.scalars(
            text(
                "SELECT locktype FROM pg_locks JOIN pg_database d ON d.oid = database AND datname = current_database()"
            )
        ).all()
    assert "advisory" not in found


def test_engines_in_autocommit_or_repeatable_read_refresh(make_engine, fill, calls):
    fill(6)
    for isolation in ("AUTOCOMMIT", "REPEATABLE READ"):
        engine = make_engine("psycopg", isolation_level=isolation)
        refresh(engine, Document.embedding, limit=3)
        with engine.connect() as connection:
            assert connection.connection.driver_connection.autocommit is (isolation == "AUTOCOMMIT")
    assert count(engine).pending == 0


def test_one_connection_is_enough(make_engine, fill, calls):
    fill(6)
    engine = make_engine("psycopg", pool_size=1, max_overflow=0, pool_timeout=1)
    assert refresh(engine, Document.embedding).written == 6


def test_the_schemas_of_tenants_are_translated(tables, make_engine, calls):
    with tables.begin() as connection:
        connection.execute(text("CREATE SCHEMA tenant"))
    engine = make_engine("psycopg").execution_options(schema_translate_map={None: "tenant"})
    Base.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(insert(Document.__table__), [{"id": 1, "title": "theirs"}])
    assert refresh(engine, Document.embedding).written == 1
    assert count(tables).total == 0
    assert count(engine).by_model == {MODEL: 1}


def test_the_worker_creates_its_table_where_no_migration_has(tables, fill, calls):
    fill(1)
    with tables.begin() as connection:
        connection.execute(text("DROP TABLE vecsearch_embedding_work"))
        assert census(connection, Document.embedding).failed == 0
    assert refresh(tables, Document.embedding).written == 1


def test_a_role_that_may_not_create_the_table_is_told_so(tables, make_engine, fill, calls):
    fill(1)
    with tables.begin() as connection:
        connection.execute(text("DROP TABLE vecsearch_embedding_work"))
        connection.execute(text("REVOKE CREATE ON SCHEMA public FROM PUBLIC"))
        name = connection.scalar(text("SELECT 'worker_' || oid FROM pg_database WHERE datname = current_database()"))
        connection.execute(text(f"CREATE ROLE {name} LOGIN PASSWORD 'secret'"))
        connection.execute(text(f"GRANT SELECT, UPDATE ON document TO {name}"))
    try:
        engine = make_engine("psycopg", url=tables.url.set(username=name, password="secret"))
        with pytest.raises(WorkTableError) as raised:
            refresh(engine, Document.embedding)
        assert str(raised.value).startswith(
            "The table 'vecsearch_embedding_work' is not there, and this role may not create it. Workers keep in it which "
            "rows they are embedding and which were refused. Create it by the next migration, which autogenerate "
            "proposes, or let an owner of the schema run: CREATE TABLE vecsearch_embedding_work ("
        )
    finally:
        engine.dispose()
        with tables.begin() as connection:
            connection.execute(text(f"DROP OWNED BY {name}"))
            connection.execute(text(f"DROP ROLE {name}"))


def test_a_fingerprint_guards_the_name_of_a_model(tables, fill):
    fill(2)
    for fingerprint in ("digits, revision 1", "digits, revision 1"):
        embedder(MODEL, dimensions=DIMENSIONS, fingerprint=fingerprint)(digits)
        refresh(tables, Document.embedding, limit=1)
    embedder(MODEL, dimensions=DIMENSIONS, fingerprint="digits, revision 2")(digits)
    with pytest.raises(FingerprintError) as raised:
        refresh(tables, Document.embedding)
    assert str(raised.value) == (
        "The embedder 'digits-8' has the fingerprint 'digits, revision 2', and vectors under this name were made by "
        "'digits, revision 1'. Distances between vectors of two models mean nothing, and rows keep only the name. "
        "Register this model under another name, and declare that one for the column."
    )


def test_progress_and_stopping_after_the_batch(tables, fill, calls):
    fill(20)
    stop, seen = threading.Event(), []

    def progress(now):
        seen.append(now)
        stop.set()

    done = refresh(tables, Document.embedding, progress=progress, stop=stop)
    assert done.written == 4
    assert (seen[0].pending, seen[0].written, len(calls)) == (20, 4, 1)
    assert seen[-1].seconds_left > 0
    assert work_rows(tables) == [], "what was claimed and not embedded is given back"


def test_a_following_worker_sees_what_comes(tables, fill, calls):
    fill(2)
    stop, seen = threading.Event(), []

    def progress(now):
        seen.append(now.written)
        if now.written == 2 and len(seen) == 1:
            with tables.begin() as connection:
                connection.execute(text("INSERT INTO document (id, title) VALUES (3, 'late')"))
        if now.written >= 3:
            stop.set()

    done = refresh(tables, Document.embedding, follow=0.05, progress=progress, stop=stop)
    assert done.written == 3


@pytest.mark.parametrize("driver", ["psycopg", "asyncpg"])
def test_a_notification_wakes_a_worker_that_would_look_much_later(make_engine, tables, fill, calls, driver):
    fill(2)
    with tables.begin() as connection:
        for statement in notify_trigger(Document.embedding).create:
            connection.execute(text(statement))
    stop, first, third = threading.Event(), threading.Event(), threading.Event()

    def progress(now):
        first.set()
        if now.written >= 3:
            third.set()

    def follow():
        much_later = {"follow": 600, "progress": progress, "stop": stop}
        engine = make_engine(driver)
        if driver == "psycopg":
            return refresh(engine, Document.embedding, **much_later)

        async def following():
            try:
                return await arefresh(engine, Document.embedding, **much_later)
            finally:
                await engine.dispose()

        return asyncio.run(following())

    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(follow)
        try:
            assert first.wait(60)
            with tables.begin() as connection:
                connection.execute(text("INSERT INTO document (id, title) VALUES (3, 'late')"))
            assert third.wait(60), "the notification was not heard"
        finally:
            stop.set()
        assert done.result(60).written == 3


def test_a_worker_waits_while_somebody_waits_for_a_lock(tables, fill, calls):
    """The throttle of a run: nothing is embedded until the one who waits has got the lock."""
    fill(3)
    wait, asked = WaitForDatabase(lock_wait=0, seconds=0.01), []
    with tables.begin() as connection:
        connection.execute(text("CREATE TABLE other (id int)"))
    holder = tables.connect()
    holder.execute(text("LOCK TABLE other IN ACCESS EXCLUSIVE MODE"))

    def queue_up():
        with tables.connect() as connection:
            connection.execute(text("SELECT 1 FROM other"))

    def throttle(connection):
        answer = wait(connection)
        if answer is not None:
            asked.append(len(calls))
            if len(asked) == 3:
                holder.rollback()
        elif not asked:
            return 0.01  # the other one has not come to wait yet
        return answer

    with ThreadPoolExecutor(1) as pool:
        queued = pool.submit(queue_up)
        done = refresh(tables, Document.embedding, throttle=throttle)
        queued.result(60)
    holder.close()
    assert asked[:3] == [0, 0, 0]
    assert set(asked) == {0}
    assert done.written == 3


@pytest.mark.parametrize(("database", "waited_for"), [(None, True), ("postgres", False)])
def test_only_who_waits_in_this_database_holds_a_worker_back(tables, fill, database, waited_for):
    """A second writer of a row waits for a transaction, which names no database; and one of another database counts not."""
    fill(1)
    url = tables.url.set(database=database or tables.url.database)
    take_lock = text("UPDATE document SET title = title" if database is None else "SELECT pg_advisory_xact_lock(1788)")
    waiting = text("SELECT count(*) > 0 FROM pg_locks WHERE pid = :pid AND NOT granted")
    other = create_engine(url)
    with other.connect() as holder, other.connect() as waiter, ThreadPoolExecutor(1) as pool:
        holder.execute(take_lock)
        pid = waiter.scalar(text("SELECT pg_backend_pid()"))
        queued = pool.submit(waiter.execute, take_lock)
        with tables.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            while not connection.scalar(waiting, {"pid": pid}) and not queued.done():
                pass
            answer = WaitForDatabase(lock_wait=0, seconds=7)(connection)
        holder.rollback()
        queued.result(60)
        waiter.rollback()
    other.dispose()
    assert answer == (7 if waited_for else None)


def test_throttles_are_asked_before_each_claim(tables, fill, calls):
    fill(8)
    answers = [0.001, 0.001, None]
    asked = []

    def throttle(connection):
        asked.append(len(calls))
        assert connection.scalar(text("SELECT 1")) == 1
        return answers.pop(0) if answers else None

    refresh(tables, Document.embedding, throttle=throttle)
    assert asked[:3] == [0, 0, 0]
    assert len(asked) >= 4


def test_the_ready_made_throttle_waits_for_those_who_wait(tables):
    wait = WaitForDatabase(lock_wait=0, seconds=0.25)
    ready = threading.Event()

    def queue_up():
        with tables.connect() as connection:
            ready.set()
            connection.execute(text("SELECT 1 FROM document"))

    with tables.connect() as holder:
        assert wait(holder) is None
        holder.rollback()
        holder.execute(text("LOCK TABLE document IN ACCESS EXCLUSIVE MODE"))
        waiting = threading.Thread(target=queue_up)
        waiting.start()
        ready.wait(10)
        with tables.connect() as looking:
            seen = None
            while seen is None and waiting.is_alive():
                seen = wait(looking)
                looking.rollback()
        assert seen == 0.25
        holder.rollback()
        waiting.join()


def test_a_rate_spreads_the_calls(tables, fill, calls):
    fill(12)
    done = refresh(tables, Document.embedding, rate=Rate(texts=12_000))
    assert done.written == 12
    assert done.seconds >= 8 / 200, "the third call goes out after eight texts of a two-hundredth of a second each"


def test_a_question_and_the_rows_come_from_one_model(tables, fill, calls):
    fill(5)
    refresh(tables, Document.embedding)

    @embedder(MODEL, dimensions=DIMENSIONS, query=lambda texts: digits([one.removeprefix("query: ") for one in texts]))
    def with_a_query_form(texts):
        return digits(texts)

    question = embed_query(Document.embedding, "query: " + text_of("title 3", "body of 3"))
    with Session(tables) as session:
        row = session.execute(nearest(Document, Document.embedding, question, k=1)).one()
    assert (row[0].id, round(row.distance, 6)) == (3, 0)


def test_the_cost_is_said_before(tables, fill):
    fill(10)
    embedder(MODEL, dimensions=DIMENSIONS, price=2.0)(digits)
    with tables.begin() as connection:
        before = preflight(connection, Document.embedding)
        assert (before.pending, before.tokens, before.hnsw) == (10, 50, ())
        assert before.price == pytest.approx(0.0001)
        connection.execute(text("CREATE INDEX seen ON document USING hnsw (embedding vector_cosine_ops)"))
        cost = preflight(connection, Document.embedding)
    assert 0 < cost.join_milliseconds < 60_000  # of ten rows: neither seconds nor nanoseconds
    assert cost.lines() == [
        "10 rows are pending, about 50 tokens.",
        "At the embedder's price that is about 0.00.",
        "The table has the HNSW index seen: a written row is inserted there anew, which was measured to cost 70 times a "
        "row without it. For a large part of the table, drop the index first and build it again afterwards, or embed "
        "into a second column and swap.",
        "Where rows are written all the time, keep the vectors in a side table of key, text and vector with an index of "
        "its own: a write of this table then touches no vector index, and a search joins what it finds by the key, "
        f"which took {cost.join_milliseconds:.2f} ms here for ten rows.",
    ]


def test_a_column_without_a_source_has_no_worker(tables):
    with pytest.raises(DeclarationError, match="does not say what its embeddings are made from"):
        refresh(tables, Document.title)
