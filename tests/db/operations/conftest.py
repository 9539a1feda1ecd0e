"""Fixtures of the tests that need a database."""

from __future__ import annotations

import io
import shutil
import subprocess
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, make_url, text

from sqlalchemy_vecsearch.testing.installations import installations

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Engine

ENV = """
from alembic import context
from sqlalchemy import create_engine, pool
import alembic_ops

url = context.config.get_main_option("sqlalchemy.url")
if context.is_offline_mode():
    context.configure(url=url, literal_binds=True, dialect_opts={"paramstyle": "named"})
    with context.begin_transaction():
        context.run_migrations()
else:
    engine = create_engine(url, poolclass=pool.NullPool)
    with engine.connect() as connection:
        BEFORE_CONFIGURE
        context.configure(connection=connection, transaction_per_migration=PER_MIGRATION, **OPTIONS)
        with context.begin_transaction():
            context.run_migrations()
"""

REVISION = """
import sqlalchemy as sa
from alembic import op
import alembic_ops
from sqlalchemy_vecsearch import HALFVEC, VECTOR

revision = {revision!r}
down_revision = {down_revision!r}

def upgrade():
{upgrade}

def downgrade():
{downgrade}
"""


@dataclass
class AlembicProject:
    """A directory with an Alembic environment, whose revisions a test writes."""

    directory: Path
    url: str
    count: int = 0

    def __post_init__(self):
        (self.directory / "versions").mkdir(parents=True)
        self.env()

    def env(self, *, before_configure="pass", per_migration=False, **options):
        source = ENV.replace("BEFORE_CONFIGURE", before_configure).replace("PER_MIGRATION", str(per_migration))
        (self.directory / "env.py").write_text(source.replace("OPTIONS", repr(options)))

    def config(self, output=None):
        config = Config(output_buffer=output)
        config.set_main_option("script_location", str(self.directory))
        config.set_main_option("path_separator", "os")
        config.set_main_option("sqlalchemy.url", self.url.replace("%", "%%"))
        return config

    def revision(self, upgrade, downgrade="pass"):
        """Write the next revision; both arguments are the bodies of its functions."""
        before = f"{self.count:03}" if self.count else None
        self.count += 1
        source = REVISION.format(
            revision=f"{self.count:03}",
            down_revision=before,
            upgrade=textwrap.indent(textwrap.dedent(upgrade).strip(), "    "),
            downgrade=textwrap.indent(textwrap.dedent(downgrade).strip(), "    "),
        )
        (self.directory / "versions" / f"{self.count:03}.py").write_text(source)

    def upgrade(self, revision="head"):
        command.upgrade(self.config(), revision)

    def downgrade(self, revision="-1"):
        command.downgrade(self.config(), revision)

    def sql(self, *, downgrade=False, revision=None):
        """Return what ``--sql`` prints for the last revision."""
        output = io.StringIO()
        last, before = f"{self.count:03}", f"{self.count - 1:03}" if self.count > 1 else "base"
        if downgrade:
            command.downgrade(self.config(output), f"{last}:{before}", sql=True)
        else:
            command.upgrade(self.config(output), revision or f"{before}:{last}", sql=True)
        return output.getvalue()


@pytest.fixture
def alembic_project(tmp_path, vecsearch_url):
    """Give an Alembic environment on a fresh database."""
    return AlembicProject(tmp_path / "migrations", vecsearch_url)


@dataclass
class Catalog:
    """What a test asserts about the indexes of a database."""

    engine: Engine

    def indexes(self):
        """Return name -> (definition, usable) of every vector index."""
        with self.engine.connect() as connection:
            rows = connection.execute(
                text(
                    "SELECT i.relname, pg_get_indexdef(i.oid), indisvalid AND indisready AND indislive"
                    " FROM pg_index JOIN pg_class i ON i.oid = indexrelid JOIN pg_am m ON m.oid = i.relam"
                    " WHERE amname IN ('hnsw', 'ivfflat') ORDER BY 1"
                )
            ).all()
        return {name: (sql, usable) for name, sql, usable in rows}

    def oid(self, name):
        with self.engine.connect() as connection:
            return connection.scalar(text("SELECT CAST(CAST(:name AS regclass) AS oid)"), {"name": name})

    def revision(self):
        with self.engine.connect() as connection:
            if connection.scalar(text("SELECT to_regclass('alembic_version')")) is None:
                return None
            return connection.scalar(text("SELECT version_num FROM alembic_version"))

    def execute(self, sql):
        with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT", no_parameters=True) as connection:
            connection.exec_driver_sql(sql)


@pytest.fixture
def make_catalog():
    """Give a way to look at another database."""
    return lambda url: Catalog(create_engine(url))


@pytest.fixture
def make_project():
    """Give a way to make an Alembic environment on another database."""
    return lambda folder, url: AlembicProject(folder / "migrations", url)


@pytest.fixture
def catalog(vecsearch_url):
    """Give assertions on the catalog of the test's database, on connections of their own."""
    engine = create_engine(vecsearch_url)
    yield Catalog(engine)
    engine.dispose()


@pytest.fixture
def documents(catalog):
    """Create a table of 200 rows with embeddings of three dimensions."""
    catalog.execute(
        "CREATE TABLE document (id int PRIMARY KEY, lang text NOT NULL, embedding vector(3))",
    )
    catalog.execute(
        "INSERT INTO document SELECT i, CASE WHEN i % 2 = 0 THEN 'en' ELSE 'de' END,"
        " ARRAY[sin(i), cos(i), i % 7]::vector(3) FROM generate_series(1, 200) i"
    )


@pytest.fixture
def psql(vecsearch_url):
    """Give a way to run a script as ``psql -v ON_ERROR_STOP=1`` does."""
    program = shutil.which("psql") or str(installations()[0].folder / "bin" / "psql")
    url = make_url(vecsearch_url).set(drivername="postgresql").render_as_string(hide_password=False)

    def run(script):
        subprocess.run(
            [program, "--no-psqlrc", "-v", "ON_ERROR_STOP=1", "-d", url],
            input=script,
            text=True,
            check=True,
            capture_output=True,
        )

    return run


@pytest.fixture
def load(documents, catalog):
    """Give a function that adds rows with random vectors."""

    def add(rows):
        catalog.execute(
            "INSERT INTO document SELECT i, 'en', ARRAY[random(), random(), random()]::vector(3)"
            f" FROM generate_series(1000, {999 + rows}) i"
        )

    return add
