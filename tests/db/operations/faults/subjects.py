"""What is hit: the operations on an index, and the two kinds of tables they work on."""

from __future__ import annotations

from dataclasses import dataclass

# A gate that a test can close: while an index is built, the rows 7 and 107 ask for a lock whose key is their number and
# the phase of the build. They are in no index, so that the validation of a build asks again.
GATE = """
CREATE FUNCTION gate(id int) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    IF id NOT IN (7, 107) THEN RETURN true; END IF;
    PERFORM pg_catalog.pg_advisory_xact_lock_shared(pg_catalog.hashtext(id || p.phase))
       FROM pg_catalog.pg_stat_progress_create_index p WHERE p.pid = pg_catalog.pg_backend_pid();
    RETURN false;
END $$
"""

ROWS = (
    "INSERT INTO document SELECT i, 'en', ARRAY[sin(i), cos(i), i % 7]::vector(3) FROM generate_series(0, 199) i",
    "ALTER TABLE document ADD COLUMN embedding_v2 vector(3)",
)


@dataclass(frozen=True, kw_only=True)
class Layout:
    """A kind of table.

    Attributes:
        name: of the kind, for the name of the test.
        tables: the statements that create it.
        leaf: the table, or the partition, that a build reads first; it holds the row 7.
        tree: partition -> what it is a partition of, parents first.
        last: the row at which the build of the last partition stops.
    """

    name: str
    tables: tuple[str, ...]
    leaf: str = "document"
    tree: tuple[tuple[str, str], ...] = ()
    last: int = 7

    @property
    def partitioned(self):
        return bool(self.tree)

    def index(self, name, m):
        """Return the statements that create an index as the operation does, with the names it gives."""
        branches = {parent for _, parent in self.tree}
        statements = [create_index(name, "ONLY document" if self.tree else "document", m)]
        for part, parent in self.tree:
            statements += [
                create_index(f"{part}_{name}", f"ONLY {part}" if part in branches else part, m),
                f"ALTER INDEX {name if parent == 'document' else f'{parent}_{name}'} ATTACH PARTITION {part}_{name}",
            ]
        return statements

    def names(self, name):
        """Return the names of an index and of its parts."""
        return [name, *(f"{part}_{name}" for part, _ in self.tree)]


def create_index(name, table, m):
    return f"CREATE INDEX {name} ON {table} USING hnsw (embedding vector_l2_ops) WITH (m = {m}) WHERE gate(id)"


PLAIN = Layout(
    name="plain",
    tables=("CREATE TABLE document (id int PRIMARY KEY, lang text NOT NULL, embedding vector(3))",),
)
PARTITIONED = Layout(
    name="partitioned",
    tables=(
        "CREATE TABLE document (id int, lang text NOT NULL, embedding vector(3)) PARTITION BY RANGE (id)",
        "CREATE TABLE document_1 PARTITION OF document FOR VALUES FROM (0) TO (100)",
        "CREATE TABLE document_2 PARTITION OF document FOR VALUES FROM (100) TO (300) PARTITION BY RANGE (id)",
        "CREATE TABLE document_2_1 PARTITION OF document_2 FOR VALUES FROM (100) TO (200)",
    ),
    leaf="document_1",
    tree=(("document_1", "document"), ("document_2", "document"), ("document_2_1", "document_2")),
    last=107,
)
LAYOUTS = (PLAIN, PARTITIONED)


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One operation of a revision.

    Attributes:
        name: for the name of the test.
        source: the body of the revision.
        before: name -> m of the indexes that it finds.
        m: of the index ix afterwards, None where there is none.
    """

    name: str
    source: str
    before: tuple[tuple[str, int], ...] = ()
    m: int | None

    def prepare(self, layout):
        """Return the statements that make what the operation finds, strangers included."""
        strangers = (
            f"CREATE INDEX stranger ON {layout.leaf} USING hnsw (embedding vector_ip_ops)",
            f"CREATE INDEX stranger_ccnew ON {layout.leaf} USING hnsw (embedding vector_l1_ops)",
        )
        indexes = [statement for name, m in self.before for statement in layout.index(name, m)]
        return [GATE, *layout.tables, *ROWS, *strangers, *indexes]

    def result(self, layout):
        """Return name -> m of the indexes that the operation has made, all of them valid."""
        if self.m is None:
            return {}
        _, *parts = layout.names("ix")
        return dict.fromkeys(["ix", *parts], self.m)


DEFINITION = '"embedding", operator_class="vector_l2_ops", with_={"m": 12}, where="gate(id)"'

CREATE = Operation(name="create", source=f'op.create_vector_index("ix", "document", {DEFINITION})', m=12)
REINDEX = Operation(
    name="rebuild, same definition",
    source='op.rebuild_vector_index("ix", "document")',
    before=(("ix", 8),),
    m=8,
)
REBUILD = Operation(
    name="rebuild, new definition",
    source=f'op.rebuild_vector_index("ix", "document", {DEFINITION})',
    before=(("ix", 8),),
    m=12,
)
SWAP = Operation(
    name="swap",
    source='op.swap_vector_index("ix", replacement="ix_v2", table_name="document")',
    before=(("ix", 8), ("ix_v2", 12)),
    m=12,
)
DROP = Operation(name="drop", source='op.drop_vector_index("ix", "document")', before=(("ix", 8),), m=None)
OPERATIONS = (CREATE, REINDEX, REBUILD, SWAP, DROP)
