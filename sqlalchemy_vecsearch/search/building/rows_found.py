"""The caller's statement for the rows of a sub-select, which are found again by their keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy_vecsearch.search.building.index_predicates import with_literals
from sqlalchemy_vecsearch.search.building.partition_keys import conditions_on_partition_keys
from sqlalchemy_vecsearch.selects import without_filter

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, FromClause

    from sqlalchemy_vecsearch.search.building.request import Search
    from sqlalchemy_vecsearch.search.building.row_keys import RowKeys
    from sqlalchemy_vecsearch.selects import Statement

__all__ = ["found_again", "rows_found"]


def rows_found(search: Search, keys: RowKeys, rows: FromClause) -> Statement:
    """Return the caller's statement for the rows of a sub-select, which have passed its filter.

    Of the filter only what tells the partitions is left.
    """
    return without_filter(search.statement, found_again(search, keys, rows))


def found_again(search: Search, keys: RowKeys, rows: FromClause) -> list[ColumnElement[bool]]:
    """Return the conditions that find the rows of a sub-select again, on the same partitions."""
    pruned = conditions_on_partition_keys(with_literals(search.statement, search.searched), search.table)
    return [*pruned, *keys.matching(rows)]
