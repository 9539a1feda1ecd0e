"""A column of every type, and values of every class, also of those that a column cannot hold."""

from __future__ import annotations

import datetime as dt
import enum
import ipaddress
import uuid
from decimal import Decimal
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from hypothesis import strategies as st
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
    Uuid,
    func,
    literal,
    text,
)
from sqlalchemy.dialects import postgresql as pg

from sqlalchemy_vecsearch import BIT, HALFVEC, SPARSEVEC, VECTOR


class Color(enum.Enum):
    RED = 1
    BLUE = 2


TYPES = {
    "smallint": SmallInteger(),
    "integer": Integer(),
    "bigint": BigInteger(),
    "oid": pg.OID(),
    "real": REAL(),
    "double": Double(),
    "numeric": Numeric(),
    "numeric(6,2)": Numeric(6, 2),
    "boolean": Boolean(),
    "text": Text(),
    "varchar(5)": String(5),
    "char(3)": pg.CHAR(3),
    "citext": pg.CITEXT(),
    "bytea": LargeBinary(),
    "uuid": Uuid(),
    "uuid as text": Uuid(as_uuid=False),
    "json": JSON(),
    "jsonb": pg.JSONB(),
    "date": Date(),
    "time": Time(),
    "timetz": Time(timezone=True),
    "timestamp": DateTime(),
    "timestamp(0)": pg.TIMESTAMP(precision=0),
    "timestamptz": DateTime(timezone=True),
    "interval": Interval(),
    "inet": pg.INET(),
    "cidr": pg.CIDR(),
    "macaddr": pg.MACADDR(),
    "tsvector": pg.TSVECTOR(),
    "enum": Enum(Color, name="color"),
    "labels": pg.ENUM("one", "two", name="labels"),
    "int4range": pg.INT4RANGE(),
    "int8range": pg.INT8RANGE(),
    "numrange": pg.NUMRANGE(),
    "daterange": pg.DATERANGE(),
    "tsrange": pg.TSRANGE(),
    "tstzrange": pg.TSTZRANGE(),
    "int4multirange": pg.INT4MULTIRANGE(),
    "smallints": ARRAY(SmallInteger),
    "integers": ARRAY(Integer),
    "doubles": ARRAY(Double),
    "numerics": ARRAY(Numeric),
    "booleans": ARRAY(Boolean),
    "texts": ARRAY(Text),
    "uuids": ARRAY(Uuid),
    "dates": ARRAY(Date),
    "timestamps": ARRAY(DateTime),
    "intervals": ARRAY(Interval),
    "times": ARRAY(Time),
    "colors": ARRAY(Enum(Color, name="color")),
    "domain": Text(),
    "domain of a domain": Integer(),
    "vector": VECTOR(2),
    "halfvec": HALFVEC(2),
    "sparsevec": SPARSEVEC(2),
    "bits": BIT(2),
    "vectors": ARRAY(VECTOR(2)),
}
IN_THE_DATABASE = {
    "domain": "CREATE DOMAIN mail AS text CHECK (VALUE LIKE '%@%')",
    "domain of a domain": "CREATE DOMAIN small AS integer CHECK (VALUE < 10); CREATE DOMAIN smaller AS small",
    "citext": "CREATE EXTENSION citext",
}
WITHOUT_EXTENSION = {"citext": "CREATE DOMAIN citext AS text"}  # of its name, where a server has no contrib
DOMAINS = {"domain": "mail", "domain of a domain": "smaller"}

metadata = MetaData()
tables = {
    name: Table(f"of {name}", metadata, Column("id", Integer, primary_key=True), Column("held", type_))
    for name, type_ in TYPES.items()
}


def create_tables(connection):
    available = connection.execute(text("SELECT name FROM pg_available_extensions")).scalars().all()
    stand_ins = {name: domain for name, domain in WITHOUT_EXTENSION.items() if name not in available}
    for statements in (IN_THE_DATABASE | stand_ins).values():
        for statement in statements.split(";"):
            connection.execute(text(statement))
    metadata.create_all(connection)
    for name, domain in DOMAINS.items():
        connection.execute(text(f'ALTER TABLE "of {name}" ALTER held TYPE {domain} USING NULL'))


