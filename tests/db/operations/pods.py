"""Processes that start together, as the pods of a deployment do, and run the same operation or the same upgrade."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import NullPool, create_engine, event, make_url, text

import alembic_ops
from sqlalchemy_vecsearch import HALFVEC, VECTOR
from tests.db.children import CHILDREN

SECONDS = 120
"""How long a process waits for the others to be there: long enough to start eight of them on a busy machine."""

_barriers = {}


def _started(barriers):
    """Keep the barriers that the processes of a pool share, which only reach a process when it is made."""
    _barriers.update(barriers)


@dataclass
class Outcome:
    """What became of one process: its error, and the builds that it has begun, in order."""

    error: str | None = None
    builds: list[str] = field(default_factory=list)


class Pods:
    """Up to eight processes, which are made once and take one piece of work after another."""

    def __init__(self):
        barriers = {number: CHILDREN.Barrier(number) for number in (2, 4, 8)}
        self._pool = ProcessPoolExecutor(8, mp_context=CHILDREN, initializer=_started, initargs=(barriers,))

    def close(self):
        """End the processes, also those that hang: a shutdown waits for them, and the end of the program too."""
        for process in multiprocessing.active_children():
            process.kill()
        self._pool.shutdown(cancel_futures=True)

    def operate(self, number, url, source, *, having_looked=False):
        """Let processes run an operation; they start together, or go on together when each has looked at the catalog."""
        return self._together(number, _operate, url, source, having_looked)

    def upgrade(self, number, project):
        """Let processes run `alembic upgrade head`, which start together."""
        return self._together(number, _upgrade, str(project.folder), project.url)

    def _together(self, number, function, *arguments):
        begun = [self._pool.submit(function, number, *arguments) for _ in range(number)]
        return [one.result(2 * SECONDS) for one in begun]


def _meet(number):
    _barriers[number].wait(SECONDS)


def _operate(number, url, source, having_looked):
    outcome = Outcome()
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"), poolclass=NullPool)
    missing = [having_looked]

    @event.listens_for(engine, "before_cursor_execute")
    def note(connection, cursor, sql, *_):
        if sql.startswith(("CREATE INDEX", "REINDEX")):
            outcome.builds.append(sql)
        if "pg_try_advisory" in sql and missing.pop():
            _meet(number)
        if not missing:
            missing.append(False)

    names = {"sa": sa, "VECTOR": VECTOR, "HALFVEC": HALFVEC, "alembic_ops": alembic_ops}
    try:
        with engine.connect() as connection:
            connection.execute(text("SELECT 1"))
            connection.commit()
            context = MigrationContext.configure(connection)
            if not having_looked:
                _meet(number)
            with context.begin_transaction():
                eval(source, names | {"op": Operations(context)})  # the test wrote it
    except Exception as error:  # noqa: BLE001  # the test looks at it
        outcome.error = f"{type(error).__name__}: {error}"
    return outcome


def _upgrade(number, folder, url):
    outcome = Outcome()
    config = Config()
    config.set_main_option("script_location", folder)
    config.set_main_option("path_separator", "os")
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    try:
        _meet(number)
        command.upgrade(config, "head")
    except Exception as error:  # noqa: BLE001  # the test looks at it
        outcome.error = f"{type(error).__name__}: {error}"
    return outcome
