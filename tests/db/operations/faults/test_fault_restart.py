"""A power cut hits every phase of an operation, all at once: each upgrade is run again and ends as if nothing had happened."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from sqlalchemy_vecsearch.testing.databases import Databases
from tests.db.operations.faults.phases import PHASES
from tests.db.operations.faults.scenes import Scene


@pytest.fixture(scope="module")
def own_databases(own_server):
    with Databases(own_server.url()) as databases:
        yield databases


@pytest.mark.share(0, 2)  # each operation once, on a plain table or on a partitioned one
@pytest.mark.parametrize(
    ("operation", "layout"),
    [pytest.param(*key, id=f"{key[0].name}, {key[1].name}") for key in PHASES],
)
def test_after_an_immediate_restart_of_the_server_the_same_upgrade_ends_well(
    own_server, own_databases, make_project, tmp_path, operation, layout
):
    scenes = {}
    with ExitStack() as stack:
        for number, phase in enumerate(PHASES[operation, layout]):
            scene = Scene(make_project(tmp_path / str(number), own_databases.create()), operation, layout)
            scenes[phase.name] = scene, *stack.enter_context(scene.stopped(phase))
        own_server.restart()
    for scene, upgrade, _ in scenes.values():
        assert upgrade.end() == 1
        assert "BuildError: The server did not" in upgrade.output()
        scene.project.upgrade()
        scene.finished(others_usable=False)  # somebody else's build was hit too, and is somebody else's to repair
        own_databases.drop(scene.project.url)
