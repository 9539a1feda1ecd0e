"""Whatever indexes the tables of two models have, a revision leads from the one to the other and back."""

import re

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from item_models import half, ix, models
from sqlalchemy import Index, MetaData

NAMES, TABLES = ("ix_1", "ix_2", "ix_3"), ("items", "others")
KINDS = {
    "l2": ix,
    "ip": lambda name: ix(name, "vector_ip_ops"),
    "m": lambda name: ix(name, with_={"m": 24}),
    "half": half,
    "btree": lambda name: lambda table: Index(name, table.c.kind),
}
PLACES = st.none() | st.tuples(st.sampled_from(TABLES), st.sampled_from(list(KINDS)))
STATES = st.tuples(st.tuples(*[PLACES] * len(NAMES)), st.sets(st.sampled_from(TABLES)))
ROWS = "INSERT INTO {} (kind, embedding) SELECT 'a', ARRAY[i, 7 - i, 1]::vector(3) FROM generate_series(1, 20) i"


def left_to_alembic(old, new):
    """Say whether an index of Alembic's takes the name of another one of Alembic's, which fails in Alembic too."""
    pairs = zip(old[0], new[0], strict=True)
    return any(here and there and here != there and here[1] == there[1] == "btree" for here, there in pairs)


def declared(state):
    """Return the models of a state: which index is where, by name, and which tables there are without one."""
    places, empty = state
    metadata = MetaData()
    for table in TABLES:
        found = [
            KINDS[place[1]](name) for name, place in zip(NAMES, places, strict=True) if place and place[0] == table
        ]
        if found or table in empty:
            models(*found, name=table, metadata=metadata)
    return metadata


def emptied(project):
    project.execute("DROP TABLE IF EXISTS items, others, alembic_version")
    for path in (project.folder / "versions").glob("*.py"):
        path.unlink()


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(old=STATES, new=STATES)
def test_a_revision_leads_from_any_models_to_any_others_and_back(project, old, new):
    assume(not left_to_alembic(old, new))
    emptied(project)
    before, after = declared(old), declared(new)
    before.create_all(project.engine)
    project.metadata = after
    revision = project.autogenerate()
    revision.path.unlink()
    operations = re.findall(r"^op\.(\w+)\(", revision.upgrade, re.MULTILINE)
    if operations:
        rows = "; ".join(ROWS.format(table) for table in before.tables)
        project.cycle(*operations, rows=rows or None)
