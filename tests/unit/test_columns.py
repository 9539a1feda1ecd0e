from typing import Annotated

import pytest
from sqlalchemy import Column, ForeignKey, Integer, MetaData, Table, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import SAWarning
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    MappedAsDataclass,
    configure_mappers,
    declared_attr,
    mapped_column,
)
from sqlalchemy.schema import CreateIndex
from sqlmodel import Field, SQLModel

from sqlalchemy_vecsearch import (
    HNSW,
    VECTOR,
    DeclarationError,
    Embedding,
    EmbeddingMixin,
    IVFFlat,
    Metric,
    MetricError,
    Subvector,
    declaration_of,
    embedding_column,
    vector_index,
)


def ddl(table):
    dialect = postgresql.dialect()
    return sorted(str(CreateIndex(index).compile(dialect=dialect)) for index in table.indexes)


def new_base(**arguments):
    class Base(DeclarativeBase):
        metadata = MetaData(**arguments)

    return Base


PLAIN = "CREATE INDEX ix_document_embedding ON document USING hnsw (embedding vector_cosine_ops) WITH (m = 24)"


def document(base, **arguments):
    class Document(base):
        __tablename__ = "document"
        id: Mapped[int] = mapped_column(primary_key=True)
        embedding: Mapped[list[float] | None] = embedding_column(
            3, metric="cosine", index=HNSW(m=24, **arguments.pop("method", {})), **arguments
        )

    return Document


def test_a_declared_column_has_its_type_its_nullability_and_its_index():
    model = document(new_base())
    column = model.__table__.c.embedding
    assert isinstance(column.type, VECTOR)
    assert column.type.dim == 3
    assert column.nullable
    assert ddl(model.__table__) == [PLAIN]
    assert declaration_of(column) == Embedding(3, metric="cosine", index=HNSW(m=24))


def test_the_annotation_decides_whether_null_is_allowed():
    class Document(new_base()):
        __tablename__ = "document"
        id: Mapped[int] = mapped_column(primary_key=True)
        embedding: Mapped[list[float]] = embedding_column(3, metric="l2")

    assert not Document.__table__.c.embedding.nullable
    assert ddl(Document.__table__) == []


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (
            {"quantize": "halfvec", "metric": "l2"},
            "CREATE INDEX ix_document_embedding_halfvec ON document USING hnsw (CAST(embedding AS HALFVEC(3)) halfvec_l2_ops)",
        ),
        (
            {"quantize": "binary", "metric": "cosine"},
            "CREATE INDEX ix_document_embedding_binary ON document USING hnsw (CAST(binary_quantize(embedding) AS BIT(3)) bit_hamming_ops)",
        ),
        (
            {"quantize": Subvector(1, 2), "metric": "cosine"},
            "CREATE INDEX ix_document_embedding_subvector_1_2 ON document USING hnsw (CAST(subvector(embedding, 1, 2) AS VECTOR(2)) vector_cosine_ops)",
        ),
        (
            {"storage": "halfvec", "metric": "inner_product"},
            "CREATE INDEX ix_document_embedding ON document USING hnsw (embedding halfvec_ip_ops)",
        ),
        (
            {"storage": "sparsevec", "metric": "l1"},
            "CREATE INDEX ix_document_embedding ON document USING hnsw (embedding sparsevec_l1_ops)",
        ),
        (
            {"storage": "bit", "metric": "jaccard"},
            "CREATE INDEX ix_document_embedding ON document USING hnsw (embedding bit_jaccard_ops)",
        ),
    ],
)
def test_each_storage_and_quantisation_has_its_index(arguments, expected):
    table = Table(
        "document",
        MetaData(),
        Column("id", Integer, primary_key=True),
        embedding_column(3, index=HNSW(), name="embedding", **arguments).column,
    )
    assert ddl(table) == [expected]


def test_an_index_survives_a_subclass_with_its_own_table_args():
    class Mixin:
        embedding: Mapped[list[float] | None] = embedding_column(3, metric="cosine", index=HNSW(m=24))

    class Document(Mixin, new_base()):
        __tablename__ = "document"
        __table_args__ = ({"comment": "mine"},)
        id: Mapped[int] = mapped_column(primary_key=True)

    assert ddl(Document.__table__) == [PLAIN]
    assert Document.__table__.comment == "mine"


def test_an_index_survives_an_abstract_base_and_is_made_for_each_table():
    class Searchable(new_base()):
        __abstract__ = True
        id: Mapped[int] = mapped_column(primary_key=True)
        embedding: Mapped[list[float] | None] = embedding_column(3, metric="cosine", index=HNSW(m=24))

    class Document(Searchable):
        __tablename__ = "document"

    class Note(Searchable):
        __tablename__ = "note"

    assert ddl(Document.__table__) == [PLAIN]
    assert ddl(Note.__table__) == [PLAIN.replace("document", "note")]


