from __future__ import annotations

import json
import threading
from dataclasses import asdict, replace
from datetime import timedelta

import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from sqlalchemy_vecsearch.cli.application import app
from sqlalchemy_vecsearch.observing.advice import advise
from sqlalchemy_vecsearch.observing.index_health import index_health
from sqlalchemy_vecsearch.observing.server_health import server_health

pytestmark = pytest.mark.usefixtures("documents")


@pytest.fixture
def vecsearch(vecsearch_url):
    def run(command):
        return CliRunner().invoke(app, [command, "--url", vecsearch_url, "--json"])

    return run


@pytest.fixture
def invalid_index(documents, catalog, engine):
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as reader:
        reader.execute(text("SELECT count(*) FROM document"))
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as builder:
            builder.exec_driver_sql("SET statement_timeout = '200ms'")
            with pytest.raises(Exception, match="statement timeout"):
                builder.exec_driver_sql("CREATE INDEX CONCURRENTLY ix ON document USING hnsw (embedding vector_l2_ops)")
    engine.dispose()


def findings(result):
    """Return what the command found in the database: the bugs of an old pgvector are found on each of its servers."""
    return [finding for finding in json.loads(result.stdout) if finding["kind"] != "pgvector"]


def kinds(result):
    return [(finding["kind"], finding["subject"]) for finding in findings(result)]


def later(engine):
    """Return the advice that the command would give in a month, had nothing happened but 200,000 transactions."""
    with engine.connect() as connection:
        server, indexes = server_health(connection), index_health(connection)
    server = replace(server, now=server.now + timedelta(days=30))
    advice = advise(server, [replace(index, transactions=index.transactions + 200_000) for index in indexes])
    return [asdict(one) for one in advice if one.kind != "pgvector"]


def test_a_healthy_database_has_no_findings_but_the_bugs_of_its_pgvector(vecsearch, catalog, pgvector_version):
    catalog.execute("CREATE INDEX ix ON document USING hnsw (embedding vector_l2_ops)")
    result = vecsearch("doctor")
    fixed = [number for number in ((0, 8, 2), (0, 8, 4)) if pgvector_version < number]
    remedies = [f"install pgvector {'.'.join(map(str, number))}" for number in fixed]
    assert [finding["remedy"].partition(",")[0] for finding in json.loads(result.stdout)] == remedies
    assert findings(result) == []
    assert result.exit_code == (3 if fixed else 0)
    result = vecsearch("status")
    assert (result.exit_code, json.loads(result.stdout)) == (
        0,
        {"builds": [], "leftovers": [], "proofs": [], "jobs": []},
    )


def test_an_invalid_index_is_found(vecsearch, invalid_index):
    result = vecsearch("doctor")
    assert (result.exit_code, kinds(result)) == (3, [("invalid", "public.ix")])
    result = vecsearch("status")
    assert result.exit_code == 3
    assert [left["name"] for left in json.loads(result.stdout)["leftovers"]] == ["public.ix"]


def test_what_is_held_for_a_swap_that_has_not_come_is_named_with_what_drops_it(vecsearch, vecsearch_url, catalog):
    proofs = {
        "alembic_ops_check_4711": "CHECK ((vector_dims(embedding) = 3))",
        "document_embedding_alembic_ops_not_null": "CHECK ((embedding IS NOT NULL))",
    }
    for name, definition in proofs.items():
        catalog.execute(f"ALTER TABLE document ADD CONSTRAINT {name} {definition}")
    result = vecsearch("status")
    assert (result.exit_code, json.loads(result.stdout)["proofs"]) == (
        0,
        [{"table": "public.document", "name": name, "definition": sql} for name, sql in proofs.items()],
    )
    lines = CliRunner().invoke(app, ["status", "--url", vecsearch_url]).stdout.splitlines()
    drops = [line.rpartition("where none will, ")[2] for line in lines if "has not come" in line]
    assert len(drops) == 2
    for sql in drops:
        catalog.execute(sql)
    assert json.loads(vecsearch("status").stdout)["proofs"] == []


