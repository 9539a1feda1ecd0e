"""An embedding column: its type, its metric and its index in one declaration."""

from __future__ import annotations

from dataclasses import dataclass, field
from numbers import Integral
from typing import TYPE_CHECKING, Any, Final, Literal

from sqlalchemy import Column, Index, MetaData, Table, event
from sqlalchemy.orm import MappedColumn, mapped_column
from sqlalchemy.schema import conv

from sqlalchemy_vecsearch.errors import DeclarationError
from sqlalchemy_vecsearch.expressions import Quantize, Subvector, validate_indexable
from sqlalchemy_vecsearch.indexes import vector_index
from sqlalchemy_vecsearch.methods import HNSW, IVFFlat, Method
from sqlalchemy_vecsearch.metrics import Metric, Storage, operator_class
from sqlalchemy_vecsearch.names import fitted
from sqlalchemy_vecsearch.provenance import Provenance, checked_source
from sqlalchemy_vecsearch.representations import short_repr
from sqlalchemy_vecsearch.storages import storage_type

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.types import TypeEngine

    from sqlalchemy_vecsearch.provenance import Source

__all__ = ["Embedding", "declaration_of", "embedding_column"]

DECLARATION: Final = "sqlalchemy_vecsearch"
"""The key in ``Column.info`` that holds the :class:`Embedding`."""

_INDEXED: Final = "sqlalchemy_vecsearch_indexed"


@dataclass(frozen=True, slots=True)
class Embedding:
    """What an embedding column declares; :func:`embedding_column` and the mixins build their column from it.

    Args:
        dimensions: the length of every vector, 1 to 16,000 ("sparsevec": to a billion). An index covers less:
            2,000 of "vector", 4,000 of "halfvec", 64,000 of "bit".
        metric: "l2", "inner_product", "cosine", "l1", "hamming", "jaccard" or the :class:`Metric` member; searches
            use it unless they are told another.
        index: ``HNSW(...)``, ``IVFFlat(...)`` or None for no index.
        storage: "vector", "halfvec", "sparsevec" or "bit".
        quantize: what is indexed instead of the whole vector: None, "halfvec", "binary" or
            ``Subvector(start, length)``.
            Searches then use the same expression and re-rank by the full vectors.
        returns: "list" for lists of floats, "numpy" for float32 arrays (vector and halfvec).
        model: the name of the model that makes the embeddings, as :func:`embedder` registers it.
        source: what is embedded: names of columns of the row, whose texts stand below each other, or one SQL expression
            that PostgreSQL accepts in an index. It brings three columns that keep what each vector was made from, and
            an index that finds the rows whose text or model is another now; None brings nothing.
        provenance: names for those columns, and the digest of the text; None derives the names from the column's.

    Raises:
        DeclarationError: PostgreSQL or pgvector would refuse the column or its index; the message has the legal range.
        MetricError: the metric is unknown.
    """

    dimensions: int
    metric: Metric | str
    index: Method | None = None
    storage: Storage | str = Storage.VECTOR
    quantize: Quantize | None = None
    returns: Literal["list", "numpy"] = "list"
    model: str | None = None
    source: Source | None = field(default=None, compare=False)
    provenance: Provenance | None = None
    source_wording: str | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "metric", Metric.of(self.metric))
        object.__setattr__(self, "storage", Storage.of(self.storage))
        _validate_dimensions(self.dimensions, Storage.of(self.storage))
        object.__setattr__(self, "dimensions", int(self.dimensions))
        _validate_returns(self.returns, Storage.of(self.storage))
        operator_class(Storage.of(self.storage), Metric.of(self.metric))
        if self.index is not None and not isinstance(self.index, HNSW | IVFFlat):
            raise DeclarationError(
                f"index={self.index!r} is no index method. "
                "An embedding column is indexed by hnsw or by ivfflat. "
                "Write index=HNSW(), index=IVFFlat(lists=200), or leave it out."
            )
        if self.quantize is not None and self.index is None:
            raise DeclarationError(
                f"quantize={self.quantize!r} has nothing to act on. "
                "It says what the index holds, and this column has no index. "
                "Add index=HNSW(), or leave quantize out."
            )
        if self.index is not None:
            validate_indexable(
                storage=Storage.of(self.storage),
                metric=Metric.of(self.metric),
                method=self.index.name,
                dimensions=self.dimensions,
                quantize=self.quantize,
            )
        self._check_source()

    def _check_source(self) -> None:
        if self.source is None:
            if self.provenance is not None:
                raise DeclarationError(
                    f"provenance={self.provenance!r} has nothing to name. "
                    "The columns that it names keep the hash and the model of a text, and no source says which text. "
                    'Add source=["title", "body"], or leave provenance out.'
                )
            return
        if not self.model:
            raise DeclarationError(
                "A source is declared without the model that embeds it. "
                "A vector is as old as its text and its model, and rows of another model have to be found too. "
                'Add model="...", the name under which the embedder is registered.'
            )
        source = checked_source(self.source)
        object.__setattr__(self, "source", source)
        # expressions cannot be compared, because == makes SQL of them
        object.__setattr__(self, "source_wording", str(source))

    @property
    def type(self) -> TypeEngine[Any]:
        """A new instance of the column type."""
        storage = Storage.of(self.storage)
        if storage in {Storage.VECTOR, Storage.HALFVEC}:
            return storage_type(storage, self.dimensions, returns=self.returns)
        return storage_type(storage, self.dimensions)


