"""Copies of a database in which a revision of a job is to run: hit at a statement, and run again."""

from __future__ import annotations

import re
import runpy
from dataclasses import dataclass
from uuid import uuid4

import psycopg
from sqlalchemy import Engine, event, make_url

from tests.db.operations.conftest import AlembicProject
from tests.db.operations.faults.scenes import CHILDREN, PATIENCE
from tests.db.operations.reembedding_jobs import ABORT, BACK, BEGIN, FINISH, PROVENANCE, TABLE, Job, swap

CHANGES = re.compile(r"\s*(BEGIN|COMMIT|CREATE|DO|DROP|ALTER|LOCK|INSERT|UPDATE|DELETE|GRANT|COMMENT)\b")

SCRIPT = """
import os, signal
from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, event
from tests.db.operations.faults.reembedding_copies import CHANGES

statements = 0

def count(connection, cursor, statement, parameters, context, executemany):
    global statements
    if CHANGES.match(statement) and "alembic_version" not in statement:
        if statements == {last}:
            os.kill(os.getpid(), signal.SIGKILL)
        statements += 1

event.listen(Engine, "before_cursor_execute", count)
config = Config()
config.set_main_option("script_location", {directory!r})
config.set_main_option("path_separator", "os")
config.set_main_option("sqlalchemy.url", {url!r})
command.upgrade(config, "head")
os.kill(os.getpid(), signal.SIGKILL)
"""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """An operation, with what is there before it; ``fill_before`` is the place of the worker among the revisions."""

    name: str
    source: str
    revisions: tuple[str, ...] = ()
    filled: bool = True
    prepare: tuple[str, ...] = (TABLE, PROVENANCE)
    tables: tuple[str, ...] = ("document",)

    @property
    def is_partitioned(self):
        return len(self.tables) > 1


PARTITIONS = """
CREATE TABLE document (id int PRIMARY KEY, title text NOT NULL, body text, embedding vector(3) NOT NULL) PARTITION BY RANGE (id);
CREATE TABLE low PARTITION OF document FOR VALUES FROM (MINVALUE) TO (25);
CREATE TABLE high PARTITION OF document DEFAULT;
INSERT INTO document SELECT i, 'title ' || i, 'body ' || i, ARRAY[sin(i), cos(i), i % 7]::vector(3)
  FROM generate_series(1, 50) i;
CREATE INDEX ix_document_embedding ON document USING hnsw (embedding vector_cosine_ops);
"""
PARTITIONED = {"prepare": (PARTITIONS, PROVENANCE), "tables": ("document", "low", "high")}

SUBJECTS = (
    Subject(name="begin", source=BEGIN, filled=False),
    Subject(name="abort", source=ABORT.replace('"j"', '"j", discard_vectors=True'), revisions=(BEGIN,)),
    Subject(name="rename", source=swap("rename"), revisions=(BEGIN,)),
    Subject(name="rename without provenance", source=swap("rename"), revisions=(BEGIN,), prepare=(TABLE,)),
    Subject(name="pointer", source=swap("pointer"), revisions=(BEGIN,)),
    Subject(name="rename back", source=BACK, revisions=(BEGIN, swap("rename"))),
    Subject(name="pointer back", source=BACK, revisions=(BEGIN, swap("pointer"))),
    Subject(name="finish", source=FINISH, revisions=(BEGIN, swap("rename"))),
    Subject(
        name="finish and keep", source=FINISH.replace('"j"', '"j", keep_old=True'), revisions=(BEGIN, swap("rename"))
    ),
    Subject(name="begin of partitions", source=BEGIN, filled=False, **PARTITIONED),
    Subject(name="rename of partitions", source=swap("rename"), revisions=(BEGIN,), **PARTITIONED),
    Subject(name="rename back of partitions", source=BACK, revisions=(BEGIN, swap("rename")), **PARTITIONED),
    Subject(name="finish of partitions", source=FINISH, revisions=(BEGIN, swap("rename")), **PARTITIONED),
    Subject(
        name="abort of partitions",
        source=ABORT.replace('"j"', '"j", discard_vectors=True'),
        revisions=(BEGIN,),
        **PARTITIONED,
    ),
)


