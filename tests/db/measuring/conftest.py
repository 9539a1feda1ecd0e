"""A filled table for all tests of plans; each connects anew."""

import measured_corpus
import pytest
from sqlalchemy import create_engine
from sqlalchemy.orm import Session


@pytest.fixture(scope="session")
def measured_url(vecsearch_databases):
    """Give the URL of a database with the tables of measured_corpus, filled and analysed."""
    url = vecsearch_databases.create()
    measured_corpus.build(url)
    yield url
    vecsearch_databases.drop(url)


@pytest.fixture
def session(measured_url):
    engine = create_engine(measured_url)
    with Session(engine) as session:
        yield session
    engine.dispose()
