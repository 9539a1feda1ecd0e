"""Timeouts that a role or a database sets end no operation, however long it waits."""

from __future__ import annotations

import pytest

from tests.db.operations.faults.phases import PHASES
from tests.db.operations.faults.scenes import TIMEOUTS

MILLISECONDS = 300
OVERDUE = f"SELECT 1 WHERE clock_timestamp() > %(arrived)s + interval '{2 * MILLISECONDS} ms'"

# One place of each kind: a build, a wait in the server, asking again, and a short lock that is asked for again.
PLACES = (
    "waits for VACUUM",
    "builds",
    "waits for old snapshots",
    "waits for readers of the dead index",
    "waits to rename",
    "waits to create the whole",
    "waits to drop the whole",
)
CASES = [
    pytest.param(operation, layout, phase, id=f"{operation.name}, {layout.name}: {phase.name}")
    for place in PLACES
    for (operation, layout), phases in PHASES.items()
    for phase in phases
    if phase.name == place
]


@pytest.mark.share(0, 3)  # each kind of place, some of the operations at each
@pytest.mark.parametrize(("operation", "layout", "phase"), CASES)
def test_timeouts_of_the_role_end_no_operation(make_scene, operation, layout, phase):
    scene = make_scene(operation, layout)
    set_timeouts(scene)
    with scene.stopped(phase) as (upgrade, _):
        scene.until(OVERDUE, upgrade, arrived=scene.until("SELECT clock_timestamp()"))
    assert upgrade.end() == 0, upgrade.output()
    scene.finished()


def set_timeouts(scene):
    with scene.session() as connection:
        known = connection.execute("SELECT name FROM pg_settings WHERE name = ANY (%s)", [list(TIMEOUTS)]).fetchall()
        for (name,) in known:
            connection.execute(
                f"ALTER ROLE CURRENT_USER IN DATABASE {connection.info.dbname} SET {name} = '{MILLISECONDS}ms'"
            )
