"""`vecsearch recall`: how many of the true nearest rows an index finds."""

from typing import Annotated

import typer

from sqlalchemy_vecsearch.cli import references
from sqlalchemy_vecsearch.cli.database import DatabaseUrl, connected
from sqlalchemy_vecsearch.cli.exit_codes import NEEDS_ATTENTION
from sqlalchemy_vecsearch.cli.output import AsJson, console_for, print_json, questions_shown
from sqlalchemy_vecsearch.cli.questions import QuestionsFile, read_questions

__all__ = ["EmbeddingColumn", "Neighbours", "SampleSize", "recall"]

EmbeddingColumn = Annotated[
    str, typer.Argument(metavar="COLUMN", help="The embedding column: package.module:Document.embedding.")
]
Neighbours = Annotated[int, typer.Option("--k", "-k", min=1, help="How many neighbours a search asks for.")]
SampleSize = Annotated[int, typer.Option("--sample", min=1, help="How many stored vectors serve as queries.")]


def recall(
    column: EmbeddingColumn,
    *,
    url: DatabaseUrl,
    k: Neighbours = 10,
    sample: SampleSize = 100,
    questions: QuestionsFile = None,
    ef_search: Annotated[
        int | None,
        typer.Option(min=1, max=1000, show_default=False, help="For HNSW; as a search chooses if not given."),
    ] = None,
    probes: Annotated[
        int | None,
        typer.Option(min=1, max=32768, show_default=False, help="For IVFFlat; as a search chooses if not given."),
    ] = None,
    target: Annotated[
        float | None,
        typer.Option(min=0, max=1, show_default=False, help="End with exit code 3 when the recall is below it."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Measure the share of the true nearest rows that searches find.

    It answers stored vectors, or questions of your own, by the index and by a full scan, and changes nothing.
    """
    from sqlalchemy_vecsearch.measuring.recall import recall as measure

    embedding = references.load(column)
    with connected(url) as connection, questions_shown() as progress:
        asked = None if questions is None else read_questions(questions)
        share = measure(
            connection,
            embedding,
            k=k,
            sample=sample,
            questions=asked,
            ef_search=ef_search,
            probes=probes,
            progress=progress,
        )
    reached = target is None or share >= target
    if as_json:
        counted = {"questions": share.questions, "wanted": share.wanted, "found": share.found, "missing": share.missing}
        asked_for = {"column": column, "k": k, "sample": sample, "recall": float(share), **counted}
        print_json(asked_for | {"target": target, "reached": reached})
    console = console_for(as_json=as_json)
    console.print(f"recall@{k} of {column}: {share:.3f}")
    if share.missing:
        console.print(f"{share.missing} rows that exist did not come at all.")
    if not reached:
        raise typer.Exit(NEEDS_ATTENTION)
