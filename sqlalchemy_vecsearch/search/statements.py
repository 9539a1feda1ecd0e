"""The parts of a caller's Select that a search has to know or to take away.

SQLAlchemy builds a Select by adding to it and offers no way to look into joins and options or to take WHERE away, so
this is the one module that reads the private attributes; they are the same in SQLAlchemy 2.0 and 2.1.
"""

# ruff: noqa: SLF001  # the reason stands above

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import FunctionFilter, Over, Select, WithinGroup, inspect, select, true
from sqlalchemy.exc import NoInspectionAvailable
from sqlalchemy.orm import LoaderCriteriaOption, Mapper
from sqlalchemy.orm.util import AliasedInsp
from sqlalchemy.sql import operators
from sqlalchemy.sql.elements import BooleanClauseList, ColumnClause
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.selectable import FromClause, Join, ScalarSelect, SelectBase

from sqlalchemy_vecsearch.errors import SearchError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from sqlalchemy import ColumnElement

Statement = Select[Any]  # Any: the row type is the caller's, and every public helper states it again

_AGGREGATES: Final = frozenset(
    [
        *("array_agg", "avg", "bool_and", "bool_or", "count", "every", "json_agg", "json_object_agg"),
        *("jsonb_agg", "jsonb_object_agg", "max", "min", "string_agg", "sum"),
    ]
)


def as_select(source: Any) -> Statement:
    """Return the statement that a helper starts from: a Select as it is, an entity or a table selected whole.

    Raises:
        SearchError: the source is neither, or already has what a search must add.
    """
    if isinstance(source, Select):
        _refuse_shape(source)
        return source
    if isinstance(source, FromClause):
        return select(source)
    try:
        entity = inspect(source)
    except NoInspectionAvailable:
        entity = None
    if isinstance(entity, Mapper | AliasedInsp):
        return select(source)
    raise SearchError(
        f"{source!r} can not be searched. "
        "A search starts from a mapped class, an alias of one, a table, or a Select of them, and this is none. "
        "Pass the class, such as Document, or select(Document).where(...)."
    )


def is_filtered(statement: Statement) -> bool:
    """Return whether rows can be dropped between the scan and the LIMIT: by WHERE, by a join, by loader criteria."""
    return bool(
        statement._where_criteria
        or statement._setup_joins
        or statement._from_obj
        or any(isinstance(option, LoaderCriteriaOption) for option in statement._with_options)
        or len(_entities(statement)) > 1
    )


def is_locking(statement: Statement) -> bool:
    """Return whether the statement locks the rows that it returns (FOR UPDATE and its kin)."""
    return statement._for_update_arg is not None


def has_offset(statement: Statement) -> bool:
    """Return whether the statement passes over rows."""
    return statement._offset_clause is not None


def has_loader_options(statement: Statement) -> bool:
    """Return whether the statement says how the ORM loads what belongs to its entities."""
    return any(not isinstance(option, LoaderCriteriaOption) for option in statement._with_options)


def reads_one_entity(statement: Statement) -> bool:
    """Return whether one entity or table is all that FROM holds; sub-selects in WHERE do not count."""
    entities = _entities(statement)
    if statement._setup_joins or statement._from_obj or len(entities) != 1:
        return False
    (entity,) = entities
    own = entity if isinstance(entity, FromClause) else entity.selectable
    tables = {leaf for leaf, _ in _flatten(own)} | {own}
    return all(source in tables for criterion in statement._where_criteria for source in criterion._from_objects)


def reads(statement: Statement, owner: Any) -> bool:
    """Return whether a mapper, an alias of one, or a table is among what the statement reads."""
    entities = _entities(statement)
    if owner in entities or any(_inherits(entity, owner) for entity in entities):
        return True
    selectable = owner if isinstance(owner, FromClause) else owner.selectable
    tables = {leaf for leaf, _ in _flatten(selectable)} | {selectable}
    return any(leaf in tables for leaf, _ in leaves(statement))


def _inherits(entity: Any, owner: Any) -> bool:
    return isinstance(entity, Mapper) and isinstance(owner, Mapper) and entity.isa(owner)


def tie_breaks(statement: Statement) -> tuple[ColumnElement[Any], ...]:
    """Return the caller's ORDER BY, which a search applies after the distance."""
    return tuple(statement._order_by_clauses)


def offset_of(statement: Statement) -> int:
    """Return the caller's OFFSET as a number, 0 when there is none.

    Raises:
        SearchError: it is an expression, whose value is not known while the statement is built.
    """
    clause = statement._offset_clause
    if clause is None:
        return 0
    value = getattr(clause, "value", None)
    if isinstance(value, int):
        return value
    raise SearchError(
        "The OFFSET of the statement is an expression. "
        "A search must know how many candidates it needs while it is built. "
        "Pass a number to .offset()."
    )


