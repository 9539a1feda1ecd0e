"""Fixtures of the search forms: one database for all of them, filled once."""

import numpy as np
import pytest
import searched_corpus
import situations
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import Session


@pytest.fixture(scope="session")
def corpus(vecsearch_databases):
    """Give (url, vectors of the articles, vectors of the chunks)."""
    url = vecsearch_databases.create()
    articles, chunks = searched_corpus.build(url)
    yield url, articles, chunks
    vecsearch_databases.drop(url)


@pytest.fixture(scope="session")
def situations_url(vecsearch_databases):
    """Give the URL of a database with the tables of situations, filled."""
    url = vecsearch_databases.create()
    engine = create_engine(url)
    with engine.begin() as connection:
        situations.fill(connection)
    engine.dispose()
    yield url
    vecsearch_databases.drop(url)


@pytest.fixture(scope="session")
def outside_url(vecsearch_databases):
    """Give the URL of a database with the same tables, whose extension is where the search path does not lead."""
    url = vecsearch_databases.create(with_extension=False)
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text('CREATE SCHEMA "My Tools"'))
        connection.execute(text('CREATE EXTENSION vector SCHEMA "My Tools"'))
        situations.fill(connection)
    engine.dispose()
    yield url
    vecsearch_databases.drop(url)


@pytest.fixture(scope="session")
def corpus_engine(corpus):
    engine = create_engine(corpus[0])
    yield engine
    engine.dispose()


@pytest.fixture
def session(corpus_engine):
    with Session(corpus_engine) as session:
        yield session


@pytest.fixture
def async_driver():
    return "asyncpg"


@pytest.fixture
def async_url(corpus, async_driver):
    return make_url(corpus[0]).set(drivername=f"postgresql+{async_driver}")


@pytest.fixture
async def async_engine(async_url):
    """Give an async engine that is disposed within the test's event loop, however the test ends."""
    engine = create_async_engine(async_url)
    yield engine
    await engine.dispose()


@pytest.fixture(scope="session")
def articles(corpus):
    return corpus[1]


@pytest.fixture(scope="session")
def chunks(corpus):
    return corpus[2]


@pytest.fixture
def query():
    return np.random.default_rng(11).normal(size=searched_corpus.DIMENSIONS).astype(np.float32)
