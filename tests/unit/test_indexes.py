import pytest
from pgvector import sqlalchemy as pgvector_types
from sqlalchemy import Column, Index, Integer, MetaData, Table, Text, cast, func
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex

from sqlalchemy_vecsearch import (
    HNSW,
    DeclarationError,
    IVFFlat,
    Metric,
    Storage,
    Subvector,
    VectorIndex,
    describe_index,
    vector_index,
)
from sqlalchemy_vecsearch.types import BIT, HALFVEC, SPARSEVEC, VECTOR


def items():
    return Table(
        "items",
        MetaData(),
        Column("id", Integer, primary_key=True),
        Column("lang", Text),
        Column("v", VECTOR(8)),
        Column("h", HALFVEC(8)),
        Column("s", SPARSEVEC(8)),
        Column("b", BIT(8)),
        Column("p", pgvector_types.VECTOR(8)),
        Column("undimensioned", VECTOR()),
    )


CASES = [
    ("v", "cosine", HNSW(m=8, ef_construction=32), None),
    ("v", "l1", HNSW(), None),
    ("v", "l2", IVFFlat(lists=7), None),
    ("v", "inner_product", HNSW(), "halfvec"),
    ("v", "cosine", HNSW(), Subvector(2, 4)),
    ("h", "l2", IVFFlat(), None),
    ("h", "cosine", HNSW(), Subvector(1, 4)),
    ("s", "cosine", HNSW(), None),
    ("b", "hamming", IVFFlat(lists=3), None),
    ("b", "jaccard", HNSW(), None),
    ("p", "cosine", HNSW(), None),
]


@pytest.mark.parametrize(("column", "metric", "method", "quantize"), CASES)
def test_describing_an_index_gives_what_was_declared(column, metric, method, quantize):
    table = items()
    index = vector_index("ix", table.c[column], metric=metric, method=method, quantize=quantize)
    assert type(index) is Index
    found = describe_index(index)
    assert found == VectorIndex(
        name="ix", column=table.c[column], storage=found.storage, metric=Metric.of(metric), method=method, quantize=quantize
    )  # fmt: skip


def test_a_binary_index_answers_no_metric_of_its_own():
    index = vector_index("ix", items().c.v, metric="cosine", quantize="binary")
    found = describe_index(index)
    assert (found.metric, found.quantize, found.storage) == (None, "binary", Storage.VECTOR)


def test_a_partial_index_keeps_its_predicate():
    table = items()
    index = vector_index("ix", table.c.v, metric="l2", where=table.c.lang == "en")
    assert str(CreateIndex(index).compile(dialect=postgresql.dialect())) == (
        "CREATE INDEX ix ON items USING hnsw (v vector_l2_ops) WHERE lang = 'en'"
    )
    assert str(describe_index(index).where) == "items.lang = :lang_1"


def test_hand_written_indexes_are_described_too():
    table = items()
    Index(
        "cosine",
        table.c.p,
        postgresql_using="hnsw",
        postgresql_with={"m": "8"},
        postgresql_ops={"p": "vector_cosine_ops"},
    )
    Index(
        "half",
        cast(table.c.v, pgvector_types.HALFVEC(8)).label("x"),
        postgresql_using="hnsw",
        postgresql_ops={"x": "ext.halfvec_l2_ops"},
    )
    Index("default", table.c.v, postgresql_using="ivfflat")
    found = {index.name: describe_index(index) for index in table.indexes}
    assert (found["cosine"].metric, found["cosine"].method) == (Metric.COSINE, HNSW(m=8, ef_construction=None))
    assert (found["half"].metric, found["half"].quantize) == (Metric.L2, "halfvec")
    assert (found["default"].metric, found["default"].method) == (Metric.L2, IVFFlat())


def test_an_index_is_known_by_what_it_holds_and_not_by_its_name():
    table = items()
    misleading = vector_index("ix_l2_ivfflat_halfvec_b", table.c.v, metric="cosine", method=HNSW())
    found = describe_index(misleading)
    assert (found.metric, found.method, found.quantize, found.column) == (Metric.COSINE, HNSW(), None, table.c.v)
    assert describe_index(Index("ix_v_hnsw_cosine", table.c.lang)) is None


def test_other_indexes_are_not_described():
    table = items()
    Index("btree", table.c.lang)
    Index("two", table.c.id, table.c.lang)
    Index("expression", func.lower(table.c.lang))
    Index("without", table.c.v, postgresql_using="hnsw")
    Index(
        "unknown",
        func.l2_normalize(table.c.v).label("n"),
        postgresql_using="hnsw",
        postgresql_ops={"n": "vector_l2_ops"},
    )
    assert {describe_index(index) for index in table.indexes} == {None}


def test_an_unknown_parameter_is_named():
    table = items()
    index = Index(
        "ix", table.c.v, postgresql_using="hnsw", postgresql_with={"efc": 3}, postgresql_ops={"v": "vector_l2_ops"}
    )
    with pytest.raises(DeclarationError) as caught:
        describe_index(index)
    assert str(caught.value) == (
        "The index method 'hnsw' has no parameter 'efc'. PostgreSQL would refuse the index: pgvector knows m and "
        "ef_construction for it. Take 'efc' out of postgresql_with, or correct its name."
    )


def test_a_column_without_vectors_is_refused():
    with pytest.raises(DeclarationError) as caught:
        vector_index("ix", items().c.lang, metric="l2")
    assert str(caught.value) == (
        "The column 'lang' of type Text() can not have a vector index. hnsw and ivfflat index the types vector, "
        "halfvec, sparsevec and bit only. Declare the column with embedding_column(), or with VECTOR(dimensions)."
    )


def test_a_column_without_dimensions_is_refused():
    with pytest.raises(DeclarationError) as caught:
        vector_index("ix", items().c.undimensioned, metric="l2")
    assert str(caught.value) == (
        "A column without dimensions can not be indexed. pgvector builds hnsw indexes only over vectors of one known "
        "length. Declare the dimensions of the column, or index a part of the rows by cast(column, VECTOR(384))."
    )


def test_what_is_no_column_is_refused():
    with pytest.raises(DeclarationError) as caught:
        vector_index("ix", "v", metric="l2")
    assert str(caught.value) == (
        "'v' is no column of a table. A vector index and a search need the column that holds the vectors. "
        "Pass a mapped attribute such as Document.embedding, or a Column."
    )
