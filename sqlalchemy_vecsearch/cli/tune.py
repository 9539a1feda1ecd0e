"""`vecsearch tune`: the smallest search effort that reaches a recall."""

from typing import Annotated

import typer

from sqlalchemy_vecsearch.cli import references
from sqlalchemy_vecsearch.cli.database import DatabaseUrl, connected
from sqlalchemy_vecsearch.cli.exit_codes import NEEDS_ATTENTION
from sqlalchemy_vecsearch.cli.output import AsJson, console_for, print_json, questions_shown
from sqlalchemy_vecsearch.cli.questions import QuestionsFile, read_questions
from sqlalchemy_vecsearch.cli.recall import EmbeddingColumn, Neighbours, SampleSize

__all__ = ["tune"]


def tune(
    column: EmbeddingColumn,
    *,
    url: DatabaseUrl,
    target: Annotated[float, typer.Option(min=0, max=1, help="The recall to reach.")] = 0.95,
    k: Neighbours = 10,
    sample: SampleSize = 100,
    questions: QuestionsFile = None,
    as_json: AsJson = False,
) -> None:
    """Find the least search effort that reaches a recall.

    The effort is ef_search for HNSW, probes for IVFFlat. It changes nothing. Exit code 3 says that no value reaches it:
    then rebuild the index with a larger m or more lists.
    """
    from sqlalchemy_vecsearch.measuring.tuning import tune as search_frontier

    embedding = references.load(column)
    with connected(url) as connection, questions_shown() as progress:
        asked = None if questions is None else read_questions(questions)
        found = search_frontier(
            connection, embedding, target=target, k=k, sample=sample, questions=asked, progress=progress
        )
    if as_json:
        print_json(found)
    console = console_for(as_json=as_json)
    for point in found.frontier:
        console.print(f"{found.parameter} {point.value:>5}  recall {point.recall:.3f}  {point.seconds * 1000:.2f} ms")
    if found.value is None:
        console.print(f"No {found.parameter} reaches a recall of {target}.")
        raise typer.Exit(NEEDS_ATTENTION)
    console.print(f"{found.parameter}={found.value} is the smallest that reaches a recall of {target}.")
