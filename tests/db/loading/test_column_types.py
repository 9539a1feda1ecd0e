"""Every common type of column arrives by each way of loading, on every driver."""

from __future__ import annotations

import enum
import ipaddress
import json
import uuid
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal

import numpy as np
import pytest
from pgvector import SparseVector
from sqlalchemy import (
    ARRAY,
    JSON,
    REAL,
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Double,
    Enum,
    Float,
    Integer,
    Interval,
    LargeBinary,
    MetaData,
    Numeric,
    SmallInteger,
    String,
    Table,
    Text,
    Time,
    TypeDecorator,
    Uuid,
    cast,
    select,
    text,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import CHAR, CIDR, INET, JSONB, TSVECTOR

from sqlalchemy_vecsearch import BIT, HALFVEC, SPARSEVEC, VECTOR, copy_rows


class Color(enum.Enum):
    RED = 1
    BLUE = 2


class Cents(TypeDecorator):
    impl = Integer
    cache_ok = True

    def process_bind_param(self, value, dialect):
        return round(value * 100)

    def process_result_value(self, value, dialect):
        return None if value is None else value / 100


class Labelled(TypeDecorator):
    impl = VECTOR(2, returns="list")
    cache_ok = True

    def process_bind_param(self, value, dialect):
        return value["vector"]


TOKEN = uuid.UUID("12345678-1234-5678-1234-567812345678")
MOMENT = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)
SAME = object()

# name -> type, value that is loaded, value that is read when it is another
CASES = {
    "smallint": (SmallInteger, -(2**15), SAME),
    "integer": (Integer, 2**31 - 1, SAME),
    "bigint": (BigInteger, -(2**63), SAME),
    "numpy integer": (BigInteger, np.int32(7), 7),
    "text": (Text, "tab\tquote' \"back\\slash\nü€😀", SAME),
    "empty text": (Text, "", SAME),
    "varchar": (String(5), "abcde", SAME),
    "char": (CHAR(3), "ab", "ab "),
    "uuid": (Uuid, TOKEN, SAME),
    "uuid as text": (Uuid(as_uuid=False), str(TOKEN), SAME),
    "timestamp with zone": (DateTime(timezone=True), MOMENT, SAME),
    "timestamp of another zone": (
        DateTime(timezone=True),
        datetime(2026, 1, 2, 5, 4, 5, 678, tzinfo=timezone(timedelta(hours=2))),
        MOMENT,
    ),
    "timestamp": (DateTime, datetime(1999, 12, 31, 23, 59, 59, 999999), SAME),  # noqa: DTZ001  # without a zone, on purpose
    "date": (Date, date(2000, 2, 29), SAME),
    "time": (Time, time(1, 2, 3, 4), SAME),
    "interval": (Interval, timedelta(days=-1, seconds=2, microseconds=3), SAME),
    "jsonb": (JSONB, {"a": [1, None, "ü"], "b": {"c": 1.5}}, SAME),
    "jsonb text": (JSONB, "only text", SAME),
    "json": (JSON, [{"a": 1}, True], SAME),
    "numeric": (Numeric(40, 10), Decimal("123456789012345678901234567.0123456789"), SAME),
    "numeric of a whole number": (Numeric, 7, Decimal(7)),
    "numeric as float": (Numeric(10, 2, asdecimal=False), 1.25, SAME),
    "double": (Double, 0.1, SAME),
    "double of a whole number": (Double, 3, 3.0),
    "real": (REAL, 0.5, SAME),
    "float": (Float, np.float32(0.5), 0.5),
    "boolean": (Boolean, False, SAME),
    "bytea": (LargeBinary, bytes(range(256)), SAME),
    "enum": (Enum(Color, name="color"), Color.BLUE, SAME),
    "enum of texts": (Enum("a b", "c", name="letters"), "a b", SAME),
    "enum as text": (Enum(Color, native_enum=False), Color.RED, SAME),
    "array of texts": (ARRAY(Text), ["a", "", None, 'q"u,o{te}', "NULL"], SAME),
    "array of integers": (ARRAY(Integer), [1, None, -2], SAME),
    "array of bigints": (ARRAY(BigInteger), [2**40], SAME),
    "array of floats": (ARRAY(Double), [0.1, 2.0], SAME),
    "array of uuids": (ARRAY(Uuid), [TOKEN], SAME),
    "array of dates": (ARRAY(Date), [date(2026, 1, 2)], SAME),
    "array of arrays": (ARRAY(Integer, dimensions=2), [[1, 2], [3, 4]], SAME),
    "empty array": (ARRAY(Text), [], SAME),
    "inet": (INET, "10.0.0.1", {"10.0.0.1", ipaddress.ip_address("10.0.0.1")}),
    "inet with prefix": (
        INET,
        "10.0.0.0/8",
        {"10.0.0.0/8", ipaddress.ip_interface("10.0.0.0/8"), ipaddress.ip_network("10.0.0.0/8")},
    ),
    "cidr": (CIDR, "10.0.0.0/8", {"10.0.0.0/8", ipaddress.ip_network("10.0.0.0/8")}),
    "decorated": (Cents, 1.25, SAME),
    "decorated vector": (Labelled, {"vector": [1, 2]}, [1, 2]),
    "vector": (VECTOR(3, returns="list"), [0.1, 2, 3], SAME),
    "halfvec": (HALFVEC(3, returns="list"), np.array([0.5, 1, 2]), [0.5, 1, 2]),
    "sparsevec": (SPARSEVEC(5), [0, 1, 0, 0, 2], SparseVector({1: 1, 4: 2}, 5)),
    "bits": (BIT(4), "0101", SAME),
    "array of vectors": (
        ARRAY(VECTOR(2, returns="list")),
        [[0.1, 2], None, np.array([3, 4])],
        [[0.1, 2], None, [3, 4]],
    ),
    "array of halfvecs": (ARRAY(HALFVEC(2, returns="list")), [[0.5, 2]], SAME),
    "array of sparsevecs": (ARRAY(SPARSEVEC(2)), [[0, 2]], [SparseVector({1: 2}, 2)]),
    "array of bits": (ARRAY(BIT(2)), ["01", None], SAME),
}

