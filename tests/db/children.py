"""Processes that are forked from one that has everything imported: they start in milliseconds, and can be killed."""

from __future__ import annotations

import multiprocessing

__all__ = ["CHILDREN"]

CHILDREN = multiprocessing.get_context("forkserver")
CHILDREN.set_forkserver_preload(
    [
        "alembic.command",
        "alembic_ops",
        "pgvector.sqlalchemy",
        "psycopg",
        "pytest",
        "sqlalchemy.dialects.postgresql.psycopg",
        "sqlalchemy_vecsearch.embedding.writing",
    ]
)
