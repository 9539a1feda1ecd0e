"""The HTTP service: `uvicorn app.main:app`."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated

from fastapi import FastAPI, HTTPException, Query, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from sqlalchemy import delete

from app import search
from app.database import RequestSession, new_engine, sessions_of
from app.models import Article
from sqlalchemy_vecsearch import SearchError, VectorValueError, aembed_query, census

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

__all__ = ["app"]


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
    """Hold the engine for as long as the service runs."""
    engine = new_engine()
    app.state.sessions = sessions_of(engine)
    yield
    await engine.dispose()


app = FastAPI(title="Articles by meaning", lifespan=lifespan)


class NewArticle(BaseModel):
    """An article as it is sent."""

    lang: str = "en"
    title: str
    body: str


class Found(BaseModel):
    """An article of an answer; `distance` is 0 for the same direction and 2 for the opposite one."""

    slug: str
    title: str
    distance: float


class Ranked(BaseModel):
    """An article of a hybrid answer; `words` is its rank by full text, null where no word of it was asked for."""

    slug: str
    title: str
    score: float
    words: int | None


class State(BaseModel):
    """How far the worker is."""

    articles: int
    pending: int


Question = Annotated[str, Query(min_length=1, max_length=1000)]
Count = Annotated[int, Query(ge=1, le=100)]


@app.put("/articles/{slug}", status_code=204)
async def store(slug: str, new: NewArticle, session: RequestSession) -> None:
    """Store an article, or another text of it. The worker embeds it."""
    await session.merge(Article(slug=slug, lang=new.lang, title=new.title, body=new.body))
    await session.commit()


@app.delete("/articles/{slug}", status_code=204)
async def remove(slug: str, session: RequestSession) -> None:
    """Remove an article."""
    await session.execute(delete(Article).where(Article.slug == slug))
    await session.commit()


@app.get("/search")
async def by_meaning(session: RequestSession, q: Question, lang: str | None = None, k: Count = 5) -> list[Found]:
    """Find articles by meaning. The model works before the session takes a connection."""
    question = await aembed_query(Article.embedding, q)
    rows = await session.execute(search.by_meaning(question, lang=lang, k=k))
    return [Found(slug=row.slug, title=row.title, distance=row.distance) for row in rows]


@app.get("/hybrid")
async def by_meaning_and_words(
    session: RequestSession, q: Question, lang: str | None = None, k: Count = 5
) -> list[Ranked]:
    """Find articles by meaning and by words."""
    question = await aembed_query(Article.embedding, q)
    rows = await session.execute(search.by_meaning_and_words(question, q, lang=lang, k=k))
    return [Ranked(slug=row.slug, title=row.title, score=row.score, words=row.fulltext_rank) for row in rows]


@app.get("/articles/{slug}/like")
async def like(slug: str, session: RequestSession, k: Count = 5) -> list[Found]:
    """Find the articles like a stored one."""
    if await session.get(Article, slug) is None:
        raise HTTPException(404, f"There is no article {slug}.")
    rows = await session.execute(search.like(slug, k=k))
    return [Found(slug=row.slug, title=row.title, distance=row.distance) for row in rows]


@app.get("/state")
async def state(session: RequestSession) -> State:
    """Say how many articles wait for the worker."""
    counted = await session.run_sync(lambda inner: census(inner, Article.embedding))
    return State(articles=counted.total, pending=counted.pending)


@app.exception_handler(VectorValueError)
@app.exception_handler(SearchError)
async def unprocessable(_: Request, error: Exception) -> JSONResponse:
    """Answer what can not be searched with 422: its sentences are fit for the client."""
    return JSONResponse(status_code=422, content={"detail": str(error)})
