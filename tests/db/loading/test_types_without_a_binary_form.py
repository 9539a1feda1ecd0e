"""Types that a driver cannot send in binary arrive as text that the server casts, by COPY, with errors as exact."""

from __future__ import annotations

import pytest
from asyncpg import BitString, Point
from sqlalchemy import ARRAY, Column, Enum, Integer, MetaData, Table, Text, cast, func, select, text
from sqlalchemy.dialects import postgresql as pg
from sqlalchemy.types import UserDefinedType

from sqlalchemy_vecsearch import VECTOR, LoadingError, copy_rows


class Plain(UserDefinedType):
    """A type that SQLAlchemy does not have, whose values are texts."""

    cache_ok = True

    def __init__(self, name):
        self.name = name

    def get_col_spec(self):
        return self.name


class Spelt(Plain):
    """A type whose values SQL makes."""

    cache_ok = True

    def bind_expression(self, bindvalue):
        return func.upper(cast(bindvalue, Text), type_=self)


# name -> type, value that is loaded, its text in the database
CASES = {
    "tsvector": (pg.TSVECTOR, "b a", "'a' 'b'"),
    "tsquery": (pg.TSQUERY, "a & b", "'a' & 'b'"),
    "macaddr": (pg.MACADDR, "08:00:2b:01:02:03", "08:00:2b:01:02:03"),
    "macaddr8": (Plain("macaddr8"), "08:00:2b:01:02:03:04:05", "08:00:2b:01:02:03:04:05"),
    "bit varying": (Plain("bit varying(5)"), "011", "011"),
    "jsonpath": (Plain("jsonpath"), "$.a", '$."a"'),
    "point": (Plain("point"), "(1,2)", "(1,2)"),
    "box": (Plain("box"), "(3,4),(1,2)", "(3,4),(1,2)"),
    "log position": (Plain("pg_lsn"), "0/1", "0/1"),
    "class": (pg.REGCLASS, "pg_class", "pg_class"),
    "one character": (Plain('"char"'), "a", "a"),
    "composite": (Plain("pair"), '(1,"a b")', '(1,"a b")'),
    "array of chars": (ARRAY(pg.CHAR(3)), ["ab", None], '{"ab ",NULL}'),
    "array of enums": (ARRAY(Enum("a b", "c", name="letters")), ["a b", "c"], '{"a b",c}'),
    "array of points": (ARRAY(Plain("point"), dimensions=1), ["(1,2)"], '{"(1,2)"}'),
    "array of bit strings": (ARRAY(Plain("bit varying(5)"), dimensions=1), ["011"], "{011}"),
}
# asyncpg has binary forms of its own for some, and takes no text for these
OF_ASYNCPG = {
    "bit varying": BitString("011"),
    "point": (1, 2),
    "box": ((3, 4), (1, 2)),
    "log position": 1,
    "one character": b"a",
    "composite": (1, "a b"),
    "array of points": [Point(1, 2)],
    "array of bit strings": [BitString("011")],
}
EXTENSIONS = {
    "hstore": (Plain("hstore"), '"a"=>"b"', '"a"=>"b"'),
    "ltree": (Plain("ltree"), "a.b", "a.b"),
    "citext": (pg.CITEXT, "Ab", "Ab"),
}


@pytest.fixture
def cases(run):
    """Give the cases that the server has the extensions for, once these are there."""

    def prepare(connection):
        available = connection.execute(text("SELECT name FROM pg_available_extensions")).scalars().all()
        there = {name: case for name, case in EXTENSIONS.items() if name in available}
        for name in there:
            connection.execute(text(f"CREATE EXTENSION {name}"))
        connection.execute(text("CREATE TYPE pair AS (number integer, words text)"))
        given = OF_ASYNCPG if run.driver == "asyncpg" else {}
        return {name: (type_, given.get(name, value), read) for name, (type_, value, read) in (CASES | there).items()}

    return run(prepare)


def table_of(cases):
    columns = [Column(name, type_) for name, (type_, _, _) in cases.items()]
    return Table(
        "Odd types",
        MetaData(),
        Column("id", Integer, primary_key=True),
        Column("v", VECTOR(3, returns="list")),
        *columns,
    )


def row_of(cases, number):
    return {"id": number, "v": [1, 2, 3]} | {name: value for name, (_, value, _) in cases.items()}


