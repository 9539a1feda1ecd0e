"""The parts of a caller's Select that a search has to know or to take away.

SQLAlchemy builds a Select by adding to it and offers no way to look into joins and options or to take WHERE away, so
this is the one module that reads the private attributes; they are the same in SQLAlchemy 2.0 and 2.1.
"""

# ruff: noqa: SLF001  # the reason stands above

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import (
    CTE,
    Cast,
    ClauseElement,
    FunctionFilter,
    Over,
    Select,
    Subquery,
    WithinGroup,
    inspect,
    select,
    true,
)
from sqlalchemy.exc import NoInspectionAvailable
from sqlalchemy.orm import LoaderCriteriaOption, Mapper, QueryableAttribute
from sqlalchemy.orm.util import AliasedInsp
from sqlalchemy.sql import operators
from sqlalchemy.sql.elements import (
    BooleanClauseList,
    ColumnClause,
    Grouping,
    Label,
    TextClause,
    _anonymous_label,
    _label_reference,
    _textual_label_reference,
)
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.selectable import FromClause, Join, ScalarSelect, SelectBase, TableClause
from sqlalchemy.types import NULLTYPE

from sqlalchemy_vecsearch.errors import SearchError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from sqlalchemy import ColumnElement
    from sqlalchemy.types import TypeEngine

Statement = Select[Any]  # Any: the row type is the caller's, and every public helper states it again

_MOST_PASSED_OVER: Final = 1_000_000_000

_ADDRESS: Final = re.compile(r" at 0x[0-9a-fA-F]+")
# Where syntax extensions of SQLAlchemy 2.1, such as distinct_on(), put SQL that may read the select list.
_EXTENSION_POINTS: Final = ("_post_select_clause", "_pre_columns_clause", "_post_criteria_clause", "_post_body_clause")

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
        f"{shown(source)} can not be searched. "
        "A search starts from a mapped class, an alias of one, a table, or a Select of them, and this is none. "
        "Pass the class, such as Document, or select(Document).where(...)."
    )


def shown(value: Any) -> str:  # Any: whatever the caller passed
    """Return a value as a message shows it: SQL for what SQLAlchemy has made, and never the address of an object."""
    if isinstance(value, TableClause):
        return repr(value.name)
    if isinstance(value, ClauseElement | QueryableAttribute):
        return " ".join(str(value).split())
    text = repr(value)
    return f"An object of the class {type(value).__name__!r}" if _ADDRESS.search(text) else text


def mapped_attribute(element: Any) -> Any:  # Any: an attribute or a column, which have no common class
    """Return the mapped attribute that a column of an ORM expression stands for; other elements stand for themselves.

    ``cast(Document.embedding, VECTOR(16))`` holds the column of the attribute, with what SQLAlchemy has noted on it.
    """
    if isinstance(element, QueryableAttribute):
        return element
    noted = getattr(element, "_annotations", {})
    entity, key = noted.get("parententity"), noted.get("proxy_key")
    if entity is None or key is None:
        return element
    return getattr(entity.entity, key, element)


def stored_element(element: Any) -> Any:  # Any: as above
    """Return what a search reads from the table: what is searched itself, or what stands in a cast around it."""
    while isinstance(element, Cast | Grouping | Label):
        element = element.clause if isinstance(element, Cast) else element.element
    return mapped_attribute(element)


def as_clause(element: Any) -> Any:  # Any: as above
    """Return an attribute as the column that stands in SQL, with what SQLAlchemy has noted on it."""
    return element.__clause_element__() if isinstance(element, QueryableAttribute) else element


def is_filtered(statement: Statement) -> bool:
    """Return whether rows can be dropped between the scan and the LIMIT: by WHERE, by a join, by loader criteria."""
    return bool(
        statement._where_criteria
        or statement._setup_joins
        or statement._from_obj
        or has_loader_criteria(statement)
        or len(_entities(statement)) > 1
    )


def is_locking(statement: Statement) -> bool:
    """Return whether the statement locks the rows that it returns (FOR UPDATE and its kin)."""
    return statement._for_update_arg is not None


def is_cut(statement: Statement) -> bool:
    """Return whether the statement returns a part of its rows, by LIMIT, FETCH or OFFSET."""
    return any(
        clause is not None for clause in (statement._limit_clause, statement._fetch_clause, statement._offset_clause)
    )


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


def tie_breaks(statement: Any) -> tuple[ColumnElement[Any], ...]:  # Any: a Select or a union of them
    """Return the caller's ORDER BY, which a search applies after the distance."""
    return tuple(statement._order_by_clauses)


def limit_of(statement: Any) -> int | None:  # Any: a Select or a union of them
    """Return LIMIT as a number, None when there is none or an expression."""
    return _number(statement._limit_clause)


def is_limited(statement: Statement) -> bool:
    """Return whether the statement has a LIMIT or FETCH of any kind."""
    return statement._limit_clause is not None or statement._fetch_clause is not None


def passes_over_rows(statement: Statement) -> bool:
    """Return whether the statement has an OFFSET other than 0."""
    return has_offset(statement) and _number(statement._offset_clause) != 0


def rows_asked(statement: Statement) -> int | None:
    """Return the LIMIT of a statement, or of the one sub-select that it reads, less the rows that OFFSET skips. Pure.

    None means that neither says, or that the limit is an expression.
    """
    limit = limit_of(statement)
    if limit is not None:
        return limit
    elements = [source.element for source, _ in sources(statement) if isinstance(source, CTE | Subquery)]
    inside = [getattr(element, "built", element) for element in elements]  # where it is built when it is compiled
    limits = [found for inner in inside if (found := limit_of(inner)) is not None]
    if len(limits) != 1:
        return None
    return max(0, limits[0] - (_number(statement._offset_clause) or 0))


