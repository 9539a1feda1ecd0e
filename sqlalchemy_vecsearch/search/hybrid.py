"""Several ways to find rows, fused into one ranking in one statement."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Final, TypeVar, overload

from sqlalchemy import BigInteger, cast, func, null, select, union_all

from sqlalchemy_vecsearch.errors import SearchError
from sqlalchemy_vecsearch.names import IDENTIFIER_BYTES
from sqlalchemy_vecsearch.search.building.checks import require_count
from sqlalchemy_vecsearch.search.building.deferred import DOUBLE, Deferred, Numbers
from sqlalchemy_vecsearch.search.building.fusion import (
    RRF,
    Fusion,
    Weighted,
    numbers_of,
    part_of_score,
    require_known_legs,
)
from sqlalchemy_vecsearch.search.building.index_predicates import with_literals
from sqlalchemy_vecsearch.search.building.partition_keys import conditions_on_partition_keys
from sqlalchemy_vecsearch.search.building.refusals import refuse_offset
from sqlalchemy_vecsearch.search.building.row_keys import RowKeys, row_keys
from sqlalchemy_vecsearch.search.building.subselects import column_of, inline, materialized, shared
from sqlalchemy_vecsearch.search.dense import DenseLeg
from sqlalchemy_vecsearch.search.fulltext import FullTextLeg
from sqlalchemy_vecsearch.search.trigram import TrigramLeg
from sqlalchemy_vecsearch.selects import as_clause, as_select, tie_breaks, without_filter

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import FromClause, Select
    from sqlalchemy.types import TypeEngine

    from sqlalchemy_vecsearch.search.building.legs import Leg, LegForm
    from sqlalchemy_vecsearch.search.building.subselects import Selected
    from sqlalchemy_vecsearch.selects import Statement

__all__ = ["hybrid"]

_A = TypeVar("_A")
_B = TypeVar("_B")
_C = TypeVar("_C")
_D = TypeVar("_D")

_POOL: Final = 5
_SMALLEST_POOL: Final = 50
_RANK: Final = BigInteger()


# A row holds the caller's columns, the score, and the ranks and scores of the legs. Python can not say that of any
# number of columns, so that each has an overload: first as SQLAlchemy 2.0 writes rows, then as 2.1 does.
@overload
def hybrid(  # type: ignore[overload-overlap]  # with a Select of one column of tuples, which 2.0 has not
    source: Select[tuple[_A]], legs: Sequence[Leg], *, k: int, fusion: Fusion | None = None, pool: int | None = None
) -> Select[tuple[_A, float, *tuple[Any, ...]]]: ...
@overload
def hybrid(  # type: ignore[overload-overlap]  # with a Select of one column of tuples, which 2.0 has not
    source: Select[tuple[_A, _B]], legs: Sequence[Leg], *, k: int, fusion: Fusion | None = None, pool: int | None = None
) -> Select[tuple[_A, _B, float, *tuple[Any, ...]]]: ...
@overload
def hybrid(  # type: ignore[overload-overlap]  # with a Select of one column of tuples, which 2.0 has not
    source: Select[tuple[_A, _B, _C]],
    legs: Sequence[Leg],
    *,
    k: int,
    fusion: Fusion | None = None,
    pool: int | None = None,
) -> Select[tuple[_A, _B, _C, float, *tuple[Any, ...]]]: ...
@overload
def hybrid(  # type: ignore[overload-overlap]  # with a Select of one column of tuples, which 2.0 has not
    source: Select[tuple[_A, _B, _C, _D]],
    legs: Sequence[Leg],
    *,
    k: int,
    fusion: Fusion | None = None,
    pool: int | None = None,
) -> Select[tuple[_A, _B, _C, _D, float, *tuple[Any, ...]]]: ...
@overload
def hybrid(
    source: type[_A], legs: Sequence[Leg], *, k: int, fusion: Fusion | None = None, pool: int | None = None
) -> Select[_A, float, *tuple[Any, ...]]: ...
@overload
def hybrid(
    source: Select[_A], legs: Sequence[Leg], *, k: int, fusion: Fusion | None = None, pool: int | None = None
) -> Select[_A, float, *tuple[Any, ...]]: ...
@overload
def hybrid(
    source: Select[_A, _B], legs: Sequence[Leg], *, k: int, fusion: Fusion | None = None, pool: int | None = None
) -> Select[_A, _B, float, *tuple[Any, ...]]: ...
@overload
def hybrid(
    source: Select[_A, _B, _C], legs: Sequence[Leg], *, k: int, fusion: Fusion | None = None, pool: int | None = None
) -> Select[_A, _B, _C, float, *tuple[Any, ...]]: ...
@overload
def hybrid(
    source: Select[_A, _B, _C, _D],
    legs: Sequence[Leg],
    *,
    k: int,
    fusion: Fusion | None = None,
    pool: int | None = None,
) -> Select[_A, _B, _C, _D, float, *tuple[Any, ...]]: ...
@overload
def hybrid(
    source: FromClause | Select[*tuple[Any, ...]],
    legs: Sequence[Leg],
    *,
    k: int,
    fusion: Fusion | None = None,
    pool: int | None = None,
) -> Select[*tuple[Any, ...]]: ...
def hybrid(
    source: Any,  # Any: the overloads say which
    legs: Sequence[Leg],
    *,
    k: int,
    fusion: Fusion | None = None,
    pool: int | None = None,
) -> Any:
    """Return a Select of the ``k`` best rows of several legs together: your columns, then ``score``, best first.

    Each leg is limited to its best ``pool`` rows and served by its own index; all of them see the source's filters, in
    one snapshot and one round trip. After ``score`` come two columns for each leg, NULL where the leg did not find the
    row: ``<name>_rank``, from 1, and ``<name>_score``, larger being better.

    Equal scores are ordered by the source's ORDER BY, and then by primary key. With fewer than ``k`` rows in all legs
    together, there are fewer rows.

    Args:
        source: a mapped class, an alias, a table, or a Select with its own WHERE, joins, options and columns.
        legs: at least one of ``dense(...)``, ``sparse(...)``, ``fulltext(...)`` and ``trigram(...)``, of columns that
            the source reads.
        k: how many rows, 1 or more.
        fusion: :class:`RRF` or :class:`Weighted`; None takes ``RRF(60)``.
        pool: how many rows each leg contributes at the most; None takes ``5 * k``, and at least 50.

    Raises:
        SearchError: the source, a leg or a number can not be searched with, or a weight names no leg.

    Example:
        ```text
        statement = hybrid(
            select(Document).where(Document.lang == "en"),
            [dense(Document.embedding, vector), fulltext(Document.fts, "connection pool")],
            k=10,
            fusion=RRF(60, {"fulltext": 0.5}),
        )
        for document, score, *by_leg in session.execute(statement):
            print(document.title, score)
        ```
    """
    require_count("k", k, "how many rows to return")
    count = max(_POOL * int(k), _SMALLEST_POOL)
    if pool is not None:
        require_count("pool", pool, "how many rows each leg contributes")
        count = int(pool)
    _require_legs(legs)
    fusion = _checked_fusion(fusion, [leg.name for leg in legs])
    statement = as_select(source)
    refuse_offset(statement)
    statement = statement.where(*(condition for leg in legs for condition in leg.shared_conditions()))
    for leg in legs:
        if isinstance(leg, DenseLeg):  # the legs share the source: a value is a literal in all of them or in none
            statement = with_literals(statement, leg.searched)
    keys = row_keys(statement, legs[0])
    fused, added = _fused(statement, keys, legs, fusion, count, int(k))
    score, *_ = columns = [column_of(fused, name, type_) for name, type_ in added]
    own = (column_of(fused, name, type_) for name, type_ in keys.typed)
    criteria = (*conditions_on_partition_keys(statement, legs[0].table), *keys.matching(fused))
    return without_filter(statement, criteria, *columns, order=(score.desc(), *tie_breaks(statement), *own))


def _fused(
    statement: Statement, keys: RowKeys, legs: Sequence[Leg], fusion: Fusion, count: int, k: int
) -> tuple[FromClause, list[tuple[str, TypeEngine[Any]]]]:
    """Return the best rows of all legs together, and what they have besides their keys: the score is the first."""
    names = [leg.name for leg in legs]
    of_legs = [leg.parts(statement, keys, count) for leg in legs]
    forms = tuple((leg.name, leg.form, len(parts)) for leg, parts in zip(legs, of_legs, strict=True))
    form = _Fused(forms, type(fusion), tuple(nullable for _, nullable in keys.columns))
    numbers = Numbers.parameter({"k": k, "pool": count, **numbers_of(fusion, names)})
    parts = [numbers, statement, *(as_clause(key) for key, _ in keys.columns), *chain.from_iterable(of_legs)]
    added = [("score", DOUBLE), *chain.from_iterable(map(_columns_of, names))]
    return shared(Deferred(form, parts, [*keys.typed, *added]), "fused"), added


@dataclass(frozen=True, slots=True)
class _Fused:
    """How the best rows of all legs together are found.

    ``legs`` are their names, their forms, and how many parts each has; ``nullable`` says of each key whether it can be
    NULL.
    """

    legs: tuple[tuple[str, LegForm, int], ...]
    fusion: type[Fusion]
    nullable: tuple[bool, ...]

    def __call__(self, given: Any, statement: Any, *others: Any) -> Selected:
        """Return the SELECT of them; each leg has a row at most once."""
        numbers, count = Numbers(given), len(self.nullable)
        keys = RowKeys(tuple(zip(others[:count], self.nullable, strict=True)))
        every = inline(union_all(*self._arms(statement, keys, numbers, iter(others[count:]))), "every_leg")
        own = [every.c[name] for name in keys.names]
        best = [
            func.pg_catalog.max(every.c[name], type_=type_).label(name)
            for leg, _, _ in self.legs
            for name, type_ in _columns_of(leg)
        ]
        score = func.pg_catalog.sum(every.c.part, type_=DOUBLE).label("score")
        return select(*own, score, *best).group_by(*own).order_by(score.desc(), *own).limit(numbers.bound("k"))

    def _arms(self, statement: Statement, keys: RowKeys, numbers: Numbers, parts: Iterator[Any]) -> Iterator[Statement]:
        """Yield for each leg its rows, with what they add to the score and the columns of all legs."""
        for place, (name, form, count) in enumerate(self.legs):
            limited = materialized(form.limited(statement, keys, numbers.bound("pool"), *islice(parts, count)), name)
            own = [limited.c[key] for key in keys.names]
            rank = func.pg_catalog.row_number(type_=BigInteger).over(order_by=(form.ranking(limited), *own))
            ranked = inline(select(*own, limited.c.score, rank.label("rank")), f"ranked_{name}")
            columns: list[Any] = [ranked.c[key] for key in keys.names]
            columns.append(part_of_score(self.fusion, numbers, place, ranked).label("part"))
            for each, _, _ in self.legs:
                for column, (label, type_) in zip(("rank", "score"), _columns_of(each), strict=True):
                    value = ranked.c[column] if each == name else cast(null(), type_)
                    columns.append(value.label(label))
            yield select(*columns)


def _columns_of(name: str) -> tuple[tuple[str, TypeEngine[Any]], tuple[str, TypeEngine[Any]]]:
    return (f"{name}_rank", _RANK), (f"{name}_score", DOUBLE)


def _require_legs(legs: Sequence[Leg]) -> None:
    strangers = [leg for leg in legs if not isinstance(leg, DenseLeg | FullTextLeg | TrigramLeg)]
    if strangers or not legs:
        found = f"{strangers[0]!r} is no leg of a hybrid search" if strangers else "A hybrid search has no legs"
        raise SearchError(
            f"{found}. "
            "It fuses the rankings of at least one search by vectors, words or spelling. "
            "Pass a list of dense(...), sparse(...), fulltext(...) and trigram(...)."
        )
    names = [leg.name for leg in legs]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise SearchError(
            f"Two legs of the hybrid search are called {twice!r}. "
            "A leg's name tells its columns and its weight from those of the others. "
            f"Give one of them another name: dense(..., name='{twice}_2')."
        )
    room = IDENTIFIER_BYTES - len("_score")
    long = next((name for name in names if len(name.encode()) > room), None)
    if long is not None:
        raise SearchError(
            f"The name {long!r} of a leg is longer than {room} bytes. "
            f"Its columns are called after it, and PostgreSQL cuts names at {IDENTIFIER_BYTES} bytes, so that two of "
            "them would be one. "
            'Give it a shorter name: dense(..., name="short").'
        )


def _checked_fusion(fusion: Fusion | None, names: Sequence[str]) -> Fusion:
    fusion = RRF() if fusion is None else fusion
    if not isinstance(fusion, RRF | Weighted):
        raise SearchError(
            f"{fusion!r} is no fusion. "
            "The legs are made one ranking by their ranks or by their scores. "
            "Pass RRF(60) or Weighted({'dense': 0.7}), or leave it out."
        )
    require_known_legs(fusion, names)
    return fusion
