"""Each way in which a server refuses an operation: three sentences, an unstamped revision, and a run that ends it."""

from __future__ import annotations

import os
from uuid import uuid4

import pytest
from sqlalchemy import NullPool, create_engine, make_url

from alembic_ops.errors import BuildError, ExtensionError, ExternalTransactionError, OperationArgumentError

CREATE = 'op.create_vector_index("ix", "document", "embedding", operator_class="vector_l2_ops")'
BY_LISTS = 'op.create_vector_index("ix", "document", "embedding", method="ivfflat", operator_class="vector_l2_ops", with_={"lists": 10})'
REINDEX = 'op.rebuild_vector_index("ix", "document")'
REBUILD = 'op.rebuild_vector_index("ix", "document", "embedding", operator_class="vector_l2_ops", with_={"m": 12})'
DROP = 'op.drop_vector_index("ix", "document")'
SWAP = 'op.swap_vector_index("ix", replacement="ix_v2", table_name="document")'
RENAME = 'op.rename_vector_index("ix", "ix_v3", table_name="document")'
ADD = 'op.add_embedding_column("document", sa.Column("embedding_v3", VECTOR(3)))'
SWAP_COLUMNS = 'op.swap_embedding_columns("document", live="embedding", replacement="embedding_v2")'
ALTER = 'op.alter_embedding_type("document", "embedding", existing_type=VECTOR(3), type_=HALFVEC(3))'

IX = "CREATE INDEX ix ON document USING hnsw (embedding vector_l2_ops)"
IX_V2 = "CREATE INDEX ix_v2 ON document USING hnsw (embedding vector_l2_ops) WITH (m = 8)"
SECOND_COLUMN = (
    "ALTER TABLE document ADD COLUMN embedding_v2 vector(3);"
    "UPDATE document SET embedding_v2 = embedding;"
    "CREATE INDEX ix_of_v2 ON document USING hnsw (embedding_v2 vector_l2_ops)"
)


def named(source):
    """Return the id of a test: the name of the operation."""
    return source.removeprefix("op.").partition("(")[0]


def refused(project, kind=BuildError):
    """Run the upgrade, and return its error."""
    with pytest.raises(kind) as error:
        project.upgrade()
    return error.value


def usable(catalog):
    return {name: usable for name, (_, usable) in catalog.indexes().items()}


BLOCKS_ALL = ", or write concurrently=False, which blocks readers and writers until the migration has ended"
OUTSIDE = {
    # operation -> what else can be done
    CREATE: ", or write concurrently=False, which blocks writers for the whole build",
    REINDEX: BLOCKS_ALL,
    REBUILD: BLOCKS_ALL,
    DROP: BLOCKS_ALL,
    SWAP: BLOCKS_ALL,
    ADD: "",
}


@pytest.mark.parametrize("source", OUTSIDE, ids=named)
def test_each_operation_that_needs_its_own_transactions_names_one_of_env_py(
    documents, alembic_project, catalog, source
):
    if source != CREATE:
        catalog.execute(IX)
    catalog.execute(IX_V2)
    before = catalog.indexes()
    alembic_project.env(before_configure='connection.exec_driver_sql("SELECT 1")')
    alembic_project.revision(source)
    error = refused(alembic_project, ExternalTransactionError)
    assert str(error) == (
        f"op.{error.operation}() cannot run inside a transaction, and env.py has one open. A statement was executed on "
        "the connection before context.configure(), or env.py has begun the transaction itself as that of the template "
        "multidb does, so that Alembic takes the transaction for yours and would commit nothing. Call connection.commit() "
        "before context.configure() in env.py, and let context.begin_transaction() begin the transactions"
        f"{OUTSIDE[source]}."
    )
    assert source.startswith(f"op.{error.operation}(")
    assert catalog.indexes() == before
    alembic_project.env(before_configure='connection.exec_driver_sql("SELECT 1"); connection.commit()')
    alembic_project.upgrade()
    assert catalog.revision() == "001"
    assert set(usable(catalog).values()) == {True}