def differences(connection, table, cases):
    for name, (_, _, expected) in cases.items():
        found = connection.scalars(select(cast(table.c[name], Text)).order_by(table.c.id)).all()
        if found != [expected, None, expected]:
            yield name, found


@pytest.mark.parametrize("on_conflict", [None, "update"])
def test_values_of_types_without_a_binary_form_arrive(run, cases, caplog, on_conflict):
    def check(connection):
        table = table_of(cases)
        table.create(connection)
        nulls = dict.fromkeys(cases) | {"id": 2, "v": None}
        rows = [row_of(cases, 1), nulls, row_of(cases, 3)]
        assert copy_rows(connection, table, rows, on_conflict=on_conflict) == 3
        assert list(differences(connection, table, cases)) == []

    run(check)
    assert "by INSERT" in caplog.text  # for the arrays, or for all of them


@pytest.mark.parametrize("run", ["psycopg", "psycopg_async"], indirect=True)
def test_the_texts_of_such_types_go_by_copy_with_psycopg(run, cases, caplog):
    given = {name: case for name, case in cases.items() if "points" not in name and "strings" not in name}

    def check(connection):
        table = table_of(given)
        table.create(connection)
        assert copy_rows(connection, table, [row_of(given, 1)]) == 1

    run(check)
    assert "by INSERT" not in caplog.text


BAD_OF_ASYNCPG = {"bit varying": 5, "bit varying too long": BitString("010101"), "point": (1,), "composite": ("x", "y")}
BAD = {
    "tsquery": "a & & b",
    "macaddr": "no address",
    "bit varying": "0120",
    "bit varying too long": "010101",
    "point": "(1,2",
    "composite": "(x,)",
    "array of enums": ["d"],
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("on_conflict", [None, "nothing"])
def test_the_row_and_the_column_of_a_text_that_the_server_cannot_cast_are_named(run, cases, name, on_conflict):
    column = name.removesuffix(" too long")
    bad = BAD_OF_ASYNCPG.get(name, BAD[name]) if run.driver == "asyncpg" else BAD[name]

    def check(connection):
        table = table_of(cases)
        table.create(connection)
        rows = [row_of(cases, number) | ({column: bad} if number == 5 else {}) for number in range(9)]
        with pytest.raises(LoadingError) as caught:
            copy_rows(connection, table, rows, on_conflict=on_conflict)
        assert (caught.value.row, caught.value.column) == (5, column)
        assert connection.scalar(select(func.count()).select_from(table)) == 0
        assert copy_rows(connection, table, [row_of(cases, 1)]) == 1

    run(check)


def test_values_that_an_expression_makes_go_by_insert(run, caplog):
    spelt = Table("spelt", MetaData(), Column("id", Integer, primary_key=True), Column("word", Spelt("text")))

    def check(connection):
        spelt.create(connection)
        assert copy_rows(connection, spelt, [{"id": 1, "word": "a"}]) == 1
        assert connection.scalar(select(spelt.c.word)) == "A"

    run(check)
    assert caplog.messages == ["Loading spelt by INSERT: an expression of SQL makes the values of the column 'word'."]


OUT_OF_RANGE = {
    "smallints": (ARRAY(pg.SMALLINT), [1, 2**20 + 1]),
    "integers": (ARRAY(pg.INTEGER), [[1], [2**31 + 5]]),
    "bigints": (ARRAY(pg.BIGINT), [2**63]),
    "reals": (ARRAY(pg.REAL), [1e300]),
    "integer range": (pg.INT4RANGE, pg.Range(1, 2**32 + 5)),
    "bigint range": (pg.INT8RANGE, pg.Range(1, 2**64 + 5)),
    "integer multirange": (pg.INT4MULTIRANGE, [pg.Range(1, 2), pg.Range(5, 2**32 + 9)]),
    "oid": (pg.OID, 2**32 + 1),
}


@pytest.mark.parametrize("name", OUT_OF_RANGE)
def test_a_number_that_its_type_cannot_hold_is_refused_also_inside_of_an_array_and_a_range(engine, name):
    type_, value = OUT_OF_RANGE[name]
    table = Table("narrow", MetaData(), Column("id", Integer), Column("held", type_))
    with engine.begin() as connection:
        table.create(connection)
        with pytest.raises(LoadingError) as caught:
            copy_rows(connection, table, [{"id": 1, "held": None}, {"id": 2, "held": value}])
        assert (caught.value.row, caught.value.column) == (1, "held")
        assert connection.scalar(select(func.count()).select_from(table)) == 0
