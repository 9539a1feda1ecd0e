"""What a message shows of what the caller passed."""

import pytest
from sqlalchemy import cast, func, literal, select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from sqlalchemy_vecsearch import (
    VECTOR,
    DeclarationError,
    SearchError,
    nearest,
    nearest_per_group,
    vector_index,
)
from sqlalchemy_vecsearch.selects import shown


class Base(DeclarativeBase):
    pass


class Doc(Base):
    __tablename__ = "doc"
    id: Mapped[int] = mapped_column(primary_key=True)
    embedding: Mapped[list[float]] = mapped_column(VECTOR(3))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (cast(Doc.embedding, VECTOR(16)), "CAST(doc.embedding AS VECTOR(16))"),
        (Doc.embedding, "Doc.embedding"),
        (select(Doc.id).scalar_subquery(), "(SELECT doc.id FROM doc)"),
        (Doc.__table__, "'doc'"),
        (Doc(id=3), "An object of the class 'Doc'"),
        ([1, 2], "[1, 2]"),
        ("words", "'words'"),
    ],
)
def test_sql_is_shown_as_sql_and_no_address_at_all(value, expected):
    assert shown(value) == expected


@pytest.mark.parametrize(
    "refused",
    [
        lambda: nearest(Doc, func.lower(Doc.embedding), [1, 2, 3], k=1),
        lambda: nearest(Doc, literal(3), [1, 2, 3], k=1),
        lambda: nearest(Doc, Doc(id=3), [1, 2, 3], k=1),
        lambda: nearest(Doc(id=3), Doc.embedding, [1, 2, 3], k=1, metric="l2"),
        lambda: nearest(Doc, Doc.embedding, [1, 2, 3], k=literal(3), metric="l2"),
        lambda: nearest(Doc, Doc.embedding, [1, 2, 3], k=1, within=literal(3), metric="l2"),
        lambda: nearest_per_group(Doc, Doc.embedding, [1, 2, 3], by=Doc(id=3), k=1, metric="l2"),
        lambda: vector_index("ix", func.lower(Doc.embedding), metric="l2"),
        lambda: vector_index("ix", Doc(id=3), metric="l2"),
    ],
)
def test_no_error_shows_the_address_of_an_object(refused):
    with pytest.raises((SearchError, DeclarationError)) as caught:
        refused()
    assert " at 0x" not in str(caught.value)
