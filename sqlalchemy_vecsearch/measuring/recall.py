"""How many of the true nearest rows an index finds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy_vecsearch.measuring.connections import in_sync, sync_connection, undoing
from sqlalchemy_vecsearch.measuring.samples import answered, sample_of
from sqlalchemy_vecsearch.search.building.column import searched_column

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Self

    from sqlalchemy_vecsearch.measuring.connections import AsyncMeasured, Measured
    from sqlalchemy_vecsearch.metrics import Metric

__all__ = ["RecallResult", "arecall", "recall"]


class RecallResult(float):
    """A recall, from 0 to 1: a float that also says what was counted.

    Attributes:
        questions: how many questions were asked.
        wanted: the true nearest rows of all questions: at most ``k`` each, and no more than exist.
        found: those of them that the searches returned.
        missing: how many rows the searches returned too few, although they exist; they count as not found.
    """

    __slots__ = ("found", "missing", "questions", "wanted")

    questions: int
    wanted: int
    found: int
    missing: int

    def __new__(cls, *, questions: int, wanted: int, found: int, missing: int) -> Self:
        """Return the share ``found / wanted``."""
        share = super().__new__(cls, found / wanted)
        share.questions, share.wanted, share.found, share.missing = questions, wanted, found, missing
        return share

    def __getnewargs_ex__(self) -> tuple[tuple[()], dict[str, int]]:
        """Return what a copy is made of."""
        return (), {name: getattr(self, name) for name in self.__slots__}


def recall(
    connection: Measured,
    column: Any,
    *,
    k: int = 10,
    sample: int = 100,
    questions: Iterable[Any] | None = None,
    where: Any = None,
    metric: Metric | str | None = None,
    ef_search: int | None = None,
    probes: int | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> RecallResult:
    """Return the share of the ``k`` true nearest rows that a search through the index returns, 0 to 1.

    Each question is answered by the index and by a full scan. A returned row counts when it is no farther than the
    true k-th one, so that ties do not matter; where fewer than k rows exist, those are all that can be found. Row level
    security and other filters of the connection or session hold for both answers: it is the recall as this role sees
    it. Without ``questions``, stored vectors chosen at random are the questions. The row itself does not count then,
    and neither do rows with the very same vector: copies find each other however poor the index is.

    It reads the whole table once for each question: about 35 ms each for 60,000 rows x 384 in memory. It changes
    nothing: what searches set for themselves is taken back, in an open transaction too.

    Args:
        connection: a ``Connection`` or a ``Session``; :func:`arecall` takes the async ones.
        column: the embedding column.
        k: how many neighbours, 1 or more.
        sample: how many questions, 1 or more; 100 questions and k=10 give a standard error of about 0.01.
        questions: your own questions instead: vectors of the column's length, such as the embeddings of what users
            asked. Stored rows are not always like questions.
        where: a condition, or a list of them, that the rows must pass: the recall of a filtered search. Stored vectors
            are then drawn from these rows.
        metric: None takes the declared metric.
        ef_search: for HNSW, 1 to 1000; None as :func:`nearest` does by itself.
        probes: for IVFFlat, 1 to 32768; None as :func:`nearest` does by itself.
        progress: called after each question with what is measured, how many questions are answered, and how many
            there are.

    Raises:
        SearchError: no row answers any question, k or sample is out of range, or the connection is async.
        VectorValueError: a question is no vector of the column's length.

    Example:
        ```text
        with engine.connect() as connection:
            share = recall(connection, Document.embedding, k=10)
            print(share, share.missing)
        ```
    """
    executor = sync_connection(connection, "recall")
    searched = searched_column(column, metric)
    with undoing(executor, searched.owner):
        asked = sample_of(executor, searched, k=k, sample=sample, questions=questions, where=where, report=progress)
        counted = answered(executor, asked, report=progress, ef_search=ef_search, probes=probes)
    return RecallResult(
        questions=len(asked.questions), wanted=counted.wanted, found=counted.found, missing=counted.missing
    )


async def arecall(connection: AsyncMeasured, column: Any, **options: Any) -> RecallResult:
    """Return what :func:`recall` returns, on an async connection or session; it takes the same arguments."""
    result: RecallResult = await in_sync(connection, recall, column, **options)
    return result
