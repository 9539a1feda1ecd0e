"""What a column of a data frame holds, as values that a column of a table takes."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sqlalchemy import Column, DateTime, Float, Integer, Interval, Text

from sqlalchemy_vecsearch import VECTOR, LoadingValueError
from sqlalchemy_vecsearch.loading.frames import columns_of_frame, part_of, sliceable

NOON = datetime(2020, 1, 1, 12, 0, 0, 5)  # noqa: DTZ001  # without a zone, on purpose
INTEGER, FLOAT, TEXT = Column("n", Integer), Column("f", Float), Column("t", Text)
WHEN, SPAN, VECTORS = Column("w", DateTime), Column("s", Interval), Column("v", VECTOR(2))

# name -> what is given, the column that it is for, the values
CASES = {
    "pandas, whole numbers": (pd.Series([1, 2]), INTEGER, [1, 2]),
    "pandas, whole numbers made floats": (pd.Series([1, None]), INTEGER, [1, None]),
    "pandas, Int64": (pd.Series([1, None], dtype="Int64"), INTEGER, [1, None]),
    "pandas, floats": (pd.Series([0.5, None]), FLOAT, [0.5, None]),
    "pandas, texts": (pd.Series(["a", None, np.nan], dtype=object), TEXT, ["a", None, None]),
    "pandas, string": (pd.Series(["a", pd.NA], dtype="string"), TEXT, ["a", None]),
    "pandas, categories": (pd.Series(["a", None], dtype="category"), TEXT, ["a", None]),
    "pandas, times": (pd.Series([NOON, pd.NaT]), WHEN, [NOON, None]),
    "pandas, times with a zone": (
        pd.Series([pd.Timestamp(NOON, tz="Europe/Berlin"), pd.NaT]),
        WHEN,
        [datetime(2020, 1, 1, 11, 0, 0, 5, tzinfo=UTC), None],
    ),
    "pandas, times as objects": (pd.Series([pd.Timestamp(NOON), pd.NaT], dtype=object), WHEN, [NOON, None]),
    "pandas, spans": (pd.Series([pd.Timedelta("1 day"), pd.NaT]), SPAN, [timedelta(days=1), None]),
    "pandas, decimals": (pd.Series([Decimal("1.5"), None]), FLOAT, [Decimal("1.5"), None]),
    "pandas, lists": (pd.Series([[1.0, 2.0], None]), VECTORS, [[1.0, 2.0], None]),
    "polars, whole numbers": (pl.Series([1, None]), INTEGER, [1, None]),
    "polars, texts": (pl.Series(["a", None]), TEXT, ["a", None]),
    "polars, times": (pl.Series([NOON, None]), WHEN, [NOON, None]),
    "polars, dates": (pl.Series([date(2020, 1, 1)]), WHEN, [date(2020, 1, 1)]),
    "polars, spans": (pl.Series([timedelta(days=1)]), SPAN, [timedelta(days=1)]),
    "polars, decimals": (pl.Series([Decimal("1.5")]), FLOAT, [Decimal("1.5")]),
    "polars, lists": (pl.Series([[1.0, 2.0], [3.0, 4.0]]), VECTORS, [[1.0, 2.0], [3.0, 4.0]]),
    "polars, arrays": (pl.Series([[1.0, 2.0]], dtype=pl.Array(pl.Float32, 2)), VECTORS, [[1.0, 2.0]]),
    "polars, lists of several lengths": (pl.Series([[1.0], [3.0, 4.0]]), VECTORS, [[1.0], [3.0, 4.0]]),
    "numpy, times": (np.array([NOON, None], dtype="datetime64[us]"), WHEN, [NOON, None]),
    "numpy, spans": (np.array([1, "NaT"], dtype="timedelta64[D]"), SPAN, [timedelta(days=1), None]),
    "a deque of them": ({"a": 1, "b": 2}.values(), INTEGER, [1, 2]),
}


@pytest.mark.parametrize("name", CASES)
def test_the_values_are_those_of_python(name):
    given, column, expected = CASES[name]
    found = part_of(sliceable(given), 0, len(given), column)
    found = found.tolist() if isinstance(found, np.ndarray) else found
    assert found == expected
    assert list(map(type, found)) == list(map(type, expected))


def test_a_nan_of_polars_is_a_number_and_a_part_is_a_part():
    found = part_of(pl.Series([0.0, 1.0, float("nan"), None]), 1, 3, FLOAT)
    assert found[0] == 1.0
    assert np.isnan(found[1])
    assert part_of(pd.Series([0, 1, 2, 3], index=[3, 2, 1, 0]), 1, 3, INTEGER).tolist() == [1, 2]


@pytest.mark.parametrize(
    "given",
    [
        pd.Series(pd.to_datetime(["2020-01-01", "2020-01-01 00:00:00.000000001"], format="ISO8601")),
        pd.Series([NOON, pd.Timestamp("2020-01-01 00:00:00.000000001")], dtype=object),
        pl.Series([0, 1]).cast(pl.Datetime("ns")),
        np.array(["2020-01-01", "2020-01-01T00:00:00.000000001"], dtype="datetime64[ns]"),
    ],
    ids=["pandas", "objects", "polars", "numpy"],
)
def test_nanoseconds_are_refused(given):
    with pytest.raises(
        LoadingValueError, match=r"^The value of 'w' in row 501 is .*\. PostgreSQL stores microsec"
    ) as caught:
        part_of(_shifted(given), 500, 502, WHEN)
    assert (caught.value.row, caught.value.column) == (501, "w")


def _shifted(given):
    """Return the values behind 500 others."""
    if isinstance(given, pd.Series):
        return pd.concat([given.iloc[:1]] * 500 + [given], ignore_index=True)
    if isinstance(given, pl.Series):
        return pl.concat([given[:1]] * 500 + [given])
    return np.concatenate([given[:1]] * 500 + [given])


@pytest.mark.parametrize("library", [pd, pl])
def test_a_frame_is_its_columns(library):
    columns = columns_of_frame(library.DataFrame({"a": [1], "b": ["x"]}))
    assert {name: list(column) for name, column in columns.items()} == {"a": [1], "b": ["x"]}


def test_two_columns_of_one_name_are_refused():
    with pytest.raises(LoadingValueError) as caught:
        columns_of_frame(pd.DataFrame([[1, 2]], columns=["a", "a"]))
    assert str(caught.value) == (
        "The data frame has several columns 'a'. "
        "The name of a column says where its values go. "
        "Rename or drop all but one of them."
    )


def test_neither_library_is_imported():
    code = "import sqlalchemy_vecsearch.loading, sys; assert not {'pandas', 'polars', 'pyarrow'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
