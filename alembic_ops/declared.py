"""What the metadata wishes: its vector indexes, checked against the rules of pgvector, as states."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Column, Index, text

from alembic_ops.index_rules import (
    IndexRuleError,
    held_type,
    operator_class_key,
    refuse_vectors_in_other_methods,
    validate_element,
    validate_shape,
)
from alembic_ops.quoting import DIALECT
from alembic_ops.state import IndexDefinition, IndexState
from sqlalchemy_vecsearch.errors import DeclarationError
from sqlalchemy_vecsearch.methods import HNSW, IVFFlat
from sqlalchemy_vecsearch.metrics import Storage
from sqlalchemy_vecsearch.names import IDENTIFIER_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlalchemy import ClauseElement, Table
    from sqlalchemy.sql.elements import ColumnElement

__all__ = ["DeclaredIndex", "IndexRuleError", "declared_indexes", "is_vector_index", "refuse_shared_names"]


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


def refuse_shared_names(declared: Iterable[DeclaredIndex], *, default_schema: str | None) -> None:
    """Refuse two indexes of one name in one schema, of which the server would refuse the second at the upgrade.

    Args:
        declared: the vector indexes of all tables.
        default_schema: what a state without a schema belongs to.

    Raises:
        IndexRuleError: there are two.
    """
    named: dict[tuple[str | None, str], DeclaredIndex] = {}
    for one in declared:
        other = named.setdefault((one.state.schema or default_schema, one.state.name), one)
        if other.index.table is not one.index.table:
            assert other.index.table is not None, "it was declared by its table"
            raise IndexRuleError(
                one.index,
                f"has the name of an index of the table {other.index.table.fullname!r}",
                "PostgreSQL knows the indexes of a schema by their names alone, whatever their tables.",
                "Give each of them a name, or name the table in the naming convention: 'ix_%(table_name)s_...'.",
            )


def is_vector_index(index: Index) -> bool:
    """Say whether an index, declared or reflected, is of a method of pgvector."""
    return _method_name(index) in _METHODS


def _declared(index: Index, table: Table, schema: str | None) -> DeclaredIndex | None:
    method = _method_name(index)
    if method not in _METHODS:
        refuse_vectors_in_other_methods(index, method)
        return None
    validate_shape(index, method)
    definition = _definition(index, method)
    validate_element(index, definition)
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
    operators = (options["ops"] or {}).get(operator_class_key(expression))
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


def _compiled(clause: ClauseElement) -> str:
    compiler = DIALECT.statement_compiler(DIALECT, None)
    return str(compiler.process(clause, include_table=False, literal_binds=True))


def _predicate(where: Any) -> str | None:  # Any: what postgresql_where takes
    if where is None:
        return None
    return _compiled(text(where) if isinstance(where, str) else where)


def _parameters(index: Index, method: str, given: Mapping[str, object]) -> tuple[tuple[str, int], ...]:
    typed = {str(name).lower(): _whole(index, str(name), value) for name, value in given.items()}
    try:
        return tuple(sorted(_METHODS[method](**typed).parameters.items()))
    except TypeError:
        known = " and ".join(repr(name) for name in _METHODS[method].defaults)
        wrong = next(name for name in typed if name not in _METHODS[method].defaults)
        raise IndexRuleError(
            index, f"has the parameter {wrong!r}", f"{method} knows {known} only.", "Correct postgresql_with."
        ) from None
    except DeclarationError as error:
        raise IndexRuleError(index, "has parameters out of range", str(error), "Correct postgresql_with.") from None


def _whole(index: Index, name: str, value: object) -> int:
    """Return the number that the server would read from a value."""
    try:
        number = float(str(value))
    except ValueError:
        number = math.nan
    if number.is_integer():
        return int(number)
    raise IndexRuleError(
        index, f"has the value {value!r} for {name!r}", "It takes a whole number.", "Correct postgresql_with."
    )


def _operator_class(index: Index, method: str, expression: ColumnElement[Any], given: str | None) -> str:
    if given is not None:
        return given
    held = held_type(expression)
    if method == "ivfflat" and (held is None or held.storage is Storage.VECTOR):
        return "vector_l2_ops"  # the only default operator class of pgvector
    raise IndexRuleError(
        index,
        "has no operator class",
        f"pgvector has no default operator class for {method} on this type, and SQLAlchemy finds the one in"
        " postgresql_ops by the key of a column or the label of an expression.",
        "Add postgresql_ops={'embedding': 'vector_cosine_ops'}, with the key or the label in place of 'embedding'.",
    )
