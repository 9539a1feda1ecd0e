"""What an INSERT would put into the columns that the rows leave out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, TypeAlias

from sqlalchemy import inspect
from sqlalchemy.orm import Mapper

from sqlalchemy_vecsearch.loading.target import QUOTING

if TYPE_CHECKING:
    from sqlalchemy import Column, Table

__all__ = ["Defaults", "Row", "Schemas", "defaults_of"]

Row: TypeAlias = Sequence[Any]  # values of any type that the column takes
Schemas: TypeAlias = Mapping[str | None, str | None]  # what stands in the place of a schema


@dataclass(frozen=True, slots=True)
class _RowContext:
    """What a default of SQLAlchemy may ask for the other values of its row; the row grows by one default at a time."""

    columns: Sequence[Column[Any]]
    row: Row

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

    def append(self, columns: Sequence[Column[Any]], rows: Iterator[Row]) -> Iterator[Row]:
        """Give each row with the values of the filled columns behind it."""
        all_columns = [*columns, *self.filled]
        for given in rows:
            row = list(given)
            context = _RowContext(all_columns, row)
            for make in self.makers:
                row.append(make(context))  # noqa: PERF401  # each sees what those before it have made
            yield row


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
    return str(expression.compile(dialect=QUOTING.dialect, compile_kwargs={"literal_binds": True}, **translated))
