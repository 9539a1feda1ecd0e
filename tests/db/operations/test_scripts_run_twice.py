"""The SQL of `--sql` that is run a second time: what is done is passed over, or the script says why it stops."""

import re

import pytest

pytestmark = pytest.mark.usefixtures("documents")

IX = "CREATE INDEX ix ON document USING hnsw (embedding vector_l2_ops)"
IX_V2 = "CREATE INDEX ix_v2 ON document USING hnsw (embedding vector_l2_ops) WITH (m = 8)"

DONE = {
    # the operation -> what is there before
    'op.create_vector_extension(minimum_version="0.7")': [],
    "op.update_vector_extension()": [],
    'op.create_vector_index("ix", "document", "embedding", operator_class="vector_l2_ops", with_={"m": 8})': [],
    'op.create_vector_index("ix", "document", sa.text("(embedding::halfvec(3))"), operator_class="halfvec_l2_ops", '
    "where=\"lang = 'en'\", concurrently=False)": [],
    'op.drop_vector_index("ix", "document")': [IX],
    'op.rebuild_vector_index("ix", "document")': [IX],
    'op.rebuild_vector_index("ix", "document", "embedding", operator_class="vector_l2_ops", with_={"m": 12})': [IX],
    'op.rename_vector_index("ix", "ix_v3", table_name="document")': [IX],
    'op.add_embedding_column("document", sa.Column("embedding_v3", VECTOR(3)))': [],
    'op.add_embedding_column("document", sa.Column("zero", VECTOR(3), nullable=False, server_default="[0,0,0]"))': [],
    'op.alter_embedding_type("document", "embedding", existing_type=VECTOR(3), type_=HALFVEC(3))': [],
    'op.alter_embedding_type("document", "embedding", existing_type=VECTOR(3), type_=sa.ARRAY(sa.REAL))': [],
}


def script_of(project, operation):
    """Return what `--sql` prints of the operation itself, between the statements of Alembic's own table."""
    project.revision(operation)
    lines = project.sql().split("-- Running upgrade")[1].splitlines()[1:]
    return re.sub(r"(INSERT INTO|UPDATE) alembic_version.*?;", "", "BEGIN;\n" + "\n".join(lines), flags=re.DOTALL)


def state(catalog):
    columns = catalog.scalar(
        "SELECT string_agg(format('%s %s %s', attname, format_type(atttypid, atttypmod), attnotnull), ', ' ORDER BY attnum)"
        " FROM pg_attribute WHERE attrelid = 'document'::regclass AND attnum > 0"
    )
    return catalog.indexes(), columns


@pytest.mark.parametrize("operation", DONE)
def test_a_second_run_passes_over_what_is_done(alembic_project, catalog, psql, operation):
    for statement in DONE[operation]:
        catalog.execute(statement)
    before = state(catalog)
    script = script_of(alembic_project, operation)
    psql(script)
    after = state(catalog)
    if "extension" not in operation and operation != 'op.rebuild_vector_index("ix", "document")':
        assert after != before
    psql(script)
    assert state(catalog) == after


def refused(psql, script):
    with pytest.raises(Exception, match="returned non-zero exit status 3") as error:
        psql(script)
    return error.value.stderr


def test_vectors_that_have_come_since_the_first_run_are_not_discarded(alembic_project, catalog, psql):
    script = script_of(
        alembic_project,
        'op.alter_embedding_type("document", "embedding", existing_type=VECTOR(3), type_=VECTOR(4), discard_vectors=True)',
    )
    psql(script)
    catalog.execute("UPDATE document SET embedding = '[1,2,3,4]'")
    psql(script)
    assert catalog.scalar("SELECT count(*) FROM document WHERE embedding IS NULL") == 0


def test_the_index_that_was_swapped_in_is_not_dropped(alembic_project, catalog, psql):
    catalog.execute(IX)
    catalog.execute(IX_V2)
    script = script_of(alembic_project, 'op.swap_vector_index("ix", replacement="ix_v2", table_name="document")')
    psql(script)
    after = state(catalog)
    assert after[0].keys() == {"ix"}
    assert (
        "There is no index ix_v2 to put in the place of ix. An earlier run of this script has swapped the two"
        in refused(psql, script)
    )
    assert state(catalog) == after


