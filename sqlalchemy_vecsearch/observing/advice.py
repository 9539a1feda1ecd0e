"""Advice on vector indexes: what is wrong with each, how that is known, and what to do."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from sqlalchemy_vecsearch.methods import HNSW, IVFFlat, lists_for
from sqlalchemy_vecsearch.observing.known_bugs import bugs_of
from sqlalchemy_vecsearch.observing.server_health import version_text
from sqlalchemy_vecsearch.versions import version_number

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy_vecsearch.observing.index_health import IndexHealth
    from sqlalchemy_vecsearch.observing.server_health import ServerHealth

__all__ = ["Advice", "advise"]

_DRIFT: Final = 4
"""How many times more or fewer lists than the rows ask for count as drift."""

_WORTH_A_WORD: Final = 1024 * 1024
"""Bytes of an index that is never used, below which it is not worth a word."""

_OLD: Final = timedelta(days=7)
"""How long nobody has to have used an index: what runs once a week has run by then."""

_OLD_IN_TRANSACTIONS: Final = 100_000
"""The same where the server does not record times: fewer transactions that wrote say too little."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """One thing that is wrong: its kind for programs, its words for people, how it is known, and what to do."""

    kind: str
    subject: str
    problem: str
    evidence: str
    remedy: str


def advise(server: ServerHealth, indexes: Sequence[IndexHealth]) -> list[Advice]:
    """Return what is wrong with a server and its vector indexes; an empty list when nothing is.

    A remedy is a command where what it does is certainly right; else it begins with "look". Nothing is said that the
    server cannot know: a replica of what its primary builds, a primary of what its replicas use.
    """
    advice = [*_versions(server), *(one for index in indexes for one in _index(server, index)), *_duplicates(indexes)]
    if server.in_recovery:
        return [replace(one, remedy=f"on the primary: {one.remedy}") for one in advice]
    return advice


def _versions(server: ServerHealth) -> Iterator[Advice]:
    version = version_text(server.server_version)
    for bug in bugs_of("PostgreSQL", version):
        yield Advice(
            kind="server",
            subject=f"PostgreSQL {version}",
            problem=bug.problem,
            evidence=bug.source,
            remedy=f"update the server to {bug.fixed} or newer, then REINDEX INDEX CONCURRENTLY each index",
        )
    if server.pgvector is None:
        return
    library = max(server.pgvector, server.pgvector_available or "0", key=version_number)
    for bug in bugs_of("pgvector", library):
        yield Advice(
            kind="pgvector",
            subject=f"pgvector {library}",
            problem=bug.problem,
            evidence=bug.source,
            remedy=f"install pgvector {bug.fixed}, ALTER EXTENSION vector UPDATE, REINDEX INDEX CONCURRENTLY all",
        )
    if library != server.pgvector:
        replicas = f", once the replicas have {library} installed too" if server.replicas else ""
        yield Advice(
            kind="extension",
            subject=f"pgvector {server.pgvector}",
            problem=f"the server has {library} installed, and the database still uses the older one",
            evidence=server.role,
            remedy=f"ALTER EXTENSION vector UPDATE{replicas}",
        )


def _index(server: ServerHealth, index: IndexHealth) -> Iterator[Advice]:
    if index.building:
        return
    if not index.usable:
        if not server.in_recovery:  # a replica does not know what its primary builds
            yield _invalid(server, index)
        return
    defaults = HNSW.defaults if index.method == HNSW.name else IVFFlat.defaults
    declared = tuple(sorted((defaults | dict(index.parameters)).items()))
    if index.built_with is not None and index.built_with != declared:
        yield Advice(
            kind="misdeclared",
            subject=index.name,
            problem=f"it is declared with {_words(declared)} and was built with {_words(index.built_with)}",
            evidence="its first page",
            remedy=f"REINDEX INDEX CONCURRENTLY {index.name}",
        )
    if _is_unused(server, index):
        yield _unused(server, index)
    yield from _drift(index)


def _invalid(server: ServerHealth, index: IndexHealth) -> Advice:
    if index.parent:
        remedy = "run the migration again that builds it, or attach the index of each partition"
    elif index.child:
        remedy = f"REINDEX INDEX CONCURRENTLY {index.name}"
    else:
        remedy = f"run the migration again that builds it, or DROP INDEX CONCURRENTLY {index.name}"
    return Advice(
        kind="invalid",
        subject=index.name,
        problem="the index is INVALID: no query uses it, and writes may pay for it",
        evidence=f"no build is at work on its table on {server.role}",
        remedy=remedy,
    )


def _is_unused(server: ServerHealth, index: IndexHealth) -> bool:
    """Say whether it is known for long enough that nobody uses an index, here or on a replica."""
    if index.scans or index.size < _WORTH_A_WORD or index.parent or index.child:
        return False
    if server.in_recovery or server.replicas or server.now - server.statistics_since < _OLD:
        return False
    return not _is_young(server, index)


def _is_young(server: ServerHealth, index: IndexHealth) -> bool:
    if index.built is not None:
        return server.now - index.built < _OLD
    return 0 <= index.transactions < _OLD_IN_TRANSACTIONS  # below nought: their numbers have gone round since


def _unused(server: ServerHealth, index: IndexHealth) -> Advice:
    since = server.statistics_since
    if index.built is not None:
        since = max(since, index.built)
        age = ""
    else:
        age = "; when it was built is not recorded"
    return Advice(
        kind="unused",
        subject=index.name,
        problem=f"no query has used it, and it takes {index.size // 1024 // 1024} MB",
        evidence=f"statistics of {server.role}, since {since:%Y-%m-%d}{age}",
        remedy="look whether it is meant for something rare or on a server that this one does not know; if it is not, "
        f"DROP INDEX CONCURRENTLY {index.name}",
    )


def _drift(index: IndexHealth) -> Iterator[Advice]:
    if index.method != IVFFlat.name or index.parent or not index.rows:
        return
    lists = dict(index.parameters).get("lists", IVFFlat.defaults["lists"])
    wished = lists_for(index.rows)
    if max(lists, wished) < _DRIFT * min(lists, wished):
        return
    yield Advice(
        kind="drifted",
        subject=index.name,
        problem=f"it has {lists} lists for about {index.rows:,} rows, which ask for {wished}",
        evidence="the rows of the last ANALYZE; the README of pgvector, section IVFFlat",
        remedy=f"ALTER INDEX {index.name} SET (lists = {wished}); REINDEX INDEX CONCURRENTLY {index.name}",
    )


def _duplicates(indexes: Sequence[IndexHealth]) -> Iterator[Advice]:
    """Find indexes of the same; those of partitions are their parents' affair."""
    seen: dict[tuple[str, str, str], IndexHealth] = {}
    for index in indexes:
        if not index.usable or index.child or index.building:
            continue
        other = seen.setdefault((index.table, index.method, index.element), index)
        if other is index:
            continue
        spare, kept = (other, index) if other.scans < index.scans else (index, other)
        how = "DROP INDEX" if spare.parent else "DROP INDEX CONCURRENTLY"
        yield Advice(
            kind="duplicate",
            subject=spare.name,
            problem=f"{kept.name} indexes the same, and a query uses one of them",
            evidence=f"{_described(spare)}; {kept.name}: {_described(kept)}",
            remedy="look which of them the models declare, and whether a migration is just replacing one by the other; "
            f"then {how} the one that is left over",
        )


def _described(index: IndexHealth) -> str:
    parameters = f" with {_words(index.parameters)}" if index.parameters else ""
    return f"scanned {index.scans:,} times{parameters}"


def _words(parameters: tuple[tuple[str, int], ...]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in parameters)