def test_an_index_survives_joined_inheritance_on_the_table_of_its_class():
    class Thing(new_base()):
        __tablename__ = "thing"
        id: Mapped[int] = mapped_column(primary_key=True)
        kind: Mapped[str]
        __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "thing"}  # noqa: RUF012

    class Document(Thing):
        __tablename__ = "document"
        id: Mapped[int] = mapped_column(ForeignKey("thing.id"), primary_key=True)
        embedding: Mapped[list[float] | None] = embedding_column(3, metric="cosine", index=HNSW(m=24))
        __mapper_args__ = {"polymorphic_identity": "document"}  # noqa: RUF012

    assert ddl(Document.__table__) == [PLAIN]
    assert ddl(Thing.__table__) == []


def test_an_index_survives_single_table_inheritance_on_the_shared_table():
    class Thing(new_base()):
        __tablename__ = "document"
        id: Mapped[int] = mapped_column(primary_key=True)
        kind: Mapped[str]
        __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "thing"}  # noqa: RUF012

    class Document(Thing):
        embedding: Mapped[list[float] | None] = embedding_column(3, metric="cosine", index=HNSW(m=24))
        __mapper_args__ = {"polymorphic_identity": "document"}  # noqa: RUF012

    assert Document.__table__ is Thing.__table__
    assert ddl(Thing.__table__) == [PLAIN]


def test_a_mixin_is_not_repeated_on_the_tables_of_joined_subclasses():
    class Thing(EmbeddingMixin, new_base()):
        __tablename__ = "document"
        __embedding__ = Embedding(3, metric="cosine", index=HNSW(m=24))
        id: Mapped[int] = mapped_column(primary_key=True)

    class Special(Thing):
        __tablename__ = "special"
        id: Mapped[int] = mapped_column(ForeignKey("document.id"), primary_key=True)

    configure_mappers()
    assert ddl(Thing.__table__) == [PLAIN]
    assert "embedding" not in Special.__table__.c


def test_an_index_survives_dataclass_mapping_and_the_column_is_a_field():
    class Base(MappedAsDataclass, DeclarativeBase):
        pass

    class Document(Base):
        __tablename__ = "document"
        id: Mapped[int] = mapped_column(init=False, primary_key=True)
        embedding: Mapped[list[float] | None] = embedding_column(
            3, metric="cosine", index=HNSW(m=24), default=None, repr=False
        )

    assert ddl(Document.__table__) == [PLAIN]
    assert Document(embedding=[1.0, 2.0, 3.0]).embedding == [1.0, 2.0, 3.0]
    assert repr(Document()).endswith("Document(id=None)")


def test_an_index_survives_sqlmodel():
    class Document(SQLModel, table=True):
        __tablename__ = "document"
        id: int | None = Field(default=None, primary_key=True)
        embedding: list[float] | None = Field(
            default=None, sa_column=embedding_column(3, metric="cosine", index=HNSW(m=24)).column
        )

    try:
        assert ddl(Document.__table__) == [PLAIN]
    finally:
        SQLModel.metadata.remove(Document.__table__)


def test_an_index_survives_annotated_types():
    vector = Annotated[list[float], embedding_column(3, metric="cosine", index=HNSW(m=24))]

    class Document(new_base()):
        __tablename__ = "document"
        id: Mapped[int] = mapped_column(primary_key=True)
        embedding: Mapped[vector]

    assert ddl(Document.__table__) == [PLAIN]


def test_to_metadata_copies_the_index_once():
    copy = document(new_base()).__table__.to_metadata(MetaData())
    assert ddl(copy) == [PLAIN]
    again = copy.to_metadata(MetaData(), name="note")
    assert len(again.indexes) == 1


def test_to_metadata_copies_an_expression_index_with_its_operator_class():
    model = document(new_base(), quantize="halfvec")
    assert ddl(model.__table__.to_metadata(MetaData())) == [
        "CREATE INDEX ix_document_embedding_halfvec ON document USING hnsw (CAST(embedding AS HALFVEC(3)) halfvec_cosine_ops) WITH (m = 24)"
    ]


def test_a_naming_convention_names_plain_and_expression_indexes():
    base = new_base(naming_convention={"ix": "%(table_name)s__%(column_0_N_name)s__idx"})

    class Document(base):
        __tablename__ = "document"
        id: Mapped[int] = mapped_column(primary_key=True)
        plain: Mapped[list[float] | None] = embedding_column(3, metric="cosine", index=HNSW())
        small: Mapped[list[float] | None] = embedding_column(3, metric="l2", index=HNSW(), quantize="halfvec")

    assert sorted(index.name for index in Document.__table__.indexes) == [
        "document__plain__idx",
        "document__small__idx_halfvec",
    ]


