"""`vecsearch reembed`: fill, index and verify the column of a new embedding model."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from sqlalchemy_vecsearch.cli import references
from sqlalchemy_vecsearch.cli.database import DatabaseUrl, connected
from sqlalchemy_vecsearch.cli.embed import rows_reached, sentence_of, stopped_by_signals
from sqlalchemy_vecsearch.cli.exit_codes import NEEDS_ATTENTION
from sqlalchemy_vecsearch.cli.output import AsJson, RefusedArgumentError, console_for, print_json
from sqlalchemy_vecsearch.cli.questions import read_texts_or_vectors
from sqlalchemy_vecsearch.cli.verification import show_report, write_report
from sqlalchemy_vecsearch.progress import Counted, showing

__all__ = ["reembed"]


def reembed(
    job: Annotated[str, typer.Argument(metavar="JOB", help="The name that op.begin_reembedding() gave it.")],
    *,
    url: DatabaseUrl,
    embedder: Annotated[
        str | None,
        typer.Option(show_default=False, metavar="FUNCTION", help="Embeds the texts: package.module:function."),
    ] = None,
    schema: Annotated[str | None, typer.Option(show_default=False, help="The schema of its table.")] = None,
    pause: Annotated[bool, typer.Option("--pause", help="Let the runners of the job end after their batch.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Let the job go on after a pause.")] = False,
    where: Annotated[
        str | None,
        typer.Option(show_default=False, help="A trial on some rows, an SQL condition: embed and compare them."),
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", help="Go on with what becomes pending.")] = False,
    limit: Annotated[int | None, typer.Option(min=0, show_default=False, help="The most rows.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Threads that embed and write.")] = 1,
    rate: Annotated[float | None, typer.Option(show_default=False, help="The most texts a minute.")] = None,
    token_rate: Annotated[float | None, typer.Option(show_default=False, help="The most tokens a minute.")] = None,
    max_texts: Annotated[int | None, typer.Option(min=0, show_default=False, help="The most texts to send.")] = None,
    max_tokens: Annotated[int | None, typer.Option(min=0, show_default=False, help="The most tokens to send.")] = None,
    considerate: Annotated[
        bool, typer.Option("--considerate", help="Wait while a replica lags or somebody waits for a lock.")
    ] = False,
    questions: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            show_default=False,
            help="Your own questions instead of stored rows: a text a line, or vectors as for `vecsearch recall`.",
        ),
    ] = None,
    k: Annotated[int, typer.Option("--k", "-k", min=1, help="How many neighbours a question asks for.")] = 10,
    sample: Annotated[int, typer.Option(min=1, help="How many stored rows are embedded again, and ask.")] = 50,
    threshold: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=NUMBER", show_default=False, help="Another threshold for a check."),
    ] = None,
    waive: Annotated[
        list[str] | None, typer.Option(metavar="NAME", show_default=False, help="A check that need not pass.")
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(dir_okay=False, show_default=False, help="Write the report to a file: .html or .json."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Fill, index and verify the column of a new model.

    Then the job is ready, and a revision may let the searches change over. It may be killed at any point and run again,
    and run beside others of its kind. SIGTERM lets it end after its batch. Exit code 3 says that the column is not
    ready: rows were refused, or a check has failed.
    """
    from alembic_ops import reembed as work
    from sqlalchemy_vecsearch.embedding.journal_moves import pause as set_paused
    from sqlalchemy_vecsearch.embedding.pacing import Rate
    from sqlalchemy_vecsearch.embedding.throttling import WaitForDatabase

    if pause and resume:
        raise RefusedArgumentError("--pause and --resume are two wishes: give one of them.")
    console = console_for(as_json=as_json)
    model = None if embedder is None else references.load(embedder)
    asked = None if questions is None else read_texts_or_vectors(questions)
    _check_suffix(report)
    with connected(url) as connection:
        if pause or resume:
            set_paused(connection, job, schema, paused=pause)
            connection.commit()
        if pause or (resume and model is None):
            _say_whether_it_rests(console, job, rests=pause, as_json=as_json)
            return
        with stopped_by_signals() as stop, _shown() as shown:
            result = work(
                connection.engine,
                job,
                schema=schema,
                embedder=model,
                questions=asked,
                k=k,
                sample=sample,
                thresholds=dict(map(_threshold, threshold or ())),
                waive=waive or (),
                where=where,
                follow=follow,
                limit=limit,
                workers=workers,
                rate=Rate(texts=rate, tokens=token_rate),
                max_texts=max_texts,
                max_tokens=max_tokens,
                throttle=WaitForDatabase() if considerate else None,
                progress=shown.rows,
                told=shown.measured,
                vector_progress=shown.report,
                stop=stop,
            )
    if report is not None and result.report is not None:
        write_report(report, result.report)
    if as_json:
        print_json(result)
    _show(console, result)
    if result.failed or (result.report is not None and not result.report.passed):
        raise typer.Exit(NEEDS_ATTENTION)


@dataclass(frozen=True)
class _Shown:
    """One display for all that a job does, a bar after the other."""

    report: Callable[[Any], None]  # Any: whatever says how far it is

    def rows(self, now: Any) -> None:  # Any: a Refreshed
        """Show how many rows are embedded."""
        self.report(rows_reached(now))

    def measured(self, title: str, done: int, total: int) -> None:
        """Show how far the verification is."""
        self.report(Counted(title=title, done=done, total=total, unit="questions"))


@contextmanager
def _shown() -> Iterator[_Shown]:
    """Give what shows progress on the standard error, where a JSON document on the output is not disturbed."""
    with showing(transient=True) as report:
        yield _Shown(report)


def _show(console: Console, result: Any) -> None:  # a JobResult
    if result.refreshed is not None:
        console.print(sentence_of(result.refreshed))
    if result.report is not None:
        show_report(console, result.report)
    console.print(state_in_words(result), markup=False)
    console.print(result.next, markup=False)


def state_in_words(result: Any) -> str:  # a JobResult
    """Return how far a job is, in a sentence."""
    pending = f", {result.pending:,} rows are pending" if result.pending else ""
    failed = f", {result.failed:,} of them refused" if result.failed else ""
    rests = ", and it rests" if result.paused else ", and it was told to end" if result.stopped else ""
    return f"The job {result.job} is {result.state}{pending}{failed}{rests}."


def _say_whether_it_rests(console: Console, job: str, *, rests: bool, as_json: bool) -> None:
    if as_json:
        print_json({"job": job, "paused": rests})
    how = "rests: its runners end after their batch" if rests else "goes on with its next runner"
    console.print(f"The job {job} {how}.", markup=False)


def _threshold(given: str) -> tuple[str, float]:
    name, _, number = given.partition("=")
    try:
        return name.strip(), float(number)
    except ValueError:
        raise RefusedArgumentError(f"--threshold {given!r} is not of the form NAME=NUMBER.") from None


def _check_suffix(report: Path | None) -> None:
    if report is not None and report.suffix not in {".html", ".json"}:
        raise RefusedArgumentError(f"--report {str(report)!r} ends neither with .html nor with .json.")
