"""Vector indexes as plain SQLAlchemy ``Index`` objects, in both directions."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from typing import cast as typed

from sqlalchemy import Cast, Column, ColumnClause, Index, TextClause, cast, event, text

from sqlalchemy_vecsearch.errors import DeclarationError
from sqlalchemy_vecsearch.expressions import (
    INDEXED,
    Quantize,
    StoredForm,
    indexed_expression,
    stored_form,
    validate_indexable,
    without_name,
)
from sqlalchemy_vecsearch.methods import HNSW, IVFFlat, Method
from sqlalchemy_vecsearch.metrics import Metric, Storage, metric_of_operator_class
from sqlalchemy_vecsearch.selects import shown
from sqlalchemy_vecsearch.storages import VectorForm, vector_form

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import ColumnElement

__all__ = ["VectorIndex", "describe_index", "vector_index"]


@dataclass(frozen=True, slots=True, kw_only=True)
class VectorIndex:
    """What a vector index is: the reverse of :func:`vector_index`.

    ``metric`` is the metric that a search through the index answers; a binary quantised index compares bits by
    Hamming distance and answers any metric of the vectors after re-ranking, so it has ``metric=None`` here unless the
    column is declared with one. ``cast`` is the type that the column is cast to before it is indexed, as a column
    without dimensions has to be; ``storage`` is then that of the cast.
    """

    name: str | None
    column: Column[Any]
    storage: Storage
    metric: Metric | None
    method: Method
    quantize: Quantize | None = None
    where: ColumnElement[bool] | None = None
    cast: VectorForm | None = None


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
        column: a mapped attribute, a ``mapped_column`` or a ``Column`` of a vector type, pgvector-python's included; or
            such a column cast to a vector type: ``cast(Entry.embedding, VECTOR(384))`` indexes a part of a column
            without dimensions, with ``where`` to say which rows have that many.
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
    element = _indexable(column)
    asked = Metric.of(metric)
    chosen = HNSW() if method is None else method
    if not isinstance(chosen, HNSW | IVFFlat):
        raise DeclarationError(
            f"{chosen!r} is no index method. "
            "pgvector has the methods hnsw and ivfflat. "
            "Write method=HNSW(), method=IVFFlat(lists=200), or leave it out."
        )
    form = vector_form(element.type)
    if form is None:
        raise DeclarationError(
            f"The column {plain_column(element).name!r} of type {element.type!r} can not have a vector index. "
            "hnsw and ivfflat index the types vector, halfvec, sparsevec and bit only. "
            "Declare the column with embedding_column(), or with VECTOR(dimensions)."
        )
    storage, dimensions = form
    operators = validate_indexable(
        storage=storage, metric=asked, method=chosen.name, dimensions=dimensions, quantize=quantize
    )
    options: dict[str, Any] = {"postgresql_using": chosen.name}
    if chosen.parameters:
        options["postgresql_with"] = chosen.parameters
    if where is not None:
        options["postgresql_where"] = where
    if quantize is None and isinstance(element, Column):
        return Index(name, element, postgresql_ops=_operators_by_key(element, operators), **options)
    held = indexed_expression(element, quantize, storage=storage, dimensions=dimensions).label(INDEXED)
    return Index(name, held, postgresql_ops={INDEXED: operators}, **options)


def _indexable(column: Any) -> Any:
    """Return the column of a table that is to be indexed, or its cast to a vector type."""
    element = without_name(column)
    if not isinstance(element, Cast):
        return plain_column(column)
    inner = without_name(element.clause)
    return cast(_indexable(inner) if isinstance(inner, Cast) else plain_column(inner), element.type)


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
    written = written_index(index)
    if written is None:
        return None
    form = _indexed_form(written.element)
    own = None if form is None else form.cast or vector_form(form.column.type)
    known = None if written.operator_class is None else metric_of_operator_class(written.operator_class)
    if form is None or own is None or known is None:
        return None
    return VectorIndex(
        name=typed("str | None", index.name),
        column=form.column,
        storage=own.storage,
        metric=None if form.quantize == "binary" else known[1],
        method=written.method,
        quantize=form.quantize,
        where=written.where,
        cast=form.cast,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenIndex:
    """What an ``Index`` of one of pgvector's methods says, whatever it indexes.

    ``operator_class`` is None where the index has none and there is no default; ``where`` may be text.
    """

    method: Method
    element: Any  # Any: a Column, or any expression
    operator_class: str | None
    where: Any  # Any: whatever postgresql_where takes


def written_index(index: Index) -> WrittenIndex | None:
    """Return what is written in an ``Index`` of hnsw or ivfflat over one element, None for any other index.

    This is the only reader of ``Index`` objects: :func:`describe_index` is what it says of a column, a cast or a
    quantised form, and ``alembic_ops`` compares what it says.

    Raises:
        DeclarationError: PostgreSQL would refuse the parameters.
    """
    options = index.dialect_options["postgresql"]
    method = method_class(index)
    if method is None or len(index.expressions) != 1:
        return None
    expression: Any = index.expressions[0]
    operators = (options["ops"] or {}).get(operator_class_key(expression))
    if operators is None and (split := _TRAILING_OPERATOR_CLASS.fullmatch(_text_of(expression))):
        expression, operators = text(split["element"]), split["operators"]
    return WrittenIndex(
        method=_method_with(method, options["with"] or {}),
        element=expression,
        operator_class=operators or _default_operator_class(method, expression),
        where=options["where"],
    )


def method_class(index: Index) -> type[Method] | None:
    """Return the class of an index's method, None where it is not one of pgvector's."""
    return _METHODS.get(str(index.dialect_options["postgresql"]["using"]).lower())


def operator_class_key(expression: Any) -> str | None:  # Any: whatever stands in an Index
    """Return what ``postgresql_ops`` finds an expression by; Alembic's revisions find a text by its SQL."""
    key: str | None = expression.text if isinstance(expression, TextClause) else getattr(expression, "key", None)
    return key


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
        f"{shown(column)} is no column of a table. "
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


