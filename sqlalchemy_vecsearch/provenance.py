"""What an embedding was made from, as SQL: the text of its row, the hash of the text, the rows that are pending."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeAlias

from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    String,
    Table,
    TextClause,
    and_,
    cast,
    func,
    or_,
    true,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import visitors
from sqlalchemy.sql.elements import ColumnClause
from sqlalchemy.sql.visitors import InternalTraversal
from sqlalchemy.types import UserDefinedType

from sqlalchemy_vecsearch.errors import DeclarationError
from sqlalchemy_vecsearch.immutable import own_column, refuse_volatile, text_column
from sqlalchemy_vecsearch.names import fitted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


__all__ = ["Provenance", "Source", "checked_source", "hash_of", "is_pending", "same_text", "source_hash", "source_text"]

Source: TypeAlias = "str | Sequence[str] | ColumnElement[Any] | TextClause"
"""Names of columns of the row, or one SQL expression. Any: an expression of a type that has an immutable text form."""

SEPARATOR: Final = "\n"
BLANK: Final = " \t\n\r"


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Where a row keeps what its embedding was made from; None takes the name that is derived from the column's.

    Args:
        source_hash: the column of the hash of the text, ``<column>_source_hash``.
        model: the column of the model's name, ``<column>_model``.
        embedded_at: the column of the time, ``embedded_at`` beside ``embedding``, else ``<column>_embedded_at``.
        digest: "md5", or "sha256" for servers in FIPS mode, which have no ``md5()``.

    Raises:
        DeclarationError: the digest is unknown.
    """

    source_hash: str | None = None
    model: str | None = None
    embedded_at: str | None = None
    digest: Literal["md5", "sha256"] = "md5"

    def __post_init__(self) -> None:
        if self.digest not in _DIGESTS:
            raise DeclarationError(
                f"There is no digest {self.digest!r}. "
                "The hash of a text is worked out in an index, for which PostgreSQL needs immutable functions. "
                'Write digest="md5", or digest="sha256" for servers in FIPS mode.'
            )

    def named_for(self, column: str) -> ProvenanceNames:
        """Return the names of the three columns beside an embedding column of this name."""
        at = "embedded_at" if column == "embedding" else f"{column}_embedded_at"
        return ProvenanceNames(
            source_hash=self.source_hash or fitted(column, suffix="_source_hash"),
            model=self.model or fitted(column, suffix="_model"),
            embedded_at=self.embedded_at or fitted(at),
        )


class ProvenanceNames(NamedTuple):
    """The names of the columns that keep what an embedding was made from."""

    source_hash: str
    model: str
    embedded_at: str


def checked_source(source: Any) -> tuple[str, ...] | ColumnElement[Any] | TextClause:
    """Return a source in its one form, names as a tuple.

    Raises:
        DeclarationError: it is neither names nor an expression, or one that PostgreSQL refuses in an index.
    """
    if isinstance(source, str):
        source = (source,)
    if isinstance(source, list | tuple):
        names = tuple(one.name if isinstance(one, Column) else one for one in source)
        if names and all(isinstance(one, str) and one for one in names):
            return names
    elif isinstance(source, ColumnElement | TextClause):
        refuse_volatile(source)
        return source
    raise DeclarationError(
        f"source={source!r} is no source of an embedding. "
        "What is embedded is made of columns of the row, by their names, or by one SQL expression. "
        'Write source=["title", "body"], or source=text("trim(body)").'
    )


def source_text(table: Table, source: tuple[str, ...] | ColumnElement[Any] | TextClause) -> ColumnElement[Any]:
    """Return the text of a row that is embedded, as an SQL expression over the table's columns.

    Columns stand below each other in their order, a NULL as an empty text.

    Raises:
        DeclarationError: the table has no such column, or one whose text depends on settings of the session.
    """
    if not isinstance(source, tuple):
        return _text_of_expression(table, source)
    whole: ColumnElement[Any] | None = None
    for name in source:
        part = func.coalesce(cast(text_column(table, name), CATALOG_TEXT), _exact(""))
        whole = part if whole is None else _joined(_joined(whole, _exact(SEPARATOR)), part)
    assert whole is not None, "a source names a column"
    return whole


def source_hash(table: Table, source: Any, digest: str) -> ColumnElement[Any]:
    """Return the hash of the text of a row, in hexadecimal digits: the ONE place that says how a text is hashed."""
    return _DIGESTS[digest][0](source_text(table, source))


def hash_of(text: str, digest: str) -> str:
    """Return what :func:`source_hash` gives for a row of this text, on a server of UTF-8."""
    return _DIGESTS[digest][1](text.encode())