def test_a_naming_convention_with_its_own_token_names_indexes():
    base = new_base(
        naming_convention={"tag": lambda constraint, table: f"{table.name}-tag", "ix": "%(tag)s_%(column_0_name)s"}
    )
    assert [index.name for index in document(base).__table__.indexes] == ["document-tag_embedding"]


def test_names_are_kept_to_63_bytes():
    name = "d" * 60
    table = Table(
        name,
        MetaData(),
        Column("id", Integer, primary_key=True),
        embedding_column(3, metric="l2", index=HNSW(), name="embedding").column,
    )
    (index,) = table.indexes
    assert len(index.name.encode()) == 63


def test_two_embeddings_and_two_metrics_live_on_one_table():
    class Document(new_base()):
        __tablename__ = "document"
        id: Mapped[int] = mapped_column(primary_key=True)
        title: Mapped[list[float] | None] = embedding_column(3, metric="cosine", index=HNSW())
        body: Mapped[list[float] | None] = embedding_column(4, metric="l2", index=IVFFlat(lists=10))
        __table_args__ = (vector_index("ix_document_body_l1", body, metric="l1"),)

    assert ddl(Document.__table__) == [
        "CREATE INDEX ix_document_body ON document USING ivfflat (body vector_l2_ops) WITH (lists = 10)",
        "CREATE INDEX ix_document_body_l1 ON document USING hnsw (body vector_l1_ops)",
        "CREATE INDEX ix_document_title ON document USING hnsw (title vector_cosine_ops)",
    ]


def test_an_attribute_with_another_column_name_keeps_the_operator_class():
    class Document(new_base()):
        __tablename__ = "document"
        id: Mapped[int] = mapped_column(primary_key=True)
        vector: Mapped[list[float] | None] = embedding_column(3, metric="cosine", index=HNSW(), name="emb")

    assert ddl(Document.__table__) == ["CREATE INDEX ix_document_emb ON document USING hnsw (emb vector_cosine_ops)"]


def test_a_mixin_reads_its_declaration_from_the_class():
    class Note(EmbeddingMixin, new_base()):
        __tablename__ = "note"
        __embedding__ = Embedding(8, metric="cosine", index=HNSW(), quantize="halfvec", model="wordllama-256")
        id: Mapped[int] = mapped_column(primary_key=True)

    assert declaration_of(Note.__table__.c.embedding).model == "wordllama-256"
    assert Note.__table__.c.embedding.nullable
    assert ddl(Note.__table__) == [
        "CREATE INDEX ix_note_embedding_halfvec ON note USING hnsw (CAST(embedding AS HALFVEC(8)) halfvec_cosine_ops)"
    ]


def test_a_mixin_without_a_declaration_says_what_to_add():
    with pytest.raises(DeclarationError) as caught:

        class Note(EmbeddingMixin, new_base()):
            __tablename__ = "note"
            id: Mapped[int] = mapped_column(primary_key=True)

    assert str(caught.value) == (
        "The class 'Note' has no __embedding__. Its mixin builds the columns from that Embedding. "
        'Add __embedding__ = Embedding(384, metric="cosine", index=HNSW()) to the class.'
    )


def test_a_declared_attr_column_keeps_its_index():
    class Mixin:
        @declared_attr
        def embedding(cls) -> Mapped[list[float] | None]:  # noqa: N805
            return embedding_column(3, metric="cosine", index=HNSW(m=24))

    class Document(Mixin, new_base()):
        __tablename__ = "document"
        id: Mapped[int] = mapped_column(primary_key=True)

    assert ddl(Document.__table__) == [PLAIN]


def test_a_deferred_embedding_is_left_out_of_entity_loads():
    class Document(new_base()):
        __tablename__ = "document"
        id: Mapped[int] = mapped_column(primary_key=True)
        embedding: Mapped[list[float] | None] = embedding_column(3, metric="cosine", load="deferred")

    assert str(select(Document)) == "SELECT document.id \nFROM document"


