"""`vecsearch recall`: how many of the true nearest rows an index finds."""

from typing import Annotated

import typer

from sqlalchemy_vecsearch.cli import references
from sqlalchemy_vecsearch.cli.database import DatabaseUrl, connected
from sqlalchemy_vecsearch.cli.exit_codes import NEEDS_ATTENTION
from sqlalchemy_vecsearch.cli.output import AsJson, console_for, print_json

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
    """Measure the share of the true nearest rows that searches through the index return.

    It answers a sample of stored vectors by the index and by a full scan, and changes nothing.
    """
    from sqlalchemy_vecsearch.measuring.recall import recall as measure

    embedding = references.load(column)
    with connected(url) as connection:
        share = measure(connection, embedding, k=k, sample=sample, ef_search=ef_search, probes=probes)
    reached = target is None or share >= target
    if as_json:
        print_json({"column": column, "k": k, "sample": sample, "recall": share, "target": target, "reached": reached})
    console_for(as_json=as_json).print(f"recall@{k} of {column}: {share:.3f}", soft_wrap=True)
    if not reached:
        raise typer.Exit(NEEDS_ATTENTION)
