"""Server versions whose index builds are known to go wrong."""

from __future__ import annotations

from alembic_ops.errors import MigrationError

__all__ = ["refuse_broken_builds"]


def refuse_broken_builds(server_version: int) -> None:
    """Refuse to build concurrently where PostgreSQL itself may leave rows out of the index.

    Args:
        server_version: ``server_version_num``, such as 140002.

    Raises:
        MigrationError: PostgreSQL is 14.0 to 14.3. Source: the release notes of PostgreSQL 14.4.
    """
    if not 140000 <= server_version <= 140003:  # noqa: PLR2004  # 14.0 to 14.3, as the server writes them
        return
    raise MigrationError(
        f"PostgreSQL 14.{server_version - 140000} can leave rows out of an index that is built concurrently. "
        "The release notes of 14.4 describe it: rows that are updated during the build may be missing. "
        "Update the server to 14.4 or newer, or write concurrently=False, which blocks writers for the whole build."
    )
