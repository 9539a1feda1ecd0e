from __future__ import annotations

from dataclasses import replace

import pytest

from alembic_ops.build import Build
from alembic_ops.build_settings import BuildFacts, build_settings, graph_bytes, kilobytes, lists_for, require_rows
from alembic_ops.errors import BuildError, MigrationError
from alembic_ops.hazards import refuse_broken_builds
from alembic_ops.state import IndexDefinition
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
    pgvector_version=(0, 8, 6),
)


def test_the_graph_fits_into_the_memory_that_is_set():
    needed = graph_bytes(HNSW, FACTS)
    settings = build_settings(Build(), HNSW, FACTS)
    assert settings["max_parallel_maintenance_workers"] == "4"
    memory = int(settings["maintenance_work_mem"].removesuffix("kB")) * 1024
    assert 0 <= memory - needed < 1024 * 1024


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
        (Build(memory=None), {"pgvector_version": (0, 8, 1)}, {"max_parallel_maintenance_workers": "0"}),
        (Build(memory=None, workers=3), {"pgvector_version": (0, 8, 1)}, {"max_parallel_maintenance_workers": "3"}),
    ],
)
def test_settings_stay_within_what_is_known_and_asked_for(build, facts, settings):
    assert build_settings(build, HNSW, replace(FACTS, **facts)) == settings


def test_an_ivfflat_build_keeps_the_memory_of_the_server():
    assert build_settings(Build(workers=None), IVFFLAT, FACTS) == {}


@pytest.mark.parametrize(
    ("rows", "lists"), [(0, 1), (999, 1), (5_000, 5), (1_000_000, 1000), (4_000_000, 2000), (2**40, 32_768)]
)
def test_the_number_of_lists_follows_the_readme_of_pgvector(rows, lists):
    assert lists_for(rows) == lists


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