@pytest.mark.parametrize(
    "other",
    [
        "CREATE INDEX ix ON document USING hnsw (embedding vector_ip_ops)",
        "CREATE INDEX ix ON document USING ivfflat (embedding vector_l2_ops) WITH (lists = 1)",
        "CREATE INDEX ix ON document USING hnsw (embedding vector_l2_ops) WITH (m = 8)",
        "CREATE INDEX ix ON document USING hnsw (embedding vector_l2_ops) WHERE id > 0",
        "CREATE INDEX ix ON document USING hnsw ((embedding::halfvec(3)) halfvec_l2_ops)",
        "CREATE INDEX ix ON document (lang)",
        "CREATE TABLE other (embedding vector(3)); CREATE INDEX ix ON other USING hnsw (embedding vector_l2_ops)",
    ],
)
def test_another_index_of_the_name_stops_the_script(alembic_project, catalog, psql, other):
    catalog.execute(other)
    before = state(catalog)
    script = script_of(
        alembic_project, 'op.create_vector_index("ix", "document", "embedding", operator_class="vector_l2_ops")'
    )
    assert "There is an index ix already, and it is another one than this script creates." in refused(psql, script)
    assert state(catalog) == before


def test_the_defaults_of_the_server_are_the_same_index(alembic_project, catalog, psql):
    catalog.execute(IX)
    before = state(catalog)
    script = script_of(
        alembic_project,
        'op.create_vector_index("ix", "document", "embedding", operator_class="vector_l2_ops", with_={"m": 16})',
    )
    psql(script)
    assert state(catalog) == before


@pytest.mark.parametrize("other", ["vector(4)", "halfvec(3)", "vector", "text"])
def test_another_column_of_the_name_stops_the_script(alembic_project, catalog, psql, other):
    catalog.execute(f"ALTER TABLE document ADD COLUMN embedding_v3 {other}")
    script = script_of(alembic_project, 'op.add_embedding_column("document", sa.Column("embedding_v3", VECTOR(3)))')
    assert "The table 'document' has a column 'embedding_v3' already, and it is another one." in refused(psql, script)


def test_a_column_that_has_to_become_not_null_stops_the_script(alembic_project, catalog, psql):
    script = script_of(
        alembic_project, 'op.add_embedding_column("document", sa.Column("embedding", VECTOR(3), nullable=False))'
    )
    assert "The revision asks for vector(3) NOT NULL, and a script changes no column." in refused(psql, script)


def test_an_index_of_neither_name_stops_a_rename(alembic_project, psql):
    script = script_of(alembic_project, 'op.rename_vector_index("ix", "ix_v3", table_name="document")')
    assert "There is no index ix to rename, and none that is called ix_v3 either." in refused(psql, script)


ODD = (
    "it's 50% \"quoted\"", "%(x)s %s :name", "::text \\:x back\\slash", "naïve 日本", "é" * 31 + "x", "tab\there\nnew line",
    "$1 {brace} $tag$", "a--b /*c a;b",
)  # fmt: skip


def test_odd_names_of_tables_and_indexes_and_of_what_a_condition_compares(alembic_project, catalog, psql):
    """Each is the name of a table, of a column of its condition and, as text, of what that is compared with."""
    create, drop, wished = [], [], {}
    for name in ODD:
        quoted, literal = '"' + name.replace('"', '""') + '"', "'" + name.replace("'", "''") + "'"
        index = f"ix {name}" if len(name) < 30 else f"{name[:-1]}y"
        where = f"{quoted} = {literal}"
        wished[index] = f"({where}::text)"
        catalog.execute(f"CREATE TABLE {quoted} (id int, {quoted} text, embedding vector(3))")
        keywords = f"operator_class='vector_l2_ops', where={where!r}"
        create.append(f"op.create_vector_index({index!r}, {name!r}, 'embedding', {keywords})")
        drop.append(f"op.drop_vector_index({index!r}, {name!r})")
    alembic_project.revision("\n".join(create), "\n".join(drop))
    lines = alembic_project.sql().split("-- Running upgrade")[1].splitlines(keepends=True)[1:]
    script = re.sub(r"(INSERT INTO|UPDATE) alembic_version.*?;", "", "BEGIN;\n" + "".join(lines), flags=re.DOTALL)
    psql(script)
    first = conditions(catalog)
    assert {name: condition for name, (_, condition) in first.items()} == wished
    psql(script)
    alembic_project.upgrade()
    assert conditions(catalog) == first
    alembic_project.downgrade()
    assert conditions(catalog) == {}
    alembic_project.upgrade()
    assert {name: condition for name, (_, condition) in conditions(catalog).items()} == wished


def conditions(catalog):
    """Return name -> (oid, condition) of the valid vector indexes."""
    found = catalog.scalar(
        "SELECT json_object_agg(c.relname, json_build_array(c.oid, pg_get_expr(i.indpred, i.indrelid))) FROM pg_index i"
        " JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am a ON a.oid = c.relam WHERE a.amname = 'hnsw' AND i.indisvalid"
    )
    return {name: tuple(parts) for name, parts in (found or {}).items()}
