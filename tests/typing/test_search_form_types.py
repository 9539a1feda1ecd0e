"""What a type checker sees of the search forms: run by mypy --strict and pyright, and by pytest for its effects."""

from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import timedelta
from typing import Any, assert_type

from sqlalchemy import ColumnElement, Row, Select, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from sqlalchemy_vecsearch import (
    HNSW,
    FullText,
    FullTextMixin,
    boosted,
    count_within,
    dense,
    diversify,
    embedding_column,
    fulltext,
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
    trigram,
)


class Base(DeclarativeBase):
    pass


class Document(FullTextMixin, Base):
    __tablename__ = "document"
    __fulltext__ = FullText("lang", language="english")

    id: Mapped[int] = mapped_column(primary_key=True)
    lang: Mapped[str]
    embedding: Mapped[list[float] | None] = embedding_column(3, metric="cosine", index=HNSW())


QUERY = [1.0, 2.0, 3.0]
COLUMN = Document.embedding


def test_forms_over_an_entity_return_the_entity_and_a_float() -> None:
    assert_type(nearest_per_group(Document, COLUMN, QUERY, by=Document.lang, k=3), Select[Document, float])
    assert_type(recommend(Document, COLUMN, positive=[1], k=3), Select[Document, float])
    assert_type(page(Document, COLUMN, QUERY, number=1, size=10), Select[Document, float])
    assert_type(nearest_first(Document, COLUMN, QUERY), Select[Document, float])


def test_forms_over_a_select_keep_its_columns() -> None:
    source = select(Document.id, Document.lang)
    assert_type(nearest_per_group(source, COLUMN, QUERY, by=Document.lang, k=3), Select[int, str, float])
    assert_type(recommend(source, COLUMN, positive=[1], k=3), Select[int, str, float])
    assert_type(page(source, COLUMN, QUERY, number=1, size=10), Select[int, str, float])
    assert_type(nearest_first(source, COLUMN, QUERY), Select[int, str, float])
    assert_type(boosted(source, COLUMN, QUERY, boost=Document.id, k=3), Select[int, str, float, float])
    assert_type(nearest_each(source, COLUMN, {"a": QUERY}, k=3), Select[str, int, str, float])


def test_a_batch_returns_its_keys() -> None:
    assert_type(nearest_each(Document, COLUMN, {"a": QUERY}, k=3), Select[str, Document, float])
    questions = select(Document.lang, Document.embedding)
    assert_type(nearest_each(Document, COLUMN, questions, k=3), Select[str, Document, float])


def test_pairs_are_two_entities() -> None:
    assert_type(similar_pairs(Document, COLUMN, within=0.1), Select[Document, Document, float])
    assert_type(similar_pairs(select(Document), COLUMN, within=0.1), Select[Document, Document, float])


def test_scores_follow_the_columns() -> None:
    fresh = recency(Document.id, half_life=timedelta(days=1))
    assert_type(fresh, ColumnElement[float])
    assert_type(boosted(Document, COLUMN, QUERY, boost=Document.id * 0.1, k=3), Select[Document, float, float])
    legs = [dense(COLUMN, QUERY), fulltext(Document.fts, "a walk"), trigram(Document.lang, "en")]
    found = hybrid(Document, legs, k=3)
    assert_type(found, Select[Document, float, *tuple[Any, ...]])
    pair = select(Document.id, Document.lang)
    assert_type(hybrid(pair, legs, k=3), Select[int, str, float, *tuple[Any, ...]])
    three = select(Document, Document.id, Document.lang)
    assert_type(hybrid(three, legs, k=3), Select[Document, int, str, float, *tuple[Any, ...]])
    assert_type(count_within(Document, COLUMN, QUERY, within=0.1), Select[int])
    assert_type(max_sim(Document, COLUMN, [QUERY], by=Document.lang, k=3), Select[Any, float])


def test_diversified_rows_keep_their_type() -> None:
    rows: list[Row[Document, float]] = []
    assert_type(diversify(rows, 3), list[Row[Document, float]])


def sync_pages(session: Session) -> Iterator[Sequence[Row[Document, float]]]:
    return stream(session, nearest_first(Document, COLUMN, QUERY))


def async_pages(session: AsyncSession) -> AsyncIterator[Sequence[Row[Document, float]]]:
    return stream(session, nearest_first(Document, COLUMN, QUERY))