def same_text(table: Table, source: Any, digest: str, known: ColumnElement[Any]) -> ColumnElement[bool]:
    """Return the condition that the text of a row has a known hash."""
    return _equal(source_hash(table, source, digest), cast(known, CATALOG_TEXT))


def is_pending(column: Column[Any], source: Any, provenance: Provenance, model: str) -> ColumnElement[bool]:
    """Return the condition that a row's embedding is not what its text, embedded by the model, would be.

    That is so when it has no vector though it has a text, or its text or model is another than the vector's. A row
    without a text, or with white space alone, has nothing to embed and is pending only while it has a vector.

    It is written in one form that the partial index and all statements share, which is how the planner proves that
    the index serves them, and calls only functions and operators of ``pg_catalog``.
    """
    table = column.table
    named = provenance.named_for(column.name)
    words = source_text(table, source)
    made_of_this = and_(
        column.is_not(None),
        same_text(table, source, provenance.digest, table.c[_key(table, named.source_hash)]),
        _equal(cast(table.c[_key(table, named.model)], CATALOG_TEXT), _exact(model)),
    )
    if not column.nullable:
        return made_of_this.is_not(true())
    no_words = func.coalesce(
        _equal(func.pg_catalog.btrim(words, _exact(BLANK), type_=CATALOG_TEXT), _exact("")), true()
    )
    return or_(made_of_this, and_(column.is_(None), no_words)).is_not(true())


def _key(table: Table, name: str) -> str:
    return next(column.key for column in table.c if column.name == name)


class _CatalogText(UserDefinedType[str]):
    """``text`` with its schema, so that no type of that name on the search path is meant."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "pg_catalog.text"


CATALOG_TEXT: Final = _CatalogText()


class _ExactText(ColumnElement[str]):
    """A text that stands in every statement as in the index: the planner does not compare parameters with constants."""

    __visit_name__ = "exact_text"
    _traverse_internals = [("value", InternalTraversal.dp_string)]  # noqa: RUF012  # fixed by SQLAlchemy
    type = CATALOG_TEXT

    def __init__(self, value: str) -> None:
        self.value = value


@compiles(_ExactText)
def _write_exact_text(element: _ExactText, compiler: Any, **_: Any) -> str:  # Any: the compiler of any dialect
    return f"CAST({compiler.render_literal_value(element.value, String())} AS pg_catalog.text)"


def _exact(value: str) -> ColumnElement[Any]:
    return _ExactText(value)


def _joined(left: ColumnElement[Any], right: ColumnElement[Any]) -> ColumnElement[Any]:
    return left.op("OPERATOR(pg_catalog.||)", return_type=CATALOG_TEXT)(right)


def _equal(left: ColumnElement[Any], right: ColumnElement[Any]) -> ColumnElement[bool]:
    return left.op("OPERATOR(pg_catalog.=)", is_comparison=True, return_type=Boolean())(right)


def _md5(words: ColumnElement[Any]) -> ColumnElement[Any]:
    return func.pg_catalog.md5(words, type_=CATALOG_TEXT)


def _sha256(words: ColumnElement[Any]) -> ColumnElement[Any]:
    # convert_to() is only stable; the conversion of text to bytea is immutable, and takes a backslash for an escape
    bytes_ = cast(func.pg_catalog.replace(words, _exact("\\"), _exact("\\\\")), _CATALOG_BYTEA)
    return func.pg_catalog.encode(func.pg_catalog.sha256(bytes_), _exact("hex"), type_=CATALOG_TEXT)


class _CatalogBytea(UserDefinedType[bytes]):
    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "pg_catalog.bytea"


_CATALOG_BYTEA: Final = _CatalogBytea()

_DIGESTS: Final[Mapping[str, tuple[Callable[[ColumnElement[Any]], ColumnElement[Any]], Callable[[bytes], str]]]] = {
    "md5": (_md5, lambda words: hashlib.md5(words, usedforsecurity=False).hexdigest()),
    "sha256": (_sha256, lambda words: hashlib.sha256(words).hexdigest()),
}


def _text_of_expression(table: Table, source: ColumnElement[Any] | TextClause) -> ColumnElement[Any]:
    if isinstance(source, TextClause):
        return cast(source, CATALOG_TEXT)

    def of_this_table(element: Any, **_: Any) -> Any:  # any part of an expression
        is_column = isinstance(element, ColumnClause) and not element.is_literal
        return own_column(table, element.name) if is_column else None

    return cast(visitors.replacement_traverse(source, {}, of_this_table), CATALOG_TEXT)
