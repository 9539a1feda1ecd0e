"""The tables that the tests of plans read, large enough that the planner prefers their vector indexes."""

import numpy as np
from sqlalchemy import create_engine, insert, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from sqlalchemy_vecsearch import HNSW, embedding_column
from tests.db.filling import indexed_afterwards

DIMENSIONS, ROWS = 8, 4000


class Base(DeclarativeBase):
    pass


class Doc(Base):
    __tablename__ = "doc"
    id: Mapped[int] = mapped_column(primary_key=True)
    lang: Mapped[str]
    rank: Mapped[int]
    embedding: Mapped[list[float] | None] = embedding_column(DIMENSIONS, metric="cosine", index=HNSW())
    bits: Mapped[list[float]] = embedding_column(DIMENSIONS, metric="l2", index=HNSW(), quantize="binary")
    half: Mapped[list[float]] = embedding_column(DIMENSIONS, metric="cosine", index=HNSW(), quantize="halfvec")


class Part(Base):
    """A partitioned table: half of its rows in each partition."""

    __tablename__ = "part"
    __table_args__ = {"postgresql_partition_by": "LIST (lang)"}  # noqa: RUF012  # as SQLAlchemy documents it
    id: Mapped[int] = mapped_column(primary_key=True)
    lang: Mapped[str] = mapped_column(primary_key=True)
    embedding: Mapped[list[float]] = embedding_column(DIMENSIONS, metric="l2", index=HNSW())


def vectors():
    return np.random.default_rng(3).normal(size=(ROWS, DIMENSIONS)).astype(np.float32)


def build(url):
    """Create and fill the tables: every tenth document is German."""
    engine = create_engine(url)
    languages = ["de" if number % 10 == 0 else "en" for number in range(ROWS)]
    with engine.begin() as connection:
        Base.metadata.create_all(connection, tables=[Doc.__table__])
        Part.__table__.create(connection)
        for lang in ("de", "en"):
            connection.execute(text(f"CREATE TABLE part_{lang} PARTITION OF part FOR VALUES IN ('{lang}')"))
        rows = [
            {"id": number, "lang": lang, "rank": number % 100, "embedding": row, "bits": row, "half": row}
            for number, (lang, row) in enumerate(zip(languages, vectors().tolist(), strict=True))
        ]
        with indexed_afterwards(connection, Doc.__table__, Part.__table__):
            connection.execute(insert(Doc), rows)
            connection.execute(
                insert(Part), [{"id": row["id"], "lang": row["lang"], "embedding": row["embedding"]} for row in rows]
            )
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))
    engine.dispose()
