"""What the conditions on the partition key of a searched table say of where its rows are.

The planner prunes partitions by what stands in a level's own WHERE. In a level that finds rows again by their primary
key, they are repeated: without them, rows found in one partition are looked for in each, and on a distributed table on
each server. What a model declares is the key of its own level: partitions that are partitioned again, and tables that
are distributed, are known to the server alone. A primary key holds the keys of all of these, so that the columns of one
with several count as well.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import BindParameter
from sqlalchemy.sql import operators
from sqlalchemy.sql.elements import BinaryExpression

from sqlalchemy_vecsearch.search.building.index_predicates import root_column
from sqlalchemy_vecsearch.search.building.row_keys import identity_of
from sqlalchemy_vecsearch.selects import as_clause, has_loader_criteria, reads_one_entity, where_criteria

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import ColumnElement

    from sqlalchemy_vecsearch.search.building.request import Search
    from sqlalchemy_vecsearch.selects import Statement

__all__ = ["conditions_on_partition_keys", "key_within_partition", "repeated_for"]

_NAMES: Final = re.compile(r'"((?:[^"]|"")+)"|(\w+)')


def conditions_on_partition_keys(statement: Statement, table: Any) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions ``key = value`` and ``key IN (values)`` of a statement's WHERE."""
    keys = _keys_of_places(table)
    if not keys:
        return ()
    return tuple(criterion for criterion in where_criteria(statement) if _compares(criterion, keys))


def key_within_partition(search: Search) -> ColumnElement[Any] | None:
    """Return the column that tells the rows of one list partition apart, if one is all that the search reads. Pure.

    None means that the search reads more than one partition, that other conditions can drop rows of it, or that its
    rows are told apart by several columns besides those of the partition.
    """
    keys = _partition_keys(search.table)
    statement, index = search.statement, search.searched.index
    if not keys or not _is_list(search.table) or (index is not None and index.where is not None):
        return None
    if not reads_one_entity(statement) or has_loader_criteria(statement):
        return None
    fixed = [_fixed(criterion, keys) for criterion in where_criteria(statement)]
    if any(column is None for column in fixed) or set(fixed) != keys:
        return None
    identity = identity_of(statement, search.searched) or ()
    within = [column for column, _ in identity if root_column(column) not in keys]
    return within[0] if len(within) == 1 else None


def _is_list(table: Any) -> bool:
    declared: str = table.dialect_options["postgresql"]["partition_by"]
    return declared.strip().upper().startswith("LIST")


def _fixed(criterion: Any, keys: frozenset[Any]) -> Any:
    """Return the partition key that a condition compares with one value, None for other conditions."""
    if not _compares(criterion, keys) or criterion.operator is not operators.eq:
        return None
    return next(column for side in (criterion.left, criterion.right) if (column := root_column(side)) in keys)


@lru_cache(maxsize=512)
def _keys_of_places(table: Any) -> frozenset[Any]:
    """Return the columns whose values can tell on which partition or server a row is."""
    primary = frozenset(table.primary_key)
    return _partition_keys(table) | (primary if len(primary) > 1 else frozenset())


def repeated_for(key: Iterable[Any], criteria: Sequence[Any]) -> list[ColumnElement[bool]]:
    """Return the conditions of :func:`conditions_on_partition_keys` for the key of another alias."""
    if not criteria:
        return []
    own = {as_clause(column).name: as_clause(column) for column in key}
    repeated: list[ColumnElement[bool]] = []
    for criterion in criteria:
        left, right = criterion.left, criterion.right
        column, value = (right, left) if isinstance(left, BindParameter) else (left, right)
        found = root_column(column)
        if found is not None and found.name in own:
            repeated.append(BinaryExpression(own[found.name], value, criterion.operator, criterion.type))
    return repeated


@lru_cache(maxsize=512)
def _partition_keys(table: Any) -> frozenset[Any]:
    """Return the columns in ``postgresql_partition_by="LIST (tenant_id)"``, those in expressions among them."""
    declared = table.dialect_options["postgresql"]["partition_by"]
    if declared is None:
        return frozenset()
    named = {quoted.replace('""', '"') or bare.lower() for quoted, bare in _NAMES.findall(declared.partition("(")[2])}
    return frozenset(column for column in table.c if column.name in named)


def _compares(criterion: Any, keys: frozenset[Any]) -> bool:
    """Return whether a condition compares a partition key with values, which hold in every level."""
    if not isinstance(criterion, BinaryExpression) or criterion.operator not in {operators.eq, operators.in_op}:
        return False
    column, value = criterion.left, criterion.right
    if root_column(column) not in keys:
        column, value = value, column
    return root_column(column) in keys and isinstance(value, BindParameter)
