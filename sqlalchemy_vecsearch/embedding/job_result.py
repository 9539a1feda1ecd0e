"""How far a job of re-embedding is when its runner ends, and what it needs next."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy_vecsearch.embedding.journal import Reembedding
    from sqlalchemy_vecsearch.embedding.run import Refreshed
    from sqlalchemy_vecsearch.embedding.verification.report import Report

__all__ = ["JobResult", "next_step_of", "refreshed_together"]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobResult:
    """How far a job of re-embedding is when its runner ends.

    Args:
        job: its name.
        state: "begun", "ready", "swapped" or "finished".
        paused: whether it rests.
        stopped: whether the runner was told to end.
        refreshed: what the runner has embedded, None where the job rests or is over.
        pending: rows of those that the runner looked at that need embedding, the refused ones included.
        failed: those of them whose text was refused.
        report: of the verification, None where the runner did not come to it.
        next: what the job needs next, as a sentence.
    """

    job: str
    state: str
    paused: bool
    stopped: bool
    refreshed: Refreshed | None
    pending: int
    failed: int
    report: Report | None
    next: str


def next_step_of(job: Reembedding, *, pending: int, failed: int) -> str:
    """Return what a job needs next, as a sentence. Pure."""
    again = f"vecsearch reembed {job.job} --embedder package.module:function"
    if job.paused:
        return f"It rests until: vecsearch reembed {job.job} --resume"
    if job.state == "begun" and job.verification is not None and pending <= failed:
        return f"Remove what the report names, or waive a check by --waive NAME, and run again: {again}"
    if job.state == "begun":
        return f"Embed, index and verify: {again}"
    if job.state == "ready":
        bound = f", max_pending={pending}" if pending else ""
        return f"Let the searches change over, in a revision: op.swap_embedding({job.job!r}{bound})"
    if job.state == "swapped":
        return f"End it by op.finish_reembedding({job.job!r}), or go back by op.swap_embedding_back({job.job!r})"
    return "Nothing: it is finished."


def refreshed_together(before: Refreshed, now: Refreshed) -> Refreshed:
    """Return what two parts of a run have done."""
    counted = ("written", "edited", "locked", "refused", "calls", "texts", "tokens")
    added = {name: getattr(before, name) + getattr(now, name) for name in counted}
    return replace(now, **added, pending=before.pending, seconds=before.seconds + now.seconds)
