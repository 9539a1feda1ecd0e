"""The form for a quantised index: candidates by what it holds, and stages on the way to the full vectors."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

from sqlalchemy_vecsearch.errors import DeclarationError, SearchError
from sqlalchemy_vecsearch.expressions import Subvector, validate_quantize
from sqlalchemy_vecsearch.search.checking import require_count
from sqlalchemy_vecsearch.search.counts import scan_count
from sqlalchemy_vecsearch.search.effort import Effort, carried_settings
from sqlalchemy_vecsearch.search.forms import Search, exact_form, limited_select, order_by_form, scan_order, unindexed
from sqlalchemy_vecsearch.search.statements import offset_of, only_columns, tie_breaks, without_filter
from sqlalchemy_vecsearch.search.subselects import materialized

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy_vecsearch.expressions import Quantize
    from sqlalchemy_vecsearch.search.statements import Statement

__all__ = ["Stages", "require_stages", "reranked_form"]

Stages: TypeAlias = "Sequence[tuple[Quantize, int]]"
"""Quantised forms of the vectors, each with how many of the rows before it are kept by it."""


def reranked_form(search: Search, effort: Effort, oversample: int | None = None, stages: Stages = ()) -> Statement:
    """Return the form for a quantised index: candidates by its expression inside, the full vectors' order outside."""
    searched = search.searched
    count = search.candidates * oversample if oversample else scan_count(search, search.candidates)
    count = max(count, *(kept for _, kept in stages[:1]), 1)
    settings = carried_settings(searched, effort, candidates=count, filtered=search.is_filtered)
    inner, keys = limited_select(search, settings, scan_order(search), count)
    rows = materialized(inner, "candidates")
    found = without_filter(search.statement)
    for quantize, kept in stages:
        step = only_columns(found, *keys.labelled).where(*keys.matching(rows))
        name = "by_subvector" if isinstance(quantize, Subvector) else f"by_{quantize}"
        rows = materialized(step.order_by(unindexed(order_by_form(search, quantize))).limit(int(kept)), name)
    outer = exact_form(replace(search, statement=found.where(*keys.matching(rows))))
    outer = outer.order_by(*tie_breaks(search.statement))
    return outer.offset(offset) if (offset := offset_of(search.statement)) else outer


def require_stages(search: Search, stages: Stages, *, exact: bool) -> None:
    """Check that stages lead from a quantised index to the rows that are wanted.

    Raises:
        SearchError: there is no quantised index to start from, a form can not be made of the column's vectors, or the
            numbers of rows do not fall.
    """
    label = search.searched.label
    if exact or search.searched.quantize is None:
        compared = "is searched exactly" if exact else "has an index of the whole vectors"
        raise SearchError(
            f"The column {label!r} {compared}, and stages were given. "
            "Stages lead from what a quantised index holds to the full vectors, and here is nothing between them. "
            'Leave stages out, or declare the column with quantize="binary" or another form.'
        )
    for quantize, kept in stages:
        require_count("stages", kept, "how many rows a stage keeps")
        try:
            validate_quantize(search.searched.storage, search.searched.dimensions, quantize)
        except DeclarationError as error:
            raise SearchError(str(error)) from None
    numbers = [kept for _, kept in stages]
    if numbers != sorted(numbers, reverse=True) or numbers[-1] < search.candidates:
        raise SearchError(
            f"The stages keep {', then '.join(map(str, numbers))} rows, and {search.candidates} are wanted. "
            "Each stage chooses among the rows of the one before it. "
            "Let the numbers fall, and end at no less than k and the offset."
        )
