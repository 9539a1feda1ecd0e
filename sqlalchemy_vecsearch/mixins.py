"""Mixins that bring embedding columns, and what belongs beside them, to declarative models."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime  # noqa: TC003  # SQLAlchemy evaluates the annotations of mapped attributes
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeVar

from sqlalchemy import (
    Column,
    Computed,
    DateTime,
    ForeignKey,
    Index,
    String,
    Table,
    Text,
    cast,
    event,
    func,
    literal,
)
from sqlalchemy import (
    column as named,
)
from sqlalchemy.dialects.postgresql import REGCONFIG, TSVECTOR
from sqlalchemy.orm import Mapped, declared_attr, mapped_column
from sqlalchemy.schema import conv

from sqlalchemy_vecsearch.columns import Embedding, embedding_column
from sqlalchemy_vecsearch.errors import DeclarationError
from sqlalchemy_vecsearch.names import fitted

if TYPE_CHECKING:
    from sqlalchemy.orm import MappedColumn

_T = TypeVar("_T")

__all__ = ["ChunkMixin", "EmbeddingMixin", "FullText", "FullTextMixin", "ProvenanceMixin", "VersionedEmbeddingMixin"]


class EmbeddingMixin:
    """Adds the column ``embedding``, nullable, with the index that ``__embedding__`` declares.

    Raises:
        DeclarationError: when the class is mapped, if it has no ``__embedding__``.

    Example:
        ```python
        from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
        from sqlalchemy_vecsearch import HNSW, Embedding, EmbeddingMixin

        class Base(DeclarativeBase):
            pass

        class Note(EmbeddingMixin, Base):
            __tablename__ = "note"
            __embedding__ = Embedding(384, metric="cosine", index=HNSW())
            id: Mapped[int] = mapped_column(primary_key=True)
        ```
    """

    __embedding__: ClassVar[Embedding]

    @declared_attr
    @classmethod
    def embedding(cls) -> Mapped[Any]:  # Any: a list or an array, as Embedding.returns says
        """The embedding, or NULL while the row has none."""
        return _column_of(_declared(cls, "__embedding__", Embedding, 'Embedding(384, metric="cosine", index=HNSW())'))


class ProvenanceMixin:
    """Names for type checkers and editors what ``source=`` brings beside a column ``embedding``.

    ``embedding_column(..., source=[...], model="...")`` adds the three columns to the table when it is made, which
    no type checker can see. With this mixin they are attributes of the class: the same columns, of the same types.

    Example:
        ```python
        from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
        from sqlalchemy_vecsearch import ProvenanceMixin, embedding_column

        class Base(DeclarativeBase):
            pass

        class Document(ProvenanceMixin, Base):
            __tablename__ = "document"
            id: Mapped[int] = mapped_column(primary_key=True)
            body: Mapped[str]
            embedding: Mapped[list[float] | None] = embedding_column(384, metric="l2", source=["body"], model="minilm")
        ```
    """

    @declared_attr
    @classmethod
    def embedding_model(cls) -> Mapped[str | None]:
        """The name of the model that made the embedding."""
        return mapped_column(String(200))

    @declared_attr
    @classmethod
    def embedded_at(cls) -> Mapped[datetime | None]:
        """When the embedding was made."""
        return mapped_column(DateTime(timezone=True))

    @declared_attr
    @classmethod
    def embedding_source_hash(cls) -> Mapped[str | None]:
        """A hash of the text that was embedded, such as the hex SHA-256, up to 64 characters."""
        return mapped_column(String(64))


class VersionedEmbeddingMixin(ProvenanceMixin, EmbeddingMixin):
    """Adds to :class:`EmbeddingMixin` what tells a stale embedding: model, time and a hash of its source.

    An embedding is stale when ``embedding_source_hash`` differs from the hash of the text as it is now, or when
    ``embedding_model`` is not the model in use. Where ``__embedding__`` declares a source, the worker writes the three
    with the embedding; else the application does.
    """


class ChunkMixin(EmbeddingMixin):
    """Adds the columns of a piece of a longer text: ``parent_id``, ``position``, ``content``, ``embedding``.

    ``__parent__`` names the parent's key, ``"document.id"``. Deleting the parent deletes its chunks; the foreign key
    column is indexed, so that grouping and cascading do not scan the table.

    Raises:
        DeclarationError: when the class is mapped, if it has no ``__parent__`` or no ``__embedding__``.
    """

    __parent__: ClassVar[str]

    @declared_attr
    @classmethod
    def parent_id(cls) -> Mapped[Any]:  # Any: the type of the parent's key
        """The key of the text that the chunk is part of."""
        parent = _declared(cls, "__parent__", str, '"document.id"')
        return mapped_column(ForeignKey(parent, ondelete="CASCADE"), index=True, nullable=False)

    @declared_attr
    @classmethod
    def position(cls) -> Mapped[int]:
        """The place of the chunk in its text, counted from 0 or 1 as the application likes."""
        return mapped_column()

    @declared_attr
    @classmethod
    def content(cls) -> Mapped[str]:
        """The text of the chunk."""
        return mapped_column(Text)


@dataclass(frozen=True, slots=True, init=False)
class FullText:
    """Which columns a full text search covers, and in which language.

    Args:
        columns: names of text columns of the same table, at least one.
        language: the name of a text search configuration of PostgreSQL, such as "english" or "simple".

    Raises:
        DeclarationError: no column is named.
    """

    columns: tuple[str, ...]
    language: str

    def __init__(self, *columns: str, language: str = "english") -> None:
        if not columns:
            raise DeclarationError(
                "FullText() names no column. "
                "The tsvector column is computed from the text columns of its row. "
                'Name them: FullText("title", "body", language="english").'
            )
        object.__setattr__(self, "columns", columns)
        object.__setattr__(self, "language", language)


class FullTextMixin:
    """Adds the column ``fts``, a stored generated tsvector of the columns in ``__fulltext__``, and its GIN index.

    Adding it to a table with rows rewrites the table under an ACCESS EXCLUSIVE lock, as any stored generated column
    does.

    Raises:
        DeclarationError: when the class is mapped, if it has no ``__fulltext__``.
    """

    __fulltext__: ClassVar[FullText]

    @declared_attr
    @classmethod
    def fts(cls) -> Mapped[Any]:  # Any: PostgreSQL's text form of a tsvector
        """The searchable words of the row, kept by PostgreSQL."""
        declared = _declared(cls, "__fulltext__", FullText, 'FullText("title", "body", language="english")')
        return mapped_column(
            TSVECTOR, Computed(_tsvector(declared), persisted=True), info={FULLTEXT: declared}, deferred=True
        )


FULLTEXT: Final = "sqlalchemy_vecsearch_fulltext"
_FULLTEXT_INDEXED: Final = "sqlalchemy_vecsearch_fulltext_indexed"


def fulltext_of(column: Column[Any]) -> FullText | None:
    """Return what the ``fts`` column of a :class:`FullTextMixin` covers, or None for another column."""
    found = column.info.get(FULLTEXT)
    return found if isinstance(found, FullText) else None


def _tsvector(declared: FullText) -> Any:
    """Return ``to_tsvector('english', coalesce(title, '') || ' ' || ...)`` with quoted names and literals."""
    whole: Any = None
    for name in declared.columns:
        text = func.coalesce(named(name, Text), literal("", Text))
        whole = text if whole is None else whole.concat(literal(" ", Text)).concat(text)
    return func.to_tsvector(cast(literal(declared.language, Text), REGCONFIG), whole)


@event.listens_for(Column, "after_parent_attach")
def _add_fulltext_index(column: Column[Any], table: object) -> None:
    if not isinstance(table, Table) or fulltext_of(column) is None or column.info.get(_FULLTEXT_INDEXED):
        return
    column.info[_FULLTEXT_INDEXED] = True
    name = conv(fitted(f"ix_{table.name}_{column.name}"))
    Index(name, column, postgresql_using="gin")


def _column_of(declaration: Embedding) -> MappedColumn[Any]:
    return embedding_column(
        declaration.dimensions,
        metric=declaration.metric,
        index=declaration.index,
        storage=declaration.storage,
        quantize=declaration.quantize,
        returns=declaration.returns,
        model=declaration.model,
        source=declaration.source,
        provenance=declaration.provenance,
        nullable=True,
    )


def _declared(cls: type, name: str, kind: type[_T], example: str) -> _T:
    found = getattr(cls, name, None)
    if isinstance(found, kind):
        return found
    raise DeclarationError(
        f"The class {cls.__name__!r} has no {name}. "
        f"Its mixin builds the columns from that {kind.__name__}. "
        f"Add {name} = {example} to the class."
    )
