"""The operator with a percent sign, as each driver wants it written."""

from __future__ import annotations

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, literal, select
from sqlalchemy.dialects import postgresql

from sqlalchemy_vecsearch import BIT, distance


@pytest.mark.parametrize(
    ("dialect", "operator"),
    [
        (postgresql.psycopg.dialect(), "<%%>"),
        (postgresql.psycopg2.dialect(), "<%%>"),
        (postgresql.pg8000.dialect(), "<%%>"),
        (postgresql.asyncpg.dialect(), "<%>"),
    ],
)
def test_the_percent_sign_is_doubled_where_the_driver_wants_it(dialect, operator):
    type_ = BIT(3)
    items = Table("item", MetaData(), Column("id", Integer), Column("bits", type_))
    for expression in (
        distance(items.c.bits, "101", metric="jaccard"),
        items.c.bits.jaccard_distance(literal("101", type_)),
    ):
        assert f"item.bits {operator} " in str(select(expression).compile(dialect=dialect))


def test_the_bare_operator_is_written_the_same_way():
    bits = Column("bits", BIT(3))
    assert str(bits.op("<%>")("101").compile(dialect=postgresql.pg8000.dialect())) == "bits <%%> %s::BIT(3)"
