"""Where the database is, and the sessions of requests."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sqlalchemy.ext.asyncio import AsyncEngine

__all__ = ["RequestSession", "database_url", "new_engine", "session_of", "sessions_of"]


def database_url() -> str:
    """Return the address that the environment variable DATABASE_URL holds; psycopg serves sync and async engines."""
    return os.environ["DATABASE_URL"]


def new_engine() -> AsyncEngine:
    """Return an engine, which belongs to the event loop that is running."""
    return create_async_engine(database_url())


def sessions_of(engine: AsyncEngine) -> async_sessionmaker[AsyncSession]:
    """Return the maker of sessions; what a session has committed stays readable."""
    return async_sessionmaker(engine, expire_on_commit=False)


async def session_of(request: Request) -> AsyncIterator[AsyncSession]:
    """Give a request a session of its own."""
    async with request.app.state.sessions() as session:
        yield session


RequestSession = Annotated[AsyncSession, Depends(session_of)]
