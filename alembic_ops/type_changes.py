"""Differences between the vector type that a column has and the one it should have."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from alembic.util import PriorityDispatchResult
from pgvector.sqlalchemy import BIT, HALFVEC, SPARSEVEC, VECTOR
from sqlalchemy.types import NullType

from alembic_ops.quoting import PREPARER
from alembic_ops.vector_types import vector_type_of
from sqlalchemy_vecsearch.metrics import Storage

if TYPE_CHECKING:
    from alembic.autogenerate.api import AutogenContext
    from alembic.operations.ops import AlterColumnOp
    from sqlalchemy import Column, Dialect
    from sqlalchemy.types import TypeEngine

__all__ = ["compare_vector_type", "is_embedding_type", "recognise_types_of_schema"]

_TYPES: Final = (("vector", VECTOR), ("halfvec", HALFVEC), ("sparsevec", SPARSEVEC))

log = logging.getLogger(__name__)


def compare_vector_type(
    context: AutogenContext,
    alter_column: AlterColumnOp,
    schema: str | None,
    table_name: str,
    column_name: str,
    current: Column[Any],
    wished: Column[Any],
) -> PriorityDispatchResult:
    """Compare storage and dimensions as values: Alembic's own comparison calls ``VECTOR`` and ``VECTOR(3)`` equal."""
    if isinstance(current.type, NullType):
        return PriorityDispatchResult.CONTINUE
    if not (is_embedding_type(current.type, context.dialect) or is_embedding_type(wished.type, context.dialect)):
        return PriorityDispatchResult.CONTINUE
    alter_column.existing_type = current.type
    if vector_type_of(current.type, context.dialect) != vector_type_of(wished.type, context.dialect):
        alter_column.modify_type = wished.type
        where = f"{schema}.{table_name}" if schema else table_name
        log.info("Detected type change from %r to %r on '%s.%s'", current.type, wished.type, where, column_name)
    return PriorityDispatchResult.STOP


def is_embedding_type(type_: TypeEngine[Any], dialect: Dialect) -> bool:
    """Say whether a column type is one of pgvector's, which PostgreSQL's own ``BIT`` is not."""
    found = vector_type_of(type_, dialect)
    return found is not None and (found.storage is not Storage.BIT or isinstance(type_, BIT))


def recognise_types_of_schema(dialect: Dialect, schema: str) -> None:
    """Let this dialect reflect the types of an extension whose schema is not on the search path: ``ext.vector``."""
    quoted = PREPARER.quote(schema)
    names: dict[str, type[TypeEngine[Any]]] = getattr(dialect, "ischema_names")  # noqa: B009  # only PostgreSQL's has it
    types = {f"{quoted}.{name}".lower(): type_ for name, type_ in _TYPES}
    dialect.ischema_names = {**names, **types}  # type: ignore[attr-defined]  # an attribute of PostgreSQL's dialect
