"""The next step of an index that is built anew by its own definition, whatever interrupted attempts have left."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from alembic_ops.planning.conflicts import not_valid, wait_for
from alembic_ops.sql.steps import DropIndex, Finished, ReindexIndex, Step, WaitForBuild
from sqlalchemy_vecsearch.names import IDENTIFIER_BYTES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from alembic_ops.catalog.tables import Facts, FoundIndex
    from alembic_ops.operations import RebuildVectorIndexOp

__all__ = ["reindex_step"]

_TRANSIENT: Final = re.compile(r"^(?P<base>.*)(?P<suffix>_cc(?P<kind>new|old)[0-9]*)$", re.DOTALL)


def reindex_step(operation: RebuildVectorIndexOp, found: FoundIndex, facts: Facts, done: Sequence[Step]) -> Step:
    """Return the next step that builds an index anew, partition by partition, and sweeps what was left of it.

    PostgreSQL would take all partitions in one statement, and ask for a lock on each of their indexes first that waits
    for a writer and makes all other writers wait behind it.
    """
    parts = _leaves(found, facts) if found.partitioned else [found]
    for part in parts:
        step = _reindex_part(operation, part, facts, done)
        if step is not None:
            return step
    return Finished(remark=None if done or not parts else "another process has done it meanwhile")


def _leaves(found: FoundIndex, facts: Facts) -> list[FoundIndex]:
    parts = [index for index in facts.indexes if index.parent == found.oid]
    return [leaf for part in parts for leaf in (_leaves(part, facts) if part.partitioned else [part])]


def _reindex_part(operation: RebuildVectorIndexOp, part: FoundIndex, facts: Facts, done: Sequence[Step]) -> Step | None:
    """Return the next step for one index, None once it is new."""
    if part.builder is not None:
        return wait_for(part)
    left = [index for index in facts.indexes if _is_transient(index, part)]
    for index in left:
        if index.builder is not None:
            return wait_for(index)
    for index in left:
        return DropIndex(name=index.name, schema=index.schema, concurrently=operation.concurrently)
    reindex = ReindexIndex(name=part.name, schema=part.schema, concurrently=operation.concurrently)
    if part.usable and (reindex in done or _was_rebuilt(part, done) or facts.was_built_meanwhile(part)):
        return None
    if reindex in done:
        raise not_valid(part.name)
    return reindex


def _was_rebuilt(part: FoundIndex, done: Sequence[Step]) -> bool:
    """Say whether the run before this one has come so far that the new index serves.

    ``_ccold`` is what the old index is called after the new one has taken its name; a build that another process
    finished while we waited, and that left no ``_ccnew``, has taken it too.
    """
    dropped = {_kind(step.name, part) for step in done if isinstance(step, DropIndex)}
    if "new" in dropped:
        return False
    waited = any(isinstance(step, WaitForBuild) and _kind(step.name, part) is not None for step in done)
    return "old" in dropped or waited


def _is_transient(index: FoundIndex, of: FoundIndex) -> bool:
    """Say whether an index is what an interrupted REINDEX CONCURRENTLY left of another."""
    same = index.table_oid == of.table_oid and index.definition == of.definition
    return same and not index.valid and _kind(index.name, of) is not None


def _kind(name: str, of: FoundIndex) -> str | None:
    """Return "new" or "old" for the name that a REINDEX CONCURRENTLY gives for a while, None for other names.

    PostgreSQL cuts the name so that it and the suffix fit, at a whole character.
    """
    match = _TRANSIENT.match(name)
    if match is None:
        return None
    base = of.name.encode()[: IDENTIFIER_BYTES - len(match["suffix"])].decode(errors="ignore")
    return match["kind"] if match["base"] == base else None
