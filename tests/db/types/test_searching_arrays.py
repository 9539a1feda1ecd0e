"""Searches over columns that return arrays, on the drivers that send binary."""

from __future__ import annotations

import numpy as np
import pytest
from sqlalchemy import select, union_all
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, aliased, mapped_column

from sqlalchemy_vecsearch import HNSW, acopy_rows, embedding_column, embedding_of, nearest


class Base(DeclarativeBase):
    pass


class Page(Base):
    __tablename__ = "page"
    id: Mapped[int] = mapped_column(primary_key=True)
    lang: Mapped[str]
    embedding: Mapped[np.ndarray] = embedding_column(8, metric="cosine", index=HNSW(), returns="numpy")
    half: Mapped[np.ndarray] = embedding_column(
        8, metric="cosine", index=HNSW(), storage="halfvec", returns="numpy", quantize="binary"
    )


VECTORS = np.random.default_rng(3).standard_normal((50, 8), dtype=np.float32)


@pytest.fixture(params=["psycopg_async", "asyncpg"])
async def session(request, make_engine):
    engine = make_engine(request.param)
    async with AsyncSession(engine) as session:
        await session.run_sync(lambda sync: Base.metadata.create_all(sync.connection()))
        rows = {"id": np.arange(50), "lang": ["en", "de"] * 25, "embedding": VECTORS, "half": VECTORS}
        await acopy_rows(session, Page, rows)
        yield session


async def test_entities_come_with_arrays(session):
    found = (await session.execute(nearest(Page, Page.embedding, VECTORS[7], k=3))).all()
    assert found[0].Page.id == 7
    assert np.array_equal(found[0].Page.embedding, VECTORS[7])


@pytest.mark.usefixtures("vecsearch_server")
async def test_filtered_and_requantised_searches_return_arrays(session):
    english = select(Page).where(Page.lang == "en")
    for column in (Page.embedding, Page.half):
        found = (await session.execute(nearest(english, column, VECTORS[8], k=3))).all()
        assert found[0].Page.id == 8
        assert found[0].Page.half.tolist() == VECTORS[8].astype(np.float16).tolist()


async def test_a_stored_row_and_an_exact_search(session):
    found = (await session.execute(nearest(Page, Page.embedding, embedding_of(Page, 3), k=2, exact=True))).all()
    assert len(found) == 2
    assert isinstance(found[0].Page.embedding, np.ndarray)


async def test_unions_aliases_and_subqueries_return_arrays(session):
    other = aliased(Page)
    branches = union_all(select(Page.embedding).where(Page.id == 1), select(other.embedding).where(other.id == 2))
    both = (await session.scalars(branches)).all()
    assert [row.tolist() for row in both] == VECTORS[1:3].tolist()
    inner = select(Page).where(Page.id == 4).subquery()
    found = await session.scalar(select(inner.c.embedding))
    assert np.array_equal(found, VECTORS[4])
