from __future__ import annotations

from dataclasses import replace

import pytest

from alembic_ops.errors import BuildError, MigrationError
from alembic_ops.model.build import Build
from alembic_ops.model.build_settings import (
    BuildFacts,
    build_settings,
    expected_spill,
    graph_bytes,
    kilobytes,
    require_rows,
)
from alembic_ops.model.index_state import IndexDefinition
from alembic_ops.planning.server_versions import refuse_broken_builds
from sqlalchemy_vecsearch.metrics import Storage

HNSW = IndexDefinition(method="hnsw", operator_class="vector_l2_ops", column="embedding")
IVFFLAT = IndexDefinition(method="ivfflat", operator_class="vector_l2_ops", column="embedding")
FACTS = BuildFacts(
    rows=60_000,
    dimensions=384,
    storage=Storage.VECTOR,
    maintenance_memory=65_536,
    maintenance_workers=2,
    parallel_workers=8,
    pgvector="0.8.6",
)


def test_the_graph_fits_into_the_memory_that_is_set():
    needed = graph_bytes(HNSW, FACTS)
    settings = build_settings(Build(), HNSW, FACTS)
    assert settings["max_parallel_maintenance_workers"] == "4"
    memory = int(settings["maintenance_work_mem"].removesuffix("kB")) * 1024
    assert 0 <= memory - 1.1 * needed < 1024 * 1024
    assert expected_spill(Build(), HNSW, FACTS) is None


def test_a_graph_gets_up_to_a_quarter_of_the_machine_and_2_gb_of_an_unknown_one():
    million = replace(FACTS, rows=1_000_000, maintenance_workers=8)
    needed = 1_000_000 * (8 + 4 * 384 + 32 * 16 + 200)
    for machine, share in ((24 * 2**20, 1.1 * needed / 1024), (4 * 2**20, 2**20), (None, 2 * 2**20)):
        (memory,) = build_settings(Build(), HNSW, replace(million, machine_memory=machine)).values()
        assert 0 <= int(memory.removesuffix("kB")) - share < 1024


def test_what_outgrows_its_memory_is_said_before_the_build():
    facts = replace(FACTS, rows=1_000_000, machine_memory=4 * 2**20)
    assert expected_spill(Build(), HNSW, facts) == (
        "the graph takes about 2,152 MB (1,000,000 rows x (1544 bytes of a vector + 32 x m 16 + 200)), and the build has "
        "1,024 MB. After about 475,949 rows each further row takes 5 to 6 times as long. "
        'build=alembic_ops.Build(memory="2367MB") avoids it, if the machine has that to spare.'
    )
    assert expected_spill(Build(memory="2367MB"), HNSW, facts) is None
    assert expected_spill(Build(memory=None), HNSW, facts) is not None
    assert expected_spill(Build(memory=None), IVFFLAT, facts) is None


@pytest.mark.parametrize(
    ("build", "facts", "settings"),
    [
        (Build(memory=None, workers=None), {}, {}),
        (
            Build(memory="1GB", workers=0),
            {},
            {"maintenance_work_mem": "1048576kB", "max_parallel_maintenance_workers": "0"},
        ),
        (Build(memory="64MB", workers=2), {}, {}),
        (Build(workers=2, maximum_memory="100MB"), {}, {"maintenance_work_mem": "102400kB"}),
        (Build(workers=2), {"machine_memory": 400_000}, {"maintenance_work_mem": "100000kB"}),
        (Build(workers=2), {"rows": 1000}, {}),
        (Build(workers=2), {"dimensions": None}, {}),
        (Build(workers=2), {"storage": Storage.SPARSEVEC}, {}),
        (Build(memory=None), {"processors": 3}, {"max_parallel_maintenance_workers": "3"}),
        (Build(memory=None), {"processors": 1}, {}),
        (Build(memory=None), {"pgvector": "0.8.1"}, {"max_parallel_maintenance_workers": "0"}),
        (Build(memory=None, workers=3), {"pgvector": "0.8.1"}, {"max_parallel_maintenance_workers": "3"}),
    ],
)
def test_settings_stay_within_what_is_known_and_asked_for(build, facts, settings):
    assert build_settings(build, HNSW, replace(FACTS, **facts)) == settings


def test_an_ivfflat_build_keeps_the_memory_of_the_server():
    assert build_settings(Build(workers=None), IVFFLAT, FACTS) == {}


def test_fewer_rows_than_lists_are_refused():
    with pytest.raises(BuildError) as error:
        require_rows(IVFFLAT, 99, name="ix", table_name="document")
    assert str(error.value) == (
        "The table 'document' has 99 rows, too few for the 100 lists of the index 'ix'. IVFFlat takes the centres of its "
        "lists from the rows that are there when it is built, and an index that was trained on too few finds almost "
        "nothing later. Load the rows first, write with_={'lists': 1} for these, or use method='hnsw', which needs none."
    )
    require_rows(IVFFLAT, 100, name="ix", table_name="document")
    require_rows(HNSW, 0, name="ix", table_name="document")


@pytest.mark.parametrize(("memory", "expected"), [("64MB", 65_536), ("1GB", 1_048_576), ("12kB", 12)])
def test_memory_is_counted_in_kilobytes(memory, expected):
    assert kilobytes(memory) == expected


@pytest.mark.parametrize(("version", "refused"), [(130012, False), (140000, True), (140003, True), (140004, False)])
def test_servers_that_lose_rows_while_building_are_refused(version, refused):
    if not refused:
        refuse_broken_builds(version)
        return
    with pytest.raises(MigrationError, match=r"^PostgreSQL 14\.\d can leave rows out"):
        refuse_broken_builds(version)
