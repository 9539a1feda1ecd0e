"""The script of the demo: an application gets semantic search, from an empty database on."""

from __future__ import annotations

import platform
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Final

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, func, select, text
from sqlalchemy.orm import Session

from sqlalchemy_vecsearch import explain
from sqlalchemy_vecsearch.demo.corpus import read_entries
from sqlalchemy_vecsearch.demo.embedder import Embedder
from sqlalchemy_vecsearch.demo.memory import peak_memory_megabytes
from sqlalchemy_vecsearch.demo.models import Document
from sqlalchemy_vecsearch.demo.rebuild import BackgroundSearches
from sqlalchemy_vecsearch.demo.searching import QUESTIONS, answer, search
from sqlalchemy_vecsearch.demo.server import start
from sqlalchemy_vecsearch.demo.summary import Answered, Plan, Rebuild, Summary
from sqlalchemy_vecsearch.loading import copy_rows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from sqlalchemy_vecsearch.demo.corpus import Entry
    from sqlalchemy_vecsearch.demo.report import Report
    from sqlalchemy_vecsearch.demo.server import DemoServer

__all__ = ["Demo", "run_demo"]

INDEX: Final = "ix_document_embedding"
TABLES: Final = "0001"  # the revisions in migrations/versions
INDEXED: Final = "0002"
REBUILT: Final = "0003"

_ANSWERS_SHOWN: Final = 5
_RESTRICTED_ANSWERS_SHOWN: Final = 3


def run_demo(directory: Path, report: Report, *, port: int | None = None) -> tuple[DemoServer, Summary]:
    """Run the whole demo; the server, which the caller stops, and the summary come back.

    Args:
        directory: for the data of an embedded server.
        report: prints the steps.
        port: for an embedded server; None takes one that is free.

    Raises:
        DemoError: the directory, the disk, the port or this Python is not usable.
        ServerError: there is no server, or it does not start.
    """
    begin = perf_counter()
    with report.step("Start the server"):
        server = start(directory, port=port)
        report.say(f"PostgreSQL {server.postgres_version}, pgvector {server.pgvector_version}: {server.origin}")
        if server.directory is not None:
            report.say(f"its data stays in {server.directory}")
    try:
        demo = Demo(server, report)
        texts, reused = demo.prepare()
        answered = demo.answer_questions()
        plan = demo.prove_the_index()
        rebuild = demo.rebuild_while_searching()
        demo.engine.dispose()
    except BaseException:
        server.stop()
        raise
    summary = Summary(
        server=server.origin,
        python=platform.python_version(),
        postgres=server.postgres_version,
        pgvector=server.pgvector_version,
        url=server.url,
        directory=None if server.directory is None else str(server.directory),
        texts=texts,
        reused=reused,
        steps=report.steps,
        answered=answered,
        plan=plan,
        rebuild=rebuild,
        seconds=round(perf_counter() - begin, 3),
        peak_memory_megabytes=peak_memory_megabytes(),
    )
    return server, summary


