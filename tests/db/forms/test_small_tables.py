"""A small table is read whole under a filter, at once, and a table whose rows the catalog does not know is not."""

import pytest
import situations
from situations import DIMENSIONS, Item
from sqlalchemy import select, text

from sqlalchemy_vecsearch import explain, nearest
from sqlalchemy_vecsearch.search.building import decided

QUERY = [0.5] * DIMENSIONS
FILTERED = select(Item).where(Item.lang == "de")


@pytest.fixture(autouse=True)
def as_released(monkeypatch, small_tables_searched_as_large_ones):
    monkeypatch.setattr(decided, "_SMALL_ROWS", 20_000)
    monkeypatch.setattr(decided, "_SMALL_QUANTIZED", 200_000)


@pytest.fixture
def connection(engine):
    """Give a connection on which the planner takes the index wherever it can."""
    with engine.connect() as connection:
        situations.fill(connection)
        connection.execute(text("ANALYZE item"))
        connection.execute(text("SET LOCAL enable_seqscan = off"))
        yield connection


def ran(connection, statement):
    return [way.name for way in explain(connection, statement, analyze=True).ways if way.ran]


def test_a_filtered_search_of_a_small_table_reads_it_at_once(connection):
    assert ran(connection, nearest(FILTERED, Item.embedding, QUERY, k=5)) == ["exact"]
    assert ran(connection, nearest(FILTERED, Item.bits, QUERY, k=5)) == ["exact"]


def test_a_search_without_a_filter_goes_by_the_index(connection):
    assert ran(connection, nearest(Item, Item.embedding, QUERY, k=5)) == ["first"]


def test_a_table_larger_than_what_may_be_read_is_looked_at(connection):
    statement = nearest(FILTERED, Item.embedding, QUERY, k=5, max_exact_rows=10)
    assert ran(connection, statement)[0] == "first"


def test_a_table_that_has_children_is_looked_at(connection):
    connection.execute(text("CREATE TABLE more_items () INHERITS (item)"))
    assert ran(connection, nearest(FILTERED, Item.embedding, QUERY, k=5))[0] == "first"
