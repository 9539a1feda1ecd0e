"""The elements that a Select is made of: attributes, columns, parameters, and how a message shows them."""

# ruff: noqa: SLF001  # SQLAlchemy offers no other way to look into a Select

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Cast, ClauseElement, Column, Select
from sqlalchemy.orm import QueryableAttribute
from sqlalchemy.sql import operators
from sqlalchemy.sql.elements import BooleanClauseList, Grouping, Label, _anonymous_label
from sqlalchemy.sql.selectable import ScalarSelect, SelectBase, TableClause

from sqlalchemy_vecsearch.representations import short_repr

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.types import TypeEngine

__all__ = [
    "Statement",
    "as_clause",
    "conjuncts",
    "is_stored",
    "mapped_attribute",
    "numbered",
    "parts",
    "shown",
    "stored_element",
    "taken_from",
]


Statement = Select[Any]  # Any: the row type is the caller's, and every public helper states it again


_ADDRESS: Final = re.compile(r" at 0x[0-9a-fA-F]+")


def shown(value: Any) -> str:  # Any: whatever the caller passed
    """Return a value as a message shows it: SQL for what SQLAlchemy has made, and never the address of an object."""
    if isinstance(value, TableClause):
        return repr(value.name)
    if isinstance(value, ClauseElement | QueryableAttribute):
        return " ".join(str(value).split())
    text = short_repr(value)
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


def is_stored(element: Any) -> bool:  # Any: as above
    """Return whether an element is a column of a table, under whatever name, and not worked out from one."""
    found = as_clause(element)
    while isinstance(found, Grouping | Label):
        found = found.element
    return isinstance(found, Column)


def conjuncts(*criteria: Any) -> Iterator[Any]:  # Any: conditions
    """Yield the conditions that all hold, those that AND joins taken apart."""
    for criterion in criteria:
        if isinstance(criterion, BooleanClauseList) and criterion.operator is operators.and_:
            yield from conjuncts(*criterion.clauses)
        else:
            yield criterion


def as_clause(element: Any) -> Any:  # Any: as above
    """Return an attribute as the column that stands in SQL, with what SQLAlchemy has noted on it."""
    return element.__clause_element__() if isinstance(element, QueryableAttribute) else element


def parts(expression: Any) -> Iterator[Any]:  # Any: SQLAlchemy's clause elements have no common public class
    """Yield an expression and everything in it, without looking into sub-selects."""
    yield expression
    if not isinstance(expression, SelectBase | ScalarSelect):
        for child in expression.get_children():
            yield from parts(child)


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
