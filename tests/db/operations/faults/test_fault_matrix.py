"""Each operation is hit in each phase, and run again: it ends as if nothing had happened.

By default each phase is hit in one of the four ways, and each way meets every operation; `--every-combination` runs all.
"""

from __future__ import annotations

import pytest

from tests.db.operations.faults.phases import PHASES

CASES = [
    pytest.param(operation, layout, phase, id=f"{operation.name}, {layout.name}: {phase.name}")
    for (operation, layout), phases in PHASES.items()
    for phase in phases
]

# Who asks again and again has no statement that could be cancelled; of the others, the fourth that the three ways leave.
CANCELLED = [
    pytest.param(*case.values, id=case.id, marks=() if number % 4 == 2 else pytest.mark.slow)
    for number, case in enumerate(CASES)
    if not case.values[2].asks
]

each_phase = pytest.mark.parametrize(("operation", "layout", "phase"), CASES)


@pytest.mark.share(0, 4)
@each_phase
def test_an_operation_waits_for_others_and_ends_well(make_scene, operation, layout, phase):
    scene = make_scene(operation, layout)
    with scene.stopped(phase) as (upgrade, _):
        pass
    assert upgrade.end() == 0, upgrade.output()
    scene.finished()


@pytest.mark.share(1, 4)
@each_phase
def test_after_a_lost_connection_the_same_upgrade_ends_well(make_scene, operation, layout, phase):
    hit(make_scene(operation, layout), phase, "pg_terminate_backend")


@pytest.mark.parametrize(("operation", "layout", "phase"), CANCELLED)
def test_after_a_cancel_the_same_upgrade_ends_well(make_scene, operation, layout, phase):
    hit(make_scene(operation, layout), phase, "pg_cancel_backend")


@pytest.mark.share(3, 4)
@each_phase
def test_after_kill_9_the_same_upgrade_waits_for_the_orphan_and_ends_well(make_scene, operation, layout, phase):
    scene = make_scene(operation, layout)
    scene.project.env(vector_lock_timeout=60)
    with scene.stopped(phase) as (upgrade, pid):
        upgrade.process.kill()
        upgrade.end()
        again = scene.start()
        scene.waits_for(again, pid)
    assert again.end() == 0, again.output()
    scene.finished()


def hit(scene, phase, fault):
    scene.project.env(vector_lock_timeout=60)
    with scene.stopped(phase) as (upgrade, pid):
        scene.run(f"SELECT {fault}({pid})")
        assert upgrade.end() == 1
    assert "BuildError: The server did not" in upgrade.output()
    with scene.session() as connection:
        assert scene.revision(connection) is None
    scene.project.upgrade()
    scene.finished()