def embedding_column(
    dimensions: int,
    *,
    metric: Metric | str,
    index: Method | None = None,
    storage: Storage | str = Storage.VECTOR,
    quantize: Quantize | None = None,
    returns: Literal["list", "numpy"] = "list",
    model: str | None = None,
    source: Source | None = None,
    provenance: Provenance | None = None,
    load: Literal["immediate", "deferred"] = "immediate",
    name: str | None = None,
    nullable: bool | None = None,
    info: Mapping[Any, Any] | None = None,
    **options: Any,
) -> MappedColumn[Any]:
    """Return a mapped column that holds embeddings, with its metric and its index.

    The index is a plain ``Index`` on the table, named by the metadata's naming convention (``ix_<table>_<column>``
    unless it says otherwise). It follows the column through mixins, abstract bases, inheritance, dataclasses and
    ``to_metadata()``, and does not need a place in ``__table_args__``.

    Args:
        dimensions: see :class:`Embedding`, as for metric, index, storage, quantize, returns, model, source and
            provenance.
        metric: how distances are measured.
        index: the index method, None for no index.
        storage: the column type.
        quantize: what is indexed instead of the whole vector.
        returns: what a read returns, "list" or "numpy".
        model: the name of the model that makes the embeddings.
        source: what is embedded; it brings the columns of provenance and the index of pending rows.
        provenance: names for those columns.
        load: "deferred" leaves the embedding out of entity loads until it is asked for (``undefer`` loads it): a
            row without its 1536 floats is 6 kB shorter on the wire.
        name: the name of the column, None for that of the attribute.
        nullable: None takes it from the annotation, ``Mapped[list[float] | None]`` being nullable.
        info: entries for ``Column.info`` besides the declaration.
        options: further arguments of ``sqlalchemy.orm.mapped_column``, such as ``init``, ``default``, ``comment``.

    Returns:
        A ``MappedColumn``. Its ``.column`` is the ``Column`` for Core tables and SQLModel's ``sa_column``.

    Raises:
        DeclarationError: PostgreSQL or pgvector would refuse the column or its index.
        MetricError: the metric is unknown.

    Example:
        ```python
        from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
        from sqlalchemy_vecsearch import HNSW, embedding_column

        class Base(DeclarativeBase):
            pass

        class Document(Base):
            __tablename__ = "document"
            id: Mapped[int] = mapped_column(primary_key=True)
            embedding: Mapped[list[float] | None] = embedding_column(384, metric="cosine", index=HNSW(m=16))
        ```
    """
    declaration = Embedding(
        dimensions,
        metric=metric,
        index=index,
        storage=storage,
        quantize=quantize,
        returns=returns,
        model=model,
        source=source,
        provenance=provenance,
    )
    if load not in {"immediate", "deferred"}:
        raise DeclarationError(
            f"There is no load={load!r}. "
            "An embedding is loaded with its row, or left out of entity loads until it is asked for. "
            'Write load="immediate" or load="deferred".'
        )
    _refuse_unindexable(options)
    if nullable is not None:
        options["nullable"] = nullable
    if load == "deferred":
        options["deferred"] = True
    positional = (declaration.type,) if name is None else (name, declaration.type)
    mapped: MappedColumn[Any] = mapped_column(*positional, info={**(info or {}), DECLARATION: declaration}, **options)
    return mapped


