"""The server stops at once at a statement of an operation on a job, as by a power cut; it is run again and ends well."""

from __future__ import annotations

import pytest

from sqlalchemy_vecsearch.testing.databases import Databases
from tests.db.operations.faults.reembedding_copies import SUBJECTS, Template


@pytest.fixture(scope="module")
def own_databases(own_server):
    with Databases(own_server.url()) as databases:
        yield databases


@pytest.fixture(params=[pytest.param(one, id=one.name) for one in SUBJECTS])
def template(request, own_databases, tmp_path):
    url = own_databases.create()
    yield Template(url, tmp_path, request.param)
    own_databases.drop(url)


def hit_and_run_again(own_server, template, statement, *, after):
    project, job = template.copy()
    template.terminate(project, statement, after, end=lambda _: own_server.restart())
    job.engine.dispose()
    project.upgrade()
    found = template.found(job)
    template.drop(job)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_at_any_statement(own_server, template, after):
    for statement in range(template.statements):
        found = hit_and_run_again(own_server, template, statement, after=after)
        assert found == template.expected, (statement, after)


@pytest.mark.parametrize("template", [one for one in SUBJECTS if one.name == "rename"], ids=["rename"], indirect=True)
def test_after_the_last_statement_of_an_exchange_of_names(own_server, template):
    """The transaction has done all and is not committed: nothing of it is left, and the next run does it."""
    assert hit_and_run_again(own_server, template, template.statements - 1, after=True) == template.expected
