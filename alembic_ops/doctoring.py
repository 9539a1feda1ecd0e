"""From the health of the indexes to what is wrong with them, each finding with the command that mends it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from alembic_ops.build_settings import lists_for
from alembic_ops.extension import version_number
from sqlalchemy_vecsearch.methods import HNSW, IVFFlat

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from alembic_ops.health import IndexHealth, ServerHealth

__all__ = ["Finding", "diagnose"]

_DRIFT: Final = 4
"""How many times more or fewer lists than the rows ask for count as drift."""

_WORTH_A_WORD: Final = 1024 * 1024
"""Bytes of an index that is never used, below which it is not worth a word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong: its kind for programs, its words for people, and the command that mends it."""

    kind: str
    subject: str
    problem: str
    remedy: str


def diagnose(server: ServerHealth, indexes: Sequence[IndexHealth]) -> list[Finding]:
    """Return what is wrong with a server and its vector indexes; an empty list when nothing is."""
    return [*_versions(server), *(finding for index in indexes for finding in _index(index)), *_duplicates(indexes)]


def _versions(server: ServerHealth) -> Iterator[Finding]:
    if 140000 <= server.server_version <= 140003:  # noqa: PLR2004  # 14.0 to 14.3, as the server writes them
        yield Finding(
            kind="server",
            subject=f"PostgreSQL 14.{server.server_version - 140000}",
            problem="indexes that are built concurrently may miss rows (release notes of 14.4)",
            remedy="update the server to 14.4 or newer, then REINDEX INDEX CONCURRENTLY each index",
        )
    if server.pgvector is None:
        return
    version = version_number(server.pgvector)
    for fixed, problem in (
        ((0, 8, 2), "a parallel HNSW build can write past a buffer (changelog of 0.8.2)"),
        ((0, 8, 4), "VACUUM can damage an HNSW graph (changelogs of 0.8.3 and 0.8.4)"),
    ):
        if version < fixed:
            wanted = ".".join(str(part) for part in fixed)
            yield Finding(
                kind="pgvector",
                subject=f"pgvector {server.pgvector}",
                problem=problem,
                remedy=f"install pgvector {wanted}, ALTER EXTENSION vector UPDATE, REINDEX INDEX CONCURRENTLY all",
            )
    available = server.pgvector_available
    if available is not None and version < version_number(available):
        yield Finding(
            kind="extension",
            subject=f"pgvector {server.pgvector}",
            problem=f"the server has {available} installed, and the database still uses the older one",
            remedy="ALTER EXTENSION vector UPDATE",
        )


def _index(index: IndexHealth) -> Iterator[Finding]:
    if index.building:
        return
    if not index.usable:
        remedy = "attach the index of each partition" if index.parent else f"DROP INDEX CONCURRENTLY {index.name}"
        yield Finding(
            kind="invalid",
            subject=index.name,
            problem="the index is INVALID: no query uses it, and writes may pay for it",
            remedy=f"{remedy}, or run the migration again that builds it",
        )
        return
    defaults = HNSW.defaults if index.method == HNSW.name else IVFFlat.defaults
    declared = tuple(sorted((defaults | dict(index.parameters)).items()))
    if index.built_with is not None and index.built_with != declared:
        yield Finding(
            kind="misdeclared",
            subject=index.name,
            problem=f"it is declared with {_words(declared)} and was built with {_words(index.built_with)}",
            remedy=f"REINDEX INDEX CONCURRENTLY {index.name}",
        )
    if index.scans == 0 and index.size >= _WORTH_A_WORD and not index.parent:
        yield Finding(
            kind="unused",
            subject=index.name,
            problem=f"no query has used it since statistics began, and it takes {index.size // 1024 // 1024} MB",
            remedy=f"DROP INDEX CONCURRENTLY {index.name}",
        )
    yield from _drift(index)


def _drift(index: IndexHealth) -> Iterator[Finding]:
    if index.method != IVFFlat.name or index.parent or not index.rows:
        return
    lists = dict(index.parameters).get("lists", IVFFlat.defaults["lists"])
    wished = lists_for(index.rows)
    if max(lists, wished) < _DRIFT * min(lists, wished):
        return
    yield Finding(
        kind="drifted",
        subject=index.name,
        problem=f"it has {lists} lists for {index.rows:,} rows, which ask for {wished}",
        remedy=f"ALTER INDEX {index.name} SET (lists = {wished}); REINDEX INDEX CONCURRENTLY {index.name}",
    )


def _duplicates(indexes: Sequence[IndexHealth]) -> Iterator[Finding]:
    seen: dict[tuple[str, str, str], IndexHealth] = {}
    for index in indexes:
        if not index.usable:
            continue
        key = (index.table, index.method, index.element)
        other = seen.setdefault(key, index)
        if other is index:
            continue
        spare = min(index, other, key=lambda one: one.scans)
        kept = other if spare is index else index
        yield Finding(
            kind="duplicate",
            subject=spare.name,
            problem=f"{kept.name} indexes the same, and queries use one of them",
            remedy=f"DROP INDEX CONCURRENTLY {spare.name}",
        )


def _words(parameters: tuple[tuple[str, int], ...]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in parameters)
