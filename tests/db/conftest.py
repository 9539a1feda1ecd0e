"""Fixtures that the tests of several parts on a database share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import create_engine, text

from sqlalchemy_vecsearch.search.building import decided
from tests.db.planted_overloads import PlantedOverloads

if TYPE_CHECKING:
    from sqlalchemy import Engine

STOCK_OPERATIONS_MAY_BLOCK = pytest.mark.filterwarnings("ignore::alembic_ops.errors.UnsafeOperationWarning")


def pytest_collection_modifyitems(items):
    """Let the tests of migrations use Alembic's own operations on tables with rows; two files are about the warnings."""
    for item in items:
        if {"alembic_ops", "operations"} & set(item.path.parent.parts[-2:]) and "db" in item.path.parts:
            item.add_marker(STOCK_OPERATIONS_MAY_BLOCK)


@pytest.fixture(autouse=True)
def small_tables_searched_as_large_ones(monkeypatch):
    """Let the tables of tests, which are small, be searched by the ways of large ones, and not be read whole at once."""
    monkeypatch.setattr(decided, "_SMALL_ROWS", 0)
    monkeypatch.setattr(decided, "_SMALL_QUANTIZED", 0)


@dataclass
class Catalog:
    """What a test asserts about the indexes of a database."""

    engine: Engine

    def indexes(self):
        """Return name -> (definition, usable) of every vector index."""
        with self.engine.connect() as connection:
            rows = connection.execute(
                text(
                    "SELECT i.relname, pg_get_indexdef(i.oid), indisvalid AND indisready AND indislive"
                    " FROM pg_index JOIN pg_class i ON i.oid = indexrelid JOIN pg_am m ON m.oid = i.relam"
                    " WHERE amname IN ('hnsw', 'ivfflat') ORDER BY 1"
                )
            ).all()
        return {name: (sql, usable) for name, sql, usable in rows}

    def oid(self, name):
        with self.engine.connect() as connection:
            return connection.scalar(text("SELECT CAST(CAST(:name AS regclass) AS oid)"), {"name": name})

    def offers(self, extension):
        """Tell whether an extension can be created: the wheels of some servers leave out those of contrib."""
        with self.engine.connect() as connection:
            names = connection.scalars(text("SELECT name FROM pg_available_extensions")).all()
        return extension in names

    def revision(self):
        with self.engine.connect() as connection:
            if connection.scalar(text("SELECT to_regclass('alembic_version')")) is None:
                return None
            return connection.scalar(text("SELECT version_num FROM alembic_version"))

    def scalar(self, sql):
        with self.engine.connect().execution_options(no_parameters=True) as connection:
            return connection.exec_driver_sql(sql).scalar()

    def execute(self, sql):
        with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT", no_parameters=True) as connection:
            connection.exec_driver_sql(sql)


@pytest.fixture
def planted(engine):
    """Give overloads to plant in the database of the test, and counts of their calls: see PlantedOverloads."""
    return PlantedOverloads(engine)


@pytest.fixture
def catalog(vecsearch_url):
    """Give assertions on the catalog of the test's database, on connections of their own."""
    engine = create_engine(vecsearch_url)
    yield Catalog(engine)
    engine.dispose()


@pytest.fixture
def documents(catalog):
    """Create a table of 200 rows with embeddings of three dimensions."""
    catalog.execute(
        "CREATE TABLE document (id int PRIMARY KEY, lang text NOT NULL, embedding vector(3))",
    )
    catalog.execute(
        "INSERT INTO document SELECT i, CASE WHEN i % 2 = 0 THEN 'en' ELSE 'de' END,"
        " ARRAY[sin(i), cos(i), i % 7]::vector(3) FROM generate_series(1, 200) i"
    )


@pytest.fixture
def load(documents, catalog):
    """Give a function that adds rows with random vectors."""

    def add(rows):
        catalog.execute(
            "INSERT INTO document SELECT i, 'en', ARRAY[random(), random(), random()]::vector(3)"
            f" FROM generate_series(1000, {999 + rows}) i"
        )

    return add
