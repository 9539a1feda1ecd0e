"""Batches of rows as arrays: what becomes one, what is left to the values one by one, and the same bits either way."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from pgvector import Bit
from sqlalchemy import Boolean, Column, Float, Integer, MetaData, Table, TypeDecorator
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from sqlalchemy_vecsearch import BIT, HALFVEC, SPARSEVEC, VECTOR
from sqlalchemy_vecsearch.loading.batches import gathered, gatherers
from sqlalchemy_vecsearch.loading.target import CopyTarget, ServerColumn
from sqlalchemy_vecsearch.types.bit_values import checked_bits
from sqlalchemy_vecsearch.types.dense_values import checked_dense


class Signed(TypeDecorator):
    impl = BIT(9)
    cache_ok = True


TYPES = {
    "vector": (VECTOR(3), "public", 3),
    "halfvec": (HALFVEC(3), "public", 3),
    "sparsevec": (SPARSEVEC(3), "public", 3),
    "bit": (BIT(9), "pg_catalog", 9),
    "int2": (Integer(), "pg_catalog", None),
    "float8": (Float(), "pg_catalog", None),
    "bool": (Boolean(), "pg_catalog", None),
}


def target_of(type_name, declared=None):
    type_, schema, dimensions = TYPES[type_name]
    column = Column("c", declared or type_)
    table = Table("t", MetaData(), column)
    server = ServerColumn(
        name="c",
        oid=1,
        type_name=type_name,
        type_schema=schema,
        is_enum=False,
        is_extension=False,
        dimensions=dimensions,
        generated=False,
        always_identity=False,
    )
    return CopyTarget(table, None, "t", (column,), (server,))


def array_of(type_name, values):
    plan = gatherers(target_of(type_name), PGDialect_psycopg())
    found = gathered(plan, [(value,) for value in values])
    return None if found is None else found[0]


BITS = ["010000001", "111111111", "000000000"]
LISTS = [[character == "1" for character in bits] for bits in BITS]
BIT_FORMS = {
    "texts": BITS,
    "lists of booleans": LISTS,
    "lists of numbers": [list(map(int, bits)) for bits in LISTS],
    "tuples": [tuple(bits) for bits in LISTS],
    "arrays of booleans": [np.array(bits) for bits in LISTS],
    "arrays of bytes": [np.array(bits, dtype=np.uint8) for bits in LISTS],
    "booleans and bytes": [np.array(LISTS[0]), *(np.array(bits, dtype=np.uint8) for bits in LISTS[1:])],
    "values of pgvector": [Bit(np.array(bits)) for bits in LISTS],
}


@pytest.mark.parametrize("form", BIT_FORMS)
def test_bits_of_every_form_are_those_of_the_values_one_by_one(form):
    array = array_of("bit", BIT_FORMS[form])
    assert array.dtype == np.bool_
    assert array.tolist() == LISTS
    packed = [len(row).to_bytes(4, "big") + np.packbits(row).tobytes() for row in array]
    assert packed == [checked_bits(value, 9).to_binary() for value in BIT_FORMS[form]]


def test_bytes_are_bits():
    plan = gatherers(_sixteen_bits(), PGDialect_psycopg())
    (array,) = gathered(plan, [(b"\x80\x01",), (b"\xff\x00",)])
    assert array.astype(int).tolist() == [[1, *[0] * 14, 1], [1] * 8 + [0] * 8]
    assert gathered(plan, [(b"\x80",)]) is None


def _sixteen_bits():
    target = target_of("bit")
    return replace(target, server=(replace(target.server[0], dimensions=16),))


NO_BITS = {
    "a null": ["010000001", None],
    "two classes": ["010000001", LISTS[0]],
    "a length that is wrong": ["010000001", "01"],
    "lengths that only agree in sum": ["0100000010", "01000000"],
    "another digit": ["010000001", "010000002"],
    "a sign before the digits": ["+10000001"],
    "a digit of another script": ["01000000\u0661"],
    "a number that is no bit": [[0, 1, 0, 0, 0, 0, 0, 0, 2]],
    "a float in a list": [[0, 1.0, 0, 0, 0, 0, 0, 0, 1]],
    "an array of floats": [np.zeros(9)],
    "an array of wide integers": [np.zeros(9, dtype=np.int64)],
    "an array of bytes beyond one": [np.full(9, 255, dtype=np.uint8)],
    "an array of two axes": [np.zeros((9, 1), dtype=bool)],
    "an array without an axis": [np.array(1)],
    "a short value of pgvector": [Bit("01")],
    "a value of pgvector of the same bytes": [Bit(np.zeros(10, dtype=bool))],
    "a number": [5],
}


@pytest.mark.parametrize("doubt", NO_BITS)
def test_bits_in_doubt_are_left_to_the_values_one_by_one(doubt):
    assert array_of("bit", NO_BITS[doubt]) is None


VECTORS = {
    "arrays": [np.array([1, 2, 3], dtype=np.float32), np.array([4, 5, 6], dtype=np.float32)],
    "doubles": [np.array([0.1, 2, 3]), np.array([4, 5, 6.7])],
    "integers": [np.array([1, 2, 3]), np.array([4, 5, 2**40])],
    "lists": [[0.1, 2, 3], [4, 5, 6.7]],
    "tuples": [(0.1, 2, 3), (4, 5, 6.7)],
}


@pytest.mark.parametrize("form", VECTORS)
@pytest.mark.parametrize("type_name", ["vector", "halfvec"])
def test_vectors_of_every_form_are_those_of_the_values_one_by_one(form, type_name):
    array = array_of(type_name, VECTORS[form])
    assert array.dtype == np.float32
    assert array.tobytes() == b"".join(checked_dense(value).tobytes() for value in VECTORS[form])


NO_VECTORS = {
    "a null": [[1, 2, 3], None],
    "two classes": [[1, 2, 3], (1, 2, 3)],
    "arrays of two kinds": [np.ones(3), np.ones(3, dtype=np.int64)],
    "a length that is wrong": [[1, 2, 3], [1, 2]],
    "an array of the wrong length": [np.ones(2)],
    "a text in a list": [["1", 2, 3]],
    "a list in a list": [[[1], 2, 3]],
    "an array of texts": [np.array(["1", "2", "3"])],
    "an array of booleans": [np.ones(3, dtype=bool)],
    "an array of two axes": [np.ones((3, 1))],
    "a text": ["[1,2,3]"],
}


@pytest.mark.parametrize("doubt", NO_VECTORS)
def test_vectors_in_doubt_are_left_to_the_values_one_by_one(doubt):
    assert array_of("vector", NO_VECTORS[doubt]) is None


@pytest.mark.parametrize(
    ("type_name", "values", "is_array"),
    [
        ("int2", [1, -(2**15)], True),
        ("int2", [1, 2**15], False),
        ("int2", [1, 2**80], False),
        ("int2", [1, None], False),
        ("int2", [1, True], False),
        ("int2", [1.0, 2.0], False),
        ("int2", ["1", "2"], False),
        ("float8", [1.5, float("nan")], True),
        ("float8", [1, 2], False),
        ("bool", [True, False], True),
        ("bool", [1, 0], False),
        ("sparsevec", [np.eye(3)[0], np.zeros(3)], True),
        ("sparsevec", [[1, 0, 0]], False),
    ],
)
def test_only_values_that_an_array_holds_exactly_become_one(type_name, values, is_array):
    assert (array_of(type_name, values) is not None) is is_array


def test_a_type_of_the_application_has_a_say_in_each_value():
    assert gatherers(target_of("bit", Signed()), PGDialect_psycopg()) is None
