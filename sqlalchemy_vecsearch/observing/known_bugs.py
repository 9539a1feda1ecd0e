"""Versions of PostgreSQL and pgvector with bugs that reach vector indexes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from sqlalchemy_vecsearch.versions import version_number

__all__ = ["KNOWN_BUGS", "KnownBug", "bugs_of"]

Product = Literal["PostgreSQL", "pgvector"]
Effect = Literal["concurrent build", "parallel build", "vacuum"]


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownBug:
    """A bug of a released version, from ``first`` up to, but without, ``fixed``; ``source`` is where it is described.

    ``method`` names the index method that it is about, None for each.
    """

    product: Product
    first: str
    fixed: str
    effect: Effect
    problem: str
    source: str
    method: str | None = None


KNOWN_BUGS: Final = (
    KnownBug(
        product="PostgreSQL",
        first="14.0",
        fixed="14.4",
        effect="concurrent build",
        problem="indexes that are built concurrently may miss rows",
        source="release notes of 14.4",
    ),
    KnownBug(
        product="pgvector",
        first="0.6.0",
        fixed="0.8.2",
        effect="parallel build",
        problem="a parallel HNSW build can write past a buffer",
        source="changelog of 0.8.2",
        method="hnsw",
    ),
    KnownBug(
        product="pgvector",
        first="0.5.0",
        fixed="0.8.4",
        effect="vacuum",
        problem="VACUUM can damage an HNSW graph",
        source="changelogs of 0.8.3 and 0.8.4",
        method="hnsw",
    ),
)
"""The one table of them: advice, refusals and the settings of builds stand on it."""


def bugs_of(product: Product, version: str, *, effect: Effect | None = None) -> tuple[KnownBug, ...]:
    """Return the known bugs of a version.

    Args:
        product: whose version it is.
        version: such as "14.2" or "0.8.1".
        effect: what they spoil, None for all.

    Example:
        >>> [bug.fixed for bug in bugs_of("PostgreSQL", "14.2")]
        ['14.4']
    """
    number = version_number(version)
    return tuple(
        bug
        for bug in KNOWN_BUGS
        if bug.product == product
        and effect in (None, bug.effect)
        and version_number(bug.first) <= number < version_number(bug.fixed)
    )
