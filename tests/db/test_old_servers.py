"""What a search does on a server whose pgvector is older than a feature needs."""

from __future__ import annotations

import pytest
from sqlalchemy import insert, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from sqlalchemy_vecsearch import HNSW, UnsupportedServerError, embedding_column, nearest, search_settings

pytestmark = pytest.mark.below_floor


class Base(DeclarativeBase):
    pass


class Document(Base):
    __tablename__ = "document"
    id: Mapped[int] = mapped_column(primary_key=True)
    third: Mapped[int]
    embedding: Mapped[list[float]] = embedding_column(2, metric="cosine", index=HNSW())


@pytest.fixture
def session(engine):
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.execute(insert(Document), [{"id": i, "third": i % 3, "embedding": [1.0, i / 100]} for i in range(200)])
        session.commit()
        yield session


FILTERED = select(Document).where(Document.third == 0)


def test_an_unfiltered_search_needs_no_new_pgvector(session):
    rows = session.execute(nearest(Document, Document.embedding, [1.0, 0.0], k=60)).all()
    assert [document.id for document, _ in rows] == list(range(60))


def test_an_exact_search_with_a_filter_needs_no_new_pgvector(session):
    rows = session.execute(nearest(FILTERED, Document.embedding, [1.0, 0.0], k=60, exact=True)).all()
    assert [document.id for document, _ in rows] == list(range(0, 180, 3))


@pytest.mark.parametrize("k", [10, 60, 1_500])
@pytest.mark.parametrize("share", [1, 3, 100])
def test_a_filtered_search_gives_every_row_whatever_the_version(session, share, k):
    statement = nearest(select(Document).where(Document.id % share == 0), Document.embedding, [1.0, 0.0], k=k)
    assert [document.id for document, _ in session.execute(statement)] == list(range(0, 200, share))[:k]


def test_a_setting_of_iterative_scans_needs_a_pgvector_that_has_them(session, pgvector_version):
    if pgvector_version >= (0, 8):
        with search_settings(session, max_scan_tuples=40_000):
            return
    with pytest.raises(UnsupportedServerError) as raised, search_settings(session, max_scan_tuples=40_000):
        pass
    assert str(raised.value).startswith("The server does not know the setting 'hnsw.max_scan_tuples', which")
    session.rollback()
    rows = session.execute(nearest(Document, Document.embedding, [1.0, 0.0], k=1)).all()
    assert [document.id for document, _ in rows] == [0]
