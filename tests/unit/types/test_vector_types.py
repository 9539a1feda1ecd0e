"""The types as SQLAlchemy handles them: construction, copies, cache keys, SQL."""

from __future__ import annotations

import pickle

import numpy as np
import pgvector.sqlalchemy as stock
import pytest
from pgvector import SparseVector
from sqlalchemy import Column, Integer, MetaData, String, Table, insert, literal, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql.base import ischema_names
from sqlalchemy.schema import CreateTable

from sqlalchemy_vecsearch import types
from sqlalchemy_vecsearch.errors import DeclarationError, DimensionError
from sqlalchemy_vecsearch.types import BIT, HALFVEC, SPARSEVEC, VECTOR, Vector, avg, sum  # noqa: A004

PSYCOPG = postgresql.psycopg.dialect()
PSYCOPG2 = postgresql.psycopg2.dialect()
ASYNCPG = postgresql.asyncpg.dialect()

OTHER = "numpy" if VECTOR.published_class is list else "list"
"""What VECTOR does not return by itself with the installed pgvector-python, and its text therefore names."""

document = Table(
    "document",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("embedding", VECTOR(3, returns="list")),
    Column("arrays", VECTOR(3, returns="numpy")),
    Column("half", HALFVEC(3, returns="list")),
    Column("terms", SPARSEVEC(5)),
    Column("signature", BIT(4)),
)


def sql(statement, dialect=PSYCOPG, **options):
    return " ".join(str(statement.compile(dialect=dialect, **options)).split())


def test_a_type_names_the_class_of_its_results():
    assert {column.name: column.type.python_type for column in document.columns} == {
        "id": int,
        "embedding": list,
        "arrays": np.ndarray,
        "half": list,
        "terms": SparseVector,
        "signature": str,
    }


def test_the_names_are_those_of_pgvector_sqlalchemy():
    assert sorted(types.__all__) == ["BIT", "HALFVEC", "SPARSEVEC", "VECTOR", "Vector", "avg", "sum"]
    assert [name for name in types.__all__ if not hasattr(stock, name)] == []
    assert Vector is VECTOR
    assert (avg, sum) == (stock.avg, stock.sum)


@pytest.mark.parametrize("name", ["VECTOR", "HALFVEC", "SPARSEVEC", "BIT"])
def test_each_type_is_a_subclass_of_pgvectors(name):
    assert issubclass(getattr(types, name), getattr(stock, name))


@pytest.mark.parametrize("kind", [VECTOR, HALFVEC, SPARSEVEC])
def test_reflection_finds_our_types(kind):
    assert ischema_names[kind.__name__.lower()] is kind


@pytest.mark.parametrize(
    ("type_", "text"),
    [
        (VECTOR(), "VECTOR()"),
        (VECTOR(3), "VECTOR(dim=3)"),
        (VECTOR(dim=3, returns=OTHER), f"VECTOR(dim=3, returns='{OTHER}')"),
        (HALFVEC(3), "HALFVEC(dim=3)"),
        (HALFVEC(returns="numpy"), "HALFVEC(returns='numpy')"),
        (SPARSEVEC(3), "SPARSEVEC(dim=3)"),
        (SPARSEVEC(), "SPARSEVEC()"),
        (BIT(3), "BIT(length=3)"),
        (BIT(), "BIT()"),
    ],
)
def test_a_type_prints_as_it_is_written_and_survives_copies(type_, text):
    twins = [eval(text, vars(types).copy()), pickle.loads(pickle.dumps(type_)), type_.copy(), type_.adapt(type(type_))]
    for twin in [type_, *twins]:
        assert repr(twin) == text
        assert type(twin) is type(type_)
        assert twin._static_cache_key == type_._static_cache_key


def test_what_is_returned_is_part_of_the_cache_key():
    assert VECTOR(3)._static_cache_key != VECTOR(3, returns="numpy")._static_cache_key
    assert VECTOR(3)._static_cache_key != VECTOR(4)._static_cache_key
    assert VECTOR(3)._static_cache_key != HALFVEC(3)._static_cache_key


def test_an_unknown_form_of_result_is_refused():
    with pytest.raises(DeclarationError) as caught:
        VECTOR(3, returns="array")
    assert str(caught.value) == (
        "A VECTOR cannot return 'array'. "
        "Vectors are read as 'list', a list of floats, or as 'numpy', a float32 array. "
        "Write returns='list' or returns='numpy'."
    )


def test_a_table_copy_keeps_what_is_returned():
    copy = document.to_metadata(MetaData())
    assert [(copy.c[name].type.returns, copy.c[name].type.python_type) for name in ("embedding", "arrays")] == [
        ("list", list),
        ("numpy", np.ndarray),
    ]


def test_the_ddl_is_pgvectors():
    assert " ".join(str(CreateTable(document).compile(dialect=PSYCOPG)).split()) == (
        "CREATE TABLE document ( id SERIAL NOT NULL, embedding VECTOR(3), arrays VECTOR(3), half HALFVEC(3), "
        "terms SPARSEVEC(5), signature BIT(4), PRIMARY KEY (id) )"
    )


def test_psycopg_parameters_carry_their_type():
    assert sql(insert(document).values(embedding=[1, 2, 3], half=[1, 2, 3])) == (
        "INSERT INTO document (embedding, half) VALUES (%(embedding)s::VECTOR(3), %(half)s::HALFVEC(3)) "
        "RETURNING document.id"
    )
    assert sql(select(document.c.id).order_by(document.c.terms.l2_distance([0] * 5))) == (
        "SELECT document.id FROM document ORDER BY document.terms <-> %(terms_1)s::SPARSEVEC(5)"
    )
    listed = update(document).values(embedding=None).where(document.c.embedding.in_([[1, 2, 3], [4, 5, 6]]))
    assert sql(listed, compile_kwargs={"render_postcompile": True}) == (
        "UPDATE document SET embedding=%(embedding)s::VECTOR(3) "
        "WHERE document.embedding IN (%(embedding_1_1)s::VECTOR(3), %(embedding_1_2)s::VECTOR(3))"
    )