def test_duplicates_and_changed_parameters_are_found(vecsearch, catalog):
    reads_pages = catalog.offers("pageinspect")
    if reads_pages:
        catalog.execute("CREATE EXTENSION pageinspect")
    catalog.execute("CREATE INDEX ix ON document USING hnsw (embedding vector_l2_ops) WITH (m = 8)")
    catalog.execute("CREATE INDEX iy ON document USING hnsw (embedding vector_l2_ops) WITH (m = 12)")
    catalog.execute("CREATE INDEX iz ON document USING ivfflat (embedding vector_l2_ops) WITH (lists = 3)")
    catalog.execute("ALTER INDEX iy SET (m = 20)")
    catalog.execute("ALTER INDEX iz SET (lists = 2)")
    result = vecsearch("doctor")
    misdeclared = {
        "public.iy": "it is declared with ef_construction = 64, m = 20 and was built with ef_construction = 64, m = 12",
        "public.iz": "it is declared with lists = 2 and was built with lists = 3",
    }
    assert {
        finding["subject"]: finding["problem"] for finding in findings(result) if finding["kind"] == "misdeclared"
    } == (misdeclared if reads_pages else {})
    assert ("duplicate", "public.iy") in kinds(result)
    assert len(kinds(result)) == (3 if reads_pages else 1)


def test_an_index_that_no_query_uses_is_found_until_one_does(vecsearch, catalog, engine, load):
    load(6_000)
    catalog.execute("CREATE INDEX ix ON document USING hnsw (embedding vector_l2_ops)")
    assert findings(vecsearch("doctor")) == []  # it is young
    assert [one["kind"] for one in later(engine)] == ["unused"]
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL enable_seqscan = off"))
        connection.execute(text("SELECT id FROM document ORDER BY embedding <-> '[1,2,3]' LIMIT 1")).all()
        connection.execute(text("SELECT pg_stat_force_next_flush()"))
    assert later(engine) == []


def test_statistics_since_a_reset_and_replicas_that_are_away_are_evidence(engine, catalog, load, vecsearch):
    load(6_000)
    catalog.execute("CREATE INDEX ix ON document USING hnsw (embedding vector_l2_ops)")
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        assert server_health(connection).replicas == 0
        connection.execute(text("SELECT pg_stat_reset()"))
        server = server_health(connection)
        assert timedelta(0) <= server.now - server.statistics_since < timedelta(minutes=1)
        assert server.address == f"127.0.0.1:{engine.url.port}" or "socket" in server.address
        slot = f"away_{engine.url.database}"
        connection.execute(text("SELECT pg_create_physical_replication_slot(:slot)"), {"slot": slot})
        try:
            assert server_health(connection).replicas == 1
        finally:
            connection.execute(text("SELECT pg_drop_replication_slot(:slot)"), {"slot": slot})
    assert [one["kind"] for one in later(engine)] == ["unused"]


def test_no_index_of_a_partition_is_to_be_dropped(vecsearch, catalog, engine):
    catalog.execute("CREATE TABLE event (id int, kind int, embedding vector(3)) PARTITION BY list (kind)")
    catalog.execute("CREATE TABLE event_1 PARTITION OF event FOR VALUES IN (1)")
    catalog.execute("INSERT INTO event SELECT i, 1, ARRAY[random(), i, 1]::vector(3) FROM generate_series(1, 6000) i")
    for name in ("ix", "iy"):
        catalog.execute(f"CREATE INDEX {name} ON event USING hnsw (embedding vector_l2_ops)")
    assert kinds(vecsearch("doctor")) == [("duplicate", "public.iy")]
    assert [(one["kind"], one["subject"]) for one in later(engine)] == [("duplicate", "public.iy")]


