"""What a Select reads: its entities and tables, with every join taken apart."""

# ruff: noqa: SLF001  # SQLAlchemy offers no other way to look into a Select

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Alias, BinaryExpression, ColumnElement, Table, table
from sqlalchemy.orm import LoaderCriteriaOption, Mapper, QueryableAttribute, RelationshipProperty
from sqlalchemy.sql import operators
from sqlalchemy.sql.selectable import FromClause, Join, SelectBase

from sqlalchemy_vecsearch.selects.copies import left_of_joins, only_columns
from sqlalchemy_vecsearch.selects.elements import as_clause, conjuncts

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from sqlalchemy_vecsearch.selects.elements import Statement

__all__ = [
    "entities_of",
    "has_loader_criteria",
    "inner_joins",
    "is_joined",
    "leaves",
    "read_by",
    "reads",
    "reads_one_entity",
    "sources",
]


def leaves(statement: Statement, *columns: Any) -> Iterator[tuple[FromClause, bool]]:
    """Yield what the statement reads, with every join taken apart, and whether an outer join can make it NULL.

    The ORM works joins out by compiling the statement, which takes several times as long as to build a search. So they
    are read from the clauses where tables, aliases of tables and relationships are joined. The secondary table of a
    relationship is left out where the rows of both sides say which of its rows joins them. Elsewhere it stands as a
    table without a key: the ORM gives it another name for each level of a search, which no other clause can say.

    Args:
        statement: whose FROM is meant.
        columns: what is selected instead of its own columns, without the joins of eager loaders.
    """
    found = _of_clauses(statement, columns)
    if found is None:
        yield from _compiled(only_columns(statement, *columns) if columns else statement)
        if any(relationship.secondary is not None for relationship in _relationships(statement)):
            yield _SECONDARY, True
    else:
        yield from found.items()


_SECONDARY: Final = table("secondary")
"""Stands for the rows of a secondary table that nothing outside the ORM's join can name."""


def sources(statement: Statement) -> Iterator[tuple[FromClause, bool]]:
    """Yield what ``leaves`` does in the order of the clauses, each once, without compiling the statement."""
    found: dict[FromClause, bool] = {}
    for part in (*statement._raw_columns, *statement._where_criteria):
        for source in [part] if isinstance(part, FromClause) else part._from_objects:
            found.update(_flatten(source))
    for source in statement._from_obj:
        found.update(_flatten(source))
    for target, _, left, how in statement._setup_joins:
        if isinstance(left, FromClause):
            found.update(_flatten(left))
        if isinstance(joined := _selectable(target), FromClause):
            found.update(_flatten(joined, nullable=bool(how.get("isouter") or how.get("full"))))
    yield from found.items()


def inner_joins(statement: Statement) -> Iterator[tuple[FromClause, Any]]:  # Any: expressions
    """Yield what ``.join()`` has added without ``isouter``, each with its ON; None where SQLAlchemy is to find it."""
    for target, condition, _, how in statement._setup_joins:
        joined, on = _selectable(target), target if condition is None else condition
        if how.get("isouter") or how.get("full") or not isinstance(joined, FromClause):
            continue
        along = getattr(on, "property", None)
        if isinstance(along, RelationshipProperty):
            yield joined, along.primaryjoin
        else:
            yield joined, condition


def has_loader_criteria(statement: Statement) -> bool:
    """Return whether the ORM adds conditions when the statement is executed."""
    return any(isinstance(option, LoaderCriteriaOption) for option in statement._with_options)


def is_joined(statement: Statement) -> bool:
    """Return whether FROM is spelt out, by joins or by select_from(), be it before other columns were selected."""
    before = any(level._setup_joins for level in statement._memoized_select_entities)
    return bool(statement._setup_joins or statement._from_obj or before)


def read_by(part: Any) -> Iterable[FromClause]:
    """Return what a clause reads: itself, or the tables and the sub-selects of its columns; nothing of a Select."""
    if isinstance(part, SelectBase):
        return ()
    return (part,) if isinstance(part, FromClause) else part._from_objects


def entities_of(statement: Statement) -> set[Any]:
    """Return the entities, and the tables of no entity, of what a statement selects."""
    found: set[Any] = set()
    for column in statement._raw_columns:
        owner = column._annotations.get("parententity", None)
        found.add(
            owner if owner is not None else column if isinstance(column, FromClause) else getattr(column, "table", None)
        )
    return found - {None}


def reads_one_entity(statement: Statement) -> bool:
    """Return whether one entity or table is all that FROM holds; sub-selects in WHERE do not count."""
    entities = entities_of(statement)
    if is_joined(statement) or len(entities) != 1:
        return False
    (entity,) = entities
    own = entity if isinstance(entity, FromClause) else entity.selectable
    tables = {leaf for leaf, _ in _flatten(own)} | {own}
    return all(source in tables for criterion in statement._where_criteria for source in criterion._from_objects)