@pytest.fixture
def make_role(catalog, vecsearch_url):
    """Give a way to make a role that may log in, which returns its name and URL; it goes with all it has."""
    made = []

    def make(url=vecsearch_url):
        name = f"deployer_{uuid4().hex[:8]}"
        catalog.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'secret'")
        made.append((name, url))
        return name, make_url(url).set(username=name, password="secret").render_as_string(hide_password=False)

    yield make
    for name, url in made:
        owner = create_engine(url, poolclass=NullPool)
        with owner.begin() as connection:
            connection.exec_driver_sql(f"DROP OWNED BY {name} CASCADE")
        catalog.execute(f"DROP ROLE {name}")


SERVER_SAYS = {
    # operation -> what the server says to a role that does not own the table, indexes afterwards
    CREATE: ("must be owner of table document", {"ix", "ix_of_v2"}),
    CREATE[:-1] + ", concurrently=False)": ("must be owner of table document", {"ix", "ix_of_v2"}),
    REINDEX: ("permission denied for index ix", {"ix", "ix_of_v2"}),
    REBUILD: ("must be owner of table document", {"ix", "ix_of_v2"}),
    DROP: ("must be owner of index ix", {"ix_of_v2"}),
    SWAP: ("must be owner of index ix", {"ix", "ix_of_v2"}),
    RENAME: ("must be owner of index ix", {"ix_v3", "ix_of_v2"}),
    ADD: ("must be owner of table document", {"ix", "ix_of_v2"}),
    SWAP_COLUMNS: ("permission denied for table document", {"ix", "ix_of_v2"}),
    ALTER: ("permission denied for table document", {"ix", "ix_of_v2"}),
}
MAINTAIN = 17
"""The PostgreSQL that has a privilege of its own for REINDEX."""


@pytest.mark.parametrize("source", SERVER_SAYS, ids=named)
def test_only_the_owner_of_the_table_may(documents, catalog, make_role, make_project, tmp_path, postgres_major, source):
    said, after = SERVER_SAYS[source]
    if source == REINDEX and postgres_major < MAINTAIN:
        said = "must be owner of index ix"
    name, url = make_role()
    catalog.execute(f"GRANT CREATE, USAGE ON SCHEMA public TO {name}")
    catalog.execute(f"GRANT SELECT ON document TO {name}")
    for statement in SECOND_COLUMN.split(";"):
        catalog.execute(statement)
    if not source.startswith("op.create"):
        catalog.execute(IX)
    if source == SWAP:
        catalog.execute(IX_V2)
    before = catalog.indexes()
    project = make_project(tmp_path, url)
    project.revision(source)
    error = refused(project)
    assert str(error).endswith(
        f": {said}. Only the owner of the table may do this, who needs CREATE on its schema for an index. "
        "Let the migration connect as the owner, or grant its role membership of the owner."
    )
    assert error.sqlstate == "42501"
    assert (catalog.indexes(), catalog.revision()) == (before, None)
    catalog.execute(f"ALTER TABLE document OWNER TO {name}")
    project.upgrade()
    assert catalog.revision() == "001"
    assert usable(catalog) == dict.fromkeys(after, True)


def test_an_index_takes_the_owner_s_privilege_on_the_schema(documents, catalog, make_role, make_project, tmp_path):
    name, url = make_role()
    catalog.execute(f"GRANT CREATE ON SCHEMA public TO {name}")
    catalog.execute("CREATE SCHEMA app")
    catalog.execute("ALTER TABLE document SET SCHEMA app")
    catalog.execute(f"ALTER TABLE app.document OWNER TO {name}")
    catalog.execute(f"GRANT USAGE ON SCHEMA app TO {name}")
    project = make_project(tmp_path, url)
    project.revision(CREATE[:-1] + ', schema="app")')
    assert str(refused(project)) == (
        "The server did not create vector index app.ix on app.document: hnsw (embedding vector_l2_ops): permission denied "
        "for schema app. Only the owner of the table may do this, who needs CREATE on its schema for an index. Let the "
        "migration connect as the owner, or grant its role membership of the owner."
    )
    assert (catalog.indexes(), catalog.revision()) == ({}, None)
    catalog.execute(f"GRANT CREATE ON SCHEMA app TO {name}")
    project.upgrade()
    assert usable(catalog) == {"ix": True}


