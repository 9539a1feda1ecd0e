"""Takes a statement apart into its levels, and their ORDER BY into terms."""

# ruff: noqa: SLF001  # SQLAlchemy has no public way to look into LIMIT, OFFSET, WHERE and ORDER BY of a Select

from __future__ import annotations

import functools
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sqlalchemy import FromClause, Over, Select
from sqlalchemy.orm import LoaderCriteriaOption
from sqlalchemy.sql import operators, visitors
from sqlalchemy.sql.elements import (
    BinaryExpression,
    ColumnClause,
    Label,
    TextClause,
    UnaryExpression,
    _label_reference,
    _textual_label_reference,
)
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.selectable import Join

from sqlalchemy_vecsearch.expressions import storage_of
from sqlalchemy_vecsearch.measuring.distances import distance_in, distances_in, without_name
from sqlalchemy_vecsearch.measuring.order_texts import mentions_distance, read_terms
from sqlalchemy_vecsearch.search.statements import parts, where_criteria

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
            and getattr(expression.operator, "opstring", None) == "+"
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
        return tuple(read for clause in self.statement._order_by_clauses for read in self._read(clause))

    @cached_property
    def unreadable(self) -> tuple[str, ...]:
        """The texts in ORDER BY that hold a distance whose meaning is not certain."""
        texts = (_literal(part) for clause in self.order for part in visitors.iterate(clause))
        return tuple(text for text in texts if self.vectors and mentions_distance(text))

    @cached_property
    def named(self) -> dict[str, Any]:
        """The labelled columns by their labels."""
        return {column.name: column for column in self.statement._raw_columns if isinstance(column, Label)}

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
        return tuple((source, nullable) for source, nullable in _sources(self.statement) if source not in self.outer)

    @cached_property
    def criteria(self) -> tuple[Any, ...]:
        """The conditions that WHERE joins by AND."""
        return where_criteria(self.statement)

    @cached_property
    def windows(self) -> tuple[Over[Any], ...]:
        """The window functions that it selects."""
        found = (part for column in self.statement._raw_columns for part in parts(column))
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
        return _number(self.statement._limit_clause)

    @property
    def is_limited(self) -> bool:
        """Whether it has a LIMIT or FETCH of any kind."""
        return self.statement._limit_clause is not None or self.statement._fetch_clause is not None

    @property
    def has_offset(self) -> bool:
        """Whether it passes over rows."""
        clause = self.statement._offset_clause
        return clause is not None and _number(clause) != 0

    @property
    def has_loader_criteria(self) -> bool:
        """Whether the ORM adds conditions when it is executed."""
        return any(isinstance(option, LoaderCriteriaOption) for option in self.statement._with_options)

    @property
    def is_distinct(self) -> bool:
        """Whether it has a DISTINCT, of PostgreSQL's ``distinct_on`` extension too (SQLAlchemy 2.1)."""
        extension = getattr(self.statement, "_pre_columns_clause", None)
        return bool(self.statement._distinct or self.statement._distinct_on) or extension is not None

    @property
    def is_grouped(self) -> bool:
        """Whether it has a GROUP BY."""
        return bool(self.statement._group_by_clauses)

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


def _sources(statement: Select[Any]) -> Iterator[tuple[FromClause, bool]]:
    """Yield what a statement reads, without compiling it as ``get_final_froms`` does."""
    found: dict[FromClause, bool] = {}
    for part in (*statement._raw_columns, *statement._where_criteria):
        for source in [part] if isinstance(part, FromClause) else part._from_objects:
            found.update(_taken_apart(source))
    for source in statement._from_obj:
        found.update(_taken_apart(source))
    for target, _, left, how in statement._setup_joins:
        if isinstance(left, FromClause):
            found.update(_taken_apart(left))
        found.update(_taken_apart(_selectable(target), nullable=bool(how.get("isouter") or how.get("full"))))
    yield from found.items()


def _selectable(target: Any) -> Any:
    """Return the table behind what is joined: an entity, an alias, a table, or a relationship."""
    entity = getattr(getattr(target, "property", None), "entity", target)
    return getattr(entity, "selectable", entity)


def _taken_apart(source: Any, *, nullable: bool = False) -> Iterator[tuple[FromClause, bool]]:
    if isinstance(source, Join):
        yield from _taken_apart(source.left, nullable=nullable or source.full)
        yield from _taken_apart(source.right, nullable=nullable or source.isouter or source.full)
    else:
        yield source, nullable


def _term(position: int, clause: Any, named: dict[str, Any]) -> OrderTerm | None:
    expression, descending, nulls_first = clause, False, False
    while True:
        if isinstance(expression, _label_reference):
            expression = expression.element
        elif isinstance(expression, _textual_label_reference):
            expression = named.get(expression.element, expression)
            if isinstance(expression, _textual_label_reference):
                return None
        elif isinstance(expression, TextClause) and expression.text in named:
            expression = named[expression.text]
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


def _number(clause: Any) -> int | None:
    value = getattr(clause, "value", None)
    return value if isinstance(value, int) else None


def _literal(element: Any) -> str:
    """Return the SQL text of a literal_column() or text(), "" for other expressions."""
    if isinstance(element, TextClause):
        return element.text
    return str(element.name) if isinstance(element, ColumnClause) and element.is_literal else ""
