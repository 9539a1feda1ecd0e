"""The check of a value, and the whole text of each of its errors."""

from __future__ import annotations

from array import array
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pgvector import Bit, HalfVector, SparseVector, Vector
from scipy.sparse import coo_array, coo_matrix, csr_matrix

from sqlalchemy_vecsearch.errors import DimensionError, VectorValueError
from sqlalchemy_vecsearch.types.bit_values import bits_binary, checked_bits, is_bit_text
from sqlalchemy_vecsearch.types.dense_values import checked_dense
from sqlalchemy_vecsearch.types.sparse_values import checked_sparse
from sqlalchemy_vecsearch.types.validation import checked_vector

FINITE = st.floats(width=32, allow_nan=False, allow_infinity=False)


@pytest.mark.parametrize(
    "value",
    [
        [1, 2, 3],
        (1.0, 2, 3),
        array("d", [1, 2, 3]),
        Vector([1, 2, 3]),
        HalfVector([1, 2, 3]),
        np.array([[1, 9], [2, 9], [3, 9]], dtype=np.float32)[:, 0],
        *(np.array([1, 2, 3], dtype=kind) for kind in ("f2", "f4", "f8", "i1", "i8", "u4", ">f8", object)),
    ],
)
def test_every_row_of_numbers_becomes_a_float32_array(value):
    floats = checked_dense(value, 3)
    assert floats.dtype == np.float32
    assert floats.tolist() == [1.0, 2.0, 3.0]


def test_the_checked_value_is_returned_as_it_is():
    value = [1, 2, 3]
    assert checked_vector(value, "vector", dimensions=3) is value


@given(arrays(np.float32, st.integers(1, 50), elements=FINITE))
def test_finite_numbers_pass_however_large_they_are(value):
    assert checked_dense(value) is value


@pytest.mark.parametrize("storage", ["vector", "halfvec", "sparsevec", "bit"])
def test_a_vector_of_the_wrong_length_names_both_lengths(storage):
    value = "0101" if storage == "bit" else [1, 0, 2, 3]
    noun = "vector"
    with pytest.raises(DimensionError) as caught:
        checked_vector(value, storage, dimensions=3, column="embedding")
    assert str(caught.value) == (
        f"The {noun} for 'embedding' does not fit: expected 3 dimensions, not 4. "
        "The declaration says 3, and pgvector refuses every other length. "
        "Pass the output of the model that the column was declared for, or declare the new length and migrate."
    )
    assert (caught.value.expected, caught.value.actual) == (3, 4)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("make", [list, np.array, lambda row: csr_matrix([row])])
@pytest.mark.parametrize("storage", ["vector", "halfvec", "sparsevec"])
def test_a_number_that_is_not_finite_is_refused_with_its_position(bad, make, storage):
    if storage != "sparsevec" and make not in {list, np.array}:
        make = tuple
    with pytest.raises(VectorValueError, match=r"^The vector holds -?(nan|inf) at position \d"):
        checked_vector(make([1.0, bad, 2.0]), storage)


