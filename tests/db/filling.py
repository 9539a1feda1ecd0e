"""Tables of tests that are filled before their vector indexes are built, in less than half the time."""

from __future__ import annotations

from contextlib import contextmanager
from itertools import chain

METHODS = ("hnsw", "ivfflat")


@contextmanager
def indexed_afterwards(connection, *tables):
    """Take the vector indexes of tables away while they are filled, and build them from the rows, as IVFFlat wants it."""
    indexes = [
        index
        for index in chain.from_iterable(table.indexes for table in tables)
        if index.dialect_options["postgresql"]["using"] in METHODS
    ]
    for index in indexes:
        index.drop(connection)
    yield
    for index in indexes:
        index.create(connection)
