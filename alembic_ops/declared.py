"""What the metadata wishes: its vector indexes, checked against the rules of pgvector, as states."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from alembic.util import CommandError
from sqlalchemy import Column, Index, TextClause, text
from sqlalchemy.sql.elements import Cast, Grouping, Label, UnaryExpression

from alembic_ops.quoting import DIALECT
from alembic_ops.state import IndexDefinition, IndexState
from alembic_ops.vector_types import VectorType, vector_type_of
from sqlalchemy_vecsearch.errors import DeclarationError
from sqlalchemy_vecsearch.methods import HNSW, IVFFlat
from sqlalchemy_vecsearch.metrics import Metric, Storage, index_limit, metric_of_operator_class, operator_class
from sqlalchemy_vecsearch.names import IDENTIFIER_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sqlalchemy import ClauseElement, Table
    from sqlalchemy.sql.elements import ColumnElement

__all__ = ["DeclaredIndex", "IndexRuleError", "declared_indexes", "is_vector_index"]


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
        super().__init__(f"The index {self.index!r} of the table {self.table!r} {what}. {rule} {remedy}")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredIndex:
    """A vector index of the metadata: its state as the user wrote it, and the object it came from."""

    state: IndexState
    index: Index


_METHODS: Final[Mapping[str, type[HNSW | IVFFlat]]] = {"hnsw": HNSW, "ivfflat": IVFFlat}

_TRAILING_OPERATOR_CLASS: Final = re.compile(
    r'^(?P<element>.*\S)\s+(?P<operators>(?:[\w"]+\.)?"?\w+_ops"?)\s*$', re.DOTALL
)


def declared_indexes(table: Table, *, schema: str | None) -> list[DeclaredIndex]:
    """Return the vector indexes that a table of the metadata declares, sorted by name.

    Plain ``Index`` objects count as much as those of ``vector_index`` and ``embedding_column``.

    Args:
        table: a table of the metadata.
        schema: the name that the states carry for its schema, None for the default schema.

    Raises:
        IndexRuleError: an index could not be built, or would not be what was meant.
    """
    found = [_declared(index, table, schema) for index in table.indexes]
    declared = sorted((one for one in found if one is not None), key=lambda one: one.state.name)
    for one, other in pairwise(declared):
        if one.state.name == other.state.name:
            raise IndexRuleError(
                other.index,
                "has the name of another index of that table",
                "A naming convention that knows only the column gives both one name, and one of them would be lost.",
                "Give each of them a name.",
            )
    return declared


def is_vector_index(index: Index) -> bool:
    """Say whether an index, declared or reflected, is of a method of pgvector."""
    return _method_name(index) in _METHODS


def _declared(index: Index, table: Table, schema: str | None) -> DeclaredIndex | None:
    method = _method_name(index)
    if method not in _METHODS:
        _refuse_vectors_in_other_methods(index, method)
        return None
    _validate_shape(index, method)
    definition = _definition(index, method)
    _validate_element(index, definition)
    state = IndexState(name=_final_name(index), table_name=table.name, schema=schema, definition=definition)
    return DeclaredIndex(state=state, index=index)


def _method_name(index: Index) -> str:
    return str(index.dialect_options["postgresql"]["using"] or "btree").lower()


def _final_name(index: Index) -> str:
    name = DIALECT.identifier_preparer.format_index(index) if index.name is not None else None
    if not name or name == "ix_":
        raise IndexRuleError(
            index,
            "has no name of its own",
            "An expression gives a naming convention nothing to build a name from, so that two indexes would collide.",
            "Give the index a name.",
        )
    plain = _unquoted(name)
    if len(plain.encode()) > IDENTIFIER_BYTES:
        raise IndexRuleError(
            index,
            f"has a name of {len(plain.encode())} bytes",
            f"PostgreSQL cuts names at {IDENTIFIER_BYTES} bytes without an error.",
            "Choose a shorter name.",
        )
    return plain


def _unquoted(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name


def _definition(index: Index, method: str) -> IndexDefinition:
    options = index.dialect_options["postgresql"]
    expression: Any = index.expressions[0]  # a Column, or any expression
    operators = (options["ops"] or {}).get(_key(expression))
    column, element = None, None
    if isinstance(expression, Column):
        column = expression.name
    else:
        element = _compiled(expression.self_group())
        if operators is None and (split := _TRAILING_OPERATOR_CLASS.match(element)):
            element, operators = split["element"], split["operators"]
    return IndexDefinition(
        method=method,
        operator_class=_operator_class(index, method, expression, operators),
        column=column,
        expression=element,
        parameters=_parameters(index, method, options["with"] or {}),
        predicate=_predicate(options["where"]),
    )


def _key(expression: Any) -> str | None:  # Any: whatever stands in an Index
    """Return what ``postgresql_ops`` finds an expression by; Alembic's revisions find a text by its SQL."""
    key: str | None = expression.text if isinstance(expression, TextClause) else getattr(expression, "key", None)
    return key


def _compiled(clause: ClauseElement) -> str:
    compiler = DIALECT.statement_compiler(DIALECT, None)
    return str(compiler.process(clause, include_table=False, literal_binds=True))


def _predicate(where: Any) -> str | None:  # Any: what postgresql_where takes
    if where is None:
        return None
    return _compiled(text(where) if isinstance(where, str) else where)


def _parameters(index: Index, method: str, given: Mapping[str, object]) -> tuple[tuple[str, int], ...]:
    try:
        typed = {str(name).lower(): int(str(value)) for name, value in given.items()}
        return tuple(sorted(_METHODS[method](**typed).parameters.items()))
    except TypeError:
        known = " and ".join(repr(name) for name in _METHODS[method].defaults)
        wrong = next(name for name in typed if name not in _METHODS[method].defaults)
        raise IndexRuleError(
            index, f"has the parameter {wrong!r}", f"{method} knows {known} only.", "Correct postgresql_with."
        ) from None
    except ValueError as error:
        raise IndexRuleError(index, "has parameters out of range", str(error), "Correct postgresql_with.") from None


def _operator_class(index: Index, method: str, expression: ColumnElement[Any], given: str | None) -> str:
    if given is not None:
        return given
    held = _held(expression)
    if method == "ivfflat" and (held is None or held.storage is Storage.VECTOR):
        return "vector_l2_ops"  # the only default operator class of pgvector
    raise IndexRuleError(
        index,
        "has no operator class",
        f"pgvector has no default operator class for {method} on this type, and SQLAlchemy finds the one in"
        " postgresql_ops by the key of a column or the label of an expression.",
        "Add postgresql_ops={'embedding': 'vector_cosine_ops'}, with the key or the label in place of 'embedding'.",
    )


def _validate_shape(index: Index, method: str) -> None:
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
    keys = {_key(expression) for expression in index.expressions}
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


def _validate_element(index: Index, definition: IndexDefinition) -> None:
    known = metric_of_operator_class(definition.operator_class)
    if known is None:
        return
    storage, metric = known
    held = _held(index.expressions[0])
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


def _held(expression: Any) -> VectorType | None:  # Any: whatever stands in an Index
    """Return the type of what an index holds, None where only the server can tell."""
    element = expression
    while isinstance(element, Label | Grouping):
        element = element.element
    if isinstance(element, Column | Cast):
        found = vector_type_of(element.type, DIALECT)
        return found if found is not None and found.array_dimensions is None else None
    return None


def _refuse_vectors_in_other_methods(index: Index, method: str) -> None:
    for column in _bare_columns(index):
        held = vector_type_of(column.type, DIALECT)
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