def test_an_extension_has_privileges_of_its_own(bare_url, make_catalog, make_role, make_project, tmp_path):
    name, url = make_role(bare_url)
    bare = make_catalog(bare_url)
    bare.execute(f"GRANT CREATE ON SCHEMA public TO {name}")
    project = make_project(tmp_path, url)
    project.revision("op.create_vector_extension()", "op.drop_vector_extension()")
    trusted = bare.scalar("SELECT trusted FROM pg_available_extension_versions WHERE name = 'vector' LIMIT 1")
    hint = (
        "Must have CREATE privilege on current database to create this extension"
        if trusted
        else "Must be superuser to create this extension"
    )
    why = (
        "To create an extension takes CREATE on the database, and to change or to drop it takes its owner. Let the "
        "migration connect as such a role, or let a superuser do it once by psql."
    )
    assert str(refused(project, ExtensionError)) == (
        'The server did not create extension vector: permission denied to create extension "vector" (hint of the server: '
        f"{hint}). {why}"
    )
    bare.execute("CREATE EXTENSION vector")
    project.upgrade()
    with pytest.raises(ExtensionError) as error:
        project.downgrade()
    assert str(error.value) == f"The server did not drop extension vector: must be owner of extension vector. {why}"
    assert bare.revision() == "001"
    bare.engine.dispose()


NO_EXTENSION = (
    "The operator class or the type is misspelt, or belongs to the vector extension, which is missing here, too old, or in a "
    "schema that is not on the search path. Call op.create_vector_extension() in an earlier revision, and write the operator "
    'class with its schema where that is not on the search path: operator_class="extensions.vector_cosine_ops".'
)
WITHOUT_EXTENSION = {
    'op.create_vector_index("ix", "document", sa.text("(vectors::vector(3))"), operator_class="vector_l2_ops")': (
        'create vector index ix on document: hnsw ((vectors::vector(3)) vector_l2_ops): type "vector" does not exist'
    ),
    ADD: 'add the column embedding_v3 to document: type "vector" does not exist',
    'op.alter_embedding_type("document", "vectors", existing_type=sa.ARRAY(sa.REAL), type_=VECTOR(3))': (
        'alter the type of document.vectors to VECTOR(dim=3): type "vector" does not exist'
    ),
}


@pytest.mark.parametrize("source", WITHOUT_EXTENSION, ids=named)
def test_a_missing_extension_is_named(bare_url, make_catalog, make_project, tmp_path, source):
    bare = make_catalog(bare_url)
    bare.execute("CREATE TABLE document (id int, vectors real[])")
    bare.execute("INSERT INTO document VALUES (1, '{1,2,3}')")
    project = make_project(tmp_path, bare_url)
    project.revision(source)
    assert str(refused(project)) == f"The server did not {WITHOUT_EXTENSION[source]}. {NO_EXTENSION}"
    assert bare.revision() is None
    bare.execute("CREATE EXTENSION vector")
    project.upgrade()
    assert bare.revision() == "001"
    bare.engine.dispose()


