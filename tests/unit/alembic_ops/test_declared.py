"""Declared indexes as states, and the rules that they must keep."""

import pytest
from alembic.util import CommandError
from pgvector.sqlalchemy import BIT, HALFVEC, SPARSEVEC, VECTOR
from sqlalchemy import Column, Index, Integer, MetaData, String, Table, cast, desc, func, nullslast, text

from alembic_ops.autogenerate.declared import IndexRuleError, declared_indexes
from alembic_ops.model.index_state import IndexDefinition
from sqlalchemy_vecsearch import HNSW, vector_index


def table_of(*items, metadata=None, **options):
    return Table(
        "items",
        metadata or MetaData(),
        Column("id", Integer, primary_key=True),
        Column("kind", String),
        *items,
        **options,
    )


def embedding(type_=None):
    return Column("embedding", type_ or VECTOR(3))


def hnsw(*expressions, name="ix_e", ops="vector_l2_ops", **options):
    options.setdefault("postgresql_using", "hnsw")
    options.setdefault("postgresql_ops", {"embedding": ops})
    return Index(name, *expressions, **options)


def only(table):
    (one,) = declared_indexes(table, schema=None)
    return one.state


def test_a_plain_index_is_a_state():
    state = only(table_of(embedding(), hnsw("embedding", postgresql_with={"m": "24", "ef_construction": 100})))
    assert (state.name, state.table_name, state.schema) == ("ix_e", "items", None)
    assert state.definition == IndexDefinition(
        method="hnsw",
        operator_class="vector_l2_ops",
        column="embedding",
        parameters=(("ef_construction", 100), ("m", 24)),
    )


def test_an_index_of_ours_is_the_same_state_as_a_plain_one():
    ours = table_of(embedding())
    vector_index("ix_e", ours.c.embedding, metric="l2", method=HNSW(m=24))
    assert only(ours) == only(table_of(embedding(), hnsw("embedding", postgresql_with={"m": 24})))


def test_the_method_may_be_written_in_capitals():
    assert only(table_of(embedding(), hnsw("embedding", postgresql_using="HNSW"))).definition.method == "hnsw"


def test_the_expression_and_the_predicate_are_sql_with_literals():
    table = table_of(embedding())
    hnsw(
        cast(table.c.embedding, HALFVEC(3)).label("half"),
        postgresql_ops={"half": "halfvec_l2_ops"},
        postgresql_where=table.c.kind == "100%",
    )
    definition = only(table).definition
    assert definition.expression == "CAST(embedding AS HALFVEC(3))"
    assert definition.predicate == "kind = '100%'"


def test_an_operator_class_within_a_text_is_taken_out():
    table = table_of(embedding())
    Index("ix_e", text("(embedding::halfvec(3)) halfvec_cosine_ops"), _table=table, postgresql_using="hnsw")
    definition = only(table).definition
    assert (definition.expression, definition.operator_class) == ("(embedding::halfvec(3))", "halfvec_cosine_ops")


def test_ivfflat_has_a_default_operator_class():
    assert (
        only(
            table_of(embedding(), hnsw("embedding", postgresql_using="ivfflat", postgresql_ops={}))
        ).definition.operator_class
        == "vector_l2_ops"
    )


def test_a_naming_convention_gives_the_name():
    metadata = MetaData(naming_convention={"ix": "ix_%(table_name)s_%(column_0_name)s"})
    assert only(table_of(embedding(), hnsw("embedding", name=None), metadata=metadata)).name == "ix_items_embedding"


def test_a_quoted_name_is_kept_as_it_is():
    assert only(table_of(embedding(), hnsw("embedding", name='Ix "E"'))).name == 'Ix "E"'


def test_other_indexes_are_not_ours():
    assert declared_indexes(table_of(embedding(), Index("ix_kind", "kind")), schema=None) == []


def broken(*items):
    with pytest.raises(IndexRuleError) as caught:
        declared_indexes(table_of(*items), schema=None)
    assert isinstance(caught.value, CommandError)
    assert (caught.value.table, caught.value.index) == ("items", "ix_e")
    return str(caught.value)


def test_a_misspelt_key_of_postgresql_ops_is_an_error():
    message = broken(
        embedding(), hnsw("embedding", postgresql_using="ivfflat", postgresql_ops={"embeding": "vector_cosine_ops"})
    )
    assert message == (
        "The index 'ix_e' of the table 'items' has an operator class for 'embeding', which it does not index. "
        "SQLAlchemy leaves out an operator class whose key is neither a column key nor a label of the index, "
        "and the index would be built for another metric or not at all. "
        "Correct the key of postgresql_ops to 'embedding'."
    )


def test_index_true_on_a_vector_column_is_an_error():
    assert broken(embedding(), Index("ix_e", "embedding")) == (
        "The index 'ix_e' of the table 'items' is a btree on the vector column 'embedding'. "
        "A btree serves no search by distance, and breaks at the first vector longer than a third of a page. "
        "Take index=True out and declare a vector index, or give the index postgresql_using='hnsw' and an operator class."
    )


def test_an_unlabelled_expression_without_operator_class_is_an_error():
    table = table_of(embedding())
    Index("ix_e", cast(table.c.embedding, HALFVEC(3)), postgresql_using="hnsw")
    with pytest.raises(
        IndexRuleError, match=r"has no operator class\. pgvector has no default operator class for hnsw"
    ):
        declared_indexes(table, schema=None)


