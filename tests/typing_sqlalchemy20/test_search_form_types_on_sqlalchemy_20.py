"""The row types of the search forms on SQLAlchemy 2.0, where Select takes a tuple: checked by the version matrix."""

from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import timedelta
from typing import Any, assert_type

from sqlalchemy import ColumnElement, Row, Select, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from sqlalchemy_vecsearch import (
    HNSW,
    boosted,
    count_within,
    dense,
    diversify,
    embedding_column,
    hybrid,
    max_sim,
    nearest_each,
    nearest_first,
    nearest_per_group,
    page,
    recency,
    recommend,
    similar_pairs,
    stream,
)


class Base(DeclarativeBase):
    pass


class Document(Base):
    __tablename__ = "document"
    id: Mapped[int] = mapped_column(primary_key=True)
    lang: Mapped[str]
    embedding: Mapped[list[float] | None] = embedding_column(3, metric="cosine", index=HNSW())


QUERY = [1.0, 2.0, 3.0]
COLUMN = Document.embedding


def test_forms_over_an_entity_return_the_entity_and_a_float() -> None:
    assert_type(nearest_per_group(Document, COLUMN, QUERY, by=Document.lang, k=3), Select[tuple[Document, float]])
    assert_type(recommend(Document, COLUMN, positive=[1], k=3), Select[tuple[Document, float]])
    assert_type(page(Document, COLUMN, QUERY, number=1, size=10), Select[tuple[Document, float]])
    assert_type(nearest_first(Document, COLUMN, QUERY), Select[tuple[Document, float]])


def test_forms_over_a_select_keep_its_columns() -> None:
    source = select(Document.id, Document.lang)
    assert_type(nearest_per_group(source, COLUMN, QUERY, by=Document.lang, k=3), Select[tuple[int, str, float]])
    assert_type(recommend(source, COLUMN, positive=[1], k=3), Select[tuple[int, str, float]])
    assert_type(page(source, COLUMN, QUERY, number=1, size=10), Select[tuple[int, str, float]])
    assert_type(nearest_first(source, COLUMN, QUERY), Select[tuple[int, str, float]])
    assert_type(boosted(source, COLUMN, QUERY, boost=Document.id, k=3), Select[tuple[int, str, float, float]])
    assert_type(nearest_each(source, COLUMN, {"a": QUERY}, k=3), Select[tuple[str, int, str, float]])


def test_a_batch_returns_its_keys() -> None:
    assert_type(nearest_each(Document, COLUMN, {"a": QUERY}, k=3), Select[tuple[str, Document, float]])
    questions = select(Document.lang, Document.embedding)
    assert_type(nearest_each(Document, COLUMN, questions, k=3), Select[tuple[str, Document, float]])


def test_pairs_are_two_entities() -> None:
    assert_type(similar_pairs(Document, COLUMN, within=0.1), Select[tuple[Document, Document, float]])
    assert_type(similar_pairs(select(Document), COLUMN, within=0.1), Select[tuple[Document, Document, float]])


def test_scores_follow_the_columns() -> None:
    fresh = recency(Document.id, half_life=timedelta(days=1))
    assert_type(fresh, ColumnElement[float])
    assert_type(boosted(Document, COLUMN, QUERY, boost=Document.id * 0.1, k=3), Select[tuple[Document, float, float]])
    assert_type(count_within(Document, COLUMN, QUERY, within=0.1), Select[tuple[int]])
    assert_type(max_sim(Document, COLUMN, [QUERY], by=Document.lang, k=3), Select[tuple[Any, float]])


def test_a_hybrid_search_of_a_select_keeps_its_columns() -> None:
    source = select(Document.id, Document.lang)
    assert_type(hybrid(source, [dense(COLUMN, QUERY)], k=3), Select[tuple[int, str, float, *tuple[Any, ...]]])


def test_diversified_rows_keep_their_type() -> None:
    rows: list[Row[tuple[Document, float]]] = []
    assert_type(diversify(rows, 3), list[Row[tuple[Document, float]]])


def sync_pages(session: Session) -> Iterator[Sequence[Row[tuple[Document, float]]]]:
    return stream(session, nearest_first(Document, COLUMN, QUERY))


def async_pages(session: AsyncSession) -> AsyncIterator[Sequence[Row[tuple[Document, float]]]]:
    return stream(session, nearest_first(Document, COLUMN, QUERY))
