"""The vector index that a new column is to get, as an argument of an operation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from sqlalchemy import TextClause

from alembic_ops.errors import OperationArgumentError
from alembic_ops.operations.arguments import index_definition, require_name
from sqlalchemy_vecsearch.errors import VecSearchError
from sqlalchemy_vecsearch.expressions import validate_indexable
from sqlalchemy_vecsearch.methods import HNSW, IVFFlat
from sqlalchemy_vecsearch.metrics import Metric, operator_class
from sqlalchemy_vecsearch.names import fitted

if TYPE_CHECKING:
    from alembic_ops.model.index_state import IndexDefinition
    from sqlalchemy_vecsearch.storages import VectorForm

__all__ = ["IndexArgument", "IndexWish", "index_wish"]

IndexArgument: TypeAlias = HNSW | IVFFlat | Mapping[str, Any]
"""A method, or the arguments of ``op.create_vector_index`` in a mapping. Any: they differ in type."""

_UNKNOWN: Final = ""
_KEYS: Final = ("name", "column", "method", "operator_class", "with_", "where")


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexWish:
    """An index by name and definition; the operator class is empty where the metric is that of another column."""

    name: str
    definition: IndexDefinition

    @property
    def is_known(self) -> bool:
        """Whether the metric is known."""
        return self.definition.operator_class != _UNKNOWN

    def with_metric(self, metric: Metric, form: VectorForm, *, operation: str) -> IndexWish:
        """Return the wish with its metric.

        Raises:
            OperationArgumentError: pgvector has no such index.
        """
        try:
            found = operator_class(form.storage, metric)
            validate_indexable(
                storage=form.storage,
                metric=metric,
                method=self.definition.method,
                dimensions=form.dimensions or 0,
                quantize=None,
            )
        except VecSearchError as error:
            raise OperationArgumentError(str(error), operation=operation, argument="index") from None
        return replace(self, definition=replace(self.definition, operator_class=found.name))

    def as_json(self) -> dict[str, Any]:  # Any: as IndexArgument
        """Return the arguments of ``op.create_vector_index`` but for the table, ``expression`` in place of a text."""
        one = self.definition
        element = {"column": one.column} if one.expression is None else {"expression": one.expression}
        given: dict[str, Any] = {"name": self.name, **element, "method": one.method}
        if self.is_known:
            given["operator_class"] = one.operator_class
        if one.parameters:
            given["with_"] = dict(one.parameters)
        if one.predicate is not None:
            given["where"] = one.predicate
        return given


def index_wish(
    operation: str,
    given: IndexArgument | None,
    metric: Metric | str | None,
    *,
    table_name: str,
    column: str,
    form: VectorForm,
) -> IndexWish | None:
    """Return the index that the arguments of an operation ask for, None where they ask for none.

    Args:
        operation: the name of the operation, for its errors.
        given: ``HNSW(...)``, ``IVFFlat(...)``, or the arguments of ``op.create_vector_index``, of which the name, the
            column, the method and the operator class may be left out.
        metric: how the index measures, None where the operator class says it or another column does.
        table_name: the table.
        column: the new column.
        form: its type.

    Raises:
        OperationArgumentError: pgvector would refuse the index, whatever the rows.
    """
    if given is None:
        return None
    given = _arguments_of(operation, given)
    name = given.get("name") or fitted(f"ix_{table_name}_{column}")
    require_name(operation, "index", name)
    written = given.get("operator_class") or _UNKNOWN
    definition = index_definition(
        operation,
        column if given.get("column") is None else given["column"],
        method=given.get("method", "hnsw"),
        operator_class=written,
        with_=given.get("with_"),
        where=given.get("where"),
    )
    wish = IndexWish(name=name, definition=definition)
    if isinstance(given.get("column"), TextClause) and not written:
        raise OperationArgumentError(
            f"op.{operation}() asks for an index over an expression without an operator class. "
            "What an expression holds, and so how it is measured, is not known from the column. "
            'Add operator_class="halfvec_cosine_ops", for example.',
            operation=operation,
            argument="index",
        )
    if metric is None or written:
        return wish
    try:
        measured = Metric.of(metric)
    except VecSearchError as error:
        raise OperationArgumentError(str(error), operation=operation, argument="metric") from None
    return wish.with_metric(measured, form, operation=operation)


def _arguments_of(operation: str, given: object) -> Mapping[str, Any]:  # Any: what each argument is, is checked later
    """Return what an operation was given for its index as the arguments of ``op.create_vector_index``."""
    if isinstance(given, HNSW | IVFFlat):
        return {"method": given.name, "with_": given.parameters}
    if not isinstance(given, Mapping) or set(given) - set(_KEYS):
        raise OperationArgumentError(
            f"op.{operation}() was given index={given!r}. "
            f"An index is HNSW(...), IVFFlat(...), or a mapping of {', '.join(_KEYS)}, as op.create_vector_index has "
            "them. "
            'Write index=HNSW(m=16) with metric="cosine", for example.',
            operation=operation,
            argument="index",
        )
    return given
