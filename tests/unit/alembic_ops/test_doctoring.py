from __future__ import annotations

import pytest

from alembic_ops.doctoring import diagnose
from alembic_ops.health import IndexHealth, ServerHealth

WELL = ServerHealth(server_version=180006, pgvector="0.8.6", pgvector_available="0.8.6")


def index(name="app.ix", **values):
    given = {
        "table": "app.document",
        "method": "hnsw",
        "element": "embedding vector_l2_ops",
        "parameters": (),
        "usable": True,
        "building": False,
        "scans": 5,
        "size": 2**21,
        "rows": 1000,
    }
    return IndexHealth(name=name, **(given | values))


@pytest.mark.parametrize(
    "healthy",
    [
        [],
        [index()],
        [index(usable=False, building=True)],
        [index(scans=0, size=8192)],
        [index(), index("app.other", element="embedding vector_cosine_ops")],
        [index(parameters=(("m", 8),), built_with=(("ef_construction", 64), ("m", 8)))],
        [index(method="ivfflat", parameters=(("lists", 100),), rows=150_000)],
    ],
)
def test_healthy_indexes_have_no_findings(healthy):
    assert diagnose(WELL, healthy) == []


@pytest.mark.parametrize(
    ("server", "indexes", "kind", "remedy"),
    [
        (
            {},
            [index(usable=False)],
            "invalid",
            "DROP INDEX CONCURRENTLY app.ix, or run the migration again that builds it",
        ),
        ({}, [index(scans=0)], "unused", "DROP INDEX CONCURRENTLY app.ix"),
        ({}, [index(), index("app.iy", scans=1)], "duplicate", "DROP INDEX CONCURRENTLY app.iy"),
        (
            {},
            [index(parameters=(("m", 24),), built_with=(("ef_construction", 64), ("m", 16)))],
            "misdeclared",
            "REINDEX INDEX CONCURRENTLY app.ix",
        ),
        (
            {},
            [index(method="ivfflat", parameters=(("lists", 10),), rows=400_000)],
            "drifted",
            "ALTER INDEX app.ix SET (lists = 400); REINDEX INDEX CONCURRENTLY app.ix",
        ),
        ({"pgvector": "0.8.5"}, [], "extension", "ALTER EXTENSION vector UPDATE"),
        (
            {"server_version": 140002},
            [],
            "server",
            "update the server to 14.4 or newer, then REINDEX INDEX CONCURRENTLY each index",
        ),
    ],
)
def test_what_is_wrong_comes_with_the_command_that_mends_it(server, indexes, kind, remedy):
    values = {"server_version": 180006, "pgvector": "0.8.6", "pgvector_available": "0.8.6"} | server
    findings = diagnose(ServerHealth(**values), indexes)
    assert [(one.kind, one.remedy) for one in findings] == [(kind, remedy)]


def test_an_old_pgvector_has_its_known_bugs_named():
    old = ServerHealth(server_version=160002, pgvector="0.7.4", pgvector_available="0.7.4")
    assert [one.kind for one in diagnose(old, [])] == ["pgvector", "pgvector"]
