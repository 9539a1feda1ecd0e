"""Search settings, and how a statement carries them for itself alone."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from functools import cache, lru_cache
from numbers import Integral
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from sqlalchemy import (
    Engine,
    Integer,
    Text,
    case,
    cast,
    event,
    func,
    literal,
    literal_column,
    quoted_name,
    select,
    table,
)

from sqlalchemy_vecsearch.errors import SettingsError, UnsupportedServerError
from sqlalchemy_vecsearch.representations import short_repr

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, FromClause, Select
    from sqlalchemy.engine import ExceptionContext

__all__ = ["SearchSettings"]

SERVER_EF_SEARCH: Final = 40
"""The server's default of hnsw.ef_search, which a hand-written statement runs with."""

DEFAULT_EF_SEARCH: Final = 100
"""The least hnsw.ef_search that a statement of ours asks for by itself, on a table of up to 62,500 rows. The server's
own default of 40 had a recall@10 of 0.96, 0.87 and 0.96 on 57,000 docstrings, 60,000 synthetic vectors and 60,000
paragraphs of manuals, 60 of 0.97, 0.93 and 0.98, 100 of 0.97, 0.98 and 0.99."""

MAXIMUM_EF_SEARCH: Final = 1_000
"""The largest hnsw.ef_search that pgvector accepts."""

