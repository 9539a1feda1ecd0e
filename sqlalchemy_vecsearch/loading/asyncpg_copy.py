"""A binary COPY on an asyncpg connection, which encodes built-in types by itself and vectors not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy.util import await_only

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from sqlalchemy_vecsearch.loading.encoding import RowStream
    from sqlalchemy_vecsearch.loading.target import CopyTarget

__all__ = ["STAND_INS", "copy_blocks", "copy_stream"]

STAND_INS: Final = {"vector": "real[]", "halfvec": "real[]", "sparsevec": "text"}
"""The types that rows are staged as, because asyncpg can send them whether or not a codec is registered."""


def copy_stream(driver_connection: Any, target: CopyTarget, stream: RowStream) -> None:  # asyncpg is not typed
    """Write the rows of a stream; an error of a value names its row."""
    await_only(_copy_stream(driver_connection, target, stream))


async def _copy_stream(connection: Any, target: CopyTarget, stream: RowStream) -> None:
    try:
        await connection.copy_records_to_table(
            target.relation,
            schema_name=target.schema,
            records=(tuple(row) for row in stream),
            columns=[column.name for column in target.server],
        )
    except (TypeError, ValueError, OverflowError) as error:
        if error is stream.failure:  # it comes from the rows, not from asyncpg's encoders
            raise
        raise stream.refused(None, error) from error


def copy_blocks(driver_connection: Any, target: CopyTarget, blocks: Iterable[bytes]) -> None:  # as above
    """Write a stream that is in the binary COPY format already."""
    await_only(
        driver_connection.copy_to_table(
            target.relation,
            schema_name=target.schema,
            source=_asynchronous(blocks),
            columns=[column.name for column in target.server],
            format="binary",
        )
    )


async def _asynchronous(blocks: Iterable[bytes]) -> AsyncIterator[bytes]:
    for block in blocks:
        yield block
