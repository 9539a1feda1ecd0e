"""Fixtures of the search forms: one database for all of them, filled once."""

import numpy as np
import pytest
import searched_corpus
from sqlalchemy import create_engine, make_url
from sqlalchemy.orm import Session


@pytest.fixture(scope="session")
def corpus(vecsearch_databases):
    """Give (url, vectors of the articles, vectors of the chunks)."""
    url = vecsearch_databases.create()
    articles, chunks = searched_corpus.build(url)
    yield url, articles, chunks
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
def async_url(corpus):
    return make_url(corpus[0]).set(drivername="postgresql+asyncpg")


@pytest.fixture(scope="session")
def articles(corpus):
    return corpus[1]


@pytest.fixture(scope="session")
def chunks(corpus):
    return corpus[2]


@pytest.fixture
def query():
    return np.random.default_rng(11).normal(size=searched_corpus.DIMENSIONS).astype(np.float32)