@pytest.mark.parametrize(
    ("items", "what"),
    [
        ([embedding(HALFVEC(3)), hnsw("embedding")], "has the operator class 'vector_l2_ops' on a halfvec"),
        ([embedding(), hnsw("embedding", ops="bit_hamming_ops")], "has the operator class 'bit_hamming_ops' on a vector"),
        ([embedding(SPARSEVEC(3)), hnsw("embedding", ops="sparsevec_l2_ops", postgresql_using="ivfflat")], "has the operator class 'sparsevec_l2_ops' with ivfflat"),
        ([embedding(), hnsw("embedding", ops="vector_l1_ops", postgresql_using="ivfflat")], "has the operator class 'vector_l1_ops' with ivfflat"),
        ([embedding(VECTOR(2001)), hnsw("embedding")], "is on 2001 dimensions"),
        ([embedding(HALFVEC(4001)), hnsw("embedding", ops="halfvec_l2_ops")], "is on 4001 dimensions"),
        ([embedding(BIT(64_001)), hnsw("embedding", ops="bit_hamming_ops")], "is on 64001 dimensions"),
        ([embedding(VECTOR()), hnsw("embedding")], "is on a vector without dimensions"),
        ([embedding(), hnsw("embedding", postgresql_with={"efc": 64})], "has parameters that pgvector refuses. The index method 'hnsw' has no parameter 'efc'"),
        ([embedding(), hnsw("embedding", postgresql_with={"m": 200})], "has parameters that pgvector refuses. HNSW(m=200) is out of range"),
        ([embedding(), hnsw("embedding", postgresql_with={"m": 40, "ef_construction": 64})], "has parameters that pgvector refuses. HNSW(m=40, ef_construction=64) cannot be built"),
        ([embedding(), hnsw("embedding", postgresql_with={"lists": 10})], "has parameters that pgvector refuses. The index method 'hnsw' has no parameter 'lists'"),
        ([embedding(), hnsw("embedding", unique=True)], "is unique"),
        ([embedding(), hnsw("embedding", postgresql_include=["kind"])], "includes columns"),
        ([embedding(), hnsw("embedding", "kind")], "has several columns"),
        ([embedding(), hnsw(desc("embedding"))], "has an ordering"),
        ([embedding(), hnsw(nullslast("embedding"))], "has an ordering"),
        ([embedding(), hnsw("embedding", postgresql_ops={})], "has no operator class"),
        ([embedding(), Index("ix_e", "kind", "embedding")], "is a btree on the vector column 'embedding'"),
    ],
)  # fmt: skip
def test_a_rule_that_is_broken_names_the_table_and_the_index(items, what):
    assert broken(*items).startswith(f"The index 'ix_e' of the table 'items' {what}. ")


@pytest.mark.parametrize("value", [24, "24", 24.0, "24.0"])
def test_a_whole_number_is_taken_in_each_of_its_forms(value):
    state = only(table_of(embedding(), hnsw("embedding", postgresql_with={"m": value})))
    assert state.definition.parameters == (("m", 24),)


@pytest.mark.parametrize("value", [24.5, "many", True, None, float("inf")])
def test_what_is_no_whole_number_is_an_error(value):
    with pytest.raises(IndexRuleError) as error:
        only(table_of(embedding(), hnsw("embedding", postgresql_with={"m": value})))
    assert str(error.value) == (
        f"The index 'ix_e' of the table 'items' has parameters that pgvector refuses. HNSW(m={value!r}) is not a whole number. "
        "pgvector takes m as an integer. Correct 'm' in postgresql_with, or take it out for the server's default."
    )


def test_a_name_over_63_bytes_is_an_error():
    with pytest.raises(
        IndexRuleError,
        match=r"has a name of 64 bytes\. PostgreSQL cuts names at 63 bytes without an error\. Choose a shorter name\.",
    ):
        declared_indexes(table_of(embedding(), hnsw("embedding", name="é" * 32)), schema=None)


def test_a_convention_that_builds_no_name_from_a_text_is_an_error():
    table = table_of(embedding())
    Index(None, text("(embedding::halfvec(3)) halfvec_l2_ops"), _table=table, postgresql_using="hnsw")
    with pytest.raises(IndexRuleError, match="has no name of its own"):
        declared_indexes(table, schema=None)


def test_a_binary_expression_is_checked_by_its_cast():
    table = table_of(embedding())
    hnsw(
        cast(func.binary_quantize(table.c.embedding), BIT(3)).label("bits"), postgresql_ops={"bits": "bit_hamming_ops"}
    )
    assert only(table).definition.operator_class == "bit_hamming_ops"


def test_a_btree_over_bits_is_left_alone():
    assert declared_indexes(table_of(embedding(BIT(3)), Index("ix_e", "embedding")), schema=None) == []


def test_two_indexes_that_get_one_name_are_an_error():
    metadata = MetaData(naming_convention={"ix": "ix_%(table_name)s_%(column_0_name)s"})
    indexes = (hnsw("embedding", name=None), hnsw("embedding", name=None, ops="vector_cosine_ops"))
    with pytest.raises(IndexRuleError) as caught:
        declared_indexes(table_of(embedding(), *indexes, metadata=metadata), schema=None)
    assert str(caught.value) == (
        "The index 'ix_items_embedding' of the table 'items' has the name of another index of that table. "
        "A naming convention that knows only the column gives both one name, and one of them would be lost. "
        "Give each of them a name."
    )
