"""Rows, and functions that watch their progress, which use the very connection of the load."""

from __future__ import annotations

from contextlib import contextmanager
from threading import get_ident
from typing import TYPE_CHECKING, Any

from sqlalchemy_vecsearch.errors import LoadingError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["refusing_reentry"]


class _HeldLock:
    """The lock of a psycopg connection while a COPY holds it; its owner would wait for itself."""

    def __init__(self, lock: Any, table_name: str) -> None:  # of threading
        self._lock = lock
        self._owner = get_ident()
        self._table_name = table_name

    def __enter__(self) -> None:
        if get_ident() == self._owner:
            raise LoadingError(
                f"The rows of the load into {self._table_name!r}, or its progress function, use its connection. "
                "A COPY has its connection for itself until the last row is sent, so they would wait for ever. "
                "Read what the rows need before the load, with list(...) or all(), or on another connection."
            )
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()


@contextmanager
def refusing_reentry(driver_connection: Any, table_name: str) -> Iterator[None]:  # a psycopg Connection
    """Raise an error in whoever uses the connection from inside of the block, where psycopg would wait for ever.

    Rows on an async connection can not: they are read where SQLAlchemy lets nobody wait, and says so.

    Raises:
        LoadingError: in the rows that do it.
    """
    lock = driver_connection.lock
    driver_connection.lock = _HeldLock(lock, table_name)
    try:
        yield
    finally:
        driver_connection.lock = lock
