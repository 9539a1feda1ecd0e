"""Names of at most 63 bytes that never collide by being cut."""

from __future__ import annotations

from hashlib import sha256
from typing import Final

__all__ = ["CHECK_PROOF", "IDENTIFIER_BYTES", "NOT_NULL_PROOF", "fitted"]

IDENTIFIER_BYTES: Final = 63
"""The most bytes of an identifier that PostgreSQL keeps (NAMEDATALEN - 1)."""

CHECK_PROOF: Final = "alembic_ops_check_"
"""How a constraint begins that proves, before a swap of columns, that rows keep another one, whose oid follows."""

NOT_NULL_PROOF: Final = "_alembic_ops_not_null"
"""How a constraint ends that proves, before a column becomes NOT NULL, that it has no NULL."""

_DIGEST: Final = 8


def fitted(name: str, *, suffix: str = "") -> str:
    """Return ``name + suffix`` in at most 63 bytes of UTF-8.

    A name that is too long keeps its start and its suffix and gets a hash of the whole between them, so that two long
    names that differ anywhere stay different. PostgreSQL itself cuts names, and so makes them collide.
    """
    whole = name + suffix
    if len(whole.encode()) <= IDENTIFIER_BYTES:
        return whole
    digest = sha256(whole.encode()).hexdigest()[:_DIGEST]
    room = IDENTIFIER_BYTES - len(suffix.encode()) - len(digest) - 1
    start = name.encode()[:room].decode(errors="ignore")
    return f"{start}_{digest}{suffix}"
