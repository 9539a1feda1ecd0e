"""The tables that the tests of loading fill."""

from __future__ import annotations

import enum
import uuid
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np
from sqlalchemy import (
    ARRAY,
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    Date,
    DateTime,
    Enum,
    Float,
    ForeignKey,
    Identity,
    Integer,
    Interval,
    LargeBinary,
    MetaData,
    Numeric,
    SmallInteger,
    String,
    Table,
    Text,
    Uuid,
    func,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from sqlalchemy_vecsearch import BIT, HALFVEC, SPARSEVEC, VECTOR


class Color(enum.Enum):
    RED = 1
    BLUE = 2


metadata = MetaData()
strict = Table(
    "strict item",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("part", Integer, primary_key=True, server_default="1"),
    Column("Title", Text, nullable=False),
    Column("rank", Integer, CheckConstraint("rank > 0", name="ranks_are_positive")),
    Column("parent", ForeignKey("item.id")),
    Column("embedding", VECTOR(3, returns="list")),
)
wide = Table(
    "wide table",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("Body", Text),
    Column("token", Uuid, default=uuid.uuid4),
    Column("kind", String(5), default="plain"),
    Column("at", DateTime(timezone=True)),
    Column("day", Date),
    Column("span", Interval),
    Column("facts", JSONB),
    Column("price", Numeric(10, 2)),
    Column("share", Float),
    Column("small", SmallInteger),
    Column("fine", Boolean),
    Column("raw", LargeBinary),
    Column("tags", ARRAY(Text)),
    Column("numbers", ARRAY(Integer)),
    Column("color", Enum(Color)),
    Column("left_out", Integer, server_default="7"),
    Column("embedding", VECTOR(3, returns="list")),
    Column("half", HALFVEC(3, returns="list")),
    Column("sparse", SPARSEVEC(5)),
    Column("bits", BIT(4)),
)
items = Table("item", metadata, Column("id", Integer, primary_key=True), Column("embedding", VECTOR(3, returns="list")))

signatures = Table("signature", metadata, Column("id", Integer, primary_key=True), Column("bits", BIT(4)))


def wide_row(number):
    return {
        "id": number,
        "Body": "tab\tand ü",
        "at": datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC),
        "day": date(2026, 1, 2),
        "span": timedelta(days=1, seconds=2),
        "facts": {"a": [1, None]},
        "price": Decimal("1.50"),
        "share": 0.5,
        "small": 3,
        "fine": True,
        "raw": b"\0\1",
        "tags": ["a", None],
        "numbers": [1, 2],
        "color": Color.BLUE,
        "embedding": [0.1, 2, 3],
        "half": np.array([0.5, 1, 2]),
        "sparse": [0, 1, 0, 0, 2],
        "bits": "0101",
    }


def count(connection, table=items):
    return connection.scalar(select(func.count()).select_from(table))


def plain(number):
    return {"id": number, "embedding": [1, 2, number]}


class Base(DeclarativeBase):
    pass


class Note(Base):
    __tablename__ = "note"
    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    vector: Mapped[list[float]] = mapped_column("embedding", VECTOR(3, returns="list"))
    doubled: Mapped[int] = mapped_column(Computed("id * 2", persisted=True))
