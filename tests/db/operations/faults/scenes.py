"""A database in which an operation is brought to a phase, hit there, and run again."""

from __future__ import annotations

import runpy
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from time import monotonic

import psycopg
from sqlalchemy import make_url

from tests.db.children import CHILDREN
from tests.db.operations.faults.phases import ASKS_AGAIN

PATIENCE = 60

SCRIPT = """
import logging, os, re, signal, sys, traceback
from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, event

said = open({output!r}, "a", buffering=1)
log = logging.getLogger("alembic.alembic_ops")
log.addHandler(logging.StreamHandler(said))
log.setLevel(logging.INFO)
statements = 0

def count(connection, cursor, statement, parameters, context, executemany):
    global statements
    if re.match(r"CREATE INDEX|DROP INDEX|ALTER|REINDEX|LOCK", statement) and "alembic_ops_probe" not in statement:
        statements += 1
        if statements == {last}:
            os.kill(os.getpid(), signal.SIGKILL)

event.listen(Engine, "after_cursor_execute", count)
config = Config()
config.set_main_option("script_location", {directory!r})
config.set_main_option("path_separator", "os")
config.set_main_option("sqlalchemy.url", {url!r})
try:
    command.upgrade(config, "head")
except Exception:
    traceback.print_exc(file=said)
    raise SystemExit(1)
"""

INDEXES = """
SELECT i.relname, substring(pg_get_indexdef(i.oid) FROM 'm=''([0-9]+)'''), x.indisvalid AND x.indisready AND x.indislive
  FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid
 WHERE x.indrelid IN (SELECT oid FROM pg_class WHERE relname LIKE 'document%') AND NOT x.indisprimary
"""

TIMEOUTS = (
    "statement_timeout",
    "lock_timeout",
    "transaction_timeout",
    "idle_in_transaction_session_timeout",
    "idle_session_timeout",
)
PATIENT = "SELECT set_config(name, '0', false) FROM pg_settings WHERE name = ANY (%s)"

MIGRATIONS = """
SELECT a.pid FROM pg_stat_activity a LEFT JOIN pg_stat_progress_create_index p USING (pid)
 WHERE a.datname = current_database() AND a.application_name <> 'scene'
"""

WAITS = "a.wait_event_type = 'Lock'"


@dataclass
class Upgrade:
    """An upgrade in a process of its own; `output` is what it has said so far."""

    process: object
    path: object

    def output(self):
        return self.path.read_text() if self.path.exists() else ""

    def end(self):
        """Wait for the end, and return the exit code."""
        self.process.join(PATIENCE)
        assert self.process.exitcode is not None, self.output()
        return self.process.exitcode


@dataclass
class Scene:
    """A database, a revision, and the operation and table that both are about."""

    project: object
    operation: object
    layout: object
    others: list[str] = field(default_factory=list)
    upgrades: int = 0

    def __post_init__(self):
        url = make_url(self.project.url).set(drivername="postgresql")
        self.dsn = url.render_as_string(hide_password=False)
        with self.session() as connection:
            for statement in self.operation.prepare(self.layout):
                connection.execute(statement)
            self.strangers = self._oids(connection)
        self.project.revision(self.operation.source)

    @contextmanager
    def session(self):
        """Give a session in autocommit mode; closing it lets go of all it holds, also where the server is gone."""
        connection = psycopg.connect(self.dsn, autocommit=True, application_name="scene")
        try:
            connection.execute(PATIENT, [list(TIMEOUTS)])
            yield connection
        finally:
            connection.close()

    def run(self, statement):
        """Run a statement that a fault of the test may end."""
        with suppress(psycopg.OperationalError), self.session() as connection:
            connection.execute(statement)

    def until(self, question, upgrade=None, *, says=None, **parameters):
        """Ask until there is an answer, and return it, or until an upgrade says something; it must not end before."""
        end = monotonic() + PATIENCE
        with self.session() as connection:
            while monotonic() < end:
                if says is not None and says in upgrade.output():
                    return None
                row = connection.execute(question, parameters).fetchone()
                if row is not None:
                    return row[0]
                assert upgrade is None or upgrade.process.is_alive(), upgrade.output()
                connection.execute("SELECT pg_sleep(0.005)")
            shown = connection.execute("SELECT pid, state, wait_event, query FROM pg_stat_activity").fetchall()
        raise AssertionError((question, parameters, shown, upgrade and upgrade.output()))

    def start(self, *, last=0):
        """Start the upgrade in a process of its own; `last` is the statement after which it kills itself, 0 for none."""
        self.upgrades += 1
        path = self.project.folder / f"upgrade_{self.upgrades}.py"
        output = path.with_suffix(".txt")
        path.write_text(
            SCRIPT.format(output=str(output), last=last, directory=str(self.project.folder), url=str(self.project.url))
        )
        process = CHILDREN.Process(target=runpy.run_path, args=(str(path),), daemon=True)
        process.start()
        return Upgrade(process, output)

    @contextmanager
    def stopped(self, phase):
        """Bring a new upgrade to a phase and give it, with the process of the server that works for it."""
        upgrade, pid = None, 0
        with ExitStack() as stack:
            for stop in phase.stops:
                held = stack.pop_all()
                stack.enter_context(stop.holder(self))
                held.close()
                upgrade = upgrade or self.start()
                pid = self.arrives(upgrade, stop)
            yield upgrade, pid

    def arrives(self, upgrade, stop):
        """Wait until an upgrade is where it should stop, and return the process of the server that works for it."""
        if stop.condition == ASKS_AGAIN:
            self.until("SELECT 1 WHERE false", upgrade, says=stop.argument)
            return self.until(f"{MIGRATIONS} AND a.state = 'idle'", upgrade)
        return self.until(f"{MIGRATIONS} AND {WAITS} AND {stop.condition}", upgrade, argument=stop.argument)

    def waits_for(self, upgrade, pid):
        """Wait until an upgrade waits, in the server or by asking again and again, for a process that is at work."""
        self.until(f"{MIGRATIONS} AND {WAITS} AND a.pid <> %(pid)s", upgrade, says="is at work on the", pid=pid)

    def finished(self, *, others_usable=True):
        """Assert that the result is what the operation promises, and that nothing else has changed."""
        self.until(f"SELECT 1 WHERE NOT EXISTS ({MIGRATIONS} AND a.backend_type = 'client backend')")
        with self.session() as connection:
            found = {name: (m and int(m), usable) for name, m, usable in connection.execute(INDEXES)}
            wished = {name: (m, True) for name, m in self.operation.result(self.layout).items()}
            others = dict.fromkeys(["stranger", "stranger_ccnew"], (None, True))
            assert found == wished | others | dict.fromkeys(self.others, (None, others_usable)), self.said()
            assert self._oids(connection) == self.strangers
            assert self.revision(connection) == "001"

    def said(self):
        """Return what all upgrades have said."""
        return [path.read_text() for path in sorted(self.project.folder.glob("upgrade_*.txt"))]

    def revision(self, connection):
        """Return the revision that the database is at."""
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        return None if row is None else row[0]

    def _oids(self, connection):
        return connection.execute(
            "SELECT oid, relfilenode FROM pg_class WHERE relname IN ('stranger', 'stranger_ccnew') ORDER BY 1"
        ).fetchall()
