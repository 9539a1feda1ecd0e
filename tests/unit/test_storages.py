import pytest
from pgvector import sqlalchemy as pgvector_types
from sqlalchemy import JSON, Integer, String
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.types import NullType, TypeDecorator, UserDefinedType

from sqlalchemy_vecsearch import BIT, HALFVEC, SPARSEVEC, VECTOR
from sqlalchemy_vecsearch.storages import dimensions_of, plain_value, storage_of, vector_form


class Decorated(TypeDecorator):
    impl = VECTOR(3)
    cache_ok = True

    def process_bind_param(self, value, dialect):
        return [*value, 0]


class Twice(TypeDecorator):
    impl = Decorated()
    cache_ok = True

    def process_bind_param(self, value, dialect):
        return [number * 2 for number in value]


class ByDialect(TypeDecorator):
    impl = String
    cache_ok = True

    def load_dialect_impl(self, dialect):
        return HALFVEC(5) if dialect.name == "postgresql" else String()


class Own(UserDefinedType):
    def __init__(self, ddl):
        self.ddl = ddl

    def get_col_spec(self, **_):
        return self.ddl


class Compiled(UserDefinedType):
    pass


@compiles(Compiled, "postgresql")
def _compiled(type_, compiler, **_):
    return "halfvec(7)"


@pytest.mark.parametrize(
    ("type_", "expected"),
    [
        (VECTOR(3), "vector(3)"),
        (VECTOR(), "vector"),
        (pgvector_types.HALFVEC(4), "halfvec(4)"),
        (SPARSEVEC(9), "sparsevec(9)"),
        (BIT(8), "bit(8)"),
        (pgvector_types.BIT(8), "bit(8)"),
        (postgresql.BIT(8), "bit(8)"),
        (Decorated(), "vector(3)"),
        (Twice(), "vector(3)"),
        (ByDialect(), "halfvec(5)"),
        (VECTOR(3).with_variant(JSON(), "sqlite"), "vector(3)"),
        (JSON().with_variant(VECTOR(3), "postgresql"), "vector(3)"),
        (JSON().with_variant(Decorated(), "postgresql"), "vector(3)"),
        (Own("vector(12)"), "vector(12)"),
        (Own("VECTOR"), "vector"),
        (Own(' "my tools".halfvec ( 12 )'), "halfvec(12)"),
        (Own("ext.sparsevec(30)"), "sparsevec(30)"),
        (Compiled(), "halfvec(7)"),
    ],
)
def test_the_vector_type_behind_a_column_type_is_found(type_, expected):
    form = vector_form(type_)
    assert str(form) == expected
    assert (storage_of(type_), dimensions_of(type_)) == form
    assert vector_form(type_) == form


@pytest.mark.parametrize(
    "type_",
    [
        Integer(),
        String(3),
        NullType(),
        JSON(),
        Own("tsvector"),
        Own("vector(3)[]"),
        Own("tvector(3)"),
        UserDefinedType(),
        VECTOR(3).with_variant(JSON(), "postgresql"),
    ],
)
def test_other_types_hold_no_vectors(type_):
    assert vector_form(type_) is None
    assert (storage_of(type_), dimensions_of(type_)) == (None, None)


def test_decorators_make_the_value_that_is_sent_from_the_outermost_on():
    assert plain_value(Twice(), [1, 2]) == [2, 4, 0]
    assert plain_value(VECTOR(3), [1, 2, 3]) == [1, 2, 3]
