"""An Alembic project as `alembic init` makes it, driven through Alembic's Python API."""

import re
import shutil
from pathlib import Path

import alembic
import pytest
from alembic import command
from alembic.util import CommandError
from sqlalchemy import text

from tests.db.alembic_rig import Environment, run_psql

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


TABLE_OF_A_CALL = re.compile(r"'(items\w*)'")


class Project(Environment):
    """An Alembic project on one database, whose models the test changes by assigning `metadata`.

    `engine` is what the test looks at the database with; env.py has it too, unless it is given `engine_of_env`.
    """

    def __init__(self, folder, engine):
        super().__init__(folder, ENV_PY)
        self.engine = engine
        self.engine_of_env = None
        self.metadata = None
        self.options = {}
        self.options_of_psql = []
        template = Path(alembic.__file__).parent / "templates" / "generic" / "script.py.mako"
        shutil.copy(template, folder / "script.py.mako")

    def config(self, output=None):
        config = super().config(output)
        engine = self.engine_of_env or self.engine
        config.attributes |= {"engine": engine, "metadata": self.metadata, "options": self.options}
        return config

    def autogenerate(self):
        """Write a revision and return the text of its upgrade and downgrade, and the whole."""
        script = command.revision(self.config(), autogenerate=True)
        whole = Path(script.path).read_text()
        up, _, down = whole.partition("def downgrade() -> None:")
        return Revision(
            body(up.partition("def upgrade() -> None:")[2]),
            body(down),
            whole,
            Path(script.path),
            script.revision,
            script.down_revision,
        )

    def proposes_nothing(self):
        command.check(self.config())
        return True

    def check_fails(self):
        with pytest.raises(CommandError, match="New upgrade operations detected"):
            command.check(self.config())
        return True

    def cycle(self, *operations, rows=None, edit=None, of_tables=None):
        """Run the whole life of a change and return its revision.

        Autogenerate proposes these operations, the upgrade runs with rows, a check proposes nothing more, and the
        downgrade gives the old catalog. The SQL of the upgrade and of the downgrade, run by psql, do the same, and
        another upgrade gives the new catalog: so after either way down there is a way up. Comparing is the dearest
        part of it, so it is done twice; what it finds in a catalog that is equal to one that was compared is known.

        Args:
            operations: the names of the operations that the revision must hold.
            rows: a statement that puts rows into the tables before the upgrade.
            edit: what a person does to the text of the revision before it is run.
            of_tables: instead of `operations`, those of each table, in the order in which the revision has them.
        """
        before = self.catalog()
        revision = self.autogenerate()
        assert (revision.operations() if of_tables is None else revision.operations_of_tables()) == (
            of_tables or list(operations)
        )
        if edit is not None:
            revision.path.write_text(edit(revision.whole))
        if rows:
            self.execute(rows)
        self.upgrade()
        assert self.proposes_nothing()
        after = self.catalog()
        assert after != before
        self.downgrade()
        assert self.catalog() == before
        self.cycle_of_sql(revision, before, after)
        self.upgrade()
        assert self.catalog() == after
        return revision

    def cycle_of_sql(self, revision, before, after):
        """Let psql run the SQL of the last revision up and down again, from one catalog to the other and back."""
        former = revision.down_revision
        self.psql_upgrade(former)
        assert self.catalog() == after
        self.psql(self.sql_of_downgrade(f"{revision.number}:{former or 'base'}"))
        assert self.catalog() == before

    def psql_upgrade(self, former):
        if former is None:  # the script creates the table; whether that of a downgrade drops it depends on Alembic
            self.execute("DROP TABLE IF EXISTS alembic_version")
        self.psql(self.sql_of_upgrade("head" if former is None else f"{former}:head"))

    def execute(self, sql):
        with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT", no_parameters=True) as connection:
            connection.exec_driver_sql(sql)

    def psql(self, script):
        run_psql(self.engine.url, script, *self.options_of_psql)

    def catalog(self):
        """Return everything that a vector migration may change, as comparable text."""
        with self.engine.connect() as connection:
            indexes = connection.execute(text(
                "SELECT pg_get_indexdef(x.indexrelid), x.indisvalid FROM pg_index x JOIN pg_class t ON t.oid = x.indrelid"
                " JOIN pg_namespace n ON n.oid = t.relnamespace"
                " WHERE n.nspname NOT LIKE 'pg\\_%' AND t.relname <> 'alembic_version' ORDER BY 1"
            )).all()  # fmt: skip
            columns = connection.execute(text(
                "SELECT a.attrelid::regclass::text, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attgenerated,"
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
    def __init__(self, upgrade, downgrade, whole, path, number, down_revision):
        self.upgrade = upgrade
        self.downgrade = downgrade
        self.whole = whole
        self.path = path
        self.number = number
        self.down_revision = down_revision

    def operations(self):
        """Return the names of the operations of the upgrade, in order."""
        return re.findall(r"^op\.(\w+)\(", self.upgrade, re.MULTILINE)

    def operations_of_tables(self):
        """Return table -> the names of its operations, in order."""
        found = {}
        for call in re.split(r"^op\.", self.upgrade, flags=re.MULTILINE)[1:]:
            found.setdefault(TABLE_OF_A_CALL.search(call).group(1), []).append(call.partition("(")[0])
        return found


def body(text_of_function):
    lines = [line.strip() for line in text_of_function.splitlines()]
    return "\n".join(line for line in lines if line and not line.startswith(("#", '"""')))


@pytest.fixture
def project(tmp_path, engine):
    return Project(tmp_path / "migrations", engine)


@pytest.fixture
def bare_project(tmp_path, make_engine, bare_url):
    return Project(tmp_path / "migrations", make_engine(url=bare_url))
