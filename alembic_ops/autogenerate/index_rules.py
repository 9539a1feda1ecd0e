"""What an index of vectors must be, and what only the server would say of it otherwise, or nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alembic.util import CommandError
from sqlalchemy import Column, Index
from sqlalchemy.sql.elements import Cast, Grouping, Label, UnaryExpression

from alembic_ops.model.vector_types import VectorType, vector_type_of
from sqlalchemy_vecsearch.errors import DeclarationError
from sqlalchemy_vecsearch.indexes import operator_class_key
from sqlalchemy_vecsearch.metrics import Metric, Storage, index_limit, metric_of_operator_class, operator_class

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alembic_ops.model.index_state import IndexDefinition

__all__ = [
    "IndexRuleError",
    "refuse_vectors_in_other_methods",
    "validate_element",
    "validate_shape",
]


class IndexRuleError(DeclarationError, CommandError):
    """An index of the metadata breaks a rule that the server would only report at upgrade, or never.

    Attributes:
        table: the name of the table, with its schema.
        index: the name of the index.
        rule: what PostgreSQL or pgvector requires.
    """

    def __init__(self, index: Index, what: str, rule: str, remedy: str) -> None:
        self.table = "" if index.table is None else str(index.table.fullname)
        self.index = str(index.name)
        self.rule = rule
        super().__init__(f"The index {self.index!r} of the table {self.table!r} {what}. {rule} {remedy}".rstrip())


def validate_shape(index: Index, method: str) -> None:
    """Refuse what pgvector's methods cannot do, and an operator class that SQLAlchemy would leave out.

    Raises:
        IndexRuleError: the index has such a thing.
    """
    options = index.dialect_options["postgresql"]
    refused = (
        (index.unique, "is unique", "unique indexes", "Take unique=True out."),
        (options["include"], "includes columns", "included columns", "Take postgresql_include out."),
        (len(index.expressions) != 1, "has several columns", "multicolumn indexes", "Declare one index a column."),
        (
            any(isinstance(one, UnaryExpression) for one in index.expressions),
            "has an ordering",
            "ASC/DESC or NULLS FIRST/LAST options",
            "Name the bare column.",
        ),
    )
    for wrong, what, unsupported, remedy in refused:
        if wrong:
            raise IndexRuleError(index, what, f"The access method {method} does not support {unsupported}.", remedy)
    keys = {operator_class_key(expression) for expression in index.expressions}
    for key in options["ops"] or {}:
        if key not in keys:
            raise IndexRuleError(
                index,
                f"has an operator class for {key!r}, which it does not index",
                "SQLAlchemy leaves out an operator class whose key is neither a column key nor a label of the index,"
                " and the index would be built for another metric or not at all.",
                f"Correct the key of postgresql_ops{_expected_key(keys)}.",
            )


def _expected_key(keys: set[str | None]) -> str:
    named = sorted(repr(key) for key in keys if key)
    return f" to {named[0]}" if named else ", or label the expression with it: expression.label('name')"


def validate_element(index: Index, definition: IndexDefinition) -> None:
    """Refuse an operator class that does not fit the type or the method, and dimensions that cannot be indexed.

    Raises:
        IndexRuleError: it does not fit.
    """
    known = metric_of_operator_class(definition.operator_class)
    if known is None:
        return
    storage, metric = known
    held = _held_type(index.expressions[0])
    if held is not None and held.storage is not storage:
        raise IndexRuleError(
            index,
            f"has the operator class {definition.operator_class!r} on a {held.storage.value}",
            f"That operator class accepts {storage.value} only.",
            f"Choose one of the {held.storage.value} operator classes.",
        )
    from_table = _methods_of(storage, metric.value)
    if definition.method not in from_table:
        raise IndexRuleError(
            index,
            f"has the operator class {definition.operator_class!r} with {definition.method}",
            f"pgvector offers it for {' and '.join(sorted(from_table))} only.",
            f"Use postgresql_using={min(from_table)!r}, or another operator class.",
        )
    if held is not None:
        _validate_dimensions(index, held, definition.method)


def _methods_of(storage: Storage, metric: str) -> frozenset[str]:
    return operator_class(storage, Metric.of(metric)).methods


def _validate_dimensions(index: Index, held: VectorType, method: str) -> None:
    limit = index_limit(held.storage)
    if held.dimensions is None:
        raise IndexRuleError(
            index,
            f"is on a {held.storage.value} without dimensions",
            f"{method} needs to know the number of dimensions.",
            "Declare it on the column, or index a cast such as cast(column, VECTOR(3)).label('name').",
        )
    if limit is not None and held.dimensions > limit:
        raise IndexRuleError(
            index,
            f"is on {held.dimensions} dimensions",
            f"An index on a {held.storage.value} covers {limit} dimensions at most.",
            "Index a cast to halfvec (4,000), its bits (64,000) or a part of the vector.",
        )


def _held_type(expression: Any) -> VectorType | None:  # Any: whatever stands in an Index
    """Return the type of what an index holds, None where only the server can tell."""
    element = expression
    while isinstance(element, Label | Grouping):
        element = element.element
    if isinstance(element, Column | Cast):
        found = vector_type_of(element.type)
        return found if found is not None and found.array_dimensions is None else None
    return None


def refuse_vectors_in_other_methods(index: Index) -> None:
    """Refuse a B-tree, or another method that is not pgvector's, on a bare column of vectors.

    Raises:
        IndexRuleError: the index is one.
    """
    method = str(index.dialect_options["postgresql"]["using"] or "btree").lower()
    for column in _bare_columns(index):
        held = vector_type_of(column.type)
        if held is None or held.array_dimensions is not None or held.storage is Storage.BIT:
            continue
        raise IndexRuleError(
            index,
            f"is a {method} on the {held.storage.value} column {column.name!r}",
            f"A {method} serves no search by distance, and breaks at the first vector longer than a third of a page.",
            "Take index=True out and declare a vector index, or give the index postgresql_using='hnsw'"
            " and an operator class.",
        )


def _bare_columns(index: Index) -> Iterator[Column[Any]]:
    return (one for one in index.expressions if isinstance(one, Column))