def _number(clause: Any) -> int | None:
    value = getattr(clause, "value", None)
    return value if isinstance(value, int) else None


def has_loader_criteria(statement: Statement) -> bool:
    """Return whether the ORM adds conditions when the statement is executed."""
    return any(isinstance(option, LoaderCriteriaOption) for option in statement._with_options)


def is_distinct(statement: Statement) -> bool:
    """Return whether the statement has a DISTINCT, of PostgreSQL's ``distinct_on`` extension too (SQLAlchemy 2.1)."""
    extension = getattr(statement, "_pre_columns_clause", None)
    return bool(statement._distinct or statement._distinct_on) or extension is not None


def is_grouped(statement: Statement) -> bool:
    """Return whether the statement has a GROUP BY."""
    return bool(statement._group_by_clauses)


def select_list(statement: Statement) -> tuple[Any, ...]:
    """Return what a statement selects, as it was written: entities stand for all their columns."""
    return tuple(statement._raw_columns)


def named_by(expression: Any, named: Mapping[str, Any]) -> Any:  # Any: SQLAlchemy's clause elements
    """Return what a term of ORDER BY names: a label by itself or by its text, others stand for themselves.

    None is a name that no column of the select list has.
    """
    if isinstance(expression, _label_reference):
        return expression.element
    if isinstance(expression, _textual_label_reference):
        return named.get(str(expression.element))
    if isinstance(expression, TextClause):
        return named.get(expression.text, expression)
    return expression


def numbered(source: Any, name: str) -> str:  # Any: a select, or what a FROM holds
    """Return a name to which a number is added when the statement is compiled.

    Args:
        source: what is named; it has to live as long as the name.
        name: the name without its number.
    """
    return _anonymous_label.safe_construct(id(source), name)


def taken_from(parameter: Any, value: Any, type_: TypeEngine[Any], *, literal: bool) -> Any:  # Any: of whatever type
    """Return a parameter whose value comes from that of another, of which its type is given the whole.

    SQLAlchemy gives the copies of a parameter the value of the original when it executes a statement that is compiled
    already.

    Args:
        parameter: stands among the parts of the statement.
        value: the own value now.
        type_: takes the parameter's value, or the own one.
        literal: True renders the value into the SQL, False sends it beside.
    """
    copy = parameter._clone()
    copy.value = value
    copy.type = type_
    copy.literal_execute = literal
    return copy


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
        if value > _MOST_PASSED_OVER:
            raise SearchError(
                f"The OFFSET of the statement is {value:,}. "
                "A search finds that many candidates and passes over them, and no index finds as many. "
                f"Pass at most {_MOST_PASSED_OVER:,} to .offset()."
            )
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


def without_filter(
    statement: Statement,
    criteria: Iterable[ColumnElement[bool]] = (),
    *columns: Any,
    order: Iterable[Any] = (),
    limit: ColumnElement[int] | None = None,
) -> Statement:
    """Return a copy for joining to rows that have passed the filter already.

    Args:
        statement: whose WHERE, ORDER BY and OFFSET are left out.
        criteria: the conditions that stand in WHERE instead.
        columns: columns to select besides its own.
        order: what it is ordered by instead.
        limit: how many rows to return, None for all.
    """
    copy = _pinned(statement)._generate()
    copy._where_criteria = tuple(criteria)
    copy._raw_columns = [*copy._raw_columns, *columns]
    copy._order_by_clauses = tuple(order)
    copy._offset_clause = None
    copy._limit_clause = limit
    return copy


def only_columns(statement: Statement, *columns: Any) -> Statement:
    """Return a copy that selects other columns from the same tables, without locks and options that load entities."""
    copy = _pinned(statement).with_only_columns(*columns)
    copy._order_by_clauses = ()
    copy._offset_clause = None
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


def read_by(part: Any) -> Iterable[FromClause]:
    """Return what a clause reads: itself, or the tables and the sub-selects of its columns; nothing of a Select."""
    if isinstance(part, SelectBase):
        return ()
    return (part,) if isinstance(part, FromClause) else part._from_objects


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


def output_types_named(statement: Statement) -> Iterator[TypeEngine[Any]]:
    """Yield the types of what the statement itself reads from its select list.

    PostgreSQL looks a bare name in ORDER BY and GROUP BY up in the select list, and DISTINCT compares what is selected.
    A name whose type is not known, such as that of a text, has the type NullType.
    """
    extended = any(getattr(statement, point, None) is not None for point in _EXTENSION_POINTS)
    if statement._distinct or statement._prefixes or statement._suffixes or extended:
        yield from (column.type for column in statement.selected_columns)
    for item in statement._order_by_clauses:
        yield from _named_type(_without_direction(item), statement)
    for item in statement._group_by_clauses:
        for part in parts(item):
            yield from _named_type(_without_direction(part), statement)


def _named_type(item: Any, statement: Statement) -> Iterator[TypeEngine[Any]]:
    """Yield the type of an element that is rendered as a bare name; nothing for an expression or a qualified column."""
    kind = item.__visit_name__
    if kind == "textual_label_reference":
        column = statement.selected_columns.get(item.element)
        yield NULLTYPE if column is None else column.type
    elif kind == "label":
        yield item.type
    elif kind == "textclause" or (kind == "column" and item.table is None):
        yield NULLTYPE


def _without_direction(item: Any) -> Any:
    while item.__visit_name__ in {"unary", "label_reference"}:
        item = item.element
    return item
