"""The process of a migration dies after each of its statements, and the same upgrade goes on with what is left."""

from __future__ import annotations

import pytest

from tests.db.operations.faults.subjects import CREATE, DROP, PARTITIONED, PLAIN, REBUILD, REINDEX, SWAP

# How many statements each operation consists of; the last one that stays undone is the new version of the database.
STATEMENTS = {
    (CREATE, PLAIN): 1,
    (REINDEX, PLAIN): 1,
    (REBUILD, PLAIN): 3,  # build beside, drop, rename
    (SWAP, PLAIN): 2,  # drop, rename
    (DROP, PLAIN): 1,
    (CREATE, PARTITIONED): 7,  # the whole, then each of three parts with its attachment
    (REINDEX, PARTITIONED): 2,  # each partition that has rows
    (REBUILD, PARTITIONED): 12,  # seven to build beside, drop, rename the whole and three parts
    (SWAP, PARTITIONED): 5,  # drop, rename three parts and the whole
    (DROP, PARTITIONED): 1,
}
CASES = [
    pytest.param(operation, layout, statement, id=f"{operation.name}, {layout.name}: statement {statement} of {count}")
    for (operation, layout), count in STATEMENTS.items()
    for statement in range(1, count + 1)
]


@pytest.mark.share(0, 2)  # every other statement
@pytest.mark.parametrize(("operation", "layout", "statement"), CASES)
def test_after_the_end_of_the_process_the_same_upgrade_goes_on(make_scene, operation, layout, statement):
    scene = make_scene(operation, layout)
    assert scene.start(last=statement).end() == -9
    with scene.session() as connection:
        assert scene.revision(connection) is None
    again = scene.start()
    assert again.end() == 0, again.output()
    scene.finished()


@pytest.mark.parametrize(
    ("operation", "layout", "count"),
    [pytest.param(*key, count, id=f"{key[0].name}, {key[1].name}") for key, count in STATEMENTS.items()],
)
def test_there_is_no_statement_after_the_last_one(make_scene, operation, layout, count):
    scene = make_scene(operation, layout)
    upgrade = scene.start(last=count + 1)
    assert upgrade.end() == 0, upgrade.output()
    scene.finished()
