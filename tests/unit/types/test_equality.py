"""Whether the ORM takes two values for the same."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from pgvector import SparseVector
from scipy.sparse import coo_array
from sqlalchemy import ARRAY, Column, Integer, MetaData, Table
from sqlalchemy.dialects.postgresql import ARRAY as POSTGRESQL_ARRAY
from sqlalchemy.orm.attributes import NO_VALUE
from sqlalchemy.types import TypeDecorator

from sqlalchemy_vecsearch.types import BIT, HALFVEC, SPARSEVEC, VECTOR
from sqlalchemy_vecsearch.types.equality import same_vectors

ARRAY_1 = np.array([1, 2], np.float32)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([1.0, 2.0], [1, 2]),
        ([1.0, 2.0], (1, 2)),
        (ARRAY_1, [1, 2]),
        ([1, 2], ARRAY_1),
        (ARRAY_1, ARRAY_1.copy()),
        ([ARRAY_1, None], [[1, 2], None]),
        ([[ARRAY_1]], [[[1, 2]]]),
        ([], []),
        (None, None),
        ("101", "101"),
        (SparseVector([1, 0, 2]), SparseVector([1, 0, 2])),
    ],
)
def test_the_same_numbers_are_the_same_vector(one, other):
    assert same_vectors(one, other) is True


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([1.0, 2.0], [1, 3]),
        (ARRAY_1, [1, 2, 3]),
        (ARRAY_1, None),
        (None, ARRAY_1),
        (ARRAY_1, NO_VALUE),
        ([ARRAY_1, None], [None, [1, 2]]),
        ([ARRAY_1], [[1, 2], [1, 2]]),
        ([[1, 2]], [[[1, 2]]]),
        (coo_array([1, 2]), coo_array([1, 2])),
        (coo_array([1, 2]), SparseVector([1, 2])),
        ("101", np.array([True, False, True])),
    ],
)
def test_other_values_and_those_nobody_can_tell_are_written(one, other):
    assert same_vectors(one, other) is False


def test_an_array_may_have_been_changed_in_place():
    assert same_vectors(ARRAY_1, ARRAY_1) is False
    assert same_vectors([ARRAY_1], [ARRAY_1]) is False


class Decorated(TypeDecorator):
    impl = ARRAY(VECTOR(2))
    cache_ok = True


ARRAYS = [ARRAY(VECTOR(2)), POSTGRESQL_ARRAY(HALFVEC(2)), ARRAY(SPARSEVEC(2)), ARRAY(BIT(2)), Decorated()]


@pytest.mark.parametrize("type_", ARRAYS, ids=str)
def test_a_column_of_arrays_keeps_its_comparison_in_copies(type_):
    metadata = MetaData()
    table = Table("page", metadata, Column("id", Integer, primary_key=True), Column("vectors", type_))
    for copy in table, table.to_metadata(MetaData()), pickle.loads(pickle.dumps(metadata)).tables["page"]:
        assert copy.c.vectors.type.compare_values([ARRAY_1], [[1, 2]]) is True


def test_arrays_of_other_types_compare_as_ever():
    table = Table("page", MetaData(), Column("numbers", ARRAY(Integer)))
    assert "compare_values" not in vars(table.c.numbers.type)
