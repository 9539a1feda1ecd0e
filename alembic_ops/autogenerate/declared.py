"""What the metadata wishes: its vector indexes, checked against the rules of pgvector, as states."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NoReturn

from sqlalchemy import Column, Index, text

from alembic_ops.autogenerate.index_rules import (
    IndexRuleError,
    refuse_vectors_in_other_methods,
    validate_element,
    validate_shape,
)
from alembic_ops.model.index_state import IndexDefinition, IndexState
from sqlalchemy_vecsearch.errors import DeclarationError
from sqlalchemy_vecsearch.indexes import method_class, written_index
from sqlalchemy_vecsearch.names import IDENTIFIER_BYTES
from sqlalchemy_vecsearch.quoting import DIALECT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import ClauseElement, Table

    from sqlalchemy_vecsearch.indexes import WrittenIndex

__all__ = ["DeclaredIndex", "IndexRuleError", "declared_indexes", "is_vector_index", "refuse_shared_names"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredIndex:
    """A vector index of the metadata: its state as the user wrote it, and the object it came from."""

    state: IndexState
    index: Index


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
    return method_class(index) is not None


def _declared(index: Index, table: Table, schema: str | None) -> DeclaredIndex | None:
    method = method_class(index)
    if method is None:
        refuse_vectors_in_other_methods(index)
        return None
    validate_shape(index, method.name)
    definition = _definition(index)
    validate_element(index, definition)
    state = IndexState(name=_final_name(index), table_name=table.name, schema=schema, definition=definition)
    return DeclaredIndex(state=state, index=index)


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


def _definition(index: Index) -> IndexDefinition:
    written = _written(index)
    is_column = isinstance(written.element, Column)
    return IndexDefinition(
        method=written.method.name,
        operator_class=written.operator_class or _refuse_no_operator_class(index, written.method.name),
        column=written.element.name if is_column else None,
        expression=None if is_column else _compiled(written.element.self_group()),
        parameters=tuple(sorted(written.method.parameters.items())),
        predicate=_predicate(written.where),
    )


def _written(index: Index) -> WrittenIndex:
    try:
        written = written_index(index)
    except DeclarationError as error:
        raise IndexRuleError(index, "has parameters that pgvector refuses", str(error), remedy="") from None
    assert written is not None, "it is of a method of pgvector, and over one element"
    return written


def _compiled(clause: ClauseElement) -> str:
    compiler = DIALECT.statement_compiler(DIALECT, None)
    return str(compiler.process(clause, include_table=False, literal_binds=True))


def _predicate(where: Any) -> str | None:  # Any: what postgresql_where takes
    if where is None:
        return None
    return _compiled(text(where) if isinstance(where, str) else where)


def _refuse_no_operator_class(index: Index, method: str) -> NoReturn:
    raise IndexRuleError(
        index,
        "has no operator class",
        f"pgvector has no default operator class for {method} on this type, and SQLAlchemy finds the one in"
        " postgresql_ops by the key of a column or the label of an expression.",
        "Add postgresql_ops={'embedding': 'vector_cosine_ops'}, with the key or the label in place of 'embedding'.",
    )
