"""Where an operation can be hit, and how a test brings it there without a clock."""

from __future__ import annotations

from dataclasses import dataclass

from tests.db.operations.faults.holders import (
    LOADING,
    LOCKED_TABLE,
    READER,
    READER_OF_THE_WHOLE,
    SCANNING,
    SNAPSHOT,
    WRITER,
    WRITER_OF_THE_WHOLE,
    another_build,
    gate,
    uses_index,
    vacuum,
)
from tests.db.operations.faults.subjects import CREATE, DROP, PARTITIONED, PLAIN, REBUILD, REINDEX, SWAP

IN_PHASE = "p.phase = %(argument)s"
WAITS_WITH = "p.pid IS NULL AND a.query LIKE %(argument)s"
ASKS_AGAIN = "asks again"
DROPPING = (
    "a.query LIKE 'DROP INDEX CONCURRENTLY%%' AND EXISTS (SELECT FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid"
    " WHERE i.relname = 'ix' AND NOT x.indisvalid AND CAST(x.indislive AS text) = %(argument)s)"
)


@dataclass(frozen=True, kw_only=True)
class Stop:
    """A place where the operation waits: whom for, and how the server shows that it does."""

    holder: object
    condition: str
    argument: str


@dataclass(frozen=True, kw_only=True)
class Phase:
    """A place to hit an operation, and the stops on the way to it; each holder lets go once the next one holds.

    Attributes:
        name: for the name of the test.
        stops: the last one is the place.
    """

    name: str
    stops: tuple[Stop, ...]

    @property
    def asks(self):
        """Whether the operation asks again and again rather than wait in the server, where it could be cancelled."""
        return self.stops[-1].condition == ASKS_AGAIN


def phase(name, *stops):
    return Phase(name=name, stops=tuple(Stop(holder=h, condition=c, argument=a) for h, c, a in stops))


def table_lock(statement):
    """Return the phases in which an operation waits for the table itself, before the catalog shows anything."""
    return (
        phase("waits for VACUUM", (vacuum, ASKS_AGAIN, "is at work on the table")),
        phase("waits for another build", (another_build, ASKS_AGAIN, "is at work on the table")),
        phase("waits for a lock of the table", (LOCKED_TABLE, WAITS_WITH, f"{statement}%")),
    )


IN_LOADING = (gate(LOADING), IN_PHASE, LOADING)
IN_SCANNING = (gate(SCANNING), IN_PHASE, SCANNING)

BUILDING = (
    phase("waits for writers before it builds", (WRITER, IN_PHASE, "waiting for writers before build")),
    phase("builds", IN_LOADING),
    phase(
        "waits for writers before it validates", IN_LOADING, (WRITER, IN_PHASE, "waiting for writers before validation")
    ),
    phase("validates", IN_SCANNING),
    phase("waits for old snapshots", (SNAPSHOT, IN_PHASE, "waiting for old snapshots")),
)
IN_THE_LAST_PARTITION = (
    phase("builds in the last partition", (gate(LOADING, last=True), IN_PHASE, LOADING)),
    phase("validates in the last partition", (gate(SCANNING, last=True), IN_PHASE, SCANNING)),
)
# The last attachment makes the whole valid, for which PostgreSQL locks the partitioned table itself for a moment.
ATTACH_THE_LAST = phase(
    "waits to attach the last partition",
    (gate(SCANNING, last=True), IN_PHASE, SCANNING),
    (READER_OF_THE_WHOLE, WAITS_WITH, "ALTER INDEX % ATTACH%"),
)

DEAD = (READER, IN_PHASE, "waiting for readers before marking dead")
REINDEXING = (
    *table_lock("REINDEX"),
    *BUILDING,
    phase("waits for readers before it marks dead", DEAD),
    phase("waits for readers before it drops", DEAD, (READER, IN_PHASE, "waiting for readers before dropping")),
)

INVALID = (READER, DROPPING, "true")
DROPPING_PLAIN = (
    phase("waits for readers of the invalid index", INVALID),
    phase("waits for readers of the dead index", INVALID, (READER, DROPPING, "false")),
)


def index_lock(name, statement, index, *before):
    """Return the phase in which a short statement waits for an index."""
    return phase(name, *before, (uses_index(index), WAITS_WITH, f"ALTER INDEX public.{statement}%"))


WHOLE = phase("waits to create the whole", (WRITER_OF_THE_WHOLE, WAITS_WITH, "CREATE INDEX % ON ONLY document %"))
DROP_WHOLE = phase("waits to drop the whole", (READER, WAITS_WITH, "DROP INDEX public.ix%"))

# (operation, layout) -> its phases. Not there, because it cannot happen:
# - VACUUM and other builds hold a partition and no index, so that short steps on the whole or on an index pass them;
# - a drop or a swap of a plain table waits for no snapshot but that of a reader of the table;
# - a partitioned index is dropped by one short statement, which has no phases of its own.
PHASES = {
    (CREATE, PLAIN): (*table_lock("CREATE"), *BUILDING),
    (REINDEX, PLAIN): REINDEXING,
    (REBUILD, PLAIN): (
        *table_lock("CREATE"),
        *BUILDING,
        phase("waits for readers of the invalid index", IN_SCANNING, INVALID),
        phase("waits for readers of the dead index", IN_SCANNING, INVALID, (READER, DROPPING, "false")),
        index_lock("waits to rename", "ix__new RENAME", "ix__new", IN_SCANNING),
    ),
    (SWAP, PLAIN): (
        *table_lock("DROP"),
        *DROPPING_PLAIN,
        index_lock("waits to rename", "ix_v2 RENAME", "ix_v2"),
    ),
    (DROP, PLAIN): (*table_lock("DROP"), *DROPPING_PLAIN),
    (CREATE, PARTITIONED): (
        WHOLE,
        *table_lock("CREATE"),
        *BUILDING,
        index_lock("waits to attach", "ix ATTACH", "document_1_ix", IN_SCANNING),
        *IN_THE_LAST_PARTITION,
        ATTACH_THE_LAST,
    ),
    (REINDEX, PARTITIONED): (*REINDEXING, *IN_THE_LAST_PARTITION),
    (REBUILD, PARTITIONED): (
        WHOLE,
        *table_lock("CREATE"),
        *BUILDING,
        index_lock("waits to attach", "ix__new ATTACH", "document_1_ix__new", IN_SCANNING),
        *IN_THE_LAST_PARTITION,
        ATTACH_THE_LAST,
        phase("waits to drop the whole", (uses_index("ix"), WAITS_WITH, "DROP INDEX public.ix%")),
    ),
    (SWAP, PARTITIONED): (
        DROP_WHOLE,
        index_lock("waits to rename a part", "document_1_ix_v2 RENAME", "document_1_ix_v2"),
        index_lock("waits to rename", "ix_v2 RENAME", "ix_v2"),
    ),
    (DROP, PARTITIONED): (DROP_WHOLE,),
}
