"""The input of a load as one stream of rows, each a list of values in the order of the columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from sqlalchemy_vecsearch.errors import LoadingError
from sqlalchemy_vecsearch.loading.defaults import Defaults, Row, Schemas, defaults_of
from sqlalchemy_vecsearch.loading.target import columns_by_key

if TYPE_CHECKING:
    from sqlalchemy import Column, Table

__all__ = ["Columns", "Row", "Source", "open_source"]

Columns: TypeAlias = Mapping[str, Any]  # a sequence or array for each column


@dataclass(slots=True)
class Source:
    """What is loaded.

    Attributes:
        columns: the columns that a row holds, in order.
        rows: the rows; it can be read once.
        total: how many there are, None when only the end will tell.
        arrays: the columns as they were passed, by position, when they were passed as columns.
        defaults: what goes into the columns that the rows leave out.
    """

    columns: list[Column[Any]]
    rows: Iterator[Row]
    total: int | None
    arrays: list[Any] | None = None
    defaults: Defaults = field(default_factory=partial(Defaults, (), (), ()))


def open_source(entity: Any, table: Table, given: Any, names: Sequence[str] | None, schemas: Schemas) -> Source | None:
    """Return the source for what the caller passed, or None when there is no row.

    Args:
        entity: the table or mapped class.
        table: its table.
        given: an iterable of dictionaries or of tuples, or a mapping of columns.
        names: the columns of a tuple, None for all columns of the table.
        schemas: the ``schema_translate_map`` of the connection.

    Raises:
        LoadingError: a name is no column, or the columns have different lengths.
    """
    known = columns_by_key(entity, table)
    if isinstance(given, Mapping):
        source = _from_columns(given, known, table)
    else:
        iterator = iter(given)
        try:
            first = next(iterator)
        except StopIteration:
            return None
        rows = chain([first], iterator)
        if isinstance(first, Mapping):
            keys = list(first)
            source = Source([_column(key, known, table) for key in keys], _from_mappings(rows, keys, table), None)
        else:
            chosen = list(table.columns) if names is None else [_column(name, known, table) for name in names]
            source = Source(chosen, _from_tuples(rows, len(chosen), table), None)
        if isinstance(given, (list, tuple)):
            source.total = len(given)
    return None if source.total == 0 else _with_defaults(source, entity, table, schemas)


def _from_columns(given: Columns, known: Mapping[str, Column[Any]], table: Table) -> Source:
    given = {key: values.tocsr() if hasattr(values, "tocsr") else values for key, values in given.items()}
    lengths = {key: _length(key, values, table) for key, values in given.items()}
    if len(set(lengths.values())) > 1:
        raise LoadingError(
            f"The columns for {table.name!r} have different lengths: "
            f"{', '.join(f'{key!r} has {length}' for key, length in lengths.items())}. "
            "The values of a row stand at the same position of each column. "
            "Pass columns of one length."
        )
    arrays = list(given.values())
    columns = [_column(key, known, table) for key in given]
    plain = [_plain_values(values) for values in arrays]
    return Source(columns, zip(*plain, strict=True), next(iter(lengths.values()), 0), arrays)


def _length(key: str, values: Any, table: Table) -> int:
    """Return the number of rows; scipy's sparse arrays have a shape and no len()."""
    try:
        return int(values.shape[0]) if hasattr(values, "shape") else len(values)
    except (TypeError, IndexError):
        raise LoadingError(
            f"The column {key!r} of the load into {table.name!r} is a {type(values).__name__}, which has no length. "
            "A mapping holds a whole column under each name, and all columns have one length. "
            "Pass a list or an array for it; one row is loaded as [{...}], and a stream as dictionaries.",
            column=key,
        ) from None


def _plain_values(values: Any) -> Iterable[Any]:
    """Return the values for row-wise use: Python numbers for an array of one axis, rows for an array of two."""
    plain: Iterable[Any] = values.tolist() if isinstance(values, np.ndarray) and values.ndim == 1 else values
    return plain


def _from_mappings(rows: Iterable[Any], keys: list[str], table: Table) -> Iterator[Row]:
    expected = set(keys)
    for number, row in enumerate(rows):
        if not isinstance(row, Mapping) or row.keys() != expected:
            raise _key_error(number, row, expected, table)
        yield [row[key] for key in keys]


def _from_tuples(rows: Iterable[Any], width: int, table: Table) -> Iterator[Row]:
    for number, row in enumerate(rows):
        if isinstance(row, (str, Mapping)) or not isinstance(row, Sequence) or len(row) != width:
            raise LoadingError(
                f"Row {number} of the load into {table.name!r} is no tuple of {width} values. "
                "Every row holds a value for each column, in one order, and the first row was such a tuple. "
                "Pass tuples of the same length, or name the columns with columns=[...].",
                row=number,
            )
        yield row


def _key_error(number: int, row: Any, expected: set[str], table: Table) -> LoadingError:
    if not isinstance(row, Mapping):
        problem, column = f"is a {type(row).__name__} and no dictionary", None
    else:
        missing, extra = sorted(expected - row.keys()), sorted(row.keys() - expected)
        column = (missing or extra)[0]
        parts = [f"lacks {', '.join(map(repr, missing))}"] if missing else []
        parts += [f"has {', '.join(map(repr, extra))} beside the others"] if extra else []
        problem = " and ".join(parts)
    return LoadingError(
        f"Row {number} of the load into {table.name!r} {problem}. "
        f"All rows of one load have the keys of the first: {', '.join(map(repr, sorted(expected)))}. "
        "Give every row the same keys, with None for NULL.",
        row=number,
        column=column,
    )


def _column(key: str, known: Mapping[str, Column[Any]], table: Table) -> Column[Any]:
    try:
        return known[key]
    except KeyError:
        names = ", ".join(repr(column.key) for column in table.columns)
        raise LoadingError(
            f"The table {table.name!r} has no column {key!r}. "
            f"Its columns are {names}, and nothing else can be loaded into it. "
            "Correct the name, or leave the key out.",
            column=key,
        ) from None


def _with_defaults(source: Source, entity: Any, table: Table, schemas: Schemas) -> Source:
    """Add the values that Python makes for the columns that are left out, as an INSERT would."""
    source.defaults = defaults_of(entity, table, source.columns, schemas)
    if source.defaults.filled:
        source.rows = source.defaults.append(source.columns, source.rows)
        source.columns = [*source.columns, *source.defaults.filled]
        source.arrays = None
    return source