def test_info_of_the_caller_is_kept_beside_the_declaration():
    column = embedding_column(3, metric="l2", info={"mine": 1}).column
    assert column.info["mine"] == 1
    assert declaration_of(column).metric is Metric.L2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"dimensions": 2001, "index": HNSW()},
            "An index over vector(2001) can not be built. pgvector indexes at most 2,000 dimensions of vector. "
            'Write quantize="halfvec", which covers 4,000 dimensions.',
        ),
        (
            {"dimensions": 4001, "index": HNSW(), "storage": "halfvec"},
            "An index over halfvec(4001) can not be built. pgvector indexes at most 4,000 dimensions of halfvec. "
            'Write quantize="binary", which covers 64,000 dimensions, or index a Subvector.',
        ),
        (
            {"dimensions": 64_001, "index": HNSW(), "storage": "bit", "metric": "hamming"},
            "An index over bit(64001) can not be built. pgvector indexes at most 64,000 dimensions of bit. "
            "Store shorter vectors, or leave the index out.",
        ),
        (
            {"dimensions": 0},
            "An embedding can not have 0 dimensions. A vector column holds 1 to 16,000 of them. "
            "Write the length of the vectors that your model returns.",
        ),
        (
            {"dimensions": 3, "metric": "hamming"},
            "The metric 'hamming' is not offered for the storage 'vector'. pgvector compares vector values by 'l2', "
            "'inner_product', 'cosine', 'l1' only. Choose one of these metrics, or another storage.",
        ),
        (
            {"dimensions": 3, "metric": "l1", "index": IVFFlat()},
            "The method 'ivfflat' has no operator class for vector and the metric 'l1'. pgvector offers that pair for "
            "HNSW only. Declare index=HNSW(), or another metric.",
        ),
        (
            {"dimensions": 3, "storage": "sparsevec", "index": IVFFlat()},
            "The method 'ivfflat' has no operator class for sparsevec and the metric 'l2'. pgvector offers that pair "
            "for HNSW only. Declare index=HNSW(), or another metric.",
        ),
        (
            {"dimensions": 3, "index": "hnsw"},
            "index='hnsw' is no index method. An embedding column is indexed by hnsw or by ivfflat. "
            "Write index=HNSW(), index=IVFFlat(lists=200), or leave it out.",
        ),
        (
            {"dimensions": 3, "quantize": "halfvec"},
            "quantize='halfvec' has nothing to act on. It says what the index holds, and this column has no index. "
            "Add index=HNSW(), or leave quantize out.",
        ),
        (
            {"dimensions": 3, "quantize": "int8", "index": HNSW()},
            "There is no quantisation 'int8'. An index can hold the vectors as 'halfvec', as 'binary', or a part of "
            "them as Subvector(start, length). Write one of these, or leave quantize out.",
        ),
        (
            {"dimensions": 3, "quantize": Subvector(2, 3), "index": HNSW()},
            "Subvector(2, 3) ends after the 3 dimensions of the column. A part of a vector must lie within it. "
            "Keep start + length - 1 at 3 or below.",
        ),
        (
            {"dimensions": 3, "storage": "halfvec", "quantize": "halfvec", "index": HNSW()},
            "A halfvec column can not be quantised as 'halfvec'. pgvector quantises vector columns this way, and no "
            "others. Leave quantize out, or choose another storage.",
        ),
        (
            {"dimensions": 3, "returns": "torch"},
            "returns='torch' is not offered for the storage 'vector'. Reads give lists of floats, or with "
            'returns="numpy" float32 arrays for vector and halfvec; sparsevec and bit have one form each. '
            "Leave returns out.",
        ),
        (
            {"dimensions": 3, "load": "lazy"},
            "There is no load='lazy'. An embedding is loaded with its row, or left out of entity loads until it is "
            'asked for. Write load="immediate" or load="deferred".',
        ),
        (
            {"dimensions": 3, "unique": True},
            "An embedding column can not be declared unique=True. PostgreSQL would build a btree over the vectors, "
            "which holds values of at most 2,704 bytes, and no vector index is unique. Leave it out.",
        ),
    ],
)
def test_a_wrong_declaration_fails_at_once_with_the_legal_range(arguments, message):
    with pytest.raises(DeclarationError) as caught:
        embedding_column(**{"metric": "l2", **arguments})
    assert str(caught.value) == message


def test_an_unknown_metric_fails_at_once():
    with pytest.raises(MetricError, match="There is no metric 'dot'"):
        embedding_column(3, metric="dot")


def test_subvector_counts_from_one():
    with pytest.raises(DeclarationError) as caught:
        Subvector(0, 3)
    assert str(caught.value) == (
        "Subvector(0, 3) is no part of a vector. pgvector counts dimensions from 1, and a part has at least one of "
        "them. Write Subvector(1, 256) for the first 256 dimensions."
    )


def test_declaring_raises_no_warning(recwarn):
    document(new_base())
    assert not [warning for warning in recwarn if issubclass(warning.category, SAWarning)]
