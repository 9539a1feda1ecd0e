from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from sqlalchemy_vecsearch.observing.advice import Advice, advise
from sqlalchemy_vecsearch.observing.index_health import IndexHealth
from sqlalchemy_vecsearch.observing.server_health import ServerHealth

NOW = datetime(2026, 5, 20, tzinfo=UTC)
WELL = ServerHealth(
    server_version=180006,
    pgvector="0.8.6",
    pgvector_available="0.8.6",
    address="10.0.0.5:5432",
    in_recovery=False,
    replicas=0,
    statistics_since=NOW - timedelta(days=30),
    now=NOW,
)


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
        "transactions": 500_000,
    }
    return IndexHealth(name=name, **(given | values))


UNUSED = index(scans=0)


@pytest.mark.parametrize(
    "healthy",
    [
        [],
        [index()],
        [index(usable=False, building=True)],
        [index(scans=0, size=8192)],
        [index(), index("app.other", element="embedding vector_cosine_ops")],
        [index(), index("app.ix_ccnew", building=True)],
        [index(child=True), index("app.other", child=True)],
        [index(parameters=(("m", 8),), built_with=(("ef_construction", 64), ("m", 8)))],
        [index(method="ivfflat", parameters=(("lists", 100),), rows=150_000)],
    ],
)
def test_nothing_is_said_of_healthy_indexes(healthy):
    assert advise(WELL, healthy) == []


@pytest.mark.parametrize(
    ("server", "indexes", "kind", "remedy"),
    [
        (
            {},
            [index(usable=False)],
            "invalid",
            "run the migration again that builds it, or DROP INDEX CONCURRENTLY app.ix",
        ),
        ({}, [index(usable=False, child=True)], "invalid", "REINDEX INDEX CONCURRENTLY app.ix"),
        (
            {},
            [index(usable=False, parent=True)],
            "invalid",
            "run the migration again that builds it, or attach the index of each partition",
        ),
        (
            {},
            [index(parameters=(("m", 24),), built_with=(("ef_construction", 64), ("m", 16)))],
            "misdeclared",
            "REINDEX INDEX CONCURRENTLY app.ix",
        ),
        (
            {"in_recovery": True},
            [index(parameters=(("m", 24),), built_with=(("ef_construction", 64), ("m", 16)))],
            "misdeclared",
            "on the primary: REINDEX INDEX CONCURRENTLY app.ix",
        ),
        (
            {},
            [index(method="ivfflat", parameters=(("lists", 10),), rows=400_000)],
            "drifted",
            "ALTER INDEX app.ix SET (lists = 400); REINDEX INDEX CONCURRENTLY app.ix",
        ),
        ({"pgvector": "0.8.5"}, [], "extension", "ALTER EXTENSION vector UPDATE"),
        (
            {"pgvector": "0.8.5", "replicas": 2},
            [],
            "extension",
            "ALTER EXTENSION vector UPDATE, once the replicas have 0.8.6 installed too",
        ),
        (
            {"server_version": 140002},
            [],
            "server",
            "update the server to 14.4 or newer, then REINDEX INDEX CONCURRENTLY each index",
        ),
    ],
)
def test_what_is_wrong_comes_with_what_to_do(server, indexes, kind, remedy):
    advice = advise(replace(WELL, **server), indexes)
    assert [(one.kind, one.remedy) for one in advice] == [(kind, remedy)]


def test_an_unused_index_is_worth_a_look_and_the_evidence_is_named():
    assert advise(WELL, [UNUSED]) == [
        Advice(
            kind="unused",
            subject="app.ix",
            problem="no query has used it, and it takes 2 MB",
            evidence="statistics of 10.0.0.5:5432, the primary, since 2026-04-20; when it was built is not recorded",
            remedy="look whether it is meant for something rare or on a server that this one does not know; if it is"
            " not, DROP INDEX CONCURRENTLY app.ix",
        )
    ]
    (recorded,) = advise(WELL, [replace(UNUSED, built=NOW - timedelta(days=8), transactions=3)])
    assert recorded.evidence == "statistics of 10.0.0.5:5432, the primary, since 2026-05-12"


@pytest.mark.parametrize(
    ("server", "values"),
    [
        ({"replicas": 1}, {}),
        ({"in_recovery": True}, {}),
        ({"statistics_since": NOW - timedelta(days=6)}, {}),
        ({}, {"transactions": 99_999}),
        ({}, {"built": NOW - timedelta(days=6)}),
        ({}, {"child": True}),
        ({}, {"parent": True}),
        ({}, {"building": True}),
    ],
)
def test_an_index_that_may_be_used_yet_or_elsewhere_is_left_alone(server, values):
    assert advise(replace(WELL, **server), [replace(UNUSED, **values)]) == []


def test_of_two_indexes_of_the_same_none_is_chosen():
    (one,) = advise(WELL, [index(parameters=(("m", 8),)), index("app.iy", scans=1)])
    assert one == Advice(
        kind="duplicate",
        subject="app.iy",
        problem="app.ix indexes the same, and a query uses one of them",
        evidence="scanned 1 times; app.ix: scanned 5 times with m = 8",
        remedy="look which of them the models declare, and whether a migration is just replacing one by the other; "
        "then DROP INDEX CONCURRENTLY the one that is left over",
    )


def test_a_replica_does_not_say_what_its_primary_builds():
    assert advise(replace(WELL, in_recovery=True), [index(usable=False)]) == []


def test_an_old_pgvector_has_its_known_bugs_named():
    old = replace(WELL, server_version=160002, pgvector="0.7.4", pgvector_available="0.7.4")
    assert [one.kind for one in advise(old, [])] == ["pgvector", "pgvector"]


def test_a_library_that_is_newer_than_the_extension_has_no_bugs_of_the_older_one():
    assert [one.kind for one in advise(replace(WELL, pgvector="0.7.4"), [])] == ["extension"]
