"""A frame of pandas or polars, a mapping of columns, dictionaries and INSERT store the same values."""

from __future__ import annotations

import datetime as dt
import enum
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pytest
from any_values import TYPES, Color, tables
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Text, cast, insert, select
from sqlalchemy.dialects import postgresql as pg

from sqlalchemy_vecsearch import copy_rows

KNOWN_TO_POLARS = (bool, int, float, str, bytes, Decimal, dt.date, dt.time, dt.datetime, dt.timedelta)
NULLABLE_IN_PANDAS = {int: "Int64", float: "Float64", str: "string", bool: "boolean"}
WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5)
SMALL = st.integers(-(2**15), 2**15 - 1)
WHOLE = st.integers(-(2**31), 2**31 - 1)
REALS = st.floats(allow_nan=False, allow_subnormal=False, width=32)
DECIMALS = st.decimals(-999, 999, places=2)
DAYS = st.dates(dt.date(1700, 1, 1), dt.date(2200, 1, 1))
TIMES = st.datetimes(dt.datetime(1700, 1, 1), dt.datetime(2200, 1, 1))  # noqa: DTZ001  # without a zone, on purpose
MOMENTS = TIMES.map(lambda time: time.replace(tzinfo=dt.UTC))
SPANS = st.timedeltas(dt.timedelta(-50_000), dt.timedelta(50_000))
PAIRS = st.lists(
    st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False, width=32), min_size=2, max_size=2
)
HALVES = st.lists(st.floats(-100, 100, width=16), min_size=2, max_size=2)
NETWORKS = st.ip_addresses().map(lambda address: f"{address}/{32 if address.version == 4 else 128}")

# the values that a column takes as they are, by its name in any_values.TYPES
FITTING = {
    "smallint": SMALL,
    "integer": WHOLE,
    "bigint": st.integers(-(2**53), 2**53),  # pandas makes floats of them where one is missing
    "oid": st.integers(0, 2**31),
    "real": REALS,
    "double": st.floats(allow_nan=False),
    "numeric": DECIMALS,
    "numeric(6,2)": DECIMALS,
    "boolean": st.booleans(),
    "text": WORDS,
    "varchar(5)": WORDS,
    "char(3)": st.text("abc", max_size=3),
    "citext": WORDS,
    "bytea": st.binary(max_size=5),
    "uuid": st.uuids(),
    "uuid as text": st.uuids().map(str),
    "json": st.fixed_dictionaries({"a": WHOLE, "b": st.text("abc")}),
    "jsonb": st.fixed_dictionaries({"a": WHOLE, "b": st.text("abc")}),
    "date": DAYS,
    "time": st.times(),
    "timetz": st.times(timezones=st.just(dt.UTC)),
    "timestamp": TIMES,
    "timestamp(0)": TIMES,
    "timestamptz": MOMENTS,
    "interval": SPANS,
    "inet": st.ip_addresses().map(str),
    "cidr": NETWORKS,
    "macaddr": st.just("08:00:2b:01:02:03"),
    "tsvector": st.just("'cat' 'rat'"),
    "enum": st.sampled_from(Color),
    "labels": st.sampled_from(["one", "two"]),
    "int4range": st.builds(pg.Range, WHOLE.map(lambda number: min(number, 0)), st.integers(0, 9)),
    "int8range": st.builds(pg.Range, st.integers(-9, 0), st.integers(0, 2**40)),
    "numrange": st.builds(pg.Range, st.just(None), DECIMALS),
    "daterange": st.builds(pg.Range, DAYS, st.just(None)),
    "tsrange": st.builds(pg.Range, TIMES, st.just(None)),
    "tstzrange": st.builds(pg.Range, MOMENTS, st.just(None)),
    "int4multirange": st.just([pg.Range(1, 5), pg.Range(7, 9)]),
    "smallints": st.lists(SMALL, max_size=3),
    "integers": st.lists(WHOLE, max_size=3),
    "doubles": st.lists(REALS, max_size=3),
    "numerics": st.lists(DECIMALS, max_size=3),
    "booleans": st.lists(st.booleans(), max_size=3),
    "texts": st.lists(WORDS, max_size=3),
    "uuids": st.lists(st.uuids(), max_size=3),
    "dates": st.lists(DAYS, max_size=3),
    "timestamps": st.lists(TIMES, max_size=3),
    "intervals": st.lists(SPANS, max_size=3),
    "times": st.lists(st.times(), max_size=3),
    "colors": st.lists(st.sampled_from(Color), max_size=3),
    "domain": WORDS.map(lambda word: f"{word}@"),
    "domain of a domain": st.integers(-9, 9),
    "vector": PAIRS,
    "halfvec": HALVES,
    "sparsevec": HALVES.map(np.array),
    "bits": st.text("01", min_size=2, max_size=2),
    "vectors": st.lists(HALVES, max_size=3),
}


