"""Takes a statement apart into its levels, and their ORDER BY into terms."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sqlalchemy import FromClause, Over, Select
from sqlalchemy.sql import operators, visitors
from sqlalchemy.sql.elements import (
    BinaryExpression,
    ColumnClause,
    Label,
    TextClause,
    UnaryExpression,
)
from sqlalchemy.sql.functions import FunctionElement

from sqlalchemy_vecsearch.expressions import without_name
from sqlalchemy_vecsearch.measuring.distances import distance_in, distances_in
from sqlalchemy_vecsearch.measuring.order_texts import mentions_distance, read_terms
from sqlalchemy_vecsearch.selects import (
    has_loader_criteria,
    is_distinct,
    is_grouped,
    is_limited,
    limit_of,
    named_by,
    parts,
    passes_over_rows,
    select_list,
    sources,
    tie_breaks,
    where_criteria,
)
from sqlalchemy_vecsearch.storages import storage_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy_vecsearch.measuring.distances import Distance

__all__ = ["Level", "OrderTerm", "levels"]


@dataclass(frozen=True, slots=True)
class OrderTerm:
    """One term of ORDER BY that holds a distance.

    ``is_bare`` means that it is the distance itself; ``is_exact`` that it is ``distance + 0``, which asks for a full
    scan on purpose.
    """

    position: int
    expression: Any  # Any: SQLAlchemy's clause elements have no common public class
    distance: Distance
    descending: bool
    nulls_first: bool

    @property
    def is_bare(self) -> bool:
        """Whether the term is a distance, by its operator, with nothing around it."""
        return distance_in(self.expression) is not None and self.distance.function is None

    @property
    def is_exact(self) -> bool:
        """Whether the term is ``distance + 0``."""
        expression = self.expression
        return (
            isinstance(expression, BinaryExpression)
            and getattr(expression.operator, "opstring", None) in {"+", "OPERATOR(pg_catalog.+)"}
            and distance_in(expression.left) is not None
            and _literal(expression.right) == "0"
        )


@dataclass(frozen=True)
class Level:
    """One SELECT of a statement, and what the SELECTs around it read, which a LATERAL sub-select may name."""

    statement: Select[Any]  # Any: whatever it selects
    outer: frozenset[FromClause]

    @cached_property
    def terms(self) -> tuple[OrderTerm, ...]:
        """The terms of ORDER BY that hold the distance of a stored column."""
        found = (_term(position, clause, self.named) for position, clause in enumerate(self.order))
        return tuple(term for term in found if term is not None)

    @cached_property
    def order(self) -> tuple[Any, ...]:
        """The clauses of ORDER BY, with those that are text taken apart and read where they can be."""
        return tuple(read for clause in tie_breaks(self.statement) for read in self._read(clause))

    @cached_property
    def unreadable(self) -> tuple[str, ...]:
        """The texts in ORDER BY that hold a distance whose meaning is not certain."""
        texts = (_literal(part) for clause in self.order for part in visitors.iterate(clause))
        return tuple(text for text in texts if self.vectors and mentions_distance(text))

    @cached_property
    def named(self) -> dict[str, Any]:
        """The labelled columns by their labels."""
        return {column.name: column for column in select_list(self.statement) if isinstance(column, Label)}

    @cached_property
    def vectors(self) -> dict[str, Any]:
        """The vector columns that it reads, by each name that is of one of them alone."""
        found: dict[str, list[Any]] = {}
        for source, _ in self.sources:
            for column in source.c:
                if storage_of(column.type) is not None:
                    for name in (column.name, f"{getattr(source, 'name', '')}.{column.name}"):
                        found.setdefault(name, []).append(column)
        return {name: columns[0] for name, columns in found.items() if len(columns) == 1}

    def _read(self, clause: Any) -> Iterator[Any]:
        """Yield the terms of a clause that is text; others stand for themselves."""
        bare, modifiers = clause, []
        while isinstance(bare, UnaryExpression) and bare.modifier in _MODIFIERS:
            modifiers.append(bare.modifier)
            bare = bare.element
        text = _literal(without_name(bare))
        if not mentions_distance(text):
            yield clause
            return
        for term in read_terms(text, self.vectors):
            yield functools.reduce(_modified, reversed(modifiers), term)

    @property
    def is_exact(self) -> bool:
        """Whether the level asks for a full scan on purpose."""
        return any(term.is_exact for term in self.terms)

    @cached_property
    def sources(self) -> tuple[tuple[FromClause, bool], ...]:
        """What it reads, with joins taken apart, and whether an outer join can make it NULL."""
        return tuple((source, nullable) for source, nullable in sources(self.statement) if source not in self.outer)

    @cached_property
    def criteria(self) -> tuple[Any, ...]:
        """The conditions that WHERE joins by AND."""
        return where_criteria(self.statement)

    @cached_property
    def windows(self) -> tuple[Over[Any], ...]:
        """The window functions that it selects."""
        found = (part for column in select_list(self.statement) for part in parts(column))
        return tuple(part for part in found if isinstance(part, Over))

    @cached_property
    def settings(self) -> frozenset[str]:
        """The server settings that it states for itself, such as ``hnsw.ef_search``."""
        calls = (
            part
            for criterion in self.criteria
            for part in visitors.iterate(criterion)
            if isinstance(part, FunctionElement) and getattr(part, "name", "") == "set_config"
        )
        return frozenset(_literal(next(iter(call.clauses))).strip("'") for call in calls)

    @property
    def limit(self) -> int | None:
        """The value of LIMIT, None when there is none or an expression."""
        return limit_of(self.statement)

    @property
    def is_limited(self) -> bool:
        """Whether it has a LIMIT or FETCH of any kind."""
        return is_limited(self.statement)

    @property
    def has_offset(self) -> bool:
        """Whether it passes over rows."""
        return passes_over_rows(self.statement)

    @property
    def has_loader_criteria(self) -> bool:
        """Whether the ORM adds conditions when it is executed."""
        return has_loader_criteria(self.statement)

    @property
    def is_distinct(self) -> bool:
        """Whether it has a DISTINCT, of PostgreSQL's ``distinct_on`` extension too (SQLAlchemy 2.1)."""
        return is_distinct(self.statement)

    @property
    def is_grouped(self) -> bool:
        """Whether it has a GROUP BY."""
        return is_grouped(self.statement)

    @property
    def ordered_by(self) -> int:
        """How many terms ORDER BY has."""
        return len(self.order)