NOT_BUILT = {
    # operation -> what the server says, our two sentences, the operation as it should have been
    CREATE.replace("vector_l2_ops", "vector_l3_ops"): (
        'operator class "vector_l3_ops" does not exist for access method "hnsw"',
        NO_EXTENSION,
        CREATE,
    ),
    CREATE.replace("vector_l2_ops", "extensions.vector_l2_ops"): (
        'schema "extensions" does not exist',
        "The database has no schema of this name. "
        "Correct the schema, of the operator class too, or create it in an earlier revision.",
        CREATE.replace("vector_l2_ops", "public.vector_l2_ops"),
    ),
    CREATE.replace("vector_l2_ops", "halfvec_l2_ops"): (
        'operator class "halfvec_l2_ops" does not accept data type vector',
        "The operator class is made for another type than the column's. "
        "Take the one that fits: halfvec_cosine_ops for a HALFVEC column, for example.",
        CREATE.replace('"embedding"', '"half"').replace("vector_l2_ops", "halfvec_l2_ops"),
    ),
    CREATE.replace('"embedding"', '"vectors"'): (
        'column "vectors" does not exist',
        "The table has no such column. Correct the name, or add the column in an earlier revision.",
        CREATE,
    ),
    CREATE.replace('"embedding"', 'sa.text("(embedding::vector(4))")'): (
        "expected 4 dimensions, not 3",
        "A vector of the table has another number of dimensions than the index is made for. "
        'Cast to the dimensions that the vectors have, or leave the others out by where="vector_dims(embedding) = 384".',
        CREATE.replace('"embedding"', 'sa.text("(embedding::vector(3))")'),
    ),
    CREATE.replace('"embedding"', '"unbounded"'): (
        "column does not have dimensions",
        "An index needs to know the number of dimensions, and build parameters must be in their range. "
        "Declare the dimensions on the column, or index a cast such as (embedding::vector(384)).",
        CREATE.replace('"embedding"', 'sa.text("(unbounded::vector(384))")'),
    ),
    CREATE.replace('"embedding"', '"wide"'): (
        "column cannot have more than 2000 dimensions for hnsw index",
        "An index covers at most 2,000 dimensions of a vector, 4,000 of a halfvec and 64,000 of a bit. "
        "Index a cast to halfvec, its bits, or a part of the vector: "
        'sa.text("(embedding::halfvec(3072))") with halfvec_cosine_ops.',
        CREATE.replace('"embedding"', 'sa.text("(wide::halfvec(2001))")').replace("vector_l2_ops", "halfvec_l2_ops"),
    ),
    CREATE[:-1] + ', where="seen > now()")': (
        "functions in index predicate must be marked IMMUTABLE",
        "The expression and the predicate of an index may use nothing whose value changes from one day to the next. "
        "Take now(), random() and the like out of it, and write such a condition into the queries.",
        CREATE[:-1] + ", where=\"seen > '2026-01-01'\")",
    ),
}


@pytest.mark.parametrize("source", NOT_BUILT, ids=named)
def test_an_index_that_the_server_cannot_build_is_explained_and_built_by_the_corrected_revision(
    documents, alembic_project, catalog, source
):
    said, why, corrected = NOT_BUILT[source]
    catalog.execute(
        "ALTER TABLE document ADD COLUMN unbounded vector, ADD COLUMN wide vector(2001), ADD COLUMN half halfvec(3),"
        " ADD COLUMN seen timestamptz"
    )
    alembic_project.revision(source)
    error = refused(alembic_project)
    assert str(error).startswith("The server did not create vector index ix on document: hnsw (")
    assert str(error).endswith(f": {said}. {why}")
    assert catalog.revision() is None
    assert catalog.indexes() == {}  # an INVALID one neither
    alembic_project.count = 0
    alembic_project.revision(f"{corrected}  # corrected")
    alembic_project.upgrade()
    assert catalog.revision() == "001"
    assert usable(catalog) == {"ix": True}


LONG = "embedding_of_the_" * 4
NAMES = {
    # operation with a name of 68 bytes -> the argument
    CREATE.replace('"ix"', f'"{LONG}"'): "name",
    CREATE.replace('"embedding"', f'"{LONG}"'): "column",
    REBUILD.replace('"ix"', f'"{LONG}"'): "name",
    DROP.replace('"document"', f'"{LONG}"'): "table_name",
    SWAP.replace("ix_v2", LONG): "replacement",
    RENAME.replace("ix_v3", LONG): "new_name",
    ADD.replace("embedding_v3", LONG): "column",
    SWAP_COLUMNS.replace("embedding_v2", LONG): "replacement",
    ALTER.replace('"embedding"', f'"{LONG}"'): "column",
}