# Setting -> (server parameter, least, most); the ranges are those of pgvector 0.8.
_RANGES: Final[dict[str, tuple[str, int, int]]] = {
    "ef_search": ("hnsw.ef_search", 1, MAXIMUM_EF_SEARCH),
    "max_scan_tuples": ("hnsw.max_scan_tuples", 1, 2_147_483_647),
    "scan_mem_multiplier": ("hnsw.scan_mem_multiplier", 1, 1_000),
    "probes": ("ivfflat.probes", 1, 32_768),
    "max_probes": ("ivfflat.max_probes", 1, 32_768),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchSettings:
    """How thoroughly an approximate index is searched; None leaves a setting as the server has it.

    Args:
        ef_search: candidates that an HNSW scan keeps, 1 to 1000.
        probes: lists that an IVFFlat scan visits, 1 to 32768.
        max_scan_tuples: rows that an iterative HNSW scan visits at the most, 1 to 2147483647 (pgvector 0.8).
        scan_mem_multiplier: memory of an iterative HNSW scan, in multiples of work_mem, 1 to 1000 (pgvector 0.8).
        max_probes: lists that an iterative IVFFlat scan visits at the most, 1 to 32768 (pgvector 0.8).

    Raises:
        SettingsError: a value is out of its range.
    """

    ef_search: int | None = None
    probes: int | None = None
    max_scan_tuples: int | None = None
    scan_mem_multiplier: int | None = None
    max_probes: int | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            require_setting(field.name, getattr(self, field.name))

    @property
    def parameters(self) -> dict[str, str]:
        """The settings that are given, by the name of the server's parameter, as text."""
        given = ((field.name, getattr(self, field.name)) for field in fields(self))
        return {_RANGES[name][0]: str(value) for name, value in given if value is not None}


def require_setting(name: str, value: Any) -> None:  # Any: whatever the caller passed
    """Check one setting against its range; None passes.

    The server would take a value that is out of range without a word before pgvector is loaded, and then forget it.

    Raises:
        SettingsError: the value is no whole number, or out of range.
    """
    parameter, low, high = _RANGES[name]
    if value is None or (isinstance(value, Integral) and value is not True and low <= int(value) <= high):
        return
    raise SettingsError(
        f"{name}={short_repr(value)} is out of range. "
        f"pgvector accepts {parameter} from {low} to {high:,}. "
        "Choose a whole number in that range, or leave it out."
    )


Amount: TypeAlias = "int | str | ColumnElement[int]"
"""The value of a setting: a number, a number as text for one that is always the same, or an expression for one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CarriedSettings:
    """The settings that one statement states for itself.

    Args:
        at_least: parameters to raise to a value; a larger one that the role, the session or a block of
            ``search_settings`` has set stays.
        exactly: parameters to set outright.
        hnsw_bounds: parameters of an iterative HNSW scan to set beside its order.
        hnsw_order: the order of an iterative HNSW scan, "off" for a scan that is not, None to leave it as it is.
        hnsw_optional: True leaves the iterative scan out on a server whose pgvector has none (before 0.8); without it
            such a server raises an error, since rows could be missing.
        ivfflat_order: the same for IVFFlat, and always optional.
    """

    at_least: tuple[tuple[str, Amount], ...] = ()
    exactly: tuple[tuple[str, Amount], ...] = ()
    hnsw_bounds: tuple[tuple[str, Amount], ...] = ()
    hnsw_order: Literal["off", "strict_order", "relaxed_order"] | None = None
    hnsw_optional: bool = True
    ivfflat_order: Literal["off", "relaxed_order"] | None = None

    def clause(self) -> ColumnElement[bool]:
        """Return a condition that is always true and puts the settings in force before the scan starts.

        ``(SELECT concat(set_config(...), ...) FROM (VALUES (1)) AS given(one)) IS NOT NULL`` is an uncorrelated
        sub-select: PostgreSQL runs it once, as the one-time filter above the scan, and opens an index scan after it.
        It has a FROM because Citus runs a sub-select without one on its coordinator alone, so that the shards that scan
        never see the settings. The third argument of ``set_config`` is true, so the settings end with the transaction,
        which in autocommit is the statement: inside a transaction, statements after this one still have them. Measured
        on PostgreSQL 18 and 16: recall and rows are those of the setting. A bare call in WHERE, or one in a CTE that is
        not referenced, comes too late.
        """
        return _calls(self).scalar_subquery().is_not(None)

    def clause_if(self, condition: ColumnElement[bool]) -> ColumnElement[bool]:
        """Return :meth:`clause` for a scan that is to run only if a condition, evaluated once, is true."""
        return _calls(self).where(condition).scalar_subquery().is_not(None)

    def clause_for_each(self, outer: FromClause, column: ColumnElement[Any]) -> ColumnElement[bool]:
        """Return :meth:`clause` for a LATERAL sub-select: in force again for each row of ``outer``, which it names.

        A sub-select that names nothing outside would run for the first row alone.
        """
        return _calls(self).where(column.is_not(None)).correlate(outer).scalar_subquery().is_not(None)

    def clause_after(
        self,
        source: FromClause,
        column: ColumnElement[Any],
        *conditions: ColumnElement[bool],
        outer: FromClause | None = None,
    ) -> ColumnElement[bool]:
        """Return :meth:`clause` for a scan that starts when ``source``, which has at most one row, has been read.

        It runs only if all conditions, which may name columns of ``source``, are true. Where ``source`` has no row,
        these are NULL. In a LATERAL sub-select it is in force again for each row of ``outer``.
        """
        after = select(_concatenated(self, column)).select_from(_GIVEN).outerjoin(source, _TRUE).where(*conditions)
        if outer is not None:
            after = after.where(outer.c.vector.is_not(None)).correlate(outer)
        return after.scalar_subquery().is_not(None)


def _calls(settings: CarriedSettings) -> Select[str]:
    return select(_concatenated(settings)).select_from(_GIVEN)


def _concatenated(settings: CarriedSettings, *after: ColumnElement[Any]) -> ColumnElement[str]:
    calls = [_raise_to(parameter, _number(value)) for parameter, value in settings.at_least]
    calls += [_set(parameter, _text(value)) for parameter, value in settings.exactly]
    if settings.hnsw_order == "off":
        calls.append(_unset("hnsw.iterative_scan"))
    elif settings.hnsw_order is not None:
        iterative = [_set("hnsw.iterative_scan", constant(settings.hnsw_order))]
        iterative += [_set(parameter, _text(value)) for parameter, value in settings.hnsw_bounds]
        if settings.hnsw_optional:
            known = current_setting("hnsw.iterative_scan").is_not(None)
            together = iterative[0] if len(iterative) == 1 else func.pg_catalog.concat(*iterative, type_=Text)
            iterative = [case((known, together))]
        calls += iterative
    if settings.ivfflat_order == "off":
        calls.append(_unset("ivfflat.iterative_scan"))
    elif settings.ivfflat_order is not None:
        known = current_setting("ivfflat.iterative_scan").is_not(None)
        calls.append(case((known, _set("ivfflat.iterative_scan", constant(settings.ivfflat_order)))))
    return func.pg_catalog.concat(*calls, *after, type_=Text)


def _text(value: Amount) -> ColumnElement[str]:
    return constant(value) if isinstance(value, str) else cast(_number(value), Text)


def _number(value: Amount) -> ColumnElement[int]:
    return literal(int(value), Integer) if isinstance(value, int | str) else value


_TRUE: Final[ColumnElement[bool]] = literal_column("true")

_GIVEN: Final = table(quoted_name("(VALUES (1)) AS given(one)", quote=False))
"""SQLAlchemy's own ``values()`` takes a statement out of its cache of compiled statements."""


def _raise_to(parameter: str, value: ColumnElement[int]) -> ColumnElement[Any]:
    current = cast(func.nullif(current_setting(parameter), constant("")), Integer)
    return _set(parameter, cast(func.greatest(current, value), Text))


def _set(parameter: str, value: ColumnElement[Any]) -> ColumnElement[Any]:
    return func.pg_catalog.set_config(constant(parameter), value, _TRUE, type_=Text)


@cache
def _unset(parameter: str) -> ColumnElement[Any]:
    """Return the call that turns iterative scans off, made only where they are on: to look is cheaper than to set."""
    return case((current_setting(parameter) != constant("off"), _set(parameter, constant("off"))))


@lru_cache(maxsize=64)  # of our own words; without values, so that statements can share it
def current_setting(parameter: str) -> ColumnElement[Any]:
    """Return the value of one of the server's settings, NULL where it does not know it."""
    return func.pg_catalog.current_setting(constant(parameter), _TRUE, type_=Text)


@lru_cache(maxsize=64)
def constant(word: str) -> ColumnElement[Any]:
    """Return one of our own words as a literal, which makes it part of the compiled statement's cache key."""
    return literal_column(f"'{word}'", Text)


@event.listens_for(Engine, "handle_error")
def _explain_old_server(context: ExceptionContext) -> None:
    """Replace the error of a server without iterative scans by one that says what to do."""
    found = _MISSING_PARAMETER.search(str(context.original_exception))
    if found is None:
        return
    raise UnsupportedServerError(
        f"The server does not know the setting {found[1]!r}, which this search needs. "
        "Its pgvector is older than 0.8 and has no iterative index scans, without which a filtered search returns "
        "fewer rows than it should. "
        "Run ALTER EXTENSION vector UPDATE after upgrading pgvector, or pass exact=True."
    ) from context.original_exception


_MISSING_PARAMETER: Final = re.compile(
    r'(?:invalid|unrecognized) configuration parameter(?: name)? "((?:hnsw|ivfflat)\.\w+)"'
)