def levels(statement: Any) -> Iterator[Level]:  # Any: a Select, a union of them, or what holds them
    """Yield every SELECT of a statement, outermost first. Pure."""
    seen: dict[int, Any] = {}

    def walk(element: Any, outer: frozenset[FromClause]) -> Iterator[Level]:
        if id(element) in seen:
            return
        seen[id(element)] = element
        if isinstance(element, Select):
            level = Level(element, outer)
            yield level
            outer |= {source for source, _ in level.sources}
        for child in element.get_children():
            yield from walk(child, outer)

    yield from walk(statement, frozenset())


def _term(position: int, clause: Any, named: dict[str, Any]) -> OrderTerm | None:
    expression, descending, nulls_first = clause, False, False
    while True:
        if (meant := named_by(expression, named)) is not expression:
            if meant is None:
                return None
            expression = meant
        elif isinstance(expression, UnaryExpression) and expression.modifier in _MODIFIERS:
            descending = descending or expression.modifier is operators.desc_op
            nulls_first = nulls_first or expression.modifier is operators.nulls_first_op
            expression = expression.element
        elif (bare := without_name(expression)) is not expression:
            expression = bare
        else:
            break
    found = None if isinstance(expression, Over) else next(distances_in(expression), None)
    return None if found is None else OrderTerm(position, expression, found, descending, nulls_first)


def _modified(expression: Any, modifier: Any) -> Any:
    return UnaryExpression(expression, modifier=modifier, wraps_column_expression=False)


_MODIFIERS = {operators.desc_op, operators.asc_op, operators.nulls_first_op, operators.nulls_last_op}


def _literal(element: Any) -> str:
    """Return the SQL text of a literal_column() or text(), "" for other expressions."""
    if isinstance(element, TextClause):
        return element.text
    return str(element.name) if isinstance(element, ColumnClause) and element.is_literal else ""
