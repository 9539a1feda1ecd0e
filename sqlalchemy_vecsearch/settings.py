"""Search settings, and how a statement carries them for itself alone."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Literal

from sqlalchemy import Engine, Integer, String, Text, case, cast, event, func, literal, literal_column, select

from sqlalchemy_vecsearch.errors import SettingsError, UnsupportedServerError

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement
    from sqlalchemy.engine import ExceptionContext

__all__ = ["SearchSettings"]

SERVER_EF_SEARCH: Final = 40
"""The server's default of hnsw.ef_search, which a hand-written statement runs with."""

DEFAULT_EF_SEARCH: Final = 100
"""The least hnsw.ef_search that a statement of ours asks for by itself. The server's own default of 40 had a recall@10
of 0.88 on 29,700 docstrings embedded in 256 dimensions; 100 had 0.97."""

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


def require_setting(name: str, value: object) -> None:
    """Check one setting against its range; None passes.

    The server would take a value that is out of range without a word before pgvector is loaded, and then forget it.

    Raises:
        SettingsError: the value is no whole number, or out of range.
    """
    parameter, low, high = _RANGES[name]
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and low <= value <= high):
        return
    raise SettingsError(
        f"{name}={value!r} is out of range. "
        f"pgvector accepts {parameter} from {low} to {high:,}. "
        "Choose a whole number in that range, or leave it out."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CarriedSettings:
    """The settings that one statement states for itself.

    Args:
        at_least: parameters to raise to a value; a larger one that the role, the session or a block of
            ``search_settings`` has set stays.
        exactly: parameters to set outright.
        hnsw_order: the order of an iterative HNSW scan, None to leave it as it is.
        hnsw_optional: True leaves the iterative scan out on a server whose pgvector has none (before 0.8); without it
            such a server raises an error, since rows could be missing.
        ivfflat_iterative: True scans IVFFlat iteratively; a server that can not do so visits every list instead.
    """

    at_least: tuple[tuple[str, int], ...] = ()
    exactly: tuple[tuple[str, str], ...] = ()
    hnsw_order: Literal["strict_order", "relaxed_order"] | None = None
    hnsw_optional: bool = False
    ivfflat_iterative: bool = False

    def clause(self) -> ColumnElement[bool]:
        """Return a condition that is always true and puts the settings in force before the scan starts.

        ``(SELECT concat(set_config(...), ...)) IS NOT NULL`` is an uncorrelated sub-select: PostgreSQL runs it once,
        as the one-time filter above the scan, and opens an index scan after it. The third argument of ``set_config``
        is true, so the settings end with the transaction, which in autocommit is the statement. Measured on
        PostgreSQL 18 and 16: recall and rows are those of the setting, and the one before it is in force again
        afterwards. A bare call in WHERE, or one in a CTE that is not referenced, comes too late.
        """
        return _clause(self)


@lru_cache(maxsize=512)
def _clause(settings: CarriedSettings) -> ColumnElement[bool]:
    calls = [_raise_to(parameter, value) for parameter, value in settings.at_least]
    calls += [_set(parameter, literal(value, String)) for parameter, value in settings.exactly]
    if settings.hnsw_order is not None:
        order = _set("hnsw.iterative_scan", _constant(settings.hnsw_order))
        known = _current("hnsw.iterative_scan").is_not(None)
        calls.append(case((known, order)) if settings.hnsw_optional else order)
    if settings.ivfflat_iterative:
        known = _current("ivfflat.iterative_scan").is_not(None)
        every_list = _set("ivfflat.probes", _constant(str(_RANGES["probes"][2])))
        calls.append(case((known, _set("ivfflat.iterative_scan", _constant("relaxed_order"))), else_=every_list))
    return select(func.concat(*calls)).scalar_subquery().is_not(None)


def _raise_to(parameter: str, value: int) -> ColumnElement[Any]:
    current = cast(func.nullif(_current(parameter), _constant("")), Integer)
    return _set(parameter, cast(func.greatest(current, literal(value, Integer)), Text))


def _set(parameter: str, value: ColumnElement[Any]) -> ColumnElement[Any]:
    return func.set_config(_constant(parameter), value, literal_column("true"))


def _current(parameter: str) -> ColumnElement[Any]:
    return func.current_setting(_constant(parameter), literal_column("true"), type_=String)


def _constant(word: str) -> ColumnElement[Any]:
    """Return one of our own words as a literal, which makes it part of the compiled statement's cache key."""
    return literal_column(f"'{word}'", String)


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
