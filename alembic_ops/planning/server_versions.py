"""Server versions on which an operation does not build."""

from __future__ import annotations

from alembic_ops.errors import MigrationError
from sqlalchemy_vecsearch.observing.known_bugs import bugs_of
from sqlalchemy_vecsearch.observing.server_health import version_text

__all__ = ["refuse_broken_builds"]


def refuse_broken_builds(server_version: int) -> None:
    """Refuse to build concurrently where PostgreSQL itself may leave rows out of the index.

    Args:
        server_version: ``server_version_num``, such as 140002.

    Raises:
        MigrationError: the version has such a bug, as PostgreSQL 14.0 to 14.3 have.
    """
    version = version_text(server_version)
    for bug in bugs_of("PostgreSQL", version, effect="concurrent build"):
        raise MigrationError(
            f"PostgreSQL {version} can leave rows out of an index that is built concurrently. "
            f"The {bug.source} describe it: rows that are updated during the build may be missing. "
            f"Update the server to {bug.fixed} or newer, or write concurrently=False, which blocks writers for the "
            "whole build."
        )
