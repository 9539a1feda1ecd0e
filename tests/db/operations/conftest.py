"""Fixtures of the tests that need a database."""

from __future__ import annotations

import textwrap

import pytest
from sqlalchemy import create_engine, make_url

from tests.db.alembic_rig import Environment, run_psql
from tests.db.conftest import Catalog

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


def env_py(*, before_configure="pass", per_migration=False, **options):
    source = ENV.replace("BEFORE_CONFIGURE", before_configure).replace("PER_MIGRATION", str(per_migration))
    return source.replace("OPTIONS", repr(options))


class AlembicProject(Environment):
    """An Alembic environment on one database, whose revisions a test writes."""

    def __init__(self, folder, url):
        super().__init__(folder, env_py())
        self.url = url
        self.count = 0

    def env(self, **options):
        (self.folder / "env.py").write_text(env_py(**options))

    def config(self, output=None):
        config = super().config(output)
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
        (self.folder / "versions" / f"{self.count:03}.py").write_text(source)

    def sql(self, *, downgrade=False, revision=None):
        """Return what ``--sql`` prints for the last revision."""
        last, before = f"{self.count:03}", f"{self.count - 1:03}" if self.count > 1 else "base"
        if downgrade:
            return self.sql_of_downgrade(f"{last}:{before}")
        return self.sql_of_upgrade(revision or f"{before}:{last}")


@pytest.fixture
def alembic_project(tmp_path, vecsearch_url):
    """Give an Alembic environment on a fresh database."""
    return AlembicProject(tmp_path / "migrations", vecsearch_url)


@pytest.fixture
def make_catalog():
    """Give a way to look at another database."""
    return lambda url: Catalog(create_engine(url))


@pytest.fixture
def make_project():
    """Give a way to make an Alembic environment on another database."""
    return lambda folder, url: AlembicProject(folder / "migrations", url)


@pytest.fixture
def psql(vecsearch_url):
    """Give a way to run a script as ``psql -v ON_ERROR_STOP=1`` does."""
    return lambda script: run_psql(make_url(vecsearch_url), script)