class Template:
    """A database as a subject finds it, of which each hit gets a copy."""

    def __init__(self, url, folder, subject):
        self.url = make_url(url)
        self.folder = folder
        self.subject = subject
        self.copies = 0
        job = Job(url)
        job.execute(*subject.prepare)
        project = AlembicProject(folder / "before", url)
        for place, source in enumerate(subject.revisions):
            project.revision(source)
            project.upgrade()
            if place == 0 and subject.filled:
                job.fill(concurrently=not subject.is_partitioned)
        job.engine.dispose()
        self.expected, self.statements = self.undisturbed()

    def copy(self):
        """Return an Alembic environment on a new copy, whose next revision is the operation, and the database."""
        self.copies += 1
        name = f"copy_{uuid4().hex[:12]}"
        self.administer(f"CREATE DATABASE {name} TEMPLATE {self.url.database}")
        url = self.url.set(database=name).render_as_string(hide_password=False)
        project = AlembicProject(self.folder / f"copy_{self.copies}", url)
        for source in self.subject.revisions:
            project.revision(source)
        project.revision(self.subject.source)
        return project, Job(url)

    def administer(self, statement):
        address = self.url.set(drivername="postgresql", database="postgres").render_as_string(hide_password=False)
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute(statement)

    def drop(self, job):
        job.engine.dispose()
        self.administer(f"DROP DATABASE {make_url(str(job.engine.url)).database} WITH (FORCE)")

    def undisturbed(self):
        """Return what the operation comes to by itself, and how many statements it changes something by."""
        project, job = self.copy()
        hits = Hits(last=-1)
        with hits:
            project.upgrade()
        found = self.found(job)
        self.drop(job)
        return found, hits.statements

    def found(self, job):
        """Return all that an operation may change, of the table and of its partitions."""
        return [job.catalog(table) for table in self.subject.tables]

    def kill(self, project, last):
        """Run the upgrade in a process that kills itself before its statement of this number, or at its end."""
        path = project.folder / "killed.py"
        path.write_text(SCRIPT.format(last=last, directory=str(project.folder), url=str(project.url)))
        process = CHILDREN.Process(target=runpy.run_path, args=(str(path),), daemon=True)
        process.start()
        process.join(PATIENCE)
        assert process.exitcode == -9

    def terminate(self, project, last, after, end=None):
        """Run the upgrade, whose process of the server ends before or after its statement of this number.

        `end(pid)` ends it, by default alone.
        """
        hits = Hits(last=last, after=after, terminate=end or self.terminate_backend)
        with hits:
            try:
                project.upgrade()
            except Exception:  # noqa: BLE001  # which error it is depends on the statement, and other tests say it
                assert hits.hit
            else:
                assert not hits.hit, "the process of the server ended, and nobody noticed"

    def terminate_backend(self, pid):
        self.administer(f"SELECT pg_terminate_backend({pid}, 10000)")


class Hits:
    """Counts the statements that change something, and ends the process of the server at one of them."""

    def __init__(self, *, last, after=False, terminate=None):
        self.last = last
        self.after = after
        self.terminate = terminate
        self.statements = 0
        self.hit = False

    def __enter__(self):
        event.listen(Engine, "before_cursor_execute", self.before)
        event.listen(Engine, "after_cursor_execute", self.behind)

    def __exit__(self, *_):
        event.remove(Engine, "before_cursor_execute", self.before)
        event.remove(Engine, "after_cursor_execute", self.behind)

    def before(self, connection, cursor, statement, *_):
        if self._counts(statement) and not self.after:
            self._end_at(cursor, self.statements)

    def behind(self, connection, cursor, statement, *_):
        if not self._counts(statement):
            return
        self.statements += 1
        if self.after:
            self._end_at(cursor, self.statements - 1)

    def _counts(self, statement):
        return CHANGES.match(statement) is not None and "alembic_version" not in statement

    def _end_at(self, cursor, number):
        if number == self.last and not self.hit:
            self.hit = True
            self.terminate(cursor.connection.info.backend_pid)