def declaration_of(column: Column[Any]) -> Embedding | None:
    """Return what an embedding column declares, or None for a column that was declared in another way."""
    found = column.info.get(DECLARATION)
    return found if isinstance(found, Embedding) else None


@event.listens_for(Column, "after_parent_attach")
def _add_declared_index(column: Column[Any], table: object) -> None:
    """Add the declared index when the column, or a copy that a mixin made of it, comes to its table.

    It listens to the class: a mixin, an abstract base and ``Annotated`` each copy a column in another way, and what
    they all keep is ``Column.info``. ``to_metadata()`` copies the indexes of a table by itself, and ``Column.info``
    with the column: the mark there keeps the index from being added twice.
    """
    declaration = declaration_of(column)
    if not isinstance(table, Table) or declaration is None or declaration.index is None or column.info.get(_INDEXED):
        return
    column.info[_INDEXED] = True
    vector_index(
        _index_name(table, column),
        column,
        metric=declaration.metric,
        method=declaration.index,
        quantize=declaration.quantize,
    )


def _index_name(table: Table, column: Column[Any]) -> str:
    """Return the index's name by the metadata's naming convention, in at most 63 bytes.

    A convention names an index after its columns, and an expression has none, so the name is always that of an index
    over the bare column: a throw-away table lets SQLAlchemy apply the convention, the user's own tokens included.
    """
    stand_in = Table(
        table.name,
        MetaData(naming_convention=table.metadata.naming_convention),
        Column(column.name, column.type, key=column.key),
        schema=table.schema,
    )
    declaration = declaration_of(column)
    quantize = None if declaration is None else declaration.quantize
    name = Index(None, stand_in.c[column.key]).name
    return conv(fitted(str(name), suffix="" if quantize is None else _suffix(quantize)))


def _suffix(quantize: Quantize) -> str:
    if isinstance(quantize, Subvector):
        return f"_subvector_{quantize.start}_{quantize.length}"
    return f"_{quantize}"


def _validate_dimensions(dimensions: Any, storage: Storage) -> None:
    limit = storage.limit
    whole = isinstance(dimensions, Integral) and not isinstance(dimensions, bool)
    if whole and 1 <= int(dimensions) <= (limit or int(dimensions)):
        return
    raise DeclarationError(
        f"An embedding can not have {short_repr(dimensions)} dimensions. "
        f"A {storage.value} column holds 1 to {limit or 1:,} of them. "
        "Write the length of the vectors that your model returns."
    )


def _validate_returns(returns: object, storage: Storage) -> None:
    if returns == "list" or (returns == "numpy" and storage in {Storage.VECTOR, Storage.HALFVEC}):
        return
    raise DeclarationError(
        f"returns={returns!r} is not offered for the storage {storage.value!r}. "
        'Reads give lists of floats, or with returns="numpy" float32 arrays for vector and halfvec; sparsevec and bit '
        "have one form each. "
        "Leave returns out."
    )


def _refuse_unindexable(options: Mapping[str, Any]) -> None:
    for key in ("unique", "primary_key"):
        if options.get(key):
            raise DeclarationError(
                f"An embedding column can not be declared {key}=True. "
                "PostgreSQL would build a btree over the vectors, which holds values of at most 2,704 bytes, and no "
                "vector index is unique. "
                "Leave it out."
            )
