"""The same rows in every kind of table and class that an application may search, and the ways to select them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from sqlalchemy import Column, Computed, ForeignKey, Integer, String, Table, insert, select, text
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    aliased,
    column_property,
    joinedload,
    mapped_column,
    raiseload,
    relationship,
    selectinload,
)
from sqlmodel import Field, SQLModel

from sqlalchemy_vecsearch import HNSW, embedding_column

DIMENSIONS = 8
ROWS, PARENTS = 120, 24
WORDS = ("amber", "birch", "cedar", "dune")


def vectors(name=None, **options):
    return embedding_column(DIMENSIONS, metric="cosine", index=HNSW(), nullable=False, name=name, **options)


def fts():
    return Computed("to_tsvector('english', title)", persisted=True)


class Base(DeclarativeBase):
    pass


class Parent(Base):
    __tablename__ = "parent"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


class Fields:
    lang: Mapped[str]
    title: Mapped[str]
    parent_id: Mapped[int] = mapped_column(ForeignKey(Parent.id), index=True)
    fts: Mapped[Any] = mapped_column(TSVECTOR, fts(), deferred=True)
    embedding: Mapped[list[float]] = vectors()
    bits: Mapped[list[float]] = vectors(quantize="binary")


class Item(Fields, Base):
    __tablename__ = "item"
    number: Mapped[int] = mapped_column(primary_key=True)
    parent: Mapped[Parent] = relationship()
    tags: Mapped[list["Tag"]] = relationship(order_by="Tag.id")


Item.shout = column_property(Item.lang + "!")
Item.siblings = column_property(
    select(Parent.name).where(Parent.id == Item.parent_id).correlate_except(Parent).scalar_subquery()
)


class Tag(Base):
    __tablename__ = "tag"
    id: Mapped[int] = mapped_column(primary_key=True)
    item_number: Mapped[int] = mapped_column(ForeignKey(Item.number))


class Asset(Fields, Base):
    __tablename__ = "asset"
    number: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    __mapper_args__: ClassVar[dict] = {"polymorphic_on": "kind", "polymorphic_identity": "asset"}


class Photo(Asset):
    __tablename__ = "photo"
    number: Mapped[int] = mapped_column(ForeignKey(Asset.number), primary_key=True)
    width: Mapped[int]
    __mapper_args__: ClassVar[dict] = {"polymorphic_identity": "photo"}


class Media(Base):
    __tablename__ = "media"
    number: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    __mapper_args__: ClassVar[dict] = {"polymorphic_on": "kind", "polymorphic_identity": "media"}


class Clip(Fields, Media):
    __tablename__ = "clip"
    number: Mapped[int] = mapped_column(ForeignKey(Media.number), primary_key=True)
    __mapper_args__: ClassVar[dict] = {"polymorphic_identity": "clip"}


class Leaf(Fields, Base):
    __tablename__ = "leaf"
    book: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)


class Elsewhere(Fields, Base):
    __tablename__ = "item"
    __table_args__: ClassVar[dict] = {"schema": "elsewhere"}
    number: Mapped[int] = mapped_column(primary_key=True)


class Part(Fields, Base):
    __tablename__ = "part"
    __table_args__: ClassVar[dict] = {"postgresql_partition_by": "LIST (lang)"}
    number: Mapped[int] = mapped_column(primary_key=True)
    lang: Mapped[str] = mapped_column(primary_key=True)


class SqlModelBase(SQLModel):
    metadata = Base.metadata


class Page(SqlModelBase, table=True):
    __tablename__ = "sqlmodel_page"
    number: int = Field(primary_key=True)
    lang: str
    title: str
    parent_id: int = Field(foreign_key="parent.id")
    fts: Any = Field(sa_column=Column(TSVECTOR, fts()))
    embedding: Any = Field(sa_column=vectors("embedding").column)
    bits: Any = Field(sa_column=vectors("bits", quantize="binary").column)


plain = Table(
    "plain",
    Base.metadata,
    Column("number", Integer, primary_key=True),
    Column("lang", String, nullable=False),
    Column("title", String, nullable=False),
    Column("parent_id", Integer, ForeignKey(Parent.id), nullable=False),
    Column("fts", TSVECTOR, fts()),
    vectors("embedding").column,
    vectors("bits", quantize="binary").column,
)


def fill(connection):
    """Create the tables and put the same rows into each."""
    for statement in ("CREATE SCHEMA elsewhere",):
        connection.execute(text(statement))
    Base.metadata.create_all(connection)
    for lang in ("en", "de"):
        connection.execute(text(f"CREATE TABLE part_{lang} PARTITION OF part FOR VALUES IN ('{lang}')"))
    connection.execute(insert(Parent), [{"id": number, "name": f"parent {number}"} for number in range(PARENTS)])
    random = np.random.default_rng(3)
    arrays = random.normal(size=(ROWS, DIMENSIONS))
    rows = [
        {
            "number": number,
            "lang": "en" if number % 3 else "de",
            "title": f"{WORDS[number % 4]} {WORDS[number // 4 % 4]}",
            "parent_id": number % PARENTS,
            "embedding": vector.tolist(),
            "bits": vector.tolist(),
        }
        for number, vector in enumerate(arrays)
    ]
    for table in (Item, Elsewhere, Part, Page, plain):
        connection.execute(insert(table), rows)
    connection.execute(insert(Leaf), [row | {"book": f"b{row['number'] // 60}"} for row in rows])
    connection.execute(insert(Tag), [{"id": number, "item_number": number // 2} for number in range(2 * ROWS)])
    shared = [{name: value for name, value in row.items() if name != "number"} for row in rows]
    connection.execute(insert(Asset.__table__), [row | {"kind": "photo"} for row in rows])
    connection.execute(insert(Photo.__table__), [{"number": number, "width": number} for number in range(ROWS)])
    connection.execute(insert(Media.__table__), [{"number": number, "kind": "clip"} for number in range(ROWS)])
    connection.execute(insert(Clip.__table__), [row | {"number": number} for number, row in enumerate(shared)])


@dataclass
class Situation:
    """What is searched, and how.

    Attributes:
        source: what a form starts from: a class, an alias, a table or a Select.
        owner: what the columns are of.
        identity: the primary key of the row with a number.
        seen: what must be true of each row that comes back.
        unique: whether the rows have to be made unique, as SQLAlchemy asks for joined collections.
    """

    source: Any
    owner: Any = Item
    identity: Callable[[int], Any] = field(default=lambda number: number)
    seen: Callable[[Any], bool] = field(default=lambda row: True)
    unique: bool = False

    def __getitem__(self, name):
        """Return a column of the owner."""
        return self.owner.c[name] if isinstance(self.owner, Table) else getattr(self.owner, name)

    @property
    def entity(self):
        """The class or table that keys are of."""
        return self.owner if isinstance(self.owner, Table | type) else Item

    @property
    def german(self):
        """The Select of the rows of one language."""
        statement = self.source if hasattr(self.source, "add_columns") else select(self.source)
        return statement.where(self["lang"] == "de")


other = aliased(Item, name="other")

SITUATIONS = {
    "a class": Situation(Item),
    "an alias": Situation(other, other),
    "an alias without a name": Situation(*(2 * [aliased(Item)])),
    "columns alone": Situation(select(Item.number, Item.lang)),
    "column properties": Situation(
        Item, seen=lambda row: row[0].shout in {"en!", "de!"} and row[0].siblings == f"parent {row[0].parent_id}"
    ),
    "a subclass, its column in the parent's table": Situation(
        Photo, Photo, seen=lambda row: isinstance(row[0], Photo) and row[0].width == row[0].number
    ),
    "a parent class that loads subclasses": Situation(Asset, Asset, seen=lambda row: isinstance(row[0], Photo)),
    "a subclass, its column in its own table": Situation(Clip, Clip, seen=lambda row: isinstance(row[0], Clip)),
    "a relationship, loaded by IN": Situation(
        select(Item).options(selectinload(Item.parent), selectinload(Item.tags), raiseload("*")),
        seen=lambda row: row[0].parent.id == row[0].parent_id and len(row[0].tags) == 2,
    ),
    "a relationship, loaded by a join": Situation(
        select(Item).options(joinedload(Item.parent), raiseload("*")),
        seen=lambda row: row[0].parent.id == row[0].parent_id,
    ),
    "a collection, loaded by a join": Situation(
        select(Item).options(joinedload(Item.tags), raiseload("*")), seen=lambda row: len(row[0].tags) == 2, unique=True
    ),
    "a joined class beside it": Situation(
        select(Item, Parent).join(Parent, Item.parent_id == Parent.id),
        seen=lambda row: row[1].id == row[0].parent_id,
    ),
    "two classes and no join": Situation(
        select(Item, Parent).where(Item.parent_id == Parent.id), seen=lambda row: row[1].id == row[0].parent_id
    ),
    "a SQLModel class": Situation(Page, Page, seen=lambda row: isinstance(row[0], Page)),
    "a Core table": Situation(plain, plain),
    "a key of two columns": Situation(Leaf, Leaf, lambda number: (f"b{number // 60}", number)),
    "another schema": Situation(Elsewhere, Elsewhere),
    "a partitioned table": Situation(Part, Part, lambda number: (number, "en" if number % 3 else "de")),
    "an order that breaks ties": Situation(select(Item).order_by(Item.title, Item.number)),
    "locked rows": Situation(select(Item).with_for_update()),
    "rows locked past those of others": Situation(select(Item).with_for_update(of=Item, skip_locked=True)),
}