class Demo:
    """The application: an engine, its migrations, and what embeds its texts.

    Args:
        server: that it runs on.
        report: prints the steps.
    """

    def __init__(self, server: DemoServer, report: Report) -> None:
        self.report = report
        self.engine = create_engine(server.url)
        self.embedder = Embedder()
        self.questions = self.embedder.embed([question.text for question in QUESTIONS])
        self.migrations = Config(Path(__file__).with_name("alembic.ini"))
        self.migrations.attributes["url"] = server.url

    def prepare(self) -> tuple[int, bool]:
        """Make sure that tables, rows and index are there; return the rows, and whether they were there before."""
        with self.report.step(f"Create the table: alembic upgrade {TABLES}"):
            command.upgrade(self.migrations, TABLES)
        stored = self._stored()
        if stored:
            self.report.say(f"{stored:,} texts are there from an earlier run; --reset starts anew.")
        else:
            entries = self._read()
            self._load(entries, self._embed(entries))
        if self._revision() == TABLES:
            with self.report.step(f"Build the index: alembic upgrade {INDEXED}"):  # alembic_ops draws the bar
                command.upgrade(self.migrations, INDEXED)
        return self._stored(), bool(stored)

    def answer_questions(self) -> list[Answered]:
        """Search for each question among all rows, then among those of one module."""
        answered = []
        with Session(self.engine) as session:
            for restricted, title in ((False, "Answer questions"), (True, "The same, within one module")):
                with self.report.step(title):
                    for question, vector in zip(QUESTIONS, self.questions, strict=True):
                        found = answer(session, question, vector, restricted=restricted)
                        self._show(found)
                        answered.append(found)
        return answered

    def prove_the_index(self) -> Plan:
        """Ask the server how it runs a search."""
        with self.report.step("Prove that the index serves them: EXPLAIN"), Session(self.engine) as session:
            plan = explain(session, search(self.questions[0]))
            for line in plan.render().splitlines():
                self.report.say(line)
        return Plan(index_served=plan.index_served, indexes=list(plan.indexes), lines=plan.render().splitlines())

    def rebuild_while_searching(self) -> Rebuild:
        """Rebuild the index with other parameters while a thread goes on searching."""
        before = self._parameters()
        title = f"Rebuild the index while it is searched: alembic upgrade {REBUILT}"
        with self.report.step(title):  # alembic_ops draws the bar
            begin = perf_counter()
            with BackgroundSearches(self.engine, list(self.questions)) as searches:
                if self._revision() == REBUILT:  # by an earlier run: go back first, in the same way
                    command.downgrade(self.migrations, INDEXED)
                command.upgrade(self.migrations, REBUILT)
            seconds = perf_counter() - begin
        rebuild = Rebuild(
            index=INDEX,
            before=before,
            after=self._parameters(),
            seconds=round(seconds, 3),
            searches=len(searches.seconds),
            failed=len(searches.errors),
            errors=searches.shown_errors,
            median_milliseconds=searches.median_milliseconds,
            slowest_milliseconds=searches.slowest_milliseconds,
        )
        self._show_rebuild(rebuild)
        return rebuild

    def _read(self) -> list[Entry]:
        with self.report.step("Read the docstrings of Python's standard library"):
            entries = read_entries()
            self.report.say(f"{len(entries):,} classes, functions and methods")
        return entries

    def _embed(self, entries: list[Entry]) -> NDArray[np.float32]:
        title = "Embed their names and docstrings: 256 numbers each"
        with self.report.step(title), self.report.progress("texts", len(entries)) as advance:
            return self.embedder.embed([entry.text for entry in entries], progress=advance)

    def _load(self, entries: list[Entry], vectors: NDArray[np.float32]) -> None:
        columns = {
            "module": [entry.module for entry in entries],
            "kind": [entry.kind for entry in entries],
            "name": [entry.name for entry in entries],
            "docstring": [entry.docstring for entry in entries],
            "embedding": vectors,
        }
        with self.report.step("Load them: binary COPY"), self.report.progress("rows", len(entries)) as advance:
            with self.engine.begin() as connection:
                loaded = copy_rows(connection, Document, columns)
                connection.execute(text("ANALYZE document"))
            advance(loaded)

    def _stored(self) -> int:
        with Session(self.engine) as session:
            return session.scalar(select(func.count()).select_from(Document)) or 0

    def _revision(self) -> str | None:
        with self.engine.connect() as connection:
            return MigrationContext.configure(connection).get_current_revision()

    def _parameters(self) -> dict[str, int]:
        """Read the index's parameters from the catalog."""
        statement = text(
            "SELECT option_name, option_value FROM pg_class, pg_options_to_table(reloptions)"
            " WHERE oid = to_regclass(:index)"
        )
        with self.engine.connect() as connection:
            return {name: int(value) for name, value in connection.execute(statement, {"index": INDEX})}

    def _show(self, answered: Answered) -> None:
        where = f", in {answered.module}" if answered.module else ""
        self.report.say(f'"{answered.question}"{where}: {answered.milliseconds} ms', style="cyan")
        count = _RESTRICTED_ANSWERS_SHOWN if answered.module else _ANSWERS_SHOWN
        for found in answered.answers[:count]:
            self.report.say(f"  {found.distance:.3f}  {found.kind:<8}  {found.name}")

    def _show_rebuild(self, rebuild: Rebuild) -> None:
        self.report.say(f"from {_words(rebuild.before)} to {_words(rebuild.after)}")
        self.report.say(
            f"{rebuild.searches:,} searches meanwhile, {rebuild.failed} failed; "
            f"{rebuild.median_milliseconds} ms usually, {rebuild.slowest_milliseconds} ms at the most"
        )
        for error in rebuild.errors:
            self.report.say(error, style="red")


def _words(parameters: dict[str, int]) -> str:
    return ", ".join(f"{name} {value}" for name, value in sorted(parameters.items(), reverse=True))
