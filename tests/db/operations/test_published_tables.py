"""Changes of columns of tables that logical replication publishes: what a subscriber would not follow is refused."""

from __future__ import annotations

import subprocess

import pytest

from alembic_ops.errors import PublishedTableError

SWAP = 'op.swap_embedding_columns("item", live="embedding", replacement="embedding_v2"{})'
ADD = 'op.add_embedding_column("item", sa.Column("third", VECTOR(3)){})'
ALTER = 'op.alter_embedding_type("item", "embedding", existing_type=VECTOR(3), type_=HALFVEC(3){})'
TABLE = "CREATE TABLE item (id int PRIMARY KEY, embedding vector(3), embedding_v2 vector(3))"
PARTITIONED = (
    "CREATE TABLE item (id int, embedding vector(3), embedding_v2 vector(3)) PARTITION BY LIST (id)",
    "CREATE TABLE item_1 PARTITION OF item FOR VALUES IN (1)",
)
COLUMNS = (
    "SELECT string_agg(format('%s %s', attname, format_type(atttypid, atttypmod)), ', ' ORDER BY attnum)"
    " FROM pg_attribute WHERE attrelid = 'item'::regclass AND attnum > 0"
)
BEFORE = "id integer, embedding vector(3), embedding_v2 vector(3)"
AFTER = {
    SWAP: "id integer, embedding_v2 vector(3), embedding vector(3)",
    ADD: f"{BEFORE}, third vector(3)",
    ALTER: "id integer, embedding halfvec(3), embedding_v2 vector(3)",
}
WAYS = {
    "by name": ("FOR TABLE item", 14),
    "all tables": ("FOR ALL TABLES", 14),
    "tables in schema": ("FOR TABLES IN SCHEMA public", 15),
}
MESSAGE = (
    "The columns 'embedding' and 'embedding_v2' of 'item' were not swapped: the table is published by 'news'. A rename is "
    "not replicated: a subscriber would mix the vectors of two models in one column, or stop where their dimensions "
    "differ. Stop writing to the table, wait until every subscriber has caught up, disable the subscriptions, swap the "
    "columns there and, with published=True, here, and enable them again."
)


@pytest.fixture
def publish(catalog, postgres_major):
    """Give `publish(way)`, which says whether the server knows such a publication: PostgreSQL 14 lacks two."""

    def create(definition, since=14):
        if postgres_major < since:
            with pytest.raises(Exception, match="syntax error"):
                catalog.execute(f"CREATE PUBLICATION news {definition}")
            return False
        catalog.execute(f"CREATE PUBLICATION news {definition}")
        return True

    return create


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("operation", AFTER, ids=["swap", "add", "alter"])
def test_a_published_table_is_refused_until_its_danger_is_named(alembic_project, catalog, publish, way, operation):
    catalog.execute(TABLE)
    if not publish(*WAYS[way]):
        return
    alembic_project.revision(operation.format(""))
    with pytest.raises(PublishedTableError) as error:
        alembic_project.upgrade()
    assert (error.value.table_name, error.value.publications) == ("item", ("news",))
    assert operation != SWAP or str(error.value) == MESSAGE
    assert catalog.scalar(COLUMNS) == BEFORE
    (alembic_project.folder / "versions" / "001.py").unlink()
    alembic_project.count = 0
    alembic_project.revision(operation.format(", published=True"))
    alembic_project.upgrade()
    assert catalog.scalar(COLUMNS) == AFTER[operation]


@pytest.mark.parametrize("operation", AFTER, ids=["swap", "add", "alter"])
def test_a_script_has_the_same_gate(alembic_project, catalog, psql, operation):
    catalog.execute(TABLE)
    catalog.execute("CREATE PUBLICATION news FOR ALL TABLES")
    alembic_project.revision(operation.format(""))
    with pytest.raises(subprocess.CalledProcessError) as error:
        psql(alembic_project.sql())
    assert "the table is published by news." in error.value.stderr
    assert catalog.scalar(COLUMNS) == BEFORE
    (alembic_project.folder / "versions" / "001.py").unlink()
    alembic_project.count = 0
    alembic_project.revision(operation.format(", published=True"))
    script = alembic_project.sql()
    assert "the table is published by" not in script
    psql(script)
    assert catalog.scalar(COLUMNS) == AFTER[operation]


@pytest.mark.parametrize("listed", ["item", "item_1"])
@pytest.mark.parametrize("through_root", ["true", "false"])
@pytest.mark.parametrize("operation", [ADD, ALTER], ids=["add", "alter"])
def test_a_partitioned_table_is_published_by_its_root_or_by_a_partition(
    alembic_project, catalog, operation, listed, through_root
):
    for statement in PARTITIONED:
        catalog.execute(statement)
    catalog.execute(f"CREATE PUBLICATION news FOR TABLE {listed} WITH (publish_via_partition_root = {through_root})")
    alembic_project.revision(operation.format(""))
    with pytest.raises(PublishedTableError, match="'news'"):
        alembic_project.upgrade()


@pytest.mark.parametrize(
    ("listed", "refused"),
    [
        ("id", {}),
        ("id, embedding", {SWAP: PublishedTableError, ALTER: PublishedTableError}),
        ("id, embedding, embedding_v2", {SWAP: PublishedTableError, ALTER: PublishedTableError}),
    ],
)
@pytest.mark.parametrize("operation", AFTER, ids=["swap", "add", "alter"])
def test_a_list_of_columns_matters_where_it_has_the_column(
    alembic_project, catalog, publish, operation, listed, refused
):
    catalog.execute(TABLE)
    if not publish(f"FOR TABLE item ({listed})", since=15):
        return
    alembic_project.revision(operation.format(""))
    if operation in refused:
        with pytest.raises(refused[operation], match="'news'"):
            alembic_project.upgrade()
    else:
        alembic_project.upgrade()
    assert catalog.scalar(COLUMNS) == (BEFORE if operation in refused else AFTER[operation])


def test_a_list_of_columns_follows_a_swap_that_says_so(alembic_project, catalog, publish):
    catalog.execute(TABLE)
    if not publish("FOR TABLE item (id, embedding)", since=15):
        return
    alembic_project.revision(SWAP.format(", published=True"))
    alembic_project.upgrade()
    assert catalog.scalar(COLUMNS) == AFTER[SWAP]
    assert catalog.scalar("SELECT attnames FROM pg_publication_tables WHERE pubname = 'news'") == ["id", "embedding"]


def test_a_publication_of_other_tables_does_not_matter(alembic_project, catalog):
    catalog.execute(TABLE)
    catalog.execute("CREATE TABLE note (id int)")
    catalog.execute("CREATE PUBLICATION news FOR TABLE note")
    alembic_project.revision(SWAP.format(""))
    alembic_project.upgrade()
    assert catalog.scalar(COLUMNS) == AFTER[SWAP]


def test_a_column_that_is_there_already_is_made_not_null_on_a_published_table(alembic_project, catalog):
    """NOT NULL is not replicated, and stops no subscriber."""
    catalog.execute(TABLE)
    catalog.execute("CREATE PUBLICATION news FOR TABLE item")
    alembic_project.revision('op.add_embedding_column("item", sa.Column("embedding", VECTOR(3), nullable=False))')
    alembic_project.upgrade()
    assert catalog.scalar("SELECT attnotnull FROM pg_attribute WHERE attrelid = 'item'::regclass AND attnum = 2")
