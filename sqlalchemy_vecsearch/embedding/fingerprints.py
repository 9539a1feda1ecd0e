"""One model under one name: the fingerprints of embedders, as the database remembers them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from sqlalchemy_vecsearch.embedding.comparing import compared
from sqlalchemy_vecsearch.embedding.errors import FingerprintError
from sqlalchemy_vecsearch.embedding.work_table import model_table

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from sqlalchemy_vecsearch.embedding.declared import EmbeddedColumn
    from sqlalchemy_vecsearch.embedding.embedders import Embedder

__all__ = ["check_fingerprint"]


def check_fingerprint(connection: Connection, found: EmbeddedColumn, embedder: Embedder) -> None:
    """Remember the fingerprint of an embedder, or compare it with the one that goes by its name.

    Raises:
        FingerprintError: it is another one.
    """
    if embedder.fingerprint is None:
        return
    models = model_table(found.table.metadata, found.table.schema)
    known = select(models.c.fingerprint).where(compared(models.c.model, "=", embedder.name))
    there = connection.scalar(known)
    if there is None:
        given = {"model": embedder.name, "fingerprint": embedder.fingerprint}
        connection.execute(insert(models).values(given).on_conflict_do_nothing())
        there = connection.scalar(known)
    if there == embedder.fingerprint:
        return
    raise FingerprintError(
        f"The embedder {embedder.name!r} has the fingerprint {embedder.fingerprint!r}, and vectors under this name "
        f"were made by {there!r}. Distances between vectors of two models mean nothing, and rows keep only the name. "
        "Register this model under another name, and declare that one for the column."
    )
