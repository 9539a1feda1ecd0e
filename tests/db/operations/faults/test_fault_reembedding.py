"""Each operation on a job is hit at each of its statements, and run again: it ends as if nothing had happened."""

from __future__ import annotations

import pytest

from tests.db.operations.faults.reembedding_copies import SUBJECTS, Template

WAYS = ("the client is killed before", "the server's process ends before", "the server's process ends after")


EACH_OPERATION = {"begin", "abort", "rename", "rename back", "finish"}


def _subjects():
    """The other ways of the same operations are hit with `--every-combination` only."""
    for subject in SUBJECTS:
        marks = () if subject.name in EACH_OPERATION else pytest.mark.slow
        yield pytest.param(subject, id=subject.name, marks=marks)


@pytest.fixture(scope="module", params=_subjects())
def template(request, vecsearch_databases, tmp_path_factory):
    url = vecsearch_databases.create()
    yield Template(url, tmp_path_factory.mktemp("job"), request.param)
    vecsearch_databases.drop(url)


def hit_and_run_again(template, way, statement):
    project, job = template.copy()
    if way == WAYS[0]:
        template.kill(project, statement)
    else:
        template.terminate(project, statement, after=way == WAYS[2])
    project.upgrade()
    found = template.found(job)
    template.drop(job)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_hit_at_any_statement_and_run_again(template, way):
    for statement in range(template.statements + 1):
        assert hit_and_run_again(template, way, statement) == template.expected, (way, statement)


def test_killed_in_the_middle_and_run_again(template):
    assert hit_and_run_again(template, WAYS[0], template.statements // 2) == template.expected
