"""The input of a load as batches of rows, with the defaults that an INSERT would give them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice, zip_longest
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from sqlalchemy import inspect
from sqlalchemy.orm import Mapper

from sqlalchemy_vecsearch.errors import LoadingValueError
from sqlalchemy_vecsearch.loading.encoding import plain_values
from sqlalchemy_vecsearch.loading.frames import columns_of_frame, part_of, sliceable
from sqlalchemy_vecsearch.loading.target import columns_by_key
from sqlalchemy_vecsearch.quoting import DIALECT

if TYPE_CHECKING:
    from sqlalchemy import Column, Table

__all__ = ["Batch", "Defaults", "Schemas", "Source", "defaults_of", "open_source"]

Batch: TypeAlias = Sequence[Any]  # for each column its values: a sequence, or an array with a row for each

_ROWS: Final = 1_000  # 1.5 MB of 384 dimensions: large enough for numpy and for a COPY, small enough for the memory


@dataclass(frozen=True, slots=True)
class Source:
    """What is loaded.

    Attributes:
        columns: the columns that a row holds, in order.
        batches: the values; they can be read once.
        total: how many rows there are, None when only the end will tell.
        defaults: what goes into the columns that the rows leave out.
    """

    columns: Sequence[Column[Any]]
    batches: Iterator[Batch]
    total: int | None
    defaults: Defaults


def open_source(entity: Any, table: Table, given: Any, names: Sequence[str] | None, schemas: Schemas) -> Source | None:
    """Return the source for what the caller passed, or None when there is no row.

    Args:
        entity: the table or mapped class.
        table: its table.
        given: a mapping of columns or a data frame, or an iterable of dictionaries or of tuples.
        names: the columns of a tuple, None for all columns of the table.
        schemas: the ``schema_translate_map`` of the connection.

    Raises:
        LoadingValueError: a name is no column, or the columns have different lengths.
    """
    known = columns_by_key(entity, table)
    by_name = given if isinstance(given, Mapping) else columns_of_frame(given)
    if by_name is not None:
        columns = [_column(key, known, table) for key in by_name]
        values = [_whole_column(key, by_name[key], table) for key in by_name]
        total: int | None = _common_length(list(by_name), values, table)
        batches = _of_columns(values, columns, total or 0)
    else:
        rows = iter(given)
        first = next(rows, None)
        if first is None:
            return None
        total = len(given) if isinstance(given, (list, tuple)) else None
        rows = chain([first], rows)
        if isinstance(first, Mapping):
            keys = list(first)
            columns = [_column(key, known, table) for key in keys]
            batches = _of_mappings(rows, keys, table)
        else:
            columns = list(table.columns) if names is None else [_column(name, known, table) for name in names]
            batches = _of_tuples(rows, len(columns), table)
    if not columns:
        raise LoadingValueError(
            f"The rows for {table.name!r} have no columns. "
            "A COPY writes the values of some columns, and these rows have none. "
            "Name at least one column, with None for NULL."
        )
    return None if total == 0 else _with_defaults(entity, table, columns, batches, total, schemas)


def _with_defaults(
    entity: Any,
    table: Table,
    columns: Sequence[Column[Any]],
    batches: Iterator[Batch],
    total: int | None,
    schemas: Schemas,
) -> Source:
    """Return the source with the values that Python makes for the columns that are left out, as an INSERT would."""
    defaults = defaults_of(entity, table, columns, schemas)
    if defaults.filled:
        batches = defaults.append(columns, batches)
    return Source([*columns, *defaults.filled], batches, total, defaults)


def _of_columns(values: Sequence[Any], columns: Sequence[Column[Any]], total: int) -> Iterator[Batch]:
    for start in range(0, total, _ROWS):
        end = min(start + _ROWS, total)
        yield [part_of(given, start, end, column) for given, column in zip(values, columns, strict=True)]


def _of_mappings(rows: Iterator[Any], keys: list[str], table: Table) -> Iterator[Batch]:
    position = 0
    while batch := list(islice(rows, _ROWS)):
        try:
            fits = all(issubclass(class_, Mapping) for class_ in set(map(type, batch)))
            values = [list(map(itemgetter(key), batch)) for key in keys] if fits else []
            fits = fits and set(map(len, batch)) == {len(keys)}
        except KeyError:
            fits = False
        if not fits:
            raise _key_error(position, batch, set(keys), table)
        yield values
        position += len(batch)


def _of_tuples(rows: Iterator[Any], width: int, table: Table) -> Iterator[Batch]:
    position = 0
    while batch := list(islice(rows, _ROWS)):
        for number, row in enumerate(batch, position):
            if isinstance(row, (str, Mapping)) or not isinstance(row, Sequence) or len(row) != width:
                raise LoadingValueError(
                    f"Row {number} of the load into {table.name!r} is no tuple of {width} values. "
                    "Every row holds a value for each column, in one order, and the first row was such a tuple. "
                    "Pass tuples of the same length, or name the columns with columns=[...].",
                    row=number,
                )
        yield list(zip(*batch, strict=True))
        position += len(batch)


def _whole_column(key: str, given: Any, table: Table) -> Any:
    """Return the values of a column of a mapping as something that has a length and parts."""
    if (hasattr(given, "shape") and len(given.shape)) or (
        hasattr(given, "__len__") and not isinstance(given, (str, bytes))
    ):
        return sliceable(given)
    raise LoadingValueError(
        f"The column {key!r} of the load into {table.name!r} is a {type(given).__name__}, which has no length. "
        "A mapping holds a whole column under each name, and all columns have one length. "
        "Pass a list or an array for it; one row is loaded as [{...}], and a stream as dictionaries.",
        column=key,
    )


def _common_length(keys: Sequence[str], values: Sequence[Any], table: Table) -> int:
    lengths = [int(of_column.shape[0]) if hasattr(of_column, "shape") else len(of_column) for of_column in values]
    if len(set(lengths)) > 1:
        each = ", ".join(f"{key!r} has {length}" for key, length in zip(keys, lengths, strict=True))
        raise LoadingValueError(
            f"The columns for {table.name!r} have different lengths: {each}. "
            "The values of a row stand at the same position of each column. "
            "Pass columns of one length."
        )
    return lengths[0] if lengths else 0


def _key_error(position: int, batch: Sequence[Any], expected: set[str], table: Table) -> LoadingValueError:
    """Return the error for the first row of a batch that is no dictionary with these keys."""
    number, row = next(
        (number, row)
        for number, row in enumerate(batch, position)
        if not isinstance(row, Mapping) or row.keys() != expected
    )
    if not isinstance(row, Mapping):
        problem, column = f"is a {type(row).__name__} and no dictionary", None
    else:
        missing, extra = sorted(expected - row.keys()), sorted(row.keys() - expected)
        column = (missing or extra)[0]
        parts = [f"lacks {', '.join(map(repr, missing))}"] if missing else []
        parts += [f"has {', '.join(map(repr, extra))} beside the others"] if extra else []
        problem = " and ".join(parts)
    return LoadingValueError(
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
        raise LoadingValueError(
            f"The table {table.name!r} has no column {key!r}. "
            f"Its columns are {names}, and nothing else can be loaded into it. "
            "Correct the name, or leave the key out.",
            column=key,
        ) from None


_Row: TypeAlias = Sequence[Any]  # values of any type that the column takes
Schemas: TypeAlias = Mapping[str | None, str | None]  # what stands in the place of a schema


@dataclass(frozen=True, slots=True)
class _RowContext:
    """What a default of SQLAlchemy may ask for the other values of its row; the row grows by one default at a time."""

    columns: Sequence[Column[Any]]
    row: _Row

    @property
    def current_parameters(self) -> dict[str, Any]:
        """The values of the row by the keys of their columns, None for defaults that come later, as in an INSERT."""
        return {column.key: value for column, value in zip_longest(self.columns, self.row)}

    def get_current_parameters(self, isolate_multiinsert_groups: bool = True) -> dict[str, Any]:  # noqa: ARG002  # SQLAlchemy's signature
        """Return `current_parameters`."""
        return self.current_parameters


_Maker: TypeAlias = Callable[[_RowContext], Any]


@dataclass(frozen=True, slots=True)
class Defaults:
    """The defaults of the columns that the rows of one load leave out.

    Attributes:
        filled: the columns that get a value from Python for each row.
        makers: what makes the values of these.
        made: the names of the columns whose default is SQL, and that SQL.
    """

    filled: tuple[Column[Any], ...]
    makers: tuple[_Maker, ...]
    made: tuple[tuple[str, str], ...]

    def append(self, columns: Sequence[Column[Any]], batches: Iterator[Sequence[Any]]) -> Iterator[Sequence[Any]]:
        """Give each batch with the values of the filled columns behind it.

        Args:
            columns: those that a batch has values for.
            batches: for each column a sequence, or an array with a row for each value.
        """
        all_columns = [*columns, *self.filled]
        for batch in batches:
            rows = zip(*map(plain_values, batch), strict=True)
            filled = [self._of_row(all_columns, row) for row in rows]
            yield [*batch, *zip(*filled, strict=True)]

    def _of_row(self, columns: Sequence[Column[Any]], given: Sequence[Any]) -> Sequence[Any]:
        row = list(given)
        context = _RowContext(columns, row)
        for make in self.makers:
            row.append(make(context))  # noqa: PERF401  # each sees what those before it have made
        return row[len(given) :]


def defaults_of(entity: Any, table: Table, columns: Sequence[Column[Any]], schemas: Schemas) -> Defaults:
    """Return what the rows leave out, and an INSERT of the entity would not.

    Args:
        entity: the table or mapped class.
        table: its table.
        columns: those that the rows have.
        schemas: the ``schema_translate_map`` of the connection.
    """
    mapper = inspect(entity, raiseerr=False)
    of_mapper = _made_by_mapper(mapper) if isinstance(mapper, Mapper) else {}
    filled: list[Column[Any]] = []
    makers: list[_Maker] = []
    made: list[tuple[str, str]] = []
    for column in table.columns:
        if column in columns:
            continue
        make = of_mapper.get(column) or _maker_of(column)
        if make is not None:
            filled.append(column)
            makers.append(make)
        elif (sql := _sql_of(column, schemas)) is not None:
            made.append((column.name, sql))
    return Defaults(tuple(filled), tuple(makers), tuple(made))


def _made_by_mapper(mapper: Mapper[Any]) -> dict[Any, _Maker]:
    """Return what makes the columns that a mapper fills by itself: the kind of the entity, and its version."""
    makers: dict[Any, _Maker] = {}
    if mapper.polymorphic_on is not None and mapper.polymorphic_identity is not None:
        identity = mapper.polymorphic_identity
        makers[mapper.polymorphic_on] = lambda _: identity
    if mapper.version_id_col is not None and callable(mapper.version_id_generator):
        next_version = mapper.version_id_generator
        makers[mapper.version_id_col] = lambda _: next_version(None)
    return makers


def _maker_of(column: Column[Any]) -> _Maker | None:
    default: Any = column.default  # ScalarElementColumnDefault or CallableColumnDefault, which are not public
    if default is None or not (default.is_scalar or default.is_callable):
        return None
    return (lambda _: default.arg) if default.is_scalar else default.arg


def _sql_of(column: Column[Any], schemas: Schemas) -> str | None:
    """Return the SQL of a default that the server works out, None when there is none."""
    default: Any = column.default  # as above
    if default is None or default.is_sentinel:  # insert_sentinel() is NULL wherever nothing is returned in order
        return None
    if default.is_sequence and default.optional:  # then the column is a SERIAL
        return None
    expression = default.next_value() if default.is_sequence else default.arg.self_group()
    translated = {"schema_translate_map": schemas, "render_schema_translate": True} if schemas else {}
    return str(expression.compile(dialect=DIALECT, compile_kwargs={"literal_binds": True}, **translated))
