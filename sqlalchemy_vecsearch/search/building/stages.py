"""The stages between the candidates of a quantised index and the full vectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from sqlalchemy_vecsearch.errors import DeclarationError, SearchError
from sqlalchemy_vecsearch.expressions import Subvector, validate_quantize
from sqlalchemy_vecsearch.search.building.checks import require_count
from sqlalchemy_vecsearch.search.building.deferred import DOUBLE, Deferred, Numbers
from sqlalchemy_vecsearch.search.building.ordering import order_by_form, unindexed
from sqlalchemy_vecsearch.search.building.request import search_of_parts
from sqlalchemy_vecsearch.search.building.row_keys import row_keys
from sqlalchemy_vecsearch.search.building.rows_found import rows_found
from sqlalchemy_vecsearch.search.building.subselects import materialized
from sqlalchemy_vecsearch.selects import as_clause, only_columns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import CTE, BindParameter, FromClause

    from sqlalchemy_vecsearch.expressions import Quantize
    from sqlalchemy_vecsearch.search.building.column import Declared
    from sqlalchemy_vecsearch.search.building.request import Search
    from sqlalchemy_vecsearch.search.building.row_keys import RowKeys
    from sqlalchemy_vecsearch.search.building.subselects import Selected
    from sqlalchemy_vecsearch.selects import Statement

__all__ = ["Stages", "require_stages", "staged"]

Stages: TypeAlias = "Sequence[tuple[Quantize, int]]"
"""Quantised forms of the vectors, each with how many of the rows before it are kept by it."""


def staged(search: Search, keys: RowKeys, rows: CTE, stages: Stages) -> CTE:
    """Return the rows that the stages leave of some candidates, with the distance of the full vectors."""
    if not stages:
        return rows
    forms = tuple(form for form, _ in stages)
    numbers = {f"kept_{place}": int(kept) for place, (_, kept) in enumerate(stages)}
    parts = [Numbers.parameter(numbers), search.statement, as_clause(search.searched.element), search.vector, rows]
    left = Deferred(_Staged(search.searched.declared, forms), parts, [*keys.typed, ("distance", DOUBLE)])
    return materialized(left, _name_of(forms[-1]))


@dataclass(frozen=True, slots=True)
class _Staged:
    """How each stage chooses among the rows of the one before it."""

    declared: Declared
    forms: tuple[Quantize, ...]

    def __call__(self, given: Any, statement: Any, element: Any, vector: Any, rows: Any) -> Selected:
        """Return the SELECT of what the last stage leaves."""
        search, numbers = search_of_parts(self.declared, statement, element, vector), Numbers(given)
        *before, last = ((form, numbers[f"kept_{place}"]) for place, form in enumerate(self.forms))
        for form, kept in before:
            rows = materialized(_step(search, rows, form, kept), _name_of(form))
        return _step(search, rows, *last)


def _step(search: Search, rows: FromClause, form: Quantize, kept: BindParameter[int]) -> Statement:
    keys = row_keys(search.statement, search.searched)
    found = only_columns(rows_found(search, keys, rows), *keys.labelled, rows.c.distance.label("distance"))
    return found.order_by(unindexed(order_by_form(search, form))).limit(kept)


def _name_of(form: Quantize) -> str:
    return "by_subvector" if isinstance(form, Subvector) else f"by_{form}"


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
    if numbers != sorted(numbers, reverse=True) or numbers[-1] < search.wanted:
        raise SearchError(
            f"The stages keep {', then '.join(map(str, numbers))} rows, and {search.wanted} are wanted. "
            "Each stage chooses among the rows of the one before it. "
            "Let the numbers fall, and end at no less than k and the offset."
        )
