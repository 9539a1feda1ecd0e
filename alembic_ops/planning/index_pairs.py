"""Which index takes the name of which when columns exchange theirs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from alembic_ops.errors import MigrationError
from sqlalchemy_vecsearch.metrics import metric_of_operator_class
from sqlalchemy_vecsearch.names import fitted
from sqlalchemy_vecsearch.quoting import PREPARER, literal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from alembic_ops.catalog.relations import ColumnIndex, FoundRelation
    from alembic_ops.model.column_exchange import ColumnExchange, Exchange

__all__ = ["index_renames", "with_names_exchanged"]

_TOKEN: Final = re.compile(
    r"""
    E?'(?:[^'\\]|\\.|'')*'        # a literal, in which nothing is a name
  | (?P<name> "(?:[^"]|"")+" | [^\W\d][\w$]* )
    """,
    re.VERBOSE,
)


def with_names_exchanged(expression: str, pairs: Sequence[Exchange]) -> str:
    """Return an expression of the server, over one table, in which columns have exchanged their names.

    What follows a dot or a pair of colons, or is called, is not a column.
    """
    other = {PREPARER.quote(pair.live): PREPARER.quote(pair.replacement) for pair in pairs}
    other |= {new: old for old, new in other.items()}

    def exchanged(found: re.Match[str]) -> str:
        name = found["name"]
        before, after = expression[: found.start()], expression[found.end() : found.end() + 1]
        if name not in other or before.endswith((".", "::")) or after in ("(", "."):
            return found[0]
        return other[name]

    return _TOKEN.sub(exchanged, expression)


def index_renames(exchange: ColumnExchange, relations: Sequence[FoundRelation]) -> list[str]:
    """Return the statements that let the indexes of the columns, and their parts, exchange names and comments.

    Raises:
        MigrationError: an index of a live column has no partner, or one that is not valid.
    """
    parts: dict[int, list[tuple[FoundRelation, ColumnIndex]]] = {}
    whole: dict[int, list[ColumnIndex]] = {}
    oids = {index.oid for relation in relations for index in relation.indexes}
    for relation in relations:
        for index in relation.indexes:
            if index.parent in oids:
                parts.setdefault(index.parent, []).append((relation, index))
            else:
                whole.setdefault(relation.oid, []).append(index)
    pairs = [
        (relation, index, partner)
        for relation in relations
        for index, partner in _pairs(exchange, relation, whole.get(relation.oid, []))
    ]
    statements = []
    for relation, index, partner in pairs:  # which grows by the parts of each
        statements += _exchange_names(relation.schema, index, partner)
        others = {other.oid: part for other, part in parts.get(partner.oid, [])}
        pairs += [(owner, part, others[owner.oid]) for owner, part in parts.get(index.oid, []) if owner.oid in others]
    return statements


def _pairs(
    exchange: ColumnExchange, relation: FoundRelation, indexes: Sequence[ColumnIndex]
) -> Iterator[tuple[ColumnIndex, ColumnIndex]]:
    live = {pair.live for pair in exchange.pairs}
    replacement = {pair.replacement for pair in exchange.pairs}
    free = [index for index in indexes if replacement & set(index.columns)]
    named = {pair.live: pair.replacement for pair in exchange.indexes}
    for index in indexes:
        if index.name in exchange.alone:
            continue
        if not live & set(index.columns) or with_names_exchanged(index.definition, exchange.pairs) == index.definition:
            continue
        others = [one for one in free if one.oid != index.oid]
        if index.name in named:
            partner = next((one for one in others if one.name == named[index.name]), None)
        else:
            partner = _partner(exchange, index, [one for one in others if one.name not in named.values()])
        if partner is None:
            raise _no_partner(exchange, relation, index)
        if not partner.valid:
            raise MigrationError(
                f"The index {partner.name!r} of the column {exchange.replacement!r} is not valid. "
                "After the swap every search would read the whole table. "
                "Finish it by the op.create_vector_index() that began it, and swap then."
            )
        free.remove(partner)
        yield index, partner


def _partner(exchange: ColumnExchange, index: ColumnIndex, others: Sequence[ColumnIndex]) -> ColumnIndex | None:
    """An index of vectors may differ in all but the metric; of any other index only the names of columns may differ."""
    wished = with_names_exchanged(index.definition, exchange.pairs)
    others = [one for one in others if one.of_vectors == index.of_vectors and one.unique == index.unique]
    same = (one for one in others if one.definition == wished)
    alike = (one for one in others if index.of_vectors and _metric(one) == _metric(index))
    return next(same, None) or next(alike, None)


def _no_partner(exchange: ColumnExchange, relation: FoundRelation, index: ColumnIndex) -> MigrationError:
    found = f"The column {exchange.replacement!r} has no index like {index.name!r} of {exchange.live!r}. "
    if index.of_vectors:
        return MigrationError(
            f"{found}After the swap every search would read the whole table. "
            f"Build it on {exchange.replacement!r} by op.create_vector_index() with the same metric, and swap."
        )
    wished = with_names_exchanged(index.definition, exchange.pairs)
    create = "CREATE UNIQUE INDEX" if index.unique else "CREATE INDEX"
    name = PREPARER.quote(fitted(index.name, suffix=f"_{exchange.replacement}"))
    return MigrationError(
        f"{found}After the swap queries that rely on it would read the whole table. "
        f"Build it by {create} CONCURRENTLY {name} ON {relation.name} USING {wished}, and swap."
    )


def _metric(index: ColumnIndex) -> str:
    known = metric_of_operator_class(index.operator_class)
    return index.operator_class if known is None else known[1].value


def _exchange_names(schema: str, index: ColumnIndex, partner: ColumnIndex) -> list[str]:
    """Parts of an index have names by that of the whole, and so their names are exchanged, too."""
    first, second = PREPARER.quote(index.name), PREPARER.quote(partner.name)
    between = PREPARER.quote(fitted(index.name, suffix="__swap"))
    renames = [
        f"ALTER INDEX {schema}.{old} RENAME TO {new}"
        for old, new in ((first, between), (second, first), (between, second))
    ]
    if index.comment == partner.comment:
        return renames
    comments = ((first, index.comment), (second, partner.comment))
    return renames + [f"COMMENT ON INDEX {schema}.{name} IS {literal(comment)}" for name, comment in comments]
