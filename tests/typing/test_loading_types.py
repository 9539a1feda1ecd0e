"""What a type checker sees of loading: run by mypy --strict and pyright, and by pytest for its effects."""

import inspect
from collections.abc import Iterator
from typing import Any, assert_type

import numpy as np
import pandas as pd
import polars as pl
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from sqlalchemy_vecsearch import VECTOR, acopy_rows, copy_rows


class Base(DeclarativeBase):
    pass


class Page(Base):
    __tablename__ = "page"
    id: Mapped[int] = mapped_column(primary_key=True)
    embedding: Mapped[list[float]] = mapped_column(VECTOR(3))


def rows() -> Iterator[dict[str, object]]:
    yield {"id": 1, "embedding": [1.0, 2.0, 3.0]}


def told(sent: int, total: int | None) -> None:
    print(sent, total)  # noqa: T201  # any function of two numbers will do


def load(connection: Connection, session: Session) -> None:
    matrix: np.ndarray[Any, np.dtype[np.float32]] = np.ones((2, 3), dtype=np.float32)
    assert_type(copy_rows(connection, Page, rows()), int)
    assert_type(copy_rows(session, Page.__table__, [(1, [1.0, 2.0])], columns=["id", "embedding"]), int)
    assert_type(copy_rows(connection, Page, {"id": range(2), "embedding": matrix}, progress=told), int)
    assert_type(copy_rows(connection, Page, rows(), on_conflict="update", progress=True), int)
    columns = {"id": [1], "embedding": [[1.0, 2.0, 3.0]]}
    assert_type(copy_rows(connection, Page, pd.DataFrame(columns)), int)
    assert_type(copy_rows(connection, Page, pl.DataFrame(columns)), int)


async def load_async(connection: AsyncConnection, session: AsyncSession) -> None:
    assert_type(await acopy_rows(connection, Page, rows(), on_conflict="nothing"), int)
    assert_type(await acopy_rows(session, Page, rows()), int)


def test_both_loaders_take_the_same_arguments() -> None:
    assert list(inspect.signature(copy_rows).parameters) == list(inspect.signature(acopy_rows).parameters)
