"""The rules of what ORDER BY of a search may hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Case, Cast
from sqlalchemy.sql.functions import FunctionElement

from sqlalchemy_vecsearch.measuring.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy_vecsearch.measuring.levels import Level, OrderTerm

__all__ = ["order_findings", "text_findings"]


def order_findings(level: Level) -> Iterator[Finding]:
    """Yield what is wrong with the terms of ORDER BY that hold a distance. Pure."""
    for term in level.terms:
        if term.is_exact:
            continue
        if (found := _form(term)) is not None:
            yield found
            continue
        yield from _direction(term)
        yield from _place(level, term)


def text_findings(level: Level) -> Iterator[Finding]:
    """Yield the texts in ORDER BY that hold a distance and can not be read. Pure."""
    for text in level.unreadable:
        yield Finding(
            "unreadable_order",
            f"ORDER BY holds the text {text!r}. "
            "It compares vectors, in a form that lint() can not read, so an index may serve it or not.",
            "Write distance(column, query) instead, or ask the server: explain(connection, statement).",
        )


def _form(term: OrderTerm) -> Finding | None:
    """Return the finding for a term that is more than the bare distance."""
    name = f"{term.distance.stored.column.name!r}"
    expression = term.expression
    if term.is_bare:
        return None
    if term.distance.function is not None and _is_call(expression, term.distance.function):
        return Finding(
            "function_form",
            f"ORDER BY calls {term.distance.function}() on the column {name}. "
            "An index is found by the operator alone, so every row is read and sorted.",
            f"Order by the operator: distance(column, query), which is {term.distance.metric.operator} in SQL.",
        )
    if isinstance(expression, FunctionElement | Cast | Case):
        return Finding(
            "wrapped",
            f"ORDER BY wraps the distance of the column {name} in {_wrapper(expression)}. "
            "An index returns rows by the bare distance only, so every row is read and sorted.",
            "Order by the bare distance, and round, cast or replace it in the select list.",
        )
    if term.descending:
        return Finding(
            "similarity",
            f"ORDER BY sorts by a similarity to the column {name}, descending. "
            "An index returns rows by the bare distance, ascending, so every row is read and sorted.",
            "Order by distance(column, query), which gives the same order, and select similarity(column, query).",
        )
    return Finding(
        "arithmetic",
        f"ORDER BY computes with the distance of the column {name}. "
        "An index returns rows by the bare distance only, so every row is read and sorted.",
        "Order and limit by the bare distance in a sub-select, and compute in the statement around it.",
    )


def _direction(term: OrderTerm) -> Iterator[Finding]:
    name = f"{term.distance.stored.column.name!r}"
    if term.descending:
        yield Finding(
            "descending",
            f"ORDER BY sorts by the distance of the column {name}, descending. "
            "That asks for the farthest rows, which no index returns, so every row is read and sorted.",
            "Leave DESC out: smaller distances are nearer, for inner_product too.",
        )
    elif term.nulls_first:
        yield Finding(
            "nulls_first",
            f"ORDER BY puts NULL distances of the column {name} first. "
            "A vector index holds no NULL, so every row is read and sorted.",
            "Leave NULLS FIRST out, and read rows without an embedding by a statement of their own.",
        )


def _place(level: Level, term: OrderTerm) -> Iterator[Finding]:
    name = f"{term.distance.stored.column.name!r}"
    if term.position > 0:
        yield Finding(
            "not_first",
            f"ORDER BY sorts by something else before the distance of the column {name}. "
            "An index returns rows by the distance first, so every row is read and sorted.",
            "Search in a sub-select with its own LIMIT, and sort its rows in the statement around it.",
        )
    elif level.ordered_by > 1 and len(level.terms) == 1:
        yield Finding(
            "tie_break",
            f"ORDER BY has a second term after the distance of the column {name}. "
            "PostgreSQL 17 and older do not combine it with the index, and read and sort every row.",
            "Break ties outside: nearest(select(...).order_by(...), ...) does it, in the statement around the search.",
        )


def _is_call(expression: Any, function: str) -> bool:
    return isinstance(expression, FunctionElement) and str(getattr(expression, "name", "")).lower() == function


def _wrapper(expression: Any) -> str:
    if isinstance(expression, Cast):
        return "a cast"
    return "CASE" if isinstance(expression, Case) else f"{expression.name}()"