def where_criteria(statement: Statement) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions that WHERE joins by AND."""
    return tuple(_conjuncts(statement._where_criteria))


def with_criteria(statement: Statement, criteria: tuple[ColumnElement[bool], ...]) -> Statement:
    """Return a copy with other conditions in WHERE."""
    copy = statement.where()
    copy._where_criteria = criteria
    return copy


def _conjuncts(criteria: Iterable[ColumnElement[bool]]) -> Iterator[ColumnElement[bool]]:
    for criterion in criteria:
        if isinstance(criterion, BooleanClauseList) and criterion.operator is operators.and_:
            yield from _conjuncts(criterion.clauses)
        else:
            yield criterion


def without_filter(statement: Statement) -> Statement:
    """Return a copy without WHERE, ORDER BY and OFFSET, for joining to rows that have passed them already."""
    copy = _pinned(statement).order_by(None).offset(None)
    copy._where_criteria = ()
    return copy


def only_columns(statement: Statement, *columns: Any) -> Statement:
    """Return a copy that selects other columns from the same tables, without locks and options that load entities."""
    copy = _pinned(statement).with_only_columns(*columns).order_by(None).offset(None)
    copy._with_options = tuple(option for option in copy._with_options if isinstance(option, LoaderCriteriaOption))
    copy._for_update_arg = None
    return copy


def locking_as(statement: Statement, locking: Statement) -> Statement:
    """Return a copy that locks rows as another statement does, which may be not at all."""
    copy = statement._generate()
    copy._for_update_arg = locking._for_update_arg
    return copy


def cross_joined(statement: Statement) -> Statement:
    """Return a copy that names everything it reads in one join.

    The comma between two tables in a LATERAL sub-select makes SQLAlchemy warn of a cartesian product, whatever WHERE
    says: it looks for the conditions in the statement outside.
    """
    if statement._setup_joins or statement._from_obj:
        return statement
    joined, *others = statement.get_final_froms()
    if not others:
        return statement
    for source in others:
        joined = joined.join(source, true())
    return statement.select_from(joined)


def _pinned(statement: Statement) -> Statement:
    """Return a copy whose joins start where they start now, whatever columns it will select."""
    if statement._setup_joins and not statement._from_obj:
        return statement.select_from(statement.columns_clause_froms[0])
    return statement


def leaves(statement: Statement) -> Iterator[tuple[FromClause, bool]]:
    """Yield what the statement reads, with every join taken apart, and whether an outer join can make it NULL."""
    read = statement._generate()
    read._distinct_on = ()  # SQLAlchemy 2.0 looks through it as another dialect would, and warns that that has no such
    for source in read.get_final_froms():
        yield from _flatten(source)


def _flatten(source: FromClause, *, nullable: bool = False) -> Iterator[tuple[FromClause, bool]]:
    if isinstance(source, Join):
        yield from _flatten(source.left, nullable=nullable or source.full)
        yield from _flatten(source.right, nullable=nullable or source.isouter or source.full)
    else:
        yield source, nullable


def _entities(statement: Statement) -> set[Any]:
    found: set[Any] = set()
    for column in statement._raw_columns:
        owner = column._annotations.get("parententity", None)
        found.add(
            owner if owner is not None else column if isinstance(column, FromClause) else getattr(column, "table", None)
        )
    return found - {None}


def _refuse_shape(statement: Statement) -> None:
    refused = (
        ("a LIMIT", statement._limit_clause is not None, "Leave .limit() out: k is the limit."),
        ("a FETCH", statement._fetch_clause is not None, "Leave .fetch() out: k is the limit."),
        ("a GROUP BY", bool(statement._group_by_clauses), "Group the rows of the search in an outer statement."),
        ("a HAVING", bool(statement._having_criteria), "Filter the rows of the search in an outer statement."),
        ("a DISTINCT", bool(statement._distinct), "Apply DISTINCT to the rows of the search in an outer statement."),
        (
            "a window function",
            _selects(statement, _is_window),
            "Apply it to the rows of the search in an outer statement.",
        ),
        ("an aggregate", _selects(statement, _is_aggregate), "Aggregate the rows of the search in an outer statement."),
    )
    for word, present, remedy in refused:
        if present:
            raise SearchError(
                f"The statement to search has {word}. "
                "At the level of the search it would hide the order that the index serves, and every row would be "
                "read. "
                f"{remedy}"
            )


def parts(expression: Any) -> Iterator[Any]:  # Any: SQLAlchemy's clause elements have no common public class
    """Yield an expression and everything in it, without looking into sub-selects."""
    yield expression
    if not isinstance(expression, SelectBase | ScalarSelect):
        for child in expression.get_children():
            yield from parts(child)


def _selects(statement: Statement, wanted: Callable[[Any], bool]) -> bool:
    return any(wanted(part) for column in statement._raw_columns if not _is_plain(column) for part in parts(column))


def _is_plain(column: Any) -> bool:
    """Return whether an entry of the select list is a table or a column, whose parts need no look."""
    return isinstance(column, FromClause | ColumnClause) and not isinstance(column, FunctionElement)


def _is_window(part: Any) -> bool:
    return isinstance(part, Over)


def _is_aggregate(part: Any) -> bool:
    if isinstance(part, FunctionElement):
        return getattr(part, "name", "").lower() in _AGGREGATES
    return isinstance(part, FunctionFilter | WithinGroup)


def prepended(statement: Statement, *columns: Any) -> Statement:
    """Return a copy that selects other columns before its own."""
    return _pinned(statement).with_only_columns(*columns, *statement._raw_columns)


def selected_columns(statement: Statement) -> list[Any]:
    """Return the table columns behind what a statement selects; other expressions stand for themselves."""
    return [next(iter(column.base_columns), column) for column in statement.selected_columns]
