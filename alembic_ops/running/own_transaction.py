"""A transaction of its own on a connection that is in autocommit mode."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

__all__ = ["own_transaction"]


@contextmanager
def own_transaction(connection: Connection) -> Iterator[None]:
    """Begin a transaction and commit it at the end of a block, or roll it back where the block raises."""
    connection.exec_driver_sql("BEGIN")
    try:
        yield
    except BaseException:
        if not connection.invalidated:
            connection.exec_driver_sql("ROLLBACK")
        raise
    connection.exec_driver_sql("COMMIT")
