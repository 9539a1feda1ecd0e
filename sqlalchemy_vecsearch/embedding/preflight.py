"""What embedding the pending rows will cost, said before it is spent."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import BigInteger, func, literal_column, select, text

from sqlalchemy_vecsearch.embedding.comparing import given_keys, key_is_given
from sqlalchemy_vecsearch.embedding.declared import embedded_column
from sqlalchemy_vecsearch.embedding.embedders import embedder_of
from sqlalchemy_vecsearch.embedding.pacing import tokens_in
from sqlalchemy_vecsearch.embedding.work_table import written_name

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection, TextClause

    from sqlalchemy_vecsearch.embedding.declared import EmbeddedColumn

__all__ = ["Preflight", "preflight"]

SAMPLE: Final = 1000
_JOINED: Final = 10
_TIMES: Final = 5
MILLION: Final = 1_000_000

_INDEXES: Final = text("""
SELECT c.relname, pg_catalog.pg_relation_size(c.oid)
  FROM pg_catalog.pg_index AS i
  JOIN pg_catalog.pg_class AS c ON c.oid OPERATOR(pg_catalog.=) i.indexrelid
  JOIN pg_catalog.pg_am AS a ON a.oid OPERATOR(pg_catalog.=) c.relam
 WHERE i.indrelid OPERATOR(pg_catalog.=) pg_catalog.to_regclass(:name) AND i.indisready
   AND a.amname OPERATOR(pg_catalog.=) 'hnsw'::pg_catalog.name
 ORDER BY c.relname
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Preflight:
    """What is to be done, and what it costs.

    Args:
        pending: rows that need embedding.
        tokens: of their texts, estimated from a sample of 1,000.
        price: of these tokens, None where the embedder does not say what a million of them costs.
        hnsw: the HNSW indexes of the table, which every written row is put into anew.
        join_milliseconds: what a search would pay for a side table: the time of reading ten rows by their keys, as
            measured here; None where the table has no such index, or nothing is pending.
    """

    pending: int
    tokens: int
    price: float | None
    hnsw: tuple[str, ...]
    join_milliseconds: float | None = None

    def lines(self) -> list[str]:
        """Return it in sentences, for people."""
        if not self.pending:
            return ["No rows are pending: there is nothing to embed."]
        found = [f"{self.pending:,} rows are pending, about {self.tokens:,} tokens."]
        if self.price is not None:
            found.append(f"At the embedder's price that is about {self.price:,.2f}.")
        if self.hnsw:
            names = " and ".join(self.hnsw)
            found.append(
                f"The table has the HNSW index {names}: a written row is inserted there anew, which was measured to "
                "cost 70 times a row without it. For a large part of the table, drop the index first and build it "
                "again afterwards, or embed into a second column and swap."
            )
        if self.join_milliseconds is not None:
            found.append(
                "Where rows are written all the time, keep the vectors in a side table of key, text and vector with an "
                "index of its own: a write of this table then touches no vector index, and a search joins what it "
                f"finds by the key, which took {self.join_milliseconds:.2f} ms here for ten rows."
            )
        return found


def preflight(
    connection: Connection, column: Any, *, where: ColumnElement[bool] | TextClause | None = None
) -> Preflight:
    """Return what embedding the pending rows of a column will cost; it counts them and reads 1,000 texts.

    Raises:
        DeclarationError: the column declares no source.
        UnknownEmbedderError: its model is not registered.
    """
    found, model = embedded_column(column), embedder_of(column)
    conditions = (found.pending,) if where is None else (found.pending, where)
    count = func.pg_catalog.count(literal_column("*"), type_=BigInteger)
    pending = connection.scalar(select(count).select_from(found.table).where(*conditions)) or 0
    texts = [one or "" for one in connection.scalars(select(found.text).where(*conditions).limit(SAMPLE))]
    tokens = round(tokens_in(texts) / len(texts) * pending) if texts else 0
    name = written_name(connection, found.table)
    hnsw = tuple(one for one, _ in connection.execute(_INDEXES, {"name": name}))
    return Preflight(
        pending=pending,
        tokens=tokens,
        price=None if model.price is None else tokens / MILLION * model.price,
        hnsw=hnsw,
        join_milliseconds=_join_milliseconds(connection, found, conditions) if hnsw and pending else None,
    )


def _join_milliseconds(connection: Connection, found: EmbeddedColumn, conditions: tuple[Any, ...]) -> float:
    """Return the time of reading ten rows by their keys, as a search of a side table would: the best of some."""
    keys = [tuple(row) for row in connection.execute(select(*found.key).where(*conditions).limit(_JOINED))]
    joined, given = select(*found.key, found.text).where(key_is_given(found.key)), given_keys(found.key, keys)
    times = []
    for _ in range(_TIMES):
        begin = perf_counter()
        connection.execute(joined, given).all()
        times.append(perf_counter() - begin)
    return round(1000 * min(times), 3)
