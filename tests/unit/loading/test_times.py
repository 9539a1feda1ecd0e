"""Times in binary: an array of numpy says the same bytes as the objects of Python, and what it cannot say it leaves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sqlalchemy_vecsearch.loading.binary_format import fields_of
from sqlalchemy_vecsearch.loading.builtin_types import UtcTimes, scalar_form

FIRST, LAST = datetime(1, 1, 3), datetime(9999, 12, 29)  # noqa: DTZ001  # without a zone, on purpose
NAIVE = st.lists(st.datetimes(FIRST, LAST), min_size=1, max_size=5)
SPANS = st.lists(st.timedeltas(timedelta(days=-300_000), timedelta(days=300_000)), min_size=1, max_size=5)


def form(name):
    return scalar_form(name, "utf-8", None)


def bytes_of(encoded, values):
    return fields_of(encoded, len(values))


@given(NAIVE)
def test_an_array_without_a_zone_is_that_of_its_datetimes(values):
    array = np.array(values, dtype="datetime64[us]")
    objects = form("timestamp").encode(values, {datetime})
    assert bytes_of(form("timestamp").encode_array(array), values) == bytes_of(objects, values)
    assert form("timestamptz").encode_array(array) is None


@given(NAIVE)
def test_an_array_in_utc_is_that_of_its_datetimes(values):
    array = np.array(values, dtype="datetime64[us]").view(UtcTimes)
    aware = [value.replace(tzinfo=UTC) for value in values]
    assert array.tolist() == aware
    objects = form("timestamptz").encode(aware, {datetime})
    assert bytes_of(form("timestamptz").encode_array(array), values) == bytes_of(objects, values)
    assert form("timestamp").encode_array(array) is None


@given(SPANS)
def test_an_array_of_spans_is_that_of_its_timedeltas(values):
    array = np.array(values, dtype="timedelta64[us]")
    objects = form("interval").encode(values, {timedelta})
    assert bytes_of(form("interval").encode_array(array), values) == bytes_of(objects, values)


@pytest.mark.parametrize("time", ["0001-01-01", "9999-12-31", "20000-01-01", "-0044-03-15"])
def test_times_that_drivers_take_for_infinity_are_left_to_the_server(time):
    array = np.array([time], dtype="datetime64[us]")
    assert form("timestamp").encode_array(array) is None
    assert form("timestamptz").encode_array(array.view(UtcTimes)) is None


def test_what_is_missing_stays_missing_in_utc():
    assert np.array(["NaT"], dtype="datetime64[us]").view(UtcTimes).tolist() == [None]
