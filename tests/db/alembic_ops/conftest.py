"""An Alembic project as `alembic init` makes it, driven through Alembic's Python API."""

import io
import re
import shutil
import subprocess
from pathlib import Path

import alembic
import pytest
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import text

from sqlalchemy_vecsearch.testing.installations import installations

ENV_PY = """\
import alembic_ops
from alembic import context

attributes = context.config.attributes

if context.is_offline_mode():
    context.configure(
        url="postgresql://",
        target_metadata=attributes["metadata"],
        literal_binds=True,
        dialect_opts={"paramstyle": "named"},
        **attributes["options"],
    )
    with context.begin_transaction():
        context.run_migrations()
else:
    with attributes["engine"].connect() as connection:
        context.configure(connection=connection, target_metadata=attributes["metadata"], **attributes["options"])
        with context.begin_transaction():
            context.run_migrations()
"""


class Project:
    """An Alembic project on one database, whose models the test changes by assigning `metadata`."""

    def __init__(self, folder, engine):
        self.folder = folder
        self.engine = engine
        self.metadata = None
        self.options = {}
        self.output = io.StringIO()
        template = Path(alembic.__file__).parent / "templates" / "generic" / "script.py.mako"
        (folder / "versions").mkdir(parents=True)
        shutil.copy(template, folder / "script.py.mako")
        (folder / "env.py").write_text(ENV_PY)

    def config(self):
        self.output = io.StringIO()
        config = Config(output_buffer=self.output, stdout=io.StringIO())
        config.set_main_option("script_location", str(self.folder))
        config.set_main_option("path_separator", "os")
        config.attributes |= {"engine": self.engine, "metadata": self.metadata, "options": self.options}
        return config

    def autogenerate(self):
        """Write a revision and return the text of its upgrade and downgrade, and the whole."""
        script = command.revision(self.config(), autogenerate=True)
        whole = Path(script.path).read_text()
        up, _, down = whole.partition("def downgrade() -> None:")
        return Revision(body(up.partition("def upgrade() -> None:")[2]), body(down), whole, Path(script.path))

    def proposes_nothing(self):
        command.check(self.config())
        revision = self.autogenerate()
        revision.path.unlink()
        return revision.upgrade == "pass" and revision.downgrade == "pass"

    def check_fails(self):
        with pytest.raises(CommandError, match="New upgrade operations detected"):
            command.check(self.config())
        return True

    def upgrade(self, revision="head"):
        command.upgrade(self.config(), revision)

    def downgrade(self, revision="-1"):
        command.downgrade(self.config(), revision)

    def sql(self, revisions="head"):
        command.upgrade(self.config(), revisions, sql=True)
        return self.output.getvalue()

    def cycle(self, *operations, rows=None):
        """Run the whole life of a change and return its revision.

        Autogenerate proposes these operations, the upgrade runs with rows, a second autogenerate and check are empty,
        the downgrade gives the old catalog, and the SQL of the upgrade, run by psql, the new one.
        """
        before = self.catalog()
        assert self.check_fails()
        revision = self.autogenerate()
        assert re.findall(r"^op\.(\w+)\(", revision.upgrade, re.MULTILINE) == list(operations)
        if rows:
            self.execute(rows)
        self.upgrade()
        assert self.proposes_nothing()
        after = self.catalog()
        assert after != before
        self.downgrade()
        assert self.catalog() == before
        self.execute("DROP TABLE alembic_version")
        self.psql(self.sql())
        assert self.catalog() == after
        assert self.proposes_nothing()
        return revision

    def execute(self, sql):
        with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT", no_parameters=True) as connection:
            connection.exec_driver_sql(sql)

    def psql(self, script):
        program = shutil.which("psql") or str(installations()[0].folder / "bin" / "psql")
        url = self.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
        command = [program, "--no-psqlrc", "-q", "-v", "ON_ERROR_STOP=1", "-d", url]
        subprocess.run(command, input=script, text=True, check=True, capture_output=True)

    def catalog(self):
        """Return everything that a vector migration may change, as comparable text."""
        with self.engine.connect() as connection:
            indexes = connection.execute(text(
                "SELECT pg_get_indexdef(x.indexrelid), x.indisvalid FROM pg_index x JOIN pg_class t ON t.oid = x.indrelid"
                " JOIN pg_namespace n ON n.oid = t.relnamespace"
                " WHERE n.nspname NOT LIKE 'pg\\_%' AND t.relname <> 'alembic_version' ORDER BY 1"
            )).all()  # fmt: skip
            columns = connection.execute(text(
                "SELECT t.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attgenerated,"
                " pg_get_expr(d.adbin, d.adrelid)"
                " FROM pg_attribute a JOIN pg_class t ON t.oid = a.attrelid JOIN pg_namespace n ON n.oid = t.relnamespace"
                " LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum"
                " WHERE a.attnum > 0 AND NOT a.attisdropped AND t.relkind IN ('r', 'p')"
                " AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'"
                " AND t.relname <> 'alembic_version' ORDER BY 1, 2"
            )).all()  # fmt: skip
            extension = connection.scalars(text("SELECT extname FROM pg_extension WHERE extname = 'vector'")).all()
        return [tuple(row) for row in indexes], [tuple(row) for row in columns], extension


class Revision:
    def __init__(self, upgrade, downgrade, whole, path):
        self.upgrade = upgrade
        self.downgrade = downgrade
        self.whole = whole
        self.path = path


def body(text_of_function):
    lines = [line.strip() for line in text_of_function.splitlines()]
    return "\n".join(line for line in lines if line and not line.startswith(("#", '"""')))


@pytest.fixture
def project(tmp_path, engine):
    return Project(tmp_path / "migrations", engine)


@pytest.fixture
def bare_project(tmp_path, make_engine, bare_url):
    return Project(tmp_path / "migrations", make_engine(url=bare_url))
