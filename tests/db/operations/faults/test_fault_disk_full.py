"""A build that finds no room on the disk says so, and is finished once there is room."""

from __future__ import annotations

import pytest

from tests.db.operations.faults.subjects import CREATE, GATE, LAYOUTS, REBUILD, REINDEX

# The server raises what it raises when a file cannot grow, in the middle of a build.
FULL = GATE.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION").replace(
    "PERFORM",
    "IF EXISTS (SELECT FROM pg_catalog.pg_stat_progress_create_index p WHERE p.pid = pg_catalog.pg_backend_pid()) THEN"
    " RAISE 'could not extend file \"base/5/16390\": No space left on device' USING ERRCODE = 'disk_full'; END IF; PERFORM",
)
ROOM = GATE.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
@pytest.mark.parametrize("operation", [CREATE, REINDEX, REBUILD], ids=lambda operation: operation.name)
def test_once_there_is_room_on_the_disk_the_same_upgrade_ends_well(make_scene, operation, layout):
    scene = make_scene(operation, layout)
    scene.run(FULL)
    upgrade = scene.start()
    assert upgrade.end() == 1
    assert (
        'could not extend file "base/5/16390": No space left on device. The disk of the server is full. Free some space '
        "(an INVALID index keeps what it has taken until it is dropped), and run the upgrade again."
    ) in upgrade.output()
    scene.run(ROOM)
    scene.project.upgrade()
    scene.finished()