def reads(statement: Statement, owner: Any) -> bool:
    """Return whether a mapper, an alias of one, or a table is among what the statement reads."""
    entities = entities_of(statement)
    if owner in entities or any(_inherits(entity, owner) for entity in entities):
        return True
    selectable = owner if isinstance(owner, FromClause) else owner.selectable
    tables = {leaf for leaf, _ in _flatten(selectable)} | {selectable}
    return any(leaf in tables for leaf, _ in leaves(statement))


def _compiled(statement: Statement) -> Iterator[tuple[FromClause, bool]]:
    """Yield what FROM holds once the ORM has added to it."""
    read = statement._generate()
    read._distinct_on = ()  # SQLAlchemy 2.0 looks through it as another dialect would, and warns that that has no such
    for source in read.get_final_froms():
        yield from _flatten(source)


def _of_clauses(statement: Statement, columns: tuple[Any, ...]) -> dict[FromClause, bool] | None:
    """Return what FROM will hold, in its order, None where only the ORM knows it."""
    joins, first = statement._setup_joins, list(statement._from_obj)
    if joins and not first:
        first = [left_of_joins(statement)] if columns else list(statement.columns_clause_froms)
    if len(first) > 1 or statement._memoized_select_entities or has_loader_criteria(statement):
        return None
    found = dict(leaf for source in first for leaf in _flatten(source))
    for target, condition, left, how in joins:
        joined = _joined(target, condition, left, found, full=how["full"])
        if joined is None or joined in found:
            return None
        if how["full"]:
            found = dict.fromkeys(found, True)
        found[joined] = bool(how["isouter"] or how["full"])
    selected = [as_clause(column) for column in columns] or statement._raw_columns
    entities = [] if first else [part._annotations.get("parententity") for part in selected]
    for source in chain(
        (entity.selectable for entity in entities if entity is not None),
        *(part._from_objects for part in (*selected, *statement._where_criteria)),
    ):
        for leaf, nullable in _flatten(source):
            found.setdefault(leaf, nullable)
    return found if all(map(_is_table, found)) else None


def _joined(target: Any, condition: Any, left: Any, found: Collection[FromClause], *, full: bool) -> FromClause | None:
    """Return what one ``.join()`` adds to what has been found, None where that is more than a table or an alias."""
    for attribute in (target, condition):
        if not isinstance(attribute, QueryableAttribute):
            continue
        relationship = getattr(attribute, "property", None)
        if not isinstance(relationship, RelationshipProperty) or not _is_said_by_both_sides(relationship, full=full):
            return None
        left = attribute.parent.selectable
        if target is attribute:
            target = (attribute._of_type or relationship.entity).__clause_element__()
    if left is not None and not all(leaf in found for leaf, _ in _flatten(left)):
        return None
    return target if _is_table(target) else None


def _is_said_by_both_sides(relationship: RelationshipProperty[Any], *, full: bool) -> bool:
    """Return whether the rows that are joined say which row of the secondary table joins them, if there is one."""
    if relationship.secondary is None:
        return True
    key = set(relationship.secondary.primary_key)
    every = conjuncts(relationship.primaryjoin, relationship.secondaryjoin)
    equalities = (one for one in every if isinstance(one, BinaryExpression) and one.operator is operators.eq)
    told = {side for one in equalities for side in (one.left, one.right) if isinstance(side, ColumnElement)}
    return bool(key) and not full and key <= told


def _relationships(statement: Statement) -> Iterator[RelationshipProperty[Any]]:
    """Yield the relationships that joins go along."""
    for level in (*statement._memoized_select_entities, statement):
        for target, condition, *_ in level._setup_joins:
            for attribute in (target, condition):
                relationship = getattr(attribute, "property", None)
                if isinstance(relationship, RelationshipProperty):
                    yield relationship


def _is_table(source: Any) -> bool:
    return isinstance(source.element if isinstance(source, Alias) else source, Table)


def _inherits(entity: Any, owner: Any) -> bool:
    return isinstance(entity, Mapper) and isinstance(owner, Mapper) and entity.isa(owner)


def _selectable(target: Any) -> Any:
    """Return the table behind what is joined: an entity, an alias, a table, or a relationship."""
    entity = getattr(getattr(target, "property", None), "entity", target)
    return getattr(entity, "selectable", entity)


def _flatten(source: FromClause, *, nullable: bool = False) -> Iterator[tuple[FromClause, bool]]:
    if isinstance(source, Join):
        yield from _flatten(source.left, nullable=nullable or source.full)
        yield from _flatten(source.right, nullable=nullable or source.isouter or source.full)
    else:
        yield source, nullable
