"""What a search does on a server whose pgvector is older than a feature needs."""

from __future__ import annotations

import pytest
from sqlalchemy import insert, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from sqlalchemy_vecsearch import HNSW, UnsupportedServerError, embedding_column, nearest

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


def test_a_filtered_search_gives_every_row_or_says_which_version_it_needs(session, pgvector_version):
    statement = nearest(FILTERED, Document.embedding, [1.0, 0.0], k=60)
    if pgvector_version >= (0, 8):
        assert [document.id for document, _ in session.execute(statement)] == list(range(0, 180, 3))
        return
    with pytest.raises(UnsupportedServerError) as raised:
        session.execute(statement).all()
    assert str(raised.value) == (
        "The server does not know the setting 'hnsw.max_scan_tuples', which this search needs. Its pgvector is older "
        "than 0.8 and has no iterative index scans, without which a filtered search returns fewer rows than it "
        "should. Run ALTER EXTENSION vector UPDATE after upgrading pgvector, or pass exact=True."
    )


def test_the_session_goes_on_after_that_error(session, pgvector_version):
    statement = nearest(FILTERED, Document.embedding, [1.0, 0.0], k=60)
    if pgvector_version < (0, 8):
        with pytest.raises(UnsupportedServerError):
            session.execute(statement).all()
        session.rollback()
    rows = session.execute(nearest(Document, Document.embedding, [1.0, 0.0], k=1)).all()
    assert [document.id for document, _ in rows] == [0]
