"""What the rows of a re-embedded column say: counted in SQL, and some of them embedded again."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from sqlalchemy import Float, Integer, cast, func, literal, not_, select

from sqlalchemy_vecsearch.embedding.comparing import compared, counted, key_is
from sqlalchemy_vecsearch.embedding.embedders import checked_answer, checked_batch, run
from sqlalchemy_vecsearch.embedding.stale import failed_rows
from sqlalchemy_vecsearch.embedding.verification.report import Measurement
from sqlalchemy_vecsearch.embedding.verification.subject import COUNT, NO_ROWS, metric_of
from sqlalchemy_vecsearch.expressions import distance_between
from sqlalchemy_vecsearch.metrics import Metric, Storage
from sqlalchemy_vecsearch.search.building.column import searched_column
from sqlalchemy_vecsearch.search.building.query_vector import bound_query
from sqlalchemy_vecsearch.storages import storage_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import Column, ColumnElement, Connection, Engine

    from sqlalchemy_vecsearch.embedding.embedders import Embedder
    from sqlalchemy_vecsearch.embedding.verification.subject import Progress, Subject

__all__ = ["embedded", "measured_rows", "measured_sample"]


def measured_rows(connection: Connection, subject: Subject) -> list[Measurement]:
    """Return what counting says: rows that are pending or refused, and vectors that no search can use.

    It reads every vector once.
    """
    found = subject.found
    pending = connection.scalar(select(COUNT).select_from(found.table).where(found.pending, *subject.rows)) or 0
    failed = failed_rows(connection, found, subject.where)
    total = connection.scalar(select(COUNT).select_from(found.table).where(*subject.rows)) or 0
    share = (pending - failed) / total if total else None
    measured = [
        Measurement(name="pending", value=share, note=f"{pending - failed:,} of {total:,} rows"),
        Measurement(name="failed", value=failed, note="they are pending, too" if failed else ""),
    ]
    if storage_of(found.column.type) is Storage.BIT:
        return measured  # the type holds the length, and bits are always finite
    return measured + _measured_vectors(connection, subject)


def measured_sample(engine: Engine, subject: Subject, embedder: Embedder, *, count: int, told: Progress) -> Measurement:
    """Return the lowest likeness of a stored vector to what the embedder makes of its text now, of some rows.

    The embedder runs with no transaction open; a row whose text is edited meanwhile is left out.
    """
    found = subject.found
    chosen = (
        select(*found.key, found.text, found.text_hash)
        .where(found.column.is_not(None), not_(found.pending), *subject.rows)
        .order_by(func.pg_catalog.random())
        .limit(count)
    )
    with engine.connect() as connection:
        rows = connection.execute(chosen).all()
    vectors = embedded(embedder, [row[-2] or "" for row in rows], lambda done: told("texts", done, len(rows)))
    likeness = []
    with engine.connect() as connection:
        for row, vector in zip(rows, vectors, strict=True):
            checked = checked_answer(vector, found.column, zero_allowed=True)
            same_row = (key_is(found.key, row[:-2]), found.has_text(literal(row[-1])))
            parts = connection.execute(select(*_likeness_parts(found.column, checked)).where(*same_row)).first()
            if parts is not None and not math.isnan(one := _likeness(*parts)):
                likeness.append(one)
    if not likeness:
        return Measurement(name="sample", value=None, note=NO_ROWS)
    return Measurement(name="sample", value=min(likeness), note=f"of {len(likeness)} rows")


def embedded(
    embedder: Embedder, texts: Sequence[str], told: Callable[[int], object], *, as_questions: bool = False
) -> list[Any]:
    """Return the vectors of texts, asked in batches; Any: of whatever form the embedder gives them."""
    function = (embedder.query or embedder.embed) if as_questions else embedder.embed
    made: list[Any] = []
    for start in range(0, len(texts), embedder.batch_size):
        batch = list(texts[start : start + embedder.batch_size])
        made += checked_batch(run(function, batch), len(batch), embedder.name)
        told(len(made))
    return made


def _measured_vectors(connection: Connection, subject: Subject) -> list[Measurement]:
    found = subject.found
    vectors = (
        select(_norm(found.column).label("norm"), _length(found.column).label("length"))
        .where(found.column.is_not(None), *subject.rows)
        .cte("vectors")
    )
    norm = vectors.c.norm
    finite = compared(norm, "<", _double(math.inf))
    zero = compared(norm, "=", _double(0))
    middle = select(func.pg_catalog.percentile_cont(_double(0.5)).within_group(norm)).where(finite).scalar_subquery()
    three_times = counted(_double(3), "*", norm)
    far = compared(norm, ">", counted(_double(3), "*", middle)) | compared(three_times, "<", middle)
    row = connection.execute(
        select(
            COUNT.label("rows"),
            COUNT.filter(compared(vectors.c.length, "<>", literal(found.dimensions, Integer))).label("dimensions"),
            COUNT.filter(not_(finite)).label("infinite"),
            COUNT.filter(zero).label("zero"),
            COUNT.filter(far, not_(zero)).label("far"),
            middle.label("middle"),
        ).select_from(vectors)
    ).one()
    measured = [
        Measurement(name="dimensions", value=row.dimensions),
        Measurement(name="finite", value=row.infinite),
    ]
    if metric_of(found.column) is Metric.COSINE:
        measured.append(Measurement(name="zero", value=row.zero))
    if not row.rows:
        return [*measured, Measurement(name="norms", value=None, note=NO_ROWS)]
    note = f"{row.rows:,} vectors, the median is {row.middle:.4g} long"
    return [*measured, Measurement(name="norms", value=row.far / row.rows, note=note)]


def _norm(column: Column[Any]) -> ColumnElement[Any]:
    named = func.vector_norm if storage_of(column.type) is Storage.VECTOR else func.l2_norm
    return named(column, type_=Float(53))


def _length(column: Column[Any]) -> ColumnElement[Any]:
    if storage_of(column.type) is Storage.SPARSEVEC:
        # it has no function for its length, which its type declares
        return cast(literal(searched_column(column, exact=True).dimensions, Integer), Integer)
    return func.vector_dims(column, type_=Integer)


def _likeness_parts(column: Column[Any], vector: Any) -> list[ColumnElement[Any]]:  # Any: a vector of whatever form
    """Return what the likeness of a stored vector to another is worked out from.

    Cosine passes over lengths, and so does this. By the other metrics a vector of another length is another vector.
    """
    if storage_of(column.type) is Storage.BIT:
        metrics: tuple[Metric, ...] = (Metric.HAMMING,)
    elif metric_of(column) is Metric.COSINE:
        metrics = (Metric.COSINE,)
    else:
        metrics = (Metric.L2, Metric.INNER_PRODUCT)
    searched = searched_column(column, metrics[0], exact=True)
    distances = [distance_between(column, bound_query(vector, searched), metric) for metric in metrics]
    if metrics[0] is Metric.HAMMING:
        return [counted(distances[0], "/", _double(searched.dimensions or 1))]
    return distances


def _likeness(distance: float, negative_product: float | None = None) -> float:
    """Return 1 for the same vector, and less the more another one differs.

    With the product it is 1 - |a-b|^2 / (|a|^2 + |b|^2), which for vectors of one length is their cosine.
    """
    if negative_product is None:
        return 1 - distance
    squares = distance**2 - 2 * negative_product
    return 1 - distance**2 / squares if squares > 0 else 1.0


def _double(value: float) -> ColumnElement[Any]:
    return literal(value, Float(53))