def inserted(connection, table, values):
    connection.execute(insert(table), [{"id": number, "held": value} for number, value in enumerate(values)])


def as_dictionaries(values):
    return [{"id": number, "held": value} for number, value in enumerate(values)]


def as_columns(values):
    return {"id": np.arange(len(values)), "held": values}


def as_pandas(values):
    return pd.DataFrame({"id": range(len(values)), "held": pd.Series(values)})


def as_nullable_pandas(values):
    """Return the frame with a type of pandas that has a value for missing ones, where there is such."""
    (class_, *others) = {type(value) for value in values if value is not None} or {None}
    dtype = None if others else NULLABLE_IN_PANDAS.get(class_)
    return pd.DataFrame({"id": range(len(values)), "held": pd.Series(values, dtype=dtype or object)})


def as_polars(values):
    """Return the frame; what polars has no type for, or would change, is an object to it, and a member its name."""
    values = [value.name if isinstance(value, enum.Enum) else value for value in values]
    present = [value for value in values if value is not None]
    zoned = any(isinstance(value, dt.time) and value.tzinfo for value in present)
    native = all(isinstance(value, KNOWN_TO_POLARS) for value in present)
    dtype = None if native and not zoned else pl.Object
    return pl.DataFrame({"id": range(len(values)), "held": pl.Series(values, dtype=dtype, strict=False)})


def as_nested_polars(values):
    """Return the frame with lists of polars, for what has elements that polars knows, and else as above."""
    present = [value for value in values if value is not None]
    elements = [element for value in present if isinstance(value, (list, np.ndarray)) for element in value]
    if not elements or not all(isinstance(element, (bool, int, float, str, np.floating)) for element in elements):
        return as_polars(values)
    listed = [value.tolist() if isinstance(value, np.ndarray) else value for value in values]
    return pl.DataFrame({"id": range(len(values)), "held": pl.Series(listed)})


def as_polars_arrays(values):
    """Return the frame with arrays of polars, for vectors of two dimensions, and else as above."""
    present = [value for value in values if value is not None]
    if not all(isinstance(value, list) and [*map(type, value)] == [float, float] for value in present):
        return as_polars(values)
    return pl.DataFrame(
        {"id": range(len(values)), "held": pl.Series(values, dtype=pl.Array(pl.Float64, 2)) if present else values}
    )


WAYS = {
    "dictionaries": as_dictionaries,
    "columns": as_columns,
    "pandas": as_pandas,
    "pandas, nullable types": as_nullable_pandas,
    "polars": as_polars,
    "polars, nested lists": as_nested_polars,
    "polars, arrays": as_polars_arrays,
}


def stored(connection, table, load):
    savepoint = connection.begin_nested()
    try:
        load()
        return connection.scalars(select(cast(table.c.held, Text)).order_by(table.c.id)).all()
    finally:
        savepoint.rollback()


def compare(undone, name, examples):
    table = tables[name]

    def examine(connection):
        @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
        @given(st.lists(FITTING[name] | st.none(), min_size=1, max_size=8))
        def check(values):
            expected = stored(connection, table, lambda: inserted(connection, table, values))
            for way, given_as in WAYS.items():
                found = stored(connection, table, lambda make=given_as: copy_rows(connection, table, make(values)))
                assert found == expected, way

        check()

    undone("psycopg", examine)


def test_every_column_type_has_values():
    assert FITTING.keys() == TYPES.keys()


@pytest.mark.parametrize("name", TYPES)
def test_every_way_stores_the_same(undone, name):
    compare(undone, name, examples=2)


@pytest.mark.slow
@pytest.mark.parametrize("name", TYPES)
def test_every_way_stores_the_same_of_many_values(undone, name):
    compare(undone, name, examples=200)
