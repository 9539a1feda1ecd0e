"""Where SQLAlchemy puts a type in a statement: lists of IN, literals, decorators, and values without a table."""

from __future__ import annotations

import numpy as np
import pytest
from sqlalchemy import (
    Column,
    Integer,
    MetaData,
    Table,
    bindparam,
    column,
    insert,
    literal,
    select,
    text,
    tuple_,
    values,
)
from sqlalchemy.dialects.postgresql import psycopg
from sqlalchemy.types import TypeDecorator

from sqlalchemy_vecsearch.types import BIT, HALFVEC, SPARSEVEC, VECTOR

TYPES = {"vector": VECTOR(3), "halfvec": HALFVEC(3), "sparsevec": SPARSEVEC(3), "bit": BIT(3)}
VALUES = {"vector": [1, 2, 3], "halfvec": [1, 2, 3], "sparsevec": [0, 2, 0], "bit": "101"}


class Doubled(TypeDecorator):
    impl = VECTOR
    cache_ok = True

    def process_bind_param(self, value, _):
        return None if value is None else [2 * number for number in value]

    def process_result_value(self, value, _):
        return None if value is None else ("halved", (value / 2).tolist())


items = Table("item", MetaData(), Column("id", Integer, primary_key=True), *(Column(*pair) for pair in TYPES.items()))
decorated = Table(
    "decorated",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("embedding", Doubled(3, returns="numpy")),
)


def test_a_list_of_in_that_stands_twice_is_one_parameter():
    """The copy that is rendered is the same parameter to SQLAlchemy, wherever the list stands."""
    wanted = items.c.vector.in_([[1, 2, 3], [1, 1, 1]])
    compiled = select(items.c.id, wanted).where(wanted).compile(dialect=psycopg.dialect())
    assert compiled.params == {"vector_1": [[1, 2, 3], [1, 1, 1]]}


@pytest.mark.parametrize("name", TYPES)
def test_an_empty_list_of_in_finds_nothing_and_all(run, name):
    def check(connection):
        items.create(connection)
        connection.execute(insert(items).values(id=1, **VALUES))
        subject = items.c[name]
        assert connection.scalars(select(items.c.id).where(subject.in_([]))).all() == []
        assert connection.scalars(select(items.c.id).where(subject.not_in([]))).all() == [1]
        found = select(items.c.id).where(subject.in_(bindparam("wanted", expanding=True)))
        for wanted, ids in ([], []), ([VALUES[name]], [1]), ([VALUES[name]] * 2, [1]), ([], []):
            assert connection.scalars(found, {"wanted": wanted}).all() == ids

    run(check)


@pytest.mark.parametrize("name", TYPES)
def test_values_that_are_written_into_the_statement_are_found(run, name):
    def check(connection):
        items.create(connection)
        connection.execute(insert(items).values(id=1, **VALUES))
        one = bindparam("one", VALUES[name], TYPES[name], literal_execute=True)
        several = bindparam("several", [VALUES[name]], TYPES[name], expanding=True, literal_execute=True)
        for condition in items.c[name] == one, items.c[name].in_(several):
            assert connection.scalars(select(items.c.id).where(condition)).all() == [1]
        statement = select(items.c.id).where(items.c[name].in_([VALUES[name]]))
        literal_text = str(statement.compile(dialect=connection.dialect, compile_kwargs={"literal_binds": True}))
        assert connection.scalars(text(literal_text.replace("::", r"\:\:"))).all() == [1]

    run(check)


@pytest.mark.parametrize("name", TYPES)
def test_pairs_with_typed_values_are_found_in_a_list(run, name):
    def check(connection):
        items.create(connection)
        connection.execute(insert(items).values(id=1, **VALUES))
        pairs = [tuple_(literal(number), literal(VALUES[name], TYPES[name])) for number in (1, 2)]
        found = select(items.c.id).where(tuple_(items.c.id, items.c[name]).in_(pairs))
        assert connection.scalars(found).all() == [1]

    run(check)


@pytest.mark.parametrize("name", TYPES)
@pytest.mark.parametrize("driver", ["psycopg", "psycopg2", "pg8000"])
def test_pairs_with_plain_values_are_found_in_a_list(make_engine, driver, name):
    with make_engine(driver).begin() as connection:
        items.create(connection)
        connection.execute(insert(items).values(id=1, **VALUES))
        found = select(items.c.id).where(tuple_(items.c.id, items.c[name]).in_([(1, VALUES[name]), (2, VALUES[name])]))
        assert connection.scalars(found).all() == [1]


def test_a_list_of_in_passes_a_decorator(run):
    def check(connection):
        decorated.create(connection)
        connection.execute(insert(decorated).values(id=1, embedding=[1, 2, 3]))
        found = select(decorated.c.id).where(decorated.c.embedding.in_([[1, 2, 3]]))
        assert connection.scalars(found).all() == [1]

    run(check)


def test_a_decorator_sees_the_arrays_that_its_type_returns(run):
    def check(connection):
        decorated.create(connection)
        returned = insert(decorated).values(id=1, embedding=[1, 2, 3]).returning(decorated.c.embedding)
        assert connection.scalar(returned) == ("halved", [1, 2, 3])
        assert connection.scalar(select(decorated.c.embedding)) == ("halved", [1, 2, 3])
        assert connection.scalar(select(select(decorated).subquery().c.embedding)) == ("halved", [1, 2, 3])

    run(check)


def test_values_without_a_table_come_back_as_arrays(run):
    def check(connection):
        rows = values(column("id", Integer), column("embedding", VECTOR(3, returns="numpy")), name="row_of")
        given = rows.data([(1, literal([1, 2, 3], VECTOR(3))), (2, literal([3, 2, 1], VECTOR(3)))])
        found = connection.execute(select(given.c.id, given.c.embedding).order_by(given.c.id)).all()
        assert [(id_, embedding.dtype, embedding.tolist()) for id_, embedding in found] == [
            (1, np.float32, [1, 2, 3]),
            (2, np.float32, [3, 2, 1]),
        ]

    run(check)


@pytest.mark.parametrize("name", TYPES)
def test_values_are_of_the_type_that_they_declare(run, name):
    def check(connection):
        items.create(connection)
        connection.execute(insert(items).values(id=1, **VALUES))
        rows = values(column("id", Integer), column("given", TYPES[name]), name="row_of")
        given = rows.data([(1, VALUES[name]), (2, VALUES[name])])
        joined = select(given.c.id).join(items, items.c[name] == given.c.given).order_by(given.c.id)
        assert connection.scalars(joined).all() == [1, 2]
        distance = given.c.given.op("<~>" if name == "bit" else "<->")(VALUES[name])
        assert connection.scalars(select(distance)).all() == [0.0, 0.0]

    run(check)
