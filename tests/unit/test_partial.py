import pytest
from sqlalchemy import Column, Integer, MetaData, Table, and_, select
from sqlalchemy.dialects.postgresql import psycopg

from sqlalchemy_vecsearch import VECTOR, nearest, vector_index

DIALECT = psycopg.dialect()
QUERY = [1.0, 2.0]


@pytest.fixture
def item():
    table = Table(
        "item",
        MetaData(),
        Column("id", Integer, primary_key=True),
        Column("category", Integer),
        Column("price", Integer),
        Column("embedding", VECTOR(2)),
    )
    for category in (7, 8):
        vector_index(f"ix_item_{category}", table.c.embedding, metric="l2", where=table.c.category == category)
    return table


def sql(statement):
    """Return the SQL as it is executed: literals that wait for execution filled in."""
    return " ".join(str(statement.compile(dialect=DIALECT, compile_kwargs={"render_postcompile": True})).split())


def test_a_value_that_an_index_predicate_compares_stands_as_a_literal(item):
    source = select(item.c.id).where(and_(item.c.category == 7, item.c.price < 100))
    text = sql(nearest(source, item.c.embedding, QUERY, k=5))
    assert text.count("WHERE item.category = 7 AND item.price < %(price_1)s::INTEGER AND") == 3
    assert text.count("item.category") == 3


def test_a_choice_of_indexes_becomes_one_scan_for_each(item):
    source = select(item.c.id).where(item.c.category.in_([7, 8, 7]), item.c.price < 100)
    statement = nearest(source, item.c.embedding, QUERY, k=5)
    text = sql(statement)
    for category in (7, 8):
        assert f"WHERE item.category = {category} AND item.price < %(price_1)s::INTEGER AND" in text
    first_and_scan_of_both = 4
    assert text.count("ORDER BY item.embedding <-> %(param_1)s::VECTOR(2) LIMIT") == first_and_scan_of_both
    assert "ORDER BY scans_1.scan_order OPERATOR(pg_catalog.+) 0 LIMIT" in text
    assert "WHERE item.category IN (7, 8, 7) AND item.price" in text
    assert text.endswith("ORDER BY nearest_1.distance LIMIT 5")


@pytest.mark.parametrize("values", [[7], [7, 9]])
def test_other_choices_stay_one_scan(item, values):
    source = select(item.c.id).where(item.c.category.in_(values))
    text = sql(nearest(source, item.c.embedding, QUERY, k=5))
    assert "scan_order" not in text
    assert text.count(f"item.category IN ({', '.join(map(str, values))})") == 3


def test_a_filter_on_other_columns_stays_bound(item):
    text = sql(nearest(select(item.c.id).where(item.c.price == 3), item.c.embedding, QUERY, k=5))
    assert "item.price = %(price_1)s::INTEGER" in text


def test_an_alias_is_recognised(item):
    other = item.alias("other")
    text = sql(nearest(select(other.c.id).where(other.c.category == 8), other.c.embedding, QUERY, k=5))
    assert text.count("WHERE other.category = 8 AND") == 3


def test_the_values_are_not_part_of_the_compiled_cache_key(item):
    def key(value):
        source = select(item.c.id).where(item.c.category == value)
        return nearest(source, item.c.embedding, QUERY, k=5)._generate_cache_key().key

    assert key(7) == key(8)
