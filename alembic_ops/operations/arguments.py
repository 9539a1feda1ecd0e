"""From the arguments of an index operation to an IndexDefinition, checked, and back to arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import TextClause

from alembic_ops.errors import OperationArgumentError
from alembic_ops.model.index_state import IndexDefinition
from sqlalchemy_vecsearch.errors import VecSearchError
from sqlalchemy_vecsearch.methods import HNSW, IVFFlat
from sqlalchemy_vecsearch.metrics import metric_of_operator_class, operator_class
from sqlalchemy_vecsearch.names import IDENTIFIER_BYTES, fitted

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["describe_definition", "index_definition", "qualified", "require_name"]

_METHODS: Final[Mapping[str, type[HNSW | IVFFlat]]] = {"hnsw": HNSW, "ivfflat": IVFFlat}


def index_definition(
    operation: str,
    column: str | TextClause,
    *,
    method: str,
    operator_class: str,
    with_: Mapping[str, int] | None,
    where: str | TextClause | None,
) -> IndexDefinition:
    """Return the definition that the arguments of an operation describe.

    Args:
        operation: the name of the operation, for its errors.
        column: the name of a column, or ``sa.text`` of an expression.
        method: "hnsw" or "ivfflat".
        operator_class: the name of an operator class, with its schema where that is not on the search path.
        with_: build parameters, only those that are given; None for the server's defaults.
        where: the predicate of a partial index, None for all rows.

    Raises:
        OperationArgumentError: pgvector would refuse the index, whatever the rows.
    """
    _require_method(operation, method)
    _require_operator_class(operation, method, operator_class)
    if isinstance(column, str):
        require_name(operation, "column", column)
    return IndexDefinition(
        method=method,
        operator_class=operator_class,
        column=None if isinstance(column, TextClause) else column,
        expression=_sql(column) if isinstance(column, TextClause) else None,
        parameters=_parameters(operation, method, dict(with_ or {})),
        predicate=_sql(where) if isinstance(where, TextClause) else where,
    )


def require_name(operation: str, argument: str, name: str) -> None:
    """Refuse a name that PostgreSQL would cut."""
    size = len(name.encode())
    if 0 < size <= IDENTIFIER_BYTES:
        return
    if not size:
        raise OperationArgumentError(
            f"op.{operation}() has an empty {argument}. "
            "Without a name the object could not be found again by a second run. "
            "Write the name.",
            operation=operation,
            argument=argument,
        )
    raise OperationArgumentError(
        f"The name {name!r} has {size} bytes. "
        f"PostgreSQL cuts names at {IDENTIFIER_BYTES} bytes without an error, and two long names may become the same. "
        f"Choose a shorter one, such as {fitted(name)!r}.",
        operation=operation,
        argument=argument,
    )


def describe_definition(definition: IndexDefinition) -> str:
    """Return a definition in the words of SQL, for people."""
    element = definition.column if definition.expression is None else definition.expression
    words = [f"{definition.method} ({element} {definition.operator_class})"]
    if definition.parameters:
        words.append("with " + ", ".join(f"{name}={value}" for name, value in definition.parameters))
    if definition.predicate is not None:
        words.append(f"where {definition.predicate}")
    return " ".join(words)


def qualified(schema: str | None, name: str) -> str:
    """Return a name with its schema, for people."""
    return name if schema is None else f"{schema}.{name}"


def _sql(clause: TextClause) -> str:
    return str(clause.compile())  # not clause.text, which keeps the backslashes before colons


def _require_method(operation: str, method: str) -> None:
    if method not in _METHODS:
        raise OperationArgumentError(
            f"op.{operation}() was asked for the method {method!r}. "
            "pgvector has the index methods 'hnsw' and 'ivfflat' and no other. "
            "Write one of these, or use op.create_index() for another kind of index.",
            operation=operation,
            argument="method",
        )


def _require_operator_class(operation: str, method: str, name: str) -> None:
    known = metric_of_operator_class(name)
    if known is None:
        return
    storage, metric = known
    if method not in operator_class(storage, metric).methods:
        raise OperationArgumentError(
            f"op.{operation}() was asked for {name!r} with the method {method!r}. "
            f"pgvector offers that operator class for hnsw only. "
            "Write method='hnsw', or take another operator class.",
            operation=operation,
            argument="operator_class",
        )


def _parameters(operation: str, method: str, given: dict[str, int]) -> tuple[tuple[str, int], ...]:
    known = _METHODS[method].defaults
    for name in given:
        if name not in known:
            raise OperationArgumentError(
                f"op.{operation}() was given the parameter {name!r}. "
                f"The method {method!r} takes {' and '.join(repr(one) for one in known)} only. "
                "Correct or remove it in with_.",
                operation=operation,
                argument="with_",
            )
    try:
        return tuple(sorted(_METHODS[method](**given).parameters.items()))
    except VecSearchError as error:
        raise OperationArgumentError(str(error), operation=operation, argument="with_") from None