_METHODS: Final[dict[str, type[Method]]] = {"hnsw": HNSW, "ivfflat": IVFFlat}

_TRAILING_OPERATOR_CLASS: Final = re.compile(
    r'\s*(?P<element>.*\S)\s+(?P<operators>(?:[\w"]+\.)?"?\w+_ops"?)\s*', re.DOTALL
)


def _text_of(expression: Any) -> str:
    """Return the SQL of what is given as text, nothing of another expression."""
    if isinstance(expression, TextClause):
        return expression.text
    return str(expression.name) if isinstance(expression, ColumnClause) and expression.is_literal else ""


def _method_with(method: type[Method], given: Mapping[str, object]) -> Method:
    parameters = {str(name).lower(): value for name, value in given.items()}
    for name, value in parameters.items():
        if name not in method.defaults:
            raise DeclarationError(
                f"The index method {method.name!r} has no parameter {name!r}. "
                f"PostgreSQL would refuse the index: pgvector knows {' and '.join(method.defaults)} for it. "
                f"Take {name!r} out of postgresql_with, or correct its name."
            )
        if not _is_whole(value):
            raise DeclarationError(
                f"{method.__name__}({name}={shown(value)}) is not a whole number. "
                f"pgvector takes {name} as an integer. "
                f"Correct {name!r} in postgresql_with, or take it out for the server's default."
            )
    return method(**{name: int(float(str(value))) for name, value in parameters.items()})


def _is_whole(value: object) -> bool:
    """Say whether the server would read a whole number from a value: 24, "24" and 24.0 are one."""
    try:
        return float(str(value)).is_integer()
    except ValueError:
        return False


def _default_operator_class(method: type[Method], expression: Any) -> str | None:
    """Return the only default operator class of pgvector, where it is the one."""
    held = without_name(expression)
    form = vector_form(held.type) if isinstance(held, ColumnClause | Cast) else None
    return "vector_l2_ops" if method is IVFFlat and (form is None or form.storage is Storage.VECTOR) else None


def _indexed_form(expression: Any) -> StoredForm | None:
    """Return what an index over an expression holds; a quantised form without a cast is no index of ours."""
    form = stored_form(expression)
    if form is None or not isinstance(form.column, Column):
        return None
    return form if form.quantize is None or form.is_cast else None
