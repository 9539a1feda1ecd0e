"""Loads of rows as applications have them: `copy_rows` beside what psycopg and asyncpg have of their own."""

from __future__ import annotations

import asyncio
import enum
import json
import uuid
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial

import asyncpg
import numpy as np
import pandas as pd
import pgvector
import polars as pl
from pgvector.asyncpg import register_vector as register_asyncpg
from pgvector.psycopg import register_vector
from psycopg.types.json import Jsonb
from sqlalchemy import (
    Column,
    DateTime,
    Enum,
    Integer,
    MetaData,
    NullPool,
    Numeric,
    Table,
    Text,
    Uuid,
    create_engine,
    make_url,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import create_async_engine

import sqlalchemy_vecsearch as ours
from tests.benchmarks.corpus import embeddings
from tests.benchmarks.timing import interleaved

TEXTS = ("id", "title", "body", "embedding")


class Color(enum.Enum):
    RED = 1
    BLUE = 2


TYPES = {
    "id": Integer(),
    "title": Text(),
    "body": Text(),
    "token": Uuid(),
    "facts": JSONB(),
    "at": DateTime(timezone=True),
    "price": Numeric(10, 2),
    "color": Enum(Color, name="color"),
}
WRITTEN = {  # as psycopg is told them; it does not know the enumeration, whose labels have the form of texts
    "id": "int4",
    "title": "text",
    "body": "text",
    "token": "uuid",
    "facts": "jsonb",
    "at": "timestamptz",
    "price": "numeric",
    "color": "text",
    "embedding": "vector",
}


def measure(url, *, rows, dimensions, rounds):
    """Return the measurements of a table with two texts and of a wide one, for each driver that has a COPY."""
    values = _values(rows, dimensions)
    measured = []
    for name, keys in (("two texts", TEXTS), ("nine columns", tuple(values))):
        columns = {key: values[key] for key in keys}
        table = _table(columns, dimensions)
        engine = create_engine(url)
        table.metadata.create_all(engine)
        for driver, make_forms in (("psycopg", _with_psycopg), ("asyncpg", _with_asyncpg)):
            forms = make_forms(url, table, columns)
            measured += interleaved(
                f"{rows:,} rows by {driver}, {name}",
                forms,
                rounds=rounds,
                baseline=next(iter(forms)),
                before=partial(_empty, engine),
            )
        table.metadata.drop_all(engine)
        engine.dispose()
    return measured


def _values(rows, dimensions):
    """Return the values of each column, as an application has them."""
    random = np.random.default_rng(5)
    start = datetime(2026, 1, 1, tzinfo=UTC)
    return {
        "id": np.arange(1, rows + 1, dtype=np.int32),
        "title": [f"title {number} of a document" for number in range(rows)],
        "body": [f"the text of document {number}, " * 10 for number in range(rows)],
        "token": [uuid.UUID(bytes=random.bytes(16)) for _ in range(rows)],
        "facts": [{"page": number, "tags": ["a", "b"]} for number in range(rows)],
        "at": [start + timedelta(seconds=number, microseconds=7) for number in range(rows)],
        "price": [Decimal(int(number)) / 100 for number in random.integers(0, 100_000, rows)],
        "color": [(Color.RED, Color.BLUE)[number % 2] for number in range(rows)],
        "embedding": embeddings(rows, dimensions),
    }


def _table(columns, dimensions):
    types = TYPES | {"embedding": ours.VECTOR(dimensions)}
    return Table("loaded", MetaData(), *(Column(name, types[name], primary_key=name == "id") for name in columns))


def _empty(engine):
    with engine.begin() as connection:
        connection.execute(text("TRUNCATE loaded"))


def _with_psycopg(url, table, columns):
    engine = create_engine(url, poolclass=NullPool)  # the adapters that a form registers end with its connection

    def load(rows):
        def run(_):
            with engine.begin() as connection:
                ours.copy_rows(connection, table, rows)

        return run

    rows = _plain_rows(columns)
    return {
        "psycopg write_row, register_vector": lambda _: _write_rows(engine, columns, rows),
        "copy_rows, columns": load(columns),
        "copy_rows, dictionaries": load(_dictionaries(columns)),
        "copy_rows, a frame of pandas": load(pd.DataFrame(_listed(columns))),
        "copy_rows, a frame of polars": load(_polars(columns)),
    }


def _with_asyncpg(url, table, columns):
    async_engine = create_async_engine(make_url(url).set(drivername="postgresql+asyncpg"), poolclass=NullPool)

    def load(rows):
        async def run():
            async with async_engine.begin() as connection:
                await ours.acopy_rows(connection, table, rows)

        return lambda _: asyncio.run(run())

    rows = _plain_rows(columns)
    return {
        "asyncpg copy_records_to_table, registered codecs": lambda _: asyncio.run(_copy_records(url, columns, rows)),
        "acopy_rows, columns": load(columns),
        "acopy_rows, dictionaries": load(_dictionaries(columns)),
    }


def _listed(columns):
    """Return the columns as plain lists."""
    return {**columns, "id": columns["id"].tolist(), "embedding": list(columns["embedding"])}


def _dictionaries(columns):
    listed = _listed(columns)
    return [dict(zip(listed, row, strict=True)) for row in zip(*listed.values(), strict=True)]


def _plain_rows(columns):
    """Return the rows as a driver takes them, which knows no enumeration of Python."""
    listed = _listed(columns)
    if "color" in listed:
        listed["color"] = [color.name for color in listed["color"]]
    return list(zip(*listed.values(), strict=True))


def _polars(columns):
    """Return the frame; polars keeps no member of an enumeration, but SQLAlchemy takes its name."""
    series = {
        name: pl.Series(name, values, dtype=pl.Object if name == "token" else None)
        for name, values in _listed(columns).items()
        if name != "color"
    }
    if "color" in columns:
        series["color"] = pl.Series("color", [color.name for color in columns["color"]])
    return pl.DataFrame(series)


def _write_rows(engine, columns, rows):
    places = [list(columns).index(name) for name in ("facts", "embedding") if name in columns]
    wrappers = [Jsonb, pgvector.Vector][-len(places) :]
    with engine.connect() as connection:
        driver = connection.connection.driver_connection
        register_vector(driver)
        with driver.cursor().copy(f"COPY loaded ({', '.join(columns)}) FROM STDIN (FORMAT BINARY)") as copy:
            copy.set_types([WRITTEN[name] for name in columns])
            for row in rows:
                wrapped = list(row)
                for place, wrap in zip(places, wrappers, strict=True):
                    wrapped[place] = wrap(wrapped[place])
                copy.write_row(wrapped)
        driver.commit()


async def _copy_records(url, columns, rows):
    connection = await asyncpg.connect(make_url(url).set(drivername="postgresql").render_as_string(hide_password=False))
    await register_asyncpg(connection)
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        encoder=lambda value: b"\1" + json.dumps(value).encode(),
        decoder=lambda value: json.loads(value[1:]),
        format="binary",
    )
    await connection.copy_records_to_table("loaded", records=rows, columns=list(columns))
    await connection.close()
