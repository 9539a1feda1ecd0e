"""The binary and text forms, against pgvector's own readers and writers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pgvector import HalfVector, SparseVector, Vector

from sqlalchemy_vecsearch.types.sparse_values import checked_sparse
from sqlalchemy_vecsearch.types.wire import (
    dense_text,
    floats_of_result,
    halfvec_binary,
    list_of_result,
    sparse_binary,
    sparse_of_result,
    sparse_text,
    vector_binary,
)

FLOATS = arrays(np.float32, st.integers(1, 40), elements=st.floats(width=32, allow_nan=False, allow_infinity=False))
HALVES = arrays(np.float16, st.integers(1, 40), elements=st.floats(width=16, allow_nan=False, allow_infinity=False))


@given(FLOATS)
def test_the_binary_form_is_pgvectors(floats):
    assert vector_binary(floats) == Vector(floats).to_binary()


@given(HALVES)
def test_the_half_binary_form_is_pgvectors(halves):
    assert halfvec_binary(halves.astype(np.float32)) == HalfVector(halves).to_binary()


@given(FLOATS)
def test_the_sparse_forms_are_read_back_by_pgvector(floats):
    parts = checked_sparse(floats)
    expected = SparseVector(floats)
    assert SparseVector.from_binary(sparse_binary(parts)) == expected
    assert SparseVector.from_text(sparse_text(parts)).indices() == expected.indices()


@given(FLOATS)
def test_text_brings_the_same_floats_back(floats):
    assert np.array_equal(floats_of_result(dense_text(floats)), floats)


@given(FLOATS)
def test_text_is_as_short_as_numpys_shortest_form(floats):
    ordinary = [number for number in floats if number == 0 or abs(number) >= np.finfo(np.float32).tiny]
    for number in ordinary:
        mantissa = dense_text(np.array([number]))[1:-1].split("e")[0]
        shortest = np.format_float_scientific(number, unique=True, trim="-").split("e")[0]
        assert (
            len(mantissa.replace(".", "").strip("-0")) <= len(shortest.replace(".", "").strip("-0"))
            or len(mantissa.replace(".", "").strip("-0")) <= 6
        )


@pytest.mark.parametrize(
    ("floats", "text"),
    [
        ([0.1, 0.2, 0.3], "[0.1,0.2,0.3]"),
        ([1, -2, 0], "[1,-2,0]"),
        ([1 / 3], "[0.33333334]"),
        ([16777216, 1e-5, 1e10], "[16777216,1e-05,1e+10]"),
        ([3.4028235e38, -1.1754944e-38, 1e-45], "[3.4028235e+38,-1.1754944e-38,1.40129846e-45]"),
    ],
)
def test_text_uses_the_fewest_digits(floats, text):
    assert dense_text(np.array(floats, dtype=np.float32)) == text


def test_sparse_text_counts_from_one():
    assert sparse_text(checked_sparse([0, 0.1, 0, 2])) == "{2:0.1,4:2}/4"
    assert sparse_text(checked_sparse([0.0, 0.0])) == "{}/2"


def record(payload, length=None):
    return b"\0\0\0\1\0\0\1\0" + (len(payload) if length is None else length).to_bytes(4, "big", signed=True) + payload


@pytest.mark.parametrize("wrap", [bytes, bytearray, memoryview])
def test_arrays_are_read_from_a_binary_record(wrap):
    floats = np.array([0.5, -1, 2], dtype=np.float32)
    for payload in (vector_binary(floats), halfvec_binary(floats)):
        found = floats_of_result(wrap(record(payload)))
        assert found.dtype == np.float32
        assert found.tolist() == [0.5, -1, 2]
        assert found.flags.writeable


def test_a_null_in_a_binary_record_is_none():
    assert floats_of_result(record(b"", -1)) is None


@pytest.mark.parametrize("value", ["[0.5,2]", Vector([0.5, 2]), HalfVector([0.5, 2]), [0.5, 2.0], np.array([0.5, 2])])
def test_each_form_of_a_result_gives_the_same(value):
    assert list_of_result(value) == [0.5, 2.0]
    assert floats_of_result(value).tolist() == [0.5, 2.0]


def test_a_list_has_the_digits_that_the_server_prints():
    assert list_of_result(Vector([0.1, 0.7])) == list_of_result("[0.1,0.7]") == [0.1, 0.7]


def test_each_element_of_a_list_is_a_float_however_the_server_prints_it():
    found = list_of_result("[2,-0,1e-05,-1.5e+20,3.4028235e+38,1e-45]")
    assert found == [2.0, -0.0, 1e-05, -1.5e20, 3.4028235e38, 1e-45]
    assert [type(number) for number in found] == [float] * 6
    assert str(found[1]) == "-0.0"


def test_null_is_none_in_each_form():
    assert list_of_result(None) is floats_of_result(None) is sparse_of_result(None) is None


def test_sparse_results_are_pgvectors_class():
    expected = SparseVector({1: 0.5}, 3)
    assert sparse_of_result("{2:0.5}/3") == sparse_of_result(expected) == expected