def test_asyncpg_parameters_are_arrays_that_need_no_codec():
    assert sql(select(document.c.id).order_by(document.c.half.cosine_distance([1, 2, 3])), ASYNCPG) == (
        "SELECT document.id FROM document ORDER BY document.half <=> $1::REAL[]::HALFVEC(3)"
    )


def test_drivers_that_send_text_cast_it_too():
    assert sql(select(document.c.id).order_by(document.c.embedding.l1_distance([1, 2, 3])), PSYCOPG2) == (
        "SELECT document.id FROM document ORDER BY document.embedding <+> %(embedding_1)s::VECTOR(3)"
    )


def test_lists_are_selected_as_they_are():
    assert sql(select(document.c.embedding, document.c.terms)) == (
        "SELECT document.embedding, document.terms FROM document"
    )


def test_arrays_are_selected_in_binary_at_the_outermost_level_only():
    inner = select(document.c.arrays).subquery()
    assert sql(select(inner.c.arrays)) == (
        "SELECT pg_catalog.record_send(ROW(anon_1.arrays)) AS arrays FROM (SELECT document.arrays AS arrays FROM document) AS anon_1"
    )
    assert sql(insert(document).returning(document.c.arrays), ASYNCPG, column_keys=["id"]) == (
        "INSERT INTO document (id) VALUES ($1::INTEGER) RETURNING pg_catalog.record_send(ROW(document.arrays)) AS arrays"
    )


def test_other_databases_see_the_plain_column():
    assert sql(select(document.c.arrays), sqlite.dialect()) == "SELECT document.arrays AS arrays FROM document"


@pytest.mark.parametrize(
    ("type_", "value", "text"),
    [
        (VECTOR(3), [0.1, 2, 3], "'[0.1,2.0,3.0]'"),
        (HALFVEC(3), np.array([0.5, 2, 3]), "'[0.5,2.0,3.0]'"),
        (SPARSEVEC(3), [0, 2, 0], "'{2:2}/3'"),
    ],
)
@pytest.mark.parametrize("dialect", [PSYCOPG, PSYCOPG2, ASYNCPG])
def test_a_literal_is_written_as_text(type_, value, text, dialect):
    assert (
        sql(select(literal(value, type_)), dialect, compile_kwargs={"literal_binds": True})
        == f"SELECT {text} AS anon_1"
    )


def test_a_variant_keeps_the_type_for_postgresql():
    column = Column("embedding", VECTOR(3).with_variant(String(), "sqlite"))
    table = Table("document", MetaData(), column)
    assert "embedding VECTOR(3)" in sql(CreateTable(table))
    assert "embedding VARCHAR" in sql(CreateTable(table), sqlite.dialect())
    assert sql(insert(table).values(embedding=[1, 2, 3])) == (
        "INSERT INTO document (embedding) VALUES (%(embedding)s::VECTOR(3))"
    )


@pytest.mark.parametrize("method", ["l2_distance", "max_inner_product", "cosine_distance", "l1_distance"])
@pytest.mark.parametrize("column", ["embedding", "half", "terms"])
def test_the_comparators_of_pgvector_are_kept(method, column):
    expression = getattr(document.c[column], method)([1] * document.c[column].type.dim)
    assert isinstance(expression.type, type(getattr(Column("x", stock.VECTOR(3)), method)([1, 2, 3]).type))


def test_bits_have_their_own_distances():
    for method, operator in (("hamming_distance", "<~>"), ("jaccard_distance", "<%%>")):
        expression = getattr(document.c.signature, method)("0101")
        assert sql(select(expression), PSYCOPG2).startswith(f"SELECT document.signature {operator} %(signature_1)s")


def test_a_statement_becomes_text_without_a_driver():
    statement = select(document.c.signature).where(document.c.embedding.l2_distance([1, 2, 3]) < 1)
    assert " ".join(str(statement).split()) == (
        "SELECT document.signature FROM document WHERE (document.embedding <-> :embedding_1) < :param_1"
    )


def test_literals_become_text_without_a_driver():
    statement = select(literal([1, 2, 3], VECTOR(3)), literal("01", BIT(2)), literal([0, 2, 0, 0, 0], SPARSEVEC(5)))
    assert str(statement.compile(compile_kwargs={"literal_binds": True})) == (
        "SELECT '[1.0,2.0,3.0]' AS anon_1, '01' AS anon_2, '{2:2}/5' AS anon_3"
    )


@pytest.mark.parametrize(
    ("name", "bad"), [("embedding", [1, 2]), ("half", [1, 2]), ("terms", [1, 2]), ("signature", "01")]
)
def test_an_error_names_the_column(name, bad):
    process = document.c[name].type.dialect_impl(PSYCOPG2).bind_processor(PSYCOPG2)
    with pytest.raises(
        DimensionError, match=f"^The vector for '{name}' does not fit: expected [345] dimensions, not 2"
    ):
        process(bad)


def test_a_type_that_serves_two_columns_names_neither():
    shared = VECTOR(3)
    Table("pair", MetaData(), Column("one", shared), Column("other", shared))
    with pytest.raises(DimensionError, match=r"^The vector does not fit: expected 3 dimensions, not 2\. "):
        shared.bind_processor(PSYCOPG2)([1, 2])


def test_a_copied_table_keeps_the_name_for_errors():
    copy = document.to_metadata(MetaData(), name="copy")
    assert copy.c.embedding.type.column_name == document.c.embedding.type.column_name == "embedding"
