"""The script of the demo: an application gets semantic search, from an empty database on."""

from __future__ import annotations

import platform
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Final

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, func, select, text, update
from sqlalchemy.orm import Session

from sqlalchemy_vecsearch import embedder, explain, source_hash
from sqlalchemy_vecsearch.demo.corpus import read_entries
from sqlalchemy_vecsearch.demo.embedder import DIMENSIONS, MODEL, Embedder
from sqlalchemy_vecsearch.demo.freshness import EDITED, NEWS, edit_and_search
from sqlalchemy_vecsearch.demo.memory import peak_memory_megabytes
from sqlalchemy_vecsearch.demo.models import Document
from sqlalchemy_vecsearch.demo.rebuild import BackgroundSearches
from sqlalchemy_vecsearch.demo.reembedding import reembed_while_used
from sqlalchemy_vecsearch.demo.searching import QUESTIONS, answer, search
from sqlalchemy_vecsearch.demo.server import start
from sqlalchemy_vecsearch.demo.summary import Answered, Fresh, Plan, Rebuild, Reembedded, Summary
from sqlalchemy_vecsearch.loading import copy_rows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from sqlalchemy_vecsearch.demo.corpus import Entry
    from sqlalchemy_vecsearch.demo.report import Report
    from sqlalchemy_vecsearch.demo.server import DemoServer
    from sqlalchemy_vecsearch.embedding.journal import SwitchMode
    from sqlalchemy_vecsearch.embedding.stale import Census

__all__ = ["Demo", "run_demo"]

INDEX: Final = "ix_document_embedding"
TABLES: Final = "0001"  # the revisions in migrations/versions
INDEXED: Final = "0002"
REBUILT: Final = "0003"

_ANSWERS_SHOWN: Final = 5
_RESTRICTED_ANSWERS_SHOWN: Final = 3


def run_demo(
    directory: Path, report: Report, *, port: int | None = None, reembed: SwitchMode | None = None
) -> tuple[DemoServer, Summary]:
    """Run the whole demo; the server, which the caller stops, and the summary come back.

    Args:
        directory: for the data of an embedded server.
        report: prints the steps.
        port: for an embedded server; None takes one that is free.
        reembed: how searches are switched of a table that gets another embedding model while it is used, None for no
            such step.

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
        fresh = demo.follow_the_texts()
        reembedded = None if reembed is None else demo.change_the_model(reembed)
        demo.engine.dispose()
    except BaseException:
        server.stop()
        raise
    summary = Summary(
        server=server.origin,
        python=platform.python_version(),
        postgres=server.postgres_version,
        pgvector=server.pgvector_version,
        url=server.shown_url,
        directory=None if server.directory is None else str(server.directory),
        texts=texts,
        reused=reused,
        steps=report.steps,
        answered=answered,
        plan=plan,
        rebuild=rebuild,
        fresh=fresh,
        reembedded=reembedded,
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
        embedder(MODEL, dimensions=DIMENSIONS, batch_size=256)(self.embedder.embed)  # as the column declares it
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
                    before = self._parameters()
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

    def follow_the_texts(self) -> Fresh:
        """Edit texts by plain SQL while a worker follows them, and search for what they say now."""
        with self.report.step(f"Edit {EDITED} docstrings by SQL while a worker follows"):
            fresh = edit_and_search(self.engine, self.embedder.embed([NEWS])[0])
            self._show_fresh(fresh)
        return fresh

    def change_the_model(self, mode: SwitchMode) -> Reembedded:
        """Change the embedding model of a table that is written and searched all the time."""
        with self.report.step("Change the embedding model while the app runs"):
            found = reembed_while_used(self.engine, self.embedder, self.report, mode)
            self._show_reembedded(found)
        return found

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
                connection.execute(
                    update(Document).values(
                        embedding_source_hash=source_hash(Document.embedding),
                        embedding_model=MODEL,
                        embedded_at=func.now(),
                    )
                )
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

    def _show_fresh(self, fresh: Fresh) -> None:
        for when, counted in (
            ("before", fresh.before),
            ("edited", fresh.during),
            ("followed", fresh.after),
            ("edits undone", fresh.restored),
        ):
            self.report.say(f"{when:<12}  {_census_in_words(counted)}")
        self.report.say(
            f'"{fresh.question}": {fresh.found_before}, then {fresh.found_after} of ten answers are edited',
            style="cyan",
        )
        self.report.say(f"  after {fresh.seconds_to_find:.2f} s; all embedded after {fresh.seconds:.2f} s")

    def _show_reembedded(self, found: Reembedded) -> None:
        for line in (
            f"{found.writes:,} writes and {found.searches:,} searches meanwhile, {found.failed} failed",
            f"questions by {', '.join(found.models)}",
            f"{found.lost_updates} updates lost, {found.wrong_vectors} vectors that are not those of their texts",
            f"99 of 100 writes take {found.write_p99_usual} ms and took {found.write_p99_during} ms meanwhile",
            f"the longest lock was {found.lock_milliseconds} ms",
        ):
            self.report.say(line)
        for error in found.errors:
            self.report.say(error, style="red")


def _census_in_words(counted: Census) -> str:
    made = ", ".join(f"{model} {rows:,}" for model, rows in sorted(counted.by_model.items()))
    return f"{made}; pending {counted.pending:,}, failed {counted.failed:,}, unknown {counted.without_provenance:,}"


def _words(parameters: dict[str, int]) -> str:
    return ", ".join(f"{name} {value}" for name, value in sorted(parameters.items(), reverse=True))
