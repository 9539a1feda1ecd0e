"""Vector indexes as plain SQLAlchemy ``Index`` objects, in both directions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from typing import cast as typed

from sqlalchemy import Cast, Column, Index, event
from sqlalchemy.sql.elements import Grouping, Label
from sqlalchemy.sql.functions import FunctionElement

from sqlalchemy_vecsearch.errors import DeclarationError
from sqlalchemy_vecsearch.expressions import (
    INDEXED,
    Quantize,
    Subvector,
    dimensions_of,
    indexed_expression,
    storage_of,
    validate_indexable,
)
from sqlalchemy_vecsearch.methods import HNSW, IVFFlat, Method
from sqlalchemy_vecsearch.metrics import Metric, Storage, metric_of_operator_class

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement

__all__ = ["VectorIndex", "describe_index", "vector_index"]


@dataclass(frozen=True, slots=True, kw_only=True)
class VectorIndex:
    """What a vector index is: the reverse of :func:`vector_index`.

    ``metric`` is the metric that a search through the index answers; a binary quantised index compares bits by
    Hamming distance and answers any metric of the vectors after re-ranking, so it has ``metric=None`` here unless the
    column is declared with one.
    """

    name: str | None
    column: Column[Any]
    storage: Storage
    metric: Metric | None
    method: Method
    quantize: Quantize | None = None
    where: ColumnElement[bool] | None = None


def vector_index(
    name: str | None,
    column: Any,
    *,
    metric: Metric | str,
    method: Method | None = None,
    quantize: Quantize | None = None,
    where: Any = None,
) -> Index:
    """Return a plain ``Index`` over a vector column, with the operator class that serves ``metric``.

    Creating it locks the table against writes for the time of the build when it is created by ``create_all`` in a
    table with rows; ``alembic_ops`` builds it concurrently.

    Args:
        name: the name of the index; None applies the naming convention of the metadata.
        column: a mapped attribute, a ``mapped_column`` or a ``Column`` of a vector type, pgvector-python's included.
        metric: "l2", "inner_product", "cosine", "l1", "hamming", "jaccard" or the :class:`Metric` member.
        method: ``HNSW(...)`` or ``IVFFlat(...)``; None is ``HNSW()`` with the server's defaults.
        quantize: None, "halfvec", "binary" or ``Subvector(start, length)``: what is indexed, by expression.
        where: the predicate of a partial index.

    Raises:
        DeclarationError: the column holds no vectors, or pgvector can not build the index.

    Example:
        ```python
        from sqlalchemy import Column, Integer, MetaData, Table
        from sqlalchemy_vecsearch import IVFFlat, vector_index
        from sqlalchemy_vecsearch.types import VECTOR

        items = Table("items", MetaData(), Column("id", Integer, primary_key=True), Column("embedding", VECTOR(3)))
        vector_index("ix_items_embedding", items.c.embedding, metric="l2", method=IVFFlat(lists=200))
        ```
    """
    element = plain_column(column)
    asked = Metric.of(metric)
    chosen = HNSW() if method is None else method
    if not isinstance(chosen, HNSW | IVFFlat):
        raise DeclarationError(
            f"{chosen!r} is no index method. "
            "pgvector has the methods hnsw and ivfflat. "
            "Write method=HNSW(), method=IVFFlat(lists=200), or leave it out."
        )
    storage = storage_of(element.type)
    if storage is None:
        raise DeclarationError(
            f"The column {element.name!r} of type {element.type!r} can not have a vector index. "
            "hnsw and ivfflat index the types vector, halfvec, sparsevec and bit only. "
            "Declare the column with embedding_column(), or with VECTOR(dimensions)."
        )
    dimensions = dimensions_of(element.type)
    operators = validate_indexable(
        storage=storage, metric=asked, method=chosen.name, dimensions=dimensions, quantize=quantize
    )
    options: dict[str, Any] = {"postgresql_using": chosen.name}
    if chosen.parameters:
        options["postgresql_with"] = chosen.parameters
    if where is not None:
        options["postgresql_where"] = where
    if quantize is not None:
        held = indexed_expression(element, quantize, storage=storage, dimensions=dimensions).label(INDEXED)
        return Index(name, held, postgresql_ops={INDEXED: operators}, **options)
    return Index(name, element, postgresql_ops=_operators_by_key(element, operators), **options)


def describe_index(index: Index) -> VectorIndex | None:
    """Return what a vector index is, or None when it is another index or one over an expression of another shape.

    It reads plain ``Index`` objects, whoever made them.

    Raises:
        DeclarationError: the parameters of the index are out of their range.
    """
    if index.table is None:
        return _described(index)
    if _DESCRIPTION not in index.info:
        index.info[_DESCRIPTION] = _described(index)
    return typed("VectorIndex | None", index.info[_DESCRIPTION])


_DESCRIPTION: Final = "sqlalchemy_vecsearch_description"
"""Keeps in ``Index.info`` what is known of an index that has come to its table, after which nothing of it changes."""


def _described(index: Index) -> VectorIndex | None:
    options = index.dialect_options["postgresql"]
    method = _method_of(options["using"], dict(options["with"] or {}))
    expressions = list(index.expressions)
    if method is None or len(expressions) != 1:
        return None
    found = _indexed_column(expressions[0])
    if found is None:
        return None
    column, quantize = found
    storage = storage_of(column.type)
    key = getattr(expressions[0], "key", None)
    operators = (options["ops"] or {}).get(key)
    if storage is None:
        return None
    known = metric_of_operator_class(operators) if operators else _default_metric(method, storage, quantize)
    if known is None:
        return None
    return VectorIndex(
        name=typed("str | None", index.name),
        column=column,
        storage=storage,
        metric=None if quantize == "binary" else known[1],
        method=method,
        quantize=quantize,
        where=options["where"],
    )


def plain_column(column: Any) -> Column[Any]:
    """Return the table's column behind a mapped attribute, a ``mapped_column`` or a column of an alias.

    Raises:
        DeclarationError: there is none.
    """
    element = column.__clause_element__() if hasattr(column, "__clause_element__") else column
    for base in getattr(element, "base_columns", ()):
        if isinstance(base, Column):
            table = getattr(base, "table", None)
            return base if table is None else typed("Column[Any]", table.c[base.key])
    raise DeclarationError(
        f"{column!r} is no column of a table. "
        "A vector index and a search need the column that holds the vectors. "
        "Pass a mapped attribute such as Document.embedding, or a Column."
    )


def _operators_by_key(column: Column[Any], operators: str) -> dict[str, str]:
    """Return the operator class by the key of the column, which a column in a class body does not have yet."""
    key: str | None = column.key
    if key is not None:
        return {key: operators}
    by_key: dict[str, str] = {}
    event.listen(column, "before_parent_attach", lambda attached, _: by_key.update({attached.key: operators}))
    return by_key


def _method_of(using: object, parameters: dict[str, Any]) -> Method | None:
    method = _METHODS.get(str(using).lower())
    if method is None:
        return None
    unknown = sorted(set(parameters) - set(method.defaults))
    if unknown:
        raise DeclarationError(
            f"The index method {method.name!r} has no parameter {unknown[0]!r}. "
            f"PostgreSQL would refuse the index: pgvector knows {' and '.join(method.defaults)} for it. "
            f"Take {unknown[0]!r} out of postgresql_with, or correct its name."
        )
    return method(**{key: int(value) for key, value in parameters.items()})


_METHODS: Final[dict[str, type[Method]]] = {"hnsw": HNSW, "ivfflat": IVFFlat}


def _default_metric(method: Method, storage: Storage, quantize: Quantize | None) -> tuple[Storage, Metric] | None:
    # vector_l2_ops for ivfflat is the only default operator class of pgvector
    if isinstance(method, IVFFlat) and storage is Storage.VECTOR and quantize not in {"halfvec", "binary"}:
        return Storage.VECTOR, Metric.L2
    return None


def _indexed_column(expression: Any) -> tuple[Column[Any], Quantize | None] | None:
    """Return the column and the quantisation of an indexed expression, the reverse of ``indexed_expression``."""
    element = _bare(expression)
    if isinstance(element, Column):
        return element, None
    if not isinstance(element, Cast):
        return None
    held, inner = storage_of(element.type), _bare(element.clause)
    if isinstance(inner, Column) and held is Storage.HALFVEC and storage_of(inner.type) is Storage.VECTOR:
        return inner, "halfvec"
    return _quantised_column(inner, held) if isinstance(inner, FunctionElement) else None


def _quantised_column(call: FunctionElement[Any], held: Storage | None) -> tuple[Column[Any], Quantize] | None:
    column, *numbers = call.clauses
    if not isinstance(column, Column):
        return None
    if call.name == "binary_quantize" and held is Storage.BIT:
        return column, "binary"
    bounds = [value for number in numbers if isinstance(value := getattr(number, "value", None), int)]
    if call.name == "subvector" and len(bounds) == len(numbers) == 2:  # noqa: PLR2004  # start, length
        return column, Subvector(*bounds)
    return None


def _bare(expression: Any) -> Any:
    while isinstance(expression, Label | Grouping):
        expression = expression.element
    return expression