@pytest.mark.parametrize("source", NAMES, ids=named)
def test_a_name_that_the_server_would_cut_is_refused_before_any_sql(documents, alembic_project, catalog, source):
    catalog.execute(IX)
    alembic_project.revision(source)
    error = refused(alembic_project, OperationArgumentError)
    assert str(error).startswith(
        f"The name {LONG!r} has 68 bytes. PostgreSQL cuts names at 63 bytes without an error, and two long names may "
        "become the same. Choose a shorter one, such as 'embedding_of_the_embedding_of_the_"
    )
    assert (error.argument, source.startswith(f"op.{error.operation}(")) == (NAMES[source], True)
    assert (usable(catalog), catalog.revision()) == ({"ix": True}, None)


@pytest.fixture
def local_url(own_server):
    """Give the URL of a fresh database of a server on this machine, whose files a test may touch."""
    databases = create_engine(own_server.url(), isolation_level="AUTOCOMMIT", poolclass=NullPool)
    name = f"full_{uuid4().hex[:8]}"
    with databases.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    url = make_url(own_server.url()).set(database=name).render_as_string(hide_password=False)
    engine = create_engine(url, poolclass=NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE EXTENSION vector")
        connection.exec_driver_sql("CREATE TABLE document (id int PRIMARY KEY, embedding vector(3))")
        connection.exec_driver_sql(
            "INSERT INTO document SELECT i, ARRAY[random(), random(), random()]::vector(3)"
            " FROM generate_series(1, 40000) i"
        )
        connection.exec_driver_sql("ALTER TABLE document SET (parallel_workers = 2)")
    yield url
    with databases.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")


# What the migration's own process of the server writes beside the index goes to the device that is always full.
FULL_DISK = """
        import os, pathlib
        pid, directory = connection.exec_driver_sql("SELECT pg_backend_pid(), current_setting('data_directory')").one()
        connection.commit()
        folder = pathlib.Path(directory, "base", "pgsql_tmp")
        folder.mkdir(exist_ok=True)
        os.chown(folder, os.stat(directory).st_uid, os.stat(directory).st_gid)
        for number in range(10):
            (folder / f"pgsql_tmp{pid}.{number}").symlink_to("/dev/full")
"""


def test_a_full_disk_leaves_what_the_next_run_clears(local_url, make_catalog, make_project, tmp_path):
    catalog, project = make_catalog(local_url), make_project(tmp_path, local_url)
    project.env(before_configure=FULL_DISK.strip())
    project.revision(BY_LISTS[:-1] + ', build=alembic_ops.Build(memory="1MB", workers=0))')
    error = refused(project)
    assert str(error).endswith(
        ": No space left on device. The disk of the server is full. Free some space (an INVALID index keeps what it has "
        "taken until it is dropped), and run the upgrade again."
    )
    assert error.sqlstate == "53100"
    assert (usable(catalog), catalog.revision()) == ({"ix": False}, None)
    project.env()
    project.upgrade()
    assert (usable(catalog), catalog.revision()) == ({"ix": True}, "001")
    catalog.engine.dispose()


def test_a_limit_on_temporary_files_is_named(local_url, make_catalog, make_project, tmp_path):
    catalog, project = make_catalog(local_url), make_project(tmp_path, local_url)
    database = make_url(local_url).database
    catalog.execute(f"ALTER DATABASE {database} SET temp_file_limit = '64kB'")
    project.revision(BY_LISTS[:-1] + ', build=alembic_ops.Build(memory="1MB", workers=0))')
    error = refused(project)
    message = str(error).replace('"temp_file_limit"', "temp_file_limit")  # newer servers quote it
    assert message.endswith(
        ": temporary file size exceeds temp_file_limit (64kB). A limit that is configured on the server was reached. "
        "Raise the limit, and run the upgrade again."
    )
    assert (usable(catalog), catalog.revision()) == ({"ix": False}, None)
    catalog.execute(f"ALTER DATABASE {database} RESET temp_file_limit")
    project.upgrade()
    assert (usable(catalog), catalog.revision()) == ({"ix": True}, "001")
    catalog.engine.dispose()


BLOCKING = CREATE[:-1] + ", concurrently=False)"


@pytest.mark.parametrize("source", [CREATE, BLOCKING, REINDEX], ids=["create", "create in the transaction", "reindex"])
def test_shared_memory_that_is_too_small_for_the_workers_is_done_without(
    local_url, make_catalog, make_project, tmp_path, caplog, source
):
    catalog, project = make_catalog(local_url), make_project(tmp_path, local_url)
    catalog.execute("DELETE FROM document WHERE id > 1000")
    if source == REINDEX:
        catalog.execute(IX)
    shared = os.statvfs("/dev/shm")
    too_much = shared.f_blocks * shared.f_frsize // 1024**2 + 64
    project.env(before_configure=f"alembic_ops.test_memory = '{too_much}MB'")
    project.revision(source[:-1] + ", build=alembic_ops.Build(memory=alembic_ops.test_memory, workers=2))")
    before = catalog.oid("ix") if source == REINDEX else None
    project.upgrade()
    assert (usable(catalog), catalog.revision()) == ({"ix": True}, "001")
    assert catalog.indexes().keys() == {"ix"}
    if source == REINDEX:
        assert catalog.scalar("SELECT count(*) FROM pg_class WHERE relname LIKE 'ix%'") == 1
        assert before != catalog.oid("ix")
    said = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert said == [
        "The server has too little shared memory for parallel workers, of which a container has 64 MB unless it is started "
        "with --shm-size. Building 'ix' without them, which takes longer."
    ]
    catalog.engine.dispose()


def test_a_predicate_that_is_refused_inside_the_transaction_is_told_by_its_own_reason(documents, alembic_project):
    alembic_project.revision(CREATE[:-1] + ', where="nonsense > 1", concurrently=False)')
    assert 'column "nonsense" does not exist' in str(refused(alembic_project))


def test_dimensions_that_no_index_covers_are_refused_before_the_whole_of_a_partitioned_table_is_created(
    catalog, alembic_project
):
    catalog.execute("CREATE TABLE document (id int, embedding vector(2001)) PARTITION BY LIST (id)")
    catalog.execute("CREATE TABLE document_1 PARTITION OF document FOR VALUES IN (1)")
    alembic_project.revision(CREATE)
    assert ": column cannot have more than 2000 dimensions for hnsw index. " in str(refused(alembic_project))
    assert catalog.indexes() == {}


def test_what_stands_in_the_way_of_another_type_is_named(documents, alembic_project, catalog):
    catalog.execute("CREATE VIEW seen AS SELECT embedding FROM document")
    alembic_project.revision(ALTER)
    error = refused(alembic_project)
    assert str(error) == (
        "The server did not alter the type of document.embedding to HALFVEC(dim=3): cannot alter type of a column used by a "
        'view or rule (rule _RETURN on view seen depends on column "embedding"). A view, a rule, a policy or a generated '
        "column reads the column, and is bound to its type. Drop it before the operation in this revision, and create it "
        "again after it."
    )
    assert error.detail == 'rule _RETURN on view seen depends on column "embedding"'
    catalog.execute("DROP VIEW seen")
    alembic_project.upgrade()
    assert catalog.revision() == "001"


READ_ONLY = "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"


@pytest.mark.parametrize("source", [CREATE, DROP, RENAME, ADD, ALTER, SWAP_COLUMNS], ids=named)
def test_read_only_transactions_are_named(documents, alembic_project, catalog, source):
    for statement in SECOND_COLUMN.split(";"):
        catalog.execute(statement)
    if source != CREATE:
        catalog.execute(IX)
    catalog.execute("CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)")
    before = catalog.indexes()
    alembic_project.env(before_configure=f"connection.exec_driver_sql({READ_ONLY!r}); connection.commit()")
    alembic_project.revision(source)
    assert str(refused(alembic_project)).endswith(
        "The transactions of the connection are read-only, by its role, its database or env.py. "
        "Set default_transaction_read_only = off for the role of the migrations, and run the upgrade again."
    )
    assert (catalog.indexes(), catalog.revision()) == (before, None)


def test_a_database_without_temporary_tables_is_named(documents, catalog, make_role, make_project, tmp_path):
    name, url = make_role()
    catalog.execute(f"ALTER TABLE document OWNER TO {name}")
    catalog.execute(f"GRANT CREATE ON SCHEMA public TO {name}")
    database = make_url(url).database
    catalog.execute(f'REVOKE TEMPORARY ON DATABASE "{database}" FROM PUBLIC')
    project = make_project(tmp_path, url)
    project.revision(
        CREATE.replace('"embedding"', 'sa.text("(embedding::halfvec(3))")').replace("vector_l2", "halfvec_l2")
    )
    assert str(refused(project)).endswith(
        "The server is asked what an expression or a predicate means by an index on an empty temporary table. "
        "Grant TEMPORARY on the database to the role of the migrations."
    )
    catalog.execute(f'GRANT TEMPORARY ON DATABASE "{database}" TO {name}')
    project.upgrade()
    assert usable(catalog) == {"ix": True}


ALL = {
    "create": CREATE,
    "create in the transaction": BLOCKING,
    "reindex": REINDEX,
    "rebuild": REBUILD,
    "rebuild in the transaction": REBUILD[:-1] + ", concurrently=False)",
    "drop": DROP,
    "drop in the transaction": DROP[:-1] + ", concurrently=False)",
    "swap": SWAP,
    "swap in the transaction": SWAP[:-1] + ", concurrently=False)",
    "rename": RENAME,
    "add": ADD,
    "swap columns": SWAP_COLUMNS,
    "alter": ALTER,
}
TIMEOUTS = {"statement_timeout": "50ms", "lock_timeout": "40ms", "idle_in_transaction_session_timeout": "30s"}


@pytest.mark.parametrize("operation", ALL)
def test_timeouts_of_the_role_stop_no_operation_and_are_as_before_after_it(
    documents, alembic_project, catalog, operation
):
    for statement in SECOND_COLUMN.split(";"):
        catalog.execute(statement)
    if not operation.startswith("create"):
        catalog.execute(IX)
    if operation.startswith("swap"):
        catalog.execute(IX_V2 if operation != "swap columns" else "SELECT 1")
    # the trigger lets each statement of the operation take longer
    catalog.execute(
        "CREATE FUNCTION waits() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.1); END'"
    )
    catalog.execute("CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)")
    catalog.execute("CREATE EVENT TRIGGER waits ON ddl_command_start EXECUTE FUNCTION waits()")
    changed = "; ".join(f"op.execute(\"SET {name} = '{value}'\")" for name, value in TIMEOUTS.items())
    seen = "; ".join(
        f"alembic_ops.seen['{name}'] = op.get_bind().exec_driver_sql('SHOW {name}').scalar()" for name in TIMEOUTS
    )
    alembic_project.revision(
        f"alembic_ops.seen = {{}}\n{changed}\n{ALL[operation]}\n{seen}\nop.execute('SET statement_timeout = 0')"
    )
    import alembic_ops

    alembic_project.upgrade()
    assert alembic_ops.seen == TIMEOUTS
    del alembic_ops.seen


@pytest.mark.parametrize("operation", ALL)
def test_every_operation_works_inside_an_autocommit_block(documents, alembic_project, catalog, operation):
    for statement in SECOND_COLUMN.split(";"):
        catalog.execute(statement)
    catalog.execute("ALTER TABLE document ALTER COLUMN embedding SET NOT NULL")
    if not operation.startswith("create"):
        catalog.execute(IX)
    if operation.startswith("swap") and operation != "swap columns":
        catalog.execute(IX_V2)
    before = state(catalog)
    alembic_project.revision(f"with op.get_context().autocommit_block():\n    {ALL[operation]}")
    alembic_project.upgrade()
    inside = state(catalog)
    assert inside != before
    assert catalog.revision() == "001"
    assert set(usable(catalog).values()) <= {True}


def state(catalog):
    """Return what an operation may change, oids included."""
    return (
        catalog.indexes(),
        catalog.scalar(
            "SELECT string_agg(format('%s %s %s %s', attname, format_type(atttypid, atttypmod), attnum, attnotnull), ', '"
            " ORDER BY attnum) FROM pg_attribute WHERE attrelid = 'document'::regclass AND attnum > 0"
        ),
        catalog.scalar("SELECT string_agg(relfilenode::text, ',' ORDER BY oid) FROM pg_class WHERE relname LIKE 'ix%'"),
    )