metadata = MetaData()
everything = Table(
    "every Type", metadata, Column("id", Integer, primary_key=True), *(Column(name, CASES[name][0]) for name in CASES)
)


def row(number):
    return {"id": number} | {name: value for name, (_, value, _) in CASES.items()}


def differences(connection, number):
    """Return what is not as it was loaded, by the name of the case."""
    found = connection.execute(select(everything).where(everything.c.id == number)).mappings().one()
    wrong = {}
    for name, (_, given, read) in CASES.items():
        expected = given if read is SAME else read
        value = found[name].hex if isinstance(found[name], memoryview) else found[name]
        if not (value in expected if isinstance(expected, set) else value == expected):
            wrong[name] = (value, expected)
    return wrong


def test_rows_of_every_type_arrive(run, caplog):
    def check(connection):
        metadata.create_all(connection)
        assert copy_rows(connection, everything, (row(number) for number in range(3))) == 3
        assert differences(connection, 1) == {}

    run(check)
    by_copy = run.driver in {"psycopg", "psycopg_async", "asyncpg"}
    assert ("by INSERT" in caplog.text) is not by_copy


def test_columns_of_every_type_arrive(run):
    def check(connection):
        metadata.create_all(connection)
        columns = {name: [value, value] for name, value in row(0).items()} | {"id": np.array([1, 2])}
        assert copy_rows(connection, everything, columns) == 2
        assert differences(connection, 2) == {}

    run(check)


@pytest.mark.parametrize("on_conflict", ["nothing", "update"])
def test_rows_of_every_type_arrive_through_a_temporary_table(run, on_conflict):
    def check(connection):
        metadata.create_all(connection)
        copy_rows(connection, everything, [{"id": 1}])
        assert copy_rows(connection, everything, [row(1), row(2)], on_conflict=on_conflict) == (
            2 if on_conflict == "update" else 1
        )
        assert differences(connection, 2) == {}
        assert (differences(connection, 1) == {}) is (on_conflict == "update")

    run(check)


NUMBERS = ["0", "-0.50", "1", "10000", "0.0001", "-99999999.9999", "123456789012345678.1234567890123456", "5.00", "-7"]


@pytest.mark.parametrize("longer", [[], ["12345678901234567890.5", "NaN"]])
def test_numbers_of_many_lengths_arrive_together(run, longer):
    numbers = [*NUMBERS, *longer]
    prices = Table("prices", MetaData(), Column("id", Integer, primary_key=True), Column("price", Numeric))

    def check(connection):
        prices.create(connection)
        copy_rows(connection, prices, {"id": range(len(numbers)), "price": list(map(Decimal, numbers))})
        assert connection.scalars(select(cast(prices.c.price, Text)).order_by(prices.c.id)).all() == numbers

    run(check)


def test_json_is_written_by_the_serializer_of_the_engine(make_engine):
    facts = Table("facts", MetaData(), Column("id", Integer, primary_key=True), Column("facts", JSON))
    values = [{"b": 1, "a": {"d": 1, "c": 2}}, [1, {"b": 1, "a": 2}], {}, "text", None]
    engine = make_engine(json_serializer=lambda value: json.dumps(value, sort_keys=True, separators=(",", ":")))
    with engine.begin() as connection:
        facts.create(connection)
        for part in (range(3), range(3, 5)):
            copy_rows(connection, facts, [{"id": number, "facts": values[number]} for number in part])
        assert connection.scalars(select(cast(facts.c.facts, Text)).order_by(facts.c.id)).all() == [
            '{"a":{"c":2,"d":1},"b":1}',
            '[1,{"a":2,"b":1}]',
            "{}",
            '"text"',
            "null",
        ]


def test_the_types_of_the_database_are_honoured(run):
    """Domains, and types that are declared more generally than they are."""
    general = Table(
        "general",
        MetaData(),
        Column("id", Integer, primary_key=True),
        Column("short", Integer),
        Column("mail", Text),
        Column("token", Uuid),
        Column("words", TSVECTOR),
        Column("span", postgresql.INT4RANGE),
    )

    def check(connection):
        connection.execute(text("CREATE DOMAIN mail AS text CHECK (VALUE LIKE '%@%')"))
        connection.execute(
            text(
                "CREATE TABLE general (id bigint PRIMARY KEY, short smallint, mail mail, token uuid, words tsvector, "
                "span int4range)"
            )
        )
        known = {"id": 1, "short": 3, "mail": "a@b", "token": TOKEN}
        assert copy_rows(connection, general, [known]) == 1
        assert copy_rows(connection, general, [known | {"id": 2, "words": "b a"}]) == 1
        assert connection.scalar(select(general.c.words).where(general.c.id == 2)) == "'a' 'b'"
        found = connection.execute(select(general.c.short, general.c.mail, general.c.token)).first()
        assert found == (3, "a@b", TOKEN)

    run(check)