BERLIN = ZoneInfo("Europe/Berlin")
UTC = dt.UTC
SAMPLES = [
    None,
    True,
    0,
    1,
    -1,
    5,
    2**15,
    2**31,
    2**63,
    2**64,
    0.0,
    1.0,
    2.5,
    0.1 + 0.2,
    1e300,
    1e-50,
    float("nan"),
    float("inf"),
    Decimal("1.50"),
    Decimal("1E+3"),
    Decimal("1E-7"),
    Decimal("-0.0"),
    Decimal("12345678.1234"),
    Decimal("-123456789.123456789"),
    Decimal("NaN"),
    Decimal("Infinity"),
    "",
    "x",
    "5",
    "1.5",
    "abc@def",
    "1 day",
    "05:00",
    "2020-01-01",
    "2020-01-01 10:00:00+02",
    "{1,2}",
    "[1,2)",
    "true",
    "10.0.0.1",
    "10.0.0.0/8",
    "10.1",
    "08:00:2b:01:02:03",
    "01",
    "one",
    "RED",
    "[1,2]",
    "a\0b",
    "\udc80",
    "12345678-1234-5678-1234-567812345678",
    "{12345678123456781234567812345678}",
    b"ab",
    b"\xff\0",
    bytearray(b"ab"),
    memoryview(b"ab"),
    uuid.UUID(int=5),
    dt.date(2020, 2, 29),
    dt.date(1, 1, 1),
    dt.time(5, 6, 7, 8),
    dt.time(5, 6, tzinfo=UTC),
    dt.time(5, 6, tzinfo=BERLIN),
    dt.datetime(2020, 1, 1, 5, 6, 7, 890),  # noqa: DTZ001  # without a zone, on purpose
    dt.datetime(9999, 12, 31, 23, 59, 59, 999999),  # noqa: DTZ001  # as above
    dt.datetime(2020, 7, 1, 5, tzinfo=BERLIN),
    dt.datetime(2020, 10, 25, 2, 30, tzinfo=BERLIN, fold=1),
    dt.datetime(1, 1, 1, tzinfo=UTC),
    dt.timedelta(days=-1, hours=25, microseconds=3),
    dt.timedelta(0),
    ipaddress.ip_address("10.0.0.1"),
    ipaddress.ip_address("::1"),
    ipaddress.ip_interface("10.0.0.1/8"),
    ipaddress.ip_network("10.0.0.0/8"),
    np.int16(3),
    np.int64(3),
    np.float32(0.1),
    np.float64(0.1),
    np.bool_(True),  # noqa: FBT003  # a value
    np.str_("x"),
    np.datetime64("2020-01-01"),
    np.datetime64("2020-01-01T00:00:00.123456789"),
    np.timedelta64(1, "D"),
    np.timedelta64(1, "ns"),
    pd.NaT,
    pd.NA,
    pd.Timestamp("2020-01-01 05:00"),
    pd.Timestamp("2020-01-01 05:00", tz="Europe/Berlin"),
    pd.Timedelta("1 day"),
    Color.RED,
    {"a": 1},
    {},
    {1, 2},
    (),
    (1, 2),
    func.now(),
    literal(5),
    pg.Range(1, 5),
    pg.Range(None, 5, bounds="(]"),
    pg.Range(empty=True),
    pg.Range(Decimal("1.5"), None),
    pg.Range(dt.date(2020, 1, 1), dt.date(2020, 2, 1), bounds="[]"),
    pg.Range(dt.datetime(2020, 1, 1), dt.datetime(2020, 2, 1)),  # noqa: DTZ001  # as above
    pg.Range(dt.datetime(2020, 1, 1, tzinfo=UTC), None),
    pg.Range(5, 1),
    pg.Range(1.5, 2.5),
    [pg.Range(1, 5), pg.Range(7, 9)],
    [1.0, 2.0],
    np.array([1.0, 2.0]),
    np.array([1, 2]),
    object(),
]

SCALARS = st.one_of(
    st.none(),
    st.sampled_from([sample for sample in SAMPLES if not isinstance(sample, (list, np.ndarray))]),
    st.integers(-(2**70), 2**70),
    st.integers(-(2**16), 2**16),
    st.floats(),
    st.floats(width=32),
    st.decimals(),
    st.text(max_size=4),
    st.binary(max_size=4),
    st.uuids(),
    st.dates(),
    st.times(),
    st.datetimes(),
    st.datetimes(timezones=st.timezones()),
    st.timedeltas(),
    st.ip_addresses(),
    st.sampled_from(Color),
)
LISTS = st.one_of(
    st.lists(SCALARS, max_size=3),
    st.integers(-40_000, 40_000).flatmap(lambda number: st.lists(st.sampled_from([number, None, 1]), max_size=4)),
    *(
        st.lists(st.one_of(strategy, st.none()), max_size=4)
        for strategy in (
            st.booleans(),
            st.text(max_size=3),
            st.decimals(),
            st.dates(),
            st.uuids(),
            st.timedeltas(),
            st.floats(),
        )
    ),
    st.lists(st.lists(st.integers(0, 9), min_size=2, max_size=2), max_size=3),
    st.lists(st.sampled_from(Color), max_size=3),
)
RANGES = st.builds(
    lambda bounds, edges: pg.Range(*bounds, bounds=edges),
    st.one_of(
        st.tuples(st.integers(-(2**33), 2**33) | st.none(), st.integers(-(2**33), 2**33) | st.none()),
        st.tuples(st.decimals(allow_nan=False) | st.none(), st.decimals(allow_nan=False) | st.none()),
        st.tuples(st.dates(), st.dates()),
        st.tuples(st.datetimes(), st.datetimes()),
    ),
    st.sampled_from(["[)", "(]", "[]", "()"]),
)
VALUES = st.one_of(st.sampled_from(SAMPLES), SCALARS, LISTS, RANGES)
