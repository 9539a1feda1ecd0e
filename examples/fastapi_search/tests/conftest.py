"""A migrated database with the articles, and the service on it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from alembic import command
from alembic.config import Config
from app.load import load
from app.main import app
from fastapi.testclient import TestClient
from sqlalchemy import create_engine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Engine

    from sqlalchemy_vecsearch.testing.databases import Databases

pytest_plugins = "sqlalchemy_vecsearch.testing"

HERE = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def database(vecsearch_databases: Databases) -> str:
    """Give the URL of a database that Alembic has brought to head, with the articles of the file."""
    url = vecsearch_databases.create(with_extension=False)
    command.upgrade(alembic_config(url), "head")
    engine = create_engine(url)
    load(engine, HERE / "articles.jsonl")
    engine.dispose()
    return url


@pytest.fixture(scope="session")
def alembic(database: str) -> Config:
    """Give Alembic's configuration for the database."""
    return alembic_config(database)


@pytest.fixture
def engine(database: str) -> Iterator[Engine]:
    """Give an engine on the database."""
    engine = create_engine(database)
    yield engine
    engine.dispose()


@pytest.fixture
def client(database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    """Give a client of the service, which runs its lifespan."""
    monkeypatch.setenv("DATABASE_URL", database)
    with TestClient(app) as client:
        yield client


def alembic_config(url: str) -> Config:
    """Return Alembic's configuration for a database, without the set-up of its log."""
    config = Config(HERE / "alembic.ini")
    config.attributes.update(url=url, configure_logging=False)
    return config
