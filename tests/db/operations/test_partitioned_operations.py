from __future__ import annotations

import subprocess

import pytest

from alembic_ops.errors import IndexConflictError

CREATE = 'op.create_vector_index("ix", "event", "embedding", operator_class="vector_l2_ops", with_={"m": 8})'
DROP = 'op.drop_vector_index("ix", "event", "embedding", operator_class="vector_l2_ops", with_={"m": 8})'
REBUILD = 'op.rebuild_vector_index("ix", "event", "embedding", operator_class="vector_l2_ops", with_={"m": 12})'
REINDEX = 'op.rebuild_vector_index("ix", "event")'


@pytest.fixture(autouse=True)
def event(catalog):
    """Create a table with three partitions, one of which has a partition of its own."""
    catalog.execute("CREATE TABLE event (id int, embedding vector(3)) PARTITION BY RANGE (id)")
    catalog.execute("CREATE TABLE event_1 PARTITION OF event FOR VALUES FROM (0) TO (100)")
    catalog.execute("CREATE TABLE event_2 PARTITION OF event FOR VALUES FROM (100) TO (200)")
    catalog.execute("CREATE TABLE event_3 PARTITION OF event FOR VALUES FROM (200) TO (900) PARTITION BY RANGE (id)")
    catalog.execute("CREATE TABLE event_3_1 PARTITION OF event_3 FOR VALUES FROM (200) TO (300)")
    catalog.execute(
        "INSERT INTO event SELECT i, ARRAY[sin(i), cos(i), i % 7]::vector(3) FROM generate_series(1, 299) i"
    )


def usable(catalog):
    return {name: state for name, (_, state) in catalog.indexes().items()}


WISHED = {"event_1_ix": True, "event_2_ix": True, "event_3_1_ix": True, "event_3_ix": True, "ix": True}


def test_each_partition_gets_its_index_and_a_new_one_gets_it_by_itself(alembic_project, catalog):
    alembic_project.revision(CREATE, DROP)
    alembic_project.upgrade()
    assert usable(catalog) == WISHED
    catalog.execute("CREATE TABLE event_4 PARTITION OF event FOR VALUES FROM (900) TO (1000)")
    assert all("(m='8')" in sql for sql, _ in catalog.indexes().values())
    assert usable(catalog) == WISHED | {"event_4_embedding_idx": True}
    alembic_project.downgrade()
    assert usable(catalog) == {}


@pytest.mark.parametrize(
    "left",
    [
        ["CREATE INDEX ix ON ONLY event USING hnsw (embedding vector_l2_ops) WITH (m = 8)"],
        [
            "CREATE INDEX ix ON ONLY event USING hnsw (embedding vector_l2_ops) WITH (m = 8)",
            "CREATE INDEX event_2_ix ON event_2 USING hnsw (embedding vector_l2_ops) WITH (m = 8)",
        ],
        [
            "CREATE INDEX ix ON ONLY event USING hnsw (embedding vector_l2_ops) WITH (m = 8)",
            "CREATE INDEX event_1_ix ON event_1 USING hnsw (embedding vector_l2_ops) WITH (m = 8)",
            "ALTER INDEX ix ATTACH PARTITION event_1_ix",
            "CREATE INDEX event_3_ix ON ONLY event_3 USING hnsw (embedding vector_l2_ops) WITH (m = 8)",
        ],
    ],
)
def test_an_interrupted_build_goes_on_with_the_partitions_that_are_left(alembic_project, catalog, left):
    for statement in left:
        catalog.execute(statement)
    before = {name: catalog.oid(name) for name in catalog.indexes()}
    alembic_project.revision(CREATE)
    alembic_project.upgrade()
    assert usable(catalog) == WISHED
    assert {name: catalog.oid(name) for name in before} == before


def test_an_index_of_a_partition_with_other_parameters_is_an_error(alembic_project, catalog):
    catalog.execute("CREATE INDEX ix ON ONLY event USING hnsw (embedding vector_l2_ops) WITH (m = 8)")
    catalog.execute("CREATE INDEX other ON event_1 USING hnsw (embedding vector_l2_ops) WITH (m = 4)")
    catalog.execute("ALTER INDEX ix ATTACH PARTITION other")
    alembic_project.revision(CREATE)
    with pytest.raises(
        IndexConflictError, match=r"There is an index 'other' already, and it is another one: .*m=4, where"
    ):
        alembic_project.upgrade()


def test_a_rebuild_by_the_same_definition_rebuilds_every_partition(alembic_project, catalog):
    alembic_project.revision(CREATE)
    alembic_project.upgrade()
    before = catalog.oid("event_2_ix")
    alembic_project.revision(REINDEX)
    alembic_project.upgrade()
    assert usable(catalog) == WISHED
    assert catalog.oid("event_2_ix") != before


def test_a_rebuild_by_another_definition_takes_the_place_of_all(alembic_project, catalog):
    alembic_project.revision(CREATE)
    alembic_project.upgrade()
    alembic_project.revision(REBUILD, REBUILD.replace("12", "8"))
    alembic_project.upgrade()
    assert all("(m='12')" in sql and state for sql, state in catalog.indexes().values())
    assert "ix" in catalog.indexes()
    assert len(catalog.indexes()) == 5
    alembic_project.downgrade()
    assert all("(m='8')" in sql and state for sql, state in catalog.indexes().values())
    assert len(catalog.indexes()) == 5


def test_in_a_transaction_the_server_builds_all_at_once(alembic_project, catalog):
    alembic_project.revision(CREATE[:-1] + ", concurrently=False)", DROP[:-1] + ", concurrently=False)")
    alembic_project.upgrade()
    assert all(usable(catalog).values())
    assert len(catalog.indexes()) == 5
    alembic_project.downgrade()
    assert usable(catalog) == {}


def test_a_script_stops_where_the_server_has_no_concurrent_way_and_leaves_nothing(alembic_project, catalog, psql):
    alembic_project.revision(CREATE, DROP)
    with pytest.raises(subprocess.CalledProcessError) as error:
        psql(alembic_project.sql())
    assert 'cannot create index on partitioned table "event" concurrently' in error.value.stderr
    assert usable(catalog) == {}
    alembic_project.upgrade()
    with pytest.raises(subprocess.CalledProcessError) as error:
        psql(alembic_project.sql(downgrade=True))
    assert 'cannot drop partitioned index "ix" concurrently' in error.value.stderr
    assert usable(catalog) == WISHED


def test_a_script_that_blocks_writers_builds_and_drops_every_partition(alembic_project, catalog, psql):
    blocking = ", concurrently=False)"
    alembic_project.revision(CREATE[:-1] + blocking, DROP[:-1] + blocking)
    psql(alembic_project.sql())
    assert len(usable(catalog)) == len(WISHED)
    assert set(usable(catalog).values()) == {True}
    psql(alembic_project.sql(downgrade=True))
    assert usable(catalog) == {}


def test_the_parts_of_a_swapped_index_go_by_its_name_so_that_it_can_be_swapped_again(alembic_project, catalog):
    alembic_project.revision(CREATE)
    for m in (12, 16):
        alembic_project.revision(CREATE.replace('"ix"', '"ix_v2"').replace('"m": 8', f'"m": {m}'))
        alembic_project.revision('op.swap_vector_index("ix", replacement="ix_v2", table_name="event")')
        alembic_project.upgrade()
        assert usable(catalog) == WISHED
        assert all(f"(m='{m}')" in sql for sql, _ in catalog.indexes().values())
