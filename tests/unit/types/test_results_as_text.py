"""What the types make of a result, whatever form and version it comes in."""

from __future__ import annotations

import struct

import numpy as np
import pgvector.sqlalchemy
import pytest
from asyncpg import BitString
from pgvector import HalfVector
from sqlalchemy.dialects import postgresql

from sqlalchemy_vecsearch import embedding_column
from sqlalchemy_vecsearch.types import BIT, HALFVEC, VECTOR
from sqlalchemy_vecsearch.types.wire import floats_of_result, halfvector_of_result


def test_a_text_as_long_as_a_binary_form_is_read_as_text():
    first_two_characters = int.from_bytes(b"[0")
    length = 2 * first_two_characters + 4
    text = "[0" + ",0.1" * ((length - 4) // 4)
    text += "1" * (length - 1 - len(text)) + "]"
    floats = floats_of_result(struct.pack(">iIi", 1, 25, len(text)) + text.encode())
    assert len(text) == length
    assert len(floats) == text.count(",") + 1


def test_bits_of_asyncpg_equal_a_string_and_the_class_of_the_driver():
    read = BIT(3).result_processor(postgresql.asyncpg.dialect(), None)(BitString("101"))
    assert (read, read) == ("101", BitString("101"))
    assert read not in ("1010", BitString("100"), BitString("0101"), 5, None)
    assert hash(read) == hash("101")
    assert isinstance(read, str)


@pytest.mark.parametrize("type_", [VECTOR, HALFVEC])
def test_a_type_reads_what_that_of_pgvector_python_reads(type_):
    dialect = postgresql.psycopg.dialect()
    stock = getattr(pgvector.sqlalchemy, type_.__name__)
    expected = stock().result_processor(dialect, None)("[1,2]")
    read = type_(2).result_processor(dialect, None)("[1,2]")
    assert type(read) is type(expected) is type_(2).python_type
    assert np.asarray(getattr(read, "to_list", lambda: read)()).tolist() == [1, 2]


def test_an_embedding_column_reads_lists_with_every_version():
    column = embedding_column(2, metric="l2").column
    assert column.type.result_processor(postgresql.psycopg.dialect(), None)("[1,2]") == [1.0, 2.0]


def test_a_half_vector_is_read_whatever_the_driver_gives():
    expected = HalfVector([1, 2])
    assert [halfvector_of_result(value) for value in ("[1,2]", expected, np.array([1, 2]), None)] == [expected] * 3 + [
        None
    ]
