"""Fixtures of the tests of embedding: a table of documents, and the model that embeds them, registered anew."""

from __future__ import annotations

import pytest
from sqlalchemy import insert

from sqlalchemy_vecsearch import Retry, embedder
from tests.db.embedding.embedded_models import DIMENSIONS, MODEL, Base, Document, digits

QUICKLY = Retry(attempts=4, first_wait=0.001, longest_wait=0.01)


class Calls(list):
    """The texts of each call of the embedder; `answer` may be replaced by a test."""

    answer = staticmethod(digits)

    @property
    def texts(self):
        return [text for call in self for text in call]


@pytest.fixture
def calls():
    """Give the calls of the model, which embeds in batches of 4 until a test registers it otherwise."""
    made = Calls()

    @embedder(MODEL, dimensions=DIMENSIONS, batch_size=4)
    def embed_digits(texts):
        made.append(texts)
        return made.answer(texts)

    return made


@pytest.fixture
def tables(engine):
    """Give an engine on a database with the tables, and without rows."""
    Base.metadata.create_all(engine)
    return engine


@pytest.fixture
def fill(tables):
    """Give `fill(count)`, which adds documents with keys from 1 on."""

    def add(count):
        with tables.begin() as connection:
            rows = [{"id": key, "title": f"title {key}", "body": f"body of {key}"} for key in range(1, count + 1)]
            connection.execute(insert(Document.__table__), rows)

    return add
