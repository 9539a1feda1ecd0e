"""What `vecsearch status` says of a job, on a terminal and elsewhere."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from sqlalchemy_vecsearch.cli.status import _show_jobs
from sqlalchemy_vecsearch.embedding.jobs import JobProgress

NEXT = "Embed, index and verify: vecsearch reembed to_52 --embedder package.module:function"


@pytest.mark.parametrize(
    ("on_a_terminal", "said"),
    [
        (True, "    next: Embed, index and verify: vecsearch reembed to_52 --embedder\n    package.module:function\n"),
        (False, f"    next: {NEXT}\n"),
    ],
)
def test_a_long_line_goes_on_below_its_beginning_and_is_one_line_where_no_terminal_is(on_a_terminal, said):
    job = JobProgress(
        job="to_52", schema=None, table="recipe", live="embedding", replacement="embedding_v2", model="m", state="begun",
        paused=False, begun_at=None, next=NEXT,
    )  # fmt: skip
    written = io.StringIO()
    _show_jobs(Console(file=written, width=80, soft_wrap=not on_a_terminal), [job])
    assert written.getvalue() == f"to_52: begun: recipe.embedding_v2 by m, beside embedding\n{said}"
