"""No statement of a load calls what a stranger has planted on the search path, on any driver."""

from __future__ import annotations

import re

import numpy as np
import pytest
from loaded_tables import items, metadata, plain, strict
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError

from sqlalchemy_vecsearch import LoadingValueError, copy_rows
from tests.db.planted_overloads import qualified_names, without_qualification

OF_PARTITIONS = {"pg_partition_root"}
"""What is asked only where the rule belongs to another table than the rows went to."""

WHOLE = {"id": np.arange(10, 13), "embedding": np.ones((3, 3), dtype=np.float32)}


def load(connection):
    """Load by every way: direct, by a temporary table, by INSERT, refused with the columns of a rule."""
    copy_rows(connection, items, [plain(1), plain(2)])
    copy_rows(connection, items, WHOLE, on_conflict="update")
    copy_rows(connection, items, [plain(1), plain(3)], on_conflict="nothing")
    with pytest.raises(LoadingValueError) as caught:
        copy_rows(connection, strict, [{"id": 1, "Title": "t", "rank": rank, "parent": None} for rank in (1, 0)])
    assert (caught.value.row, caught.value.column) == (1, "rank")


@pytest.mark.parametrize("first", [False, True])
def test_a_load_calls_nothing_planted(run, planted, first):
    run(metadata.create_all)
    statements = []

    def watched(connection):
        def seen(_connection, _cursor, statement, *_):
            statements.append(statement)

        event.listen(connection, "before_cursor_execute", seen)
        load(connection)
        connection.rollback()

    run(watched)
    names = {name for statement in statements for name in qualified_names(statement)}
    assert {"=", ">", "<>", "to_regclass", "row_security_active", "pg_partition_root"} <= names
    planted.plant(names, first=first)
    run(load)
    assert planted.calls() == {}
    run(lambda connection: connection.execute(text("SELECT 1")))


def test_each_qualification_is_needed(planted, engine):
    """Each name that stands without its schema calls what is planted, or is no longer found: so the test above can fail."""
    with engine.begin() as connection:
        metadata.create_all(connection)
    named = {}

    def note(_connection, _cursor, statement, values, *_):
        for name in qualified_names(statement):
            named.setdefault(name, {})[statement] = values

    with engine.connect() as connection:
        event.listen(connection, "before_cursor_execute", note)
        load(connection)
    planted.plant(named, first=True)
    assert {
        name for name, statements in named.items() if not is_needed(planted, engine, name, statements)
    } == OF_PARTITIONS


def is_needed(planted, engine, name, statements):
    for statement, values in statements.items():
        before = planted.calls().get(name, 0)
        try:
            with engine.connect() as connection:
                connection.exec_driver_sql(without_qualification(statement, name), values)
        except DBAPIError as error:
            if re.search(r"does not exist|is not unique", str(error)):
                return True
            raise
        if planted.calls().get(name, 0) > before:
            return True
    return False
