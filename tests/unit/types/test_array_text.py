"""The text of arrays, written and read without a server."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pgvector import Vector
from sqlalchemy import ARRAY, Column, Integer, MetaData, Table, TypeDecorator, literal, select
from sqlalchemy.dialects import postgresql

from sqlalchemy_vecsearch.errors import VectorValueError
from sqlalchemy_vecsearch.types import VECTOR
from sqlalchemy_vecsearch.types.array_text import array_of_text, array_text
from sqlalchemy_vecsearch.types.dense_values import checked_dense
from sqlalchemy_vecsearch.types.wire import dense_text

DIALECTS = [postgresql.psycopg.dialect(), postgresql.psycopg2.dialect(), postgresql.pg8000.dialect()]


def write(value, dimensions=None):
    return array_text(value, lambda row: dense_text(checked_dense(row)), dimensions=dimensions, column=None)


@pytest.mark.parametrize(
    ("value", "dimensions", "text"),
    [
        ([], None, "{}"),
        ([], 1, "{}"),
        ([[], []], 2, "{}"),
        ([None], None, "{NULL}"),
        ([[1, 2], None, (3, 4)], None, '{"[1,2]",NULL,"[3,4]"}'),
        ([[1, 2]], 1, '{"[1,2]"}'),
        (np.eye(2), None, '{"[1,0]","[0,1]"}'),
        ([None, Vector([1, 2])], None, '{NULL,"[1,2]"}'),
        ([[[1, 2]], [[3, 4]]], None, '{{"[1,2]"},{"[3,4]"}}'),
        ([[[1, 2], None]], 2, '{{"[1,2]",NULL}}'),
        ([[None, Vector([1, 2])]], None, '{{NULL,"[1,2]"}}'),
        (np.ones((2, 1, 2)), None, '{{"[1,1]"},{"[1,1]"}}'),
    ],
)
def test_vectors_are_written_at_their_depth(value, dimensions, text):
    assert write(value, dimensions) == text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{}", []),
        ('{"[1,2]",NULL}', ["[1,2]", None]),
        ('{{"[1,2]"},{"[3,4]"}}', [["[1,2]"], ["[3,4]"]]),
        ('[0:1]={"[1,2]","[3,4]"}', ["[1,2]", "[3,4]"]),
        ('{"{1:1,3:2}/5",NULL}', ["{1:1,3:2}/5", None]),
        ("{101,NULL,111}", ["101", None, "111"]),
        ("{[1]}", ["[1]"]),
    ],
)
def test_the_text_of_the_server_is_read(text, value):
    assert array_of_text(text) == value


@given(st.lists(st.none() | st.lists(st.integers(-9, 9), min_size=1, max_size=3), max_size=5))
def test_what_is_written_is_read(value):
    assert array_of_text(write(value)) == [None if row is None else dense_text(checked_dense(row)) for row in value]


@pytest.mark.parametrize(("column", "subject"), [(None, "The array"), ("many", "The array for 'many'")])
def test_what_is_no_array_is_refused(column, subject):
    with pytest.raises(VectorValueError) as caught:
        array_text({"a": 1}, str, dimensions=1, column=column)
    assert str(caught.value) == (
        f"{subject} is a dict. "
        "An array column holds a list of vectors in each row. "
        "Pass a list of vectors, with None for a missing one."
    )


class Doubled(TypeDecorator):
    impl = VECTOR(2)
    cache_ok = True

    def process_bind_param(self, value, dialect):
        return None if value is None else [2 * element for element in value]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_decorators_of_an_application_come_first(dialect):
    process = ARRAY(Doubled()).dialect_impl(dialect).bind_processor(dialect)
    assert process([[1, 2]]) == '{"[2,4]"}'


@pytest.mark.parametrize("dialect", [*DIALECTS, postgresql.asyncpg.dialect()])
def test_other_arrays_keep_the_class_of_the_dialect(dialect):
    implementation = ARRAY(Integer, as_tuple=True, dimensions=2).dialect_impl(dialect)
    assert type(implementation).__module__.startswith("sqlalchemy.dialects.postgresql.")
    assert (implementation.as_tuple, implementation.dimensions) == (True, 2)


def test_asyncpg_is_sent_one_text():
    table = Table("box", MetaData(), Column("id", Integer), Column("many", ARRAY(VECTOR(2), dimensions=1)))
    statement = select(table.c.id).where(table.c.many == literal([[1, 2]], table.c.many.type))
    assert str(statement.compile(dialect=postgresql.asyncpg.dialect())).replace("\n", "") == (
        "SELECT box.id FROM box WHERE box.many = $1::TEXT::VECTOR(2)[]"
    )