def test_an_index_that_another_role_rebuilds_is_no_leftover(catalog, engine, vecsearch_url):
    """Such a role sees that a build is at work, and not at which index."""
    role = f"looks_{engine.url.database}"
    catalog.execute("CREATE INDEX ix ON document USING hnsw (embedding vector_l2_ops)")
    catalog.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'x'")
    try:
        with engine.connect() as writer:
            writer.execute(text("UPDATE document SET lang = 'fr' WHERE id = 1"))
            build = threading.Thread(daemon=True, target=catalog.execute, args=("REINDEX INDEX CONCURRENTLY ix",))
            build.start()
            url = engine.url.set(username=role, password="x").render_as_string(hide_password=False)
            shown, left = {"builds": []}, []
            while not shown["builds"] and build.is_alive():
                shown = json.loads(CliRunner().invoke(app, ["status", "--url", url, "--json"]).stdout)
            with engine.connect() as connection:
                left = connection.scalars(text("SELECT 1 FROM pg_index WHERE NOT indisvalid")).all()
            advice = CliRunner().invoke(app, ["doctor", "--url", url, "--json"])
            writer.rollback()
        build.join()
    finally:
        catalog.execute(f"DROP ROLE {role}")
    assert left == [1]
    assert (shown["builds"][0]["table"], shown["leftovers"]) == ("a table of a role that this one cannot look into", [])
    assert findings(advice) == []


def test_lists_that_the_rows_have_outgrown_are_found_and_mended_by_the_command(vecsearch, catalog, load):
    load(5_000)
    catalog.execute("CREATE INDEX ix ON document USING ivfflat (embedding vector_l2_ops) WITH (lists = 60)")
    catalog.execute("ANALYZE document")
    (finding,) = findings(vecsearch("doctor"))
    assert (finding["kind"], finding["subject"]) == ("drifted", "public.ix")
    assert finding["problem"] == "it has 60 lists for about 5,200 rows, which ask for 5"
    for command in finding["remedy"].split("; "):
        catalog.execute(command)
    assert findings(vecsearch("doctor")) == []


def test_a_running_build_is_shown_with_who_holds_it_up_and_is_no_leftover(vecsearch, catalog, engine):
    with engine.connect() as writer:
        writer.execute(text("SET application_name = 'nightly report'"))
        writer.execute(text("UPDATE document SET lang = 'fr' WHERE id = 1"))
        build = threading.Thread(
            target=catalog.execute,
            args=("CREATE INDEX CONCURRENTLY ix ON document USING hnsw (embedding vector_l2_ops)",),
        )
        build.start()
        shown = {"builds": []}
        while not any(one["blockers"] for one in shown["builds"]) and build.is_alive():
            shown = json.loads(vecsearch("status").stdout)
        writer.rollback()
    build.join()
    (running,) = shown["builds"]
    assert (running["table"], running["index"], running["phase"]) == (
        "document",
        "ix",
        "waiting for writers before build",
    )
    assert running["blockers"][0]["application"] == "nightly report"
    assert shown["leftovers"] == []
    assert json.loads(vecsearch("status").stdout) == {"builds": [], "leftovers": [], "proofs": [], "jobs": []}


def test_who_waits_for_whom_is_shown(vecsearch, engine, catalog):
    with engine.connect() as holder:
        holder.execute(text("SET application_name = 'nightly report'"))
        holder.execute(text("LOCK TABLE document IN ACCESS EXCLUSIVE MODE"))
        waiting = threading.Thread(daemon=True, target=catalog.execute, args=("SELECT count(*) FROM document",))
        waiting.start()
        seen = []
        while not seen and waiting.is_alive():
            seen = json.loads(vecsearch("why-waiting").stdout)
        holder.rollback()
    waiting.join()
    assert seen[0]["session"]["query"] == "SELECT count(*) FROM document"
    assert seen[0]["blockers"][0]["application"] == "nightly report"
    assert json.loads(vecsearch("why-waiting").stdout) == []
