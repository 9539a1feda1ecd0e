from __future__ import annotations

import json
import threading

import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from sqlalchemy_vecsearch.cli.application import app

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


def kinds(result):
    return [(finding["kind"], finding["subject"]) for finding in json.loads(result.stdout)]


def test_a_healthy_database_has_no_findings(vecsearch, catalog):
    catalog.execute("CREATE INDEX ix ON document USING hnsw (embedding vector_l2_ops)")
    result = vecsearch("doctor")
    assert (result.exit_code, json.loads(result.stdout)) == (0, [])
    result = vecsearch("status")
    assert (result.exit_code, json.loads(result.stdout)) == (0, {"builds": [], "leftovers": []})


def test_an_invalid_index_is_found(vecsearch, invalid_index):
    result = vecsearch("doctor")
    assert (result.exit_code, kinds(result)) == (3, [("invalid", "public.ix")])
    result = vecsearch("status")
    assert result.exit_code == 3
    assert [left["name"] for left in json.loads(result.stdout)["leftovers"]] == ["public.ix"]


def test_duplicates_and_changed_parameters_are_found(vecsearch, catalog):
    catalog.execute("CREATE EXTENSION pageinspect")
    catalog.execute("CREATE INDEX ix ON document USING hnsw (embedding vector_l2_ops) WITH (m = 8)")
    catalog.execute("CREATE INDEX iy ON document USING hnsw (embedding vector_l2_ops) WITH (m = 12)")
    catalog.execute("CREATE INDEX iz ON document USING ivfflat (embedding vector_l2_ops) WITH (lists = 3)")
    catalog.execute("ALTER INDEX iy SET (m = 20)")
    catalog.execute("ALTER INDEX iz SET (lists = 2)")
    result = vecsearch("doctor")
    assert kinds(result) == [("misdeclared", "public.iy"), ("misdeclared", "public.iz"), ("duplicate", "public.iy")]
    assert json.loads(result.stdout)[0]["problem"] == (
        "it is declared with ef_construction = 64, m = 20 and was built with ef_construction = 64, m = 12"
    )


def test_an_index_that_no_query_uses_is_found_until_one_does(vecsearch, catalog, engine, load):
    load(6_000)
    catalog.execute("CREATE INDEX ix ON document USING hnsw (embedding vector_l2_ops)")
    (finding,) = json.loads(vecsearch("doctor").stdout)
    assert (finding["kind"], finding["subject"]) == ("unused", "public.ix")
    assert finding["remedy"] == "DROP INDEX CONCURRENTLY public.ix"
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL enable_seqscan = off"))
        connection.execute(text("SELECT id FROM document ORDER BY embedding <-> '[1,2,3]' LIMIT 1")).all()
        connection.execute(text("SELECT pg_stat_force_next_flush()"))
    assert json.loads(vecsearch("doctor").stdout) == []


def test_lists_that_the_rows_have_outgrown_are_found_and_mended_by_the_command(vecsearch, catalog, load):
    load(5_000)
    catalog.execute("CREATE INDEX ix ON document USING ivfflat (embedding vector_l2_ops) WITH (lists = 60)")
    catalog.execute("ANALYZE document")
    (finding,) = json.loads(vecsearch("doctor").stdout)
    assert (finding["kind"], finding["subject"]) == ("drifted", "public.ix")
    assert finding["problem"] == "it has 60 lists for 5,200 rows, which ask for 5"
    for command in finding["remedy"].split("; "):
        catalog.execute(command)
    assert json.loads(vecsearch("doctor").stdout) == []


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
    assert json.loads(vecsearch("status").stdout) == {"builds": [], "leftovers": []}


def test_who_waits_for_whom_is_shown(vecsearch, engine, catalog):
    with engine.connect() as holder:
        holder.execute(text("SET application_name = 'nightly report'"))
        holder.execute(text("LOCK TABLE document IN ACCESS EXCLUSIVE MODE"))
        waiting = threading.Thread(target=catalog.execute, args=("SELECT count(*) FROM document",))
        waiting.start()
        seen = []
        while not seen and waiting.is_alive():
            seen = json.loads(vecsearch("why-waiting").stdout)
        holder.rollback()
    waiting.join()
    assert seen[0]["session"]["query"] == "SELECT count(*) FROM document"
    assert seen[0]["blockers"][0]["application"] == "nightly report"
    assert json.loads(vecsearch("why-waiting").stdout) == []
