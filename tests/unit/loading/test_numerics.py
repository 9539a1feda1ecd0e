"""The binary form of numerics, which is made for a whole column at once where they are short."""

from __future__ import annotations

import struct
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sqlalchemy_vecsearch.loading.binary_format import FixedColumn, VariableColumn, fields_of
from sqlalchemy_vecsearch.loading.builtin_types import scalar_form

SHORT = st.builds(
    lambda digits, places: Decimal(digits).scaleb(-places), st.integers(-(10**18) + 1, 10**18 - 1), st.integers(0, 6)
)
ANY = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**40), max_value=10**40) | st.integers()


def read(field):
    """Return the number and the digits behind its point, as ``numeric_recv`` reads them."""
    length, count, weight, sign, places = struct.unpack(">ihhHh", field[:12])
    digits = struct.unpack(f">{count}h", field[12:])
    assert length == len(field) - 4
    assert all(0 <= digit < 10_000 for digit in digits)
    number = sum((Fraction(digit) * Fraction(10_000) ** (weight - place) for place, digit in enumerate(digits)), 0)
    return {0: number, 0x4000: -number}[sign], places


def written(values):
    form = scalar_form("numeric", "utf-8", Decimal)
    return form.encode(values, set(map(type, values)))


def as_stored(value):
    return Fraction(value), max(0, -Decimal(value).as_tuple().exponent)


@given(st.lists(SHORT | st.integers(-(10**18) + 1, 10**18 - 1), min_size=1, max_size=8))
def test_short_numbers_are_one_array(values):
    encoded = written(values)
    assert isinstance(encoded, FixedColumn)
    assert [read(field) for field in fields_of(encoded, len(values))] == list(map(as_stored, values))


@given(st.lists(SHORT | ANY, min_size=1, max_size=8))
def test_any_numbers_are_exact(values):
    assert [read(field) for field in fields_of(written(values), len(values))] == list(map(as_stored, values))


@pytest.mark.parametrize(
    "longest", ["1" * 19, "0." + "1" * 17, "-1E+3", "NaN", "-Infinity", "1" * 18 + "." + "1" * 17, "0E-17"]
)
def test_a_longer_number_takes_its_column_from_the_array(longest):
    assert isinstance(written([Decimal("1.5"), Decimal(longest)]), VariableColumn)


def test_the_longest_of_the_array_are_exact():
    values = [Decimal("-" + "9" * 18 + "." + "9" * 16), Decimal("0.00"), Decimal("-0.0001"), 10_000]
    encoded = written(values)
    assert isinstance(encoded, FixedColumn)
    assert [read(field) for field in fields_of(encoded, 4)] == list(map(as_stored, values))