@pytest.mark.parametrize(
    ("given", "number"),
    [
        ([0.0, 1e39, 1.0], "1e+39"),
        ((0, -(10**40), 1), "-1" + "0" * 35 + "..."),
        ([0, 10**400], "1" + "0" * 36 + "..."),
        ([0, 10**5000], "<int that can not be written>"),
        ([0, Decimal("1e50")], "1E+50"),
        (array("d", [0, 1e39]), "1e+39"),
        (np.array([0, 1e39]), "1e+39"),
        (coo_matrix([[0, 1e39, 1]]), "1e+39"),
        (csr_matrix([[0, 1e39, 1]]), "1e+39"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_number_beyond_single_precision_is_named_as_it_was_given(given, number):
    storage = "sparsevec" if hasattr(given, "tocoo") else "vector"
    with pytest.raises(VectorValueError) as caught:
        checked_vector(given, storage, column="embedding")
    assert str(caught.value) == (
        f"The vector for 'embedding' holds {number} at position 1, which is too large. "
        "pgvector stores single precision, which ends at 3.4028235e+38. "
        "Normalise the vector, or find the input whose embedding came out this way."
    )


def test_infinity_is_named_as_such_though_it_is_large():
    with pytest.raises(VectorValueError) as caught:
        checked_vector([1.0, float("inf")])
    assert str(caught.value) == (
        "The vector holds inf at position 1. "
        "pgvector stores numbers that are finite in single precision, and nothing else. "
        "Find the input whose embedding came out this way, and leave its vector out."
    )


@pytest.mark.parametrize("storage", ["vector", "halfvec", "sparsevec"])
@pytest.mark.parametrize("make", [list, tuple, lambda row: np.array(row, dtype=object)])
def test_a_signalling_nan_is_refused_as_any_other(storage, make):
    with pytest.raises(VectorValueError) as caught:
        checked_vector(make([Decimal(1), Decimal("sNaN")]), storage, column="embedding")
    assert str(caught.value) == (
        "The vector for 'embedding' holds sNaN at position 1. "
        "pgvector stores numbers that are finite in single precision, and nothing else. "
        "Find the input whose embedding came out this way, and leave its vector out."
    )


def test_a_number_beyond_half_precision_is_refused_for_halfvec_only():
    assert checked_dense([70_000.0]).tolist() == [70_000.0]
    with pytest.raises(VectorValueError) as caught:
        checked_vector([1.0, 70_000.0], "halfvec", column="embedding")
    assert str(caught.value) == (
        "The vector for 'embedding' holds 70000.0 at position 1. "
        "Half precision ends at 65504. "
        "Normalise the vector, or declare the column with storage='vector'."
    )
    assert checked_dense([65_504.0] * 2, half=True).tolist() == [65_504.0] * 2


@pytest.mark.parametrize("value", [[], (), np.array([], dtype=np.float32), Vector([])])
def test_an_empty_vector_is_refused(value):
    with pytest.raises(VectorValueError) as caught:
        checked_vector(value)
    assert str(caught.value) == (
        "The vector is empty. pgvector stores vectors of one dimension or more. Pass None where there is no embedding."
    )


@pytest.mark.parametrize("value", [np.ones((1, 3)), np.ones((3, 1), dtype=np.float32), np.float32(1)])
def test_a_second_axis_is_refused(value):
    with pytest.raises(VectorValueError) as caught:
        checked_vector(value)
    assert str(caught.value) == (
        f"The vector has the shape {np.shape(value)}: expected ndim to be 1. A vector has exactly one axis. Pass one row of it, such as value[0]."
    )


def test_nested_lists_are_refused():
    with pytest.raises(VectorValueError) as caught:
        checked_vector([[1, 2, 3]], column="embedding")
    assert str(caught.value) == (
        "The vector for 'embedding' holds the list [1, 2, 3] at position 0. "
        "A vector has one axis, and this value has two or more. "
        "Pass one row of it, such as value[0]."
    )


@pytest.mark.parametrize("bad", [None, "2", 1j])
@pytest.mark.parametrize("make", [list, tuple, lambda row: np.array(row, dtype=object)])
def test_an_element_that_is_no_number_is_refused_with_its_position(bad, make):
    with pytest.raises(VectorValueError) as caught:
        checked_vector(make([1.0, bad]))
    assert str(caught.value) == (
        f"The vector holds the {type(bad).__name__} {bad!r} at position 1{': could not convert string to float' * (bad == '2')}. "
        "Every element of a vector is a number. "
        "Convert the elements to float first."
    )


@pytest.mark.parametrize("value", ["[1,2,3]", b"[1,2,3]", 7, {1: 2.0}, object])
@pytest.mark.parametrize("storage", ["vector", "halfvec", "sparsevec"])
def test_what_is_no_vector_is_refused(value, storage):
    with pytest.raises(VectorValueError) as caught:
        checked_vector(value, storage)
    assert str(caught.value) == (
        f"The vector is the {type(value).__name__} {value!r}, which is not a vector. "
        "A vector is a row of numbers, and text is never parsed into one. "
        "Pass a list of floats or a numpy array; embed a text with your model first."
    )


@pytest.mark.parametrize(
    "value",
    [
        [0, 0.5, 0, 2],
        np.array([0, 0.5, 0, 2]),
        SparseVector({1: 0.5, 3: 2}, 4),
        coo_array(([2, 0.5, 0], ([3, 1, 0],)), shape=(4,)),
        csr_matrix([[0, 0.5, 0, 2]]),
        coo_array(([1, 0.25, 0.25, 1], ([0, 0, 0, 0], [3, 1, 1, 3])), shape=(1, 4)),
    ],
)
def test_every_sparse_value_becomes_its_elements_in_order(value):
    parts = checked_sparse(value, 4)
    assert (parts.dimensions, parts.indices.tolist(), parts.values.tolist()) == (4, [1, 3], [0.5, 2.0])


def test_a_sparse_matrix_of_several_rows_is_refused():
    with pytest.raises(VectorValueError, match=r"^The vector has the shape \(2, 2\): expected ndim to be 1\. "):
        checked_sparse(csr_matrix([[1, 0], [0, 1]]))


def test_an_element_that_is_zero_in_single_precision_is_left_out():
    assert checked_sparse([1e-60, 1.0]).indices.tolist() == [1]


@pytest.mark.parametrize(
    "value",
    [
        "0101",
        [False, True, False, True],
        (0, 1, 0, 1),
        np.array([0, 1, 0, 1], dtype=bool),
        list(np.array([0, 1, 0, 1], dtype=bool)),
        np.array([0, 1, 0, 1]),
        np.array([0.0, 1.0, 0.0, 1.0]),
        np.array([False, True, False, True], dtype=object),
        np.ma.array([False, True, False, True]),
        array("b", [0, 1, 0, 1]),
        Bit("0101"),
    ],
)
def test_every_row_of_bits_becomes_a_bit(value):
    assert checked_bits(value, 4).to_text() == "0101"


@pytest.mark.parametrize(
    "value",
    [
        "012",
        [0.5, 1.5],
        np.ones((2, 2), dtype=bool),
        5,
        np.array([1.0, 2.0]),
        np.array([-1, 0, 1]),
        np.array([np.nan, 1.0]),
        np.array(["1", "0"]),
        np.array([True, None], dtype=object),
        np.ma.array([True, False], mask=[False, True]),
    ],
)
def test_what_is_no_row_of_bits_is_refused(value):
    with pytest.raises(VectorValueError, match="which is not a row of bits"):
        checked_vector(value, "bit")


def test_the_error_for_bits_shows_the_value():
    with pytest.raises(VectorValueError) as caught:
        checked_vector("0120", "bit", column="signature")
    assert str(caught.value) == (
        "The bit vector for 'signature' is the str '0120', which is not a row of bits. "
        "A bit column holds one 0 or 1 for each dimension. "
        "Pass a string such as '0101', a list of booleans, or a numpy array of booleans with one axis."
    )


def test_no_bits_are_refused():
    with pytest.raises(VectorValueError, match=r"^The vector is empty\. "):
        checked_vector("", "bit")


@pytest.mark.parametrize(
    ("value", "dimensions", "is_text"),
    [
        ("0101", 4, True),
        ("0101", None, True),
        ("010", 4, False),
        ("", None, False),
        ("", 0, False),
        ("0121", 4, False),
        ("+101", 4, False),
        (" 101", 4, False),
        ("1_01", 4, False),
        ("10\u06611", 4, False),
        ("10\ud8001", 4, False),
        (b"0101", 4, False),
        ([0, 1, 0, 1], 4, False),
    ],
)
def test_only_a_text_of_zeros_and_ones_of_the_right_length_goes_as_it_is(value, dimensions, is_text):
    assert is_bit_text(value, dimensions) is is_text


@pytest.mark.parametrize("bits", [[True], [False] * 7, [True, False] * 4, [True] * 9, [False, True] * 192])
@pytest.mark.parametrize("form", [list, tuple, np.array, lambda bits: np.array(bits, dtype=np.uint8)])
def test_the_binary_form_of_bits_is_that_of_pgvector(bits, form):
    assert bits_binary(form(bits), len(bits)) == Bit(np.array(bits)).to_binary()
    assert bits_binary(form(bits)) == Bit(np.array(bits)).to_binary()


@pytest.mark.parametrize("storage", ["vector", "halfvec", "sparsevec"])
def test_a_masked_element_is_none(storage):
    with pytest.raises(VectorValueError) as caught:
        checked_vector(np.ma.array([1.0, 2.0], mask=[False, True]), storage, column="embedding")
    assert str(caught.value) == (
        "The vector for 'embedding' holds the NoneType None at position 1. "
        "Every element of a vector is a number. "
        "Convert the elements to float first."
    )
    assert checked_dense(np.ma.array([1.0, 2.0])).tolist() == [1.0, 2.0]


@pytest.mark.parametrize("storage", ["vector", "halfvec"])
def test_a_vector_that_no_column_holds_is_refused(storage):
    checked_vector(np.ones(16_000), storage)
    with pytest.raises(VectorValueError) as caught:
        checked_vector(np.ones(70_000), storage, column="embedding")
    assert str(caught.value) == (
        "The vector for 'embedding' has 70000 dimensions. "
        "pgvector stores at most 16000 of them in one vector. "
        "Shorten the vector, or keep it as a sparsevec when most of its elements are zero."
    )


def test_a_sparse_vector_may_be_longer():
    assert checked_sparse([1.0, *[0.0] * 69_999]).dimensions == 70_000
