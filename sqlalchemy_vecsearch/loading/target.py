"""What the database says about the columns that rows are loaded into."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Column, Connection, Table, inspect, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Mapper

from sqlalchemy_vecsearch.errors import LoadingError, LoadingValueError
from sqlalchemy_vecsearch.loading.errors import refusal_of, refused_load
from sqlalchemy_vecsearch.quoting import PREPARER, qualified_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import Row

__all__ = ["CopyTarget", "ElementType", "ServerColumn", "columns_by_key", "find_target", "table_of"]

_DENSE: Final = frozenset({"vector", "halfvec"})
_FAILED_BEFORE: Final = "25P02"
"""Of a transaction in which something else has failed, which is no refusal of the load."""

# A domain is sent as its base type; the base of a domain may be a domain.
_COLUMNS: Final = text(
    """
WITH RECURSIVE based AS (
    SELECT a.attrelid, a.attnum, a.attname, a.attgenerated, a.attidentity, a.atttypid AS type, a.atttypmod AS modifier
    FROM pg_catalog.pg_attribute a
    WHERE a.attrelid OPERATOR(pg_catalog.=)
          CAST(pg_catalog.to_regclass(CAST(:name AS pg_catalog.text)) AS pg_catalog.oid)
    AND a.attnum OPERATOR(pg_catalog.>) CAST(0 AS pg_catalog.int2) AND NOT a.attisdropped
    UNION ALL
    SELECT b.attrelid, b.attnum, b.attname, b.attgenerated, b.attidentity, d.typbasetype, d.typtypmod
    FROM based b
    JOIN pg_catalog.pg_type d ON d.oid OPERATOR(pg_catalog.=) b.type
    WHERE d.typtype OPERATOR(pg_catalog.=) CAST('d' AS pg_catalog."char")
)
SELECT a.attname, CAST(t.oid AS pg_catalog.int8) AS oid, t.typname, n.nspname,
       CAST(t.typtype AS pg_catalog.text) AS kind, a.modifier,
       a.attgenerated OPERATOR(pg_catalog.<>) CAST('' AS pg_catalog."char") AS generated,
       a.attidentity OPERATOR(pg_catalog.=) CAST('a' AS pg_catalog."char") AS always_identity,
       t.oid OPERATOR(pg_catalog.>=) CAST(16384 AS pg_catalog.oid)
       AND coalesce(element.typtype, t.typtype) OPERATOR(pg_catalog.=) CAST('b' AS pg_catalog."char") AS is_extension,
       CAST(element.oid AS pg_catalog.int8) AS element_oid, element.typname AS element_name,
       CAST(element.typtype AS pg_catalog.text) AS element_kind,
       pg_catalog.row_security_active(a.attrelid) AS has_row_security,
       EXISTS (
           SELECT FROM pg_catalog.pg_trigger g
           WHERE g.tgrelid OPERATOR(pg_catalog.=) a.attrelid
           AND g.tgenabled OPERATOR(pg_catalog.<>) CAST('D' AS pg_catalog."char")
           AND (g.tgtype OPERATOR(pg_catalog.&) CAST(6 AS pg_catalog.int2))
               OPERATOR(pg_catalog.=) CAST(4 AS pg_catalog.int2)
       ) AS checks_later
FROM based a
JOIN pg_catalog.pg_type t ON t.oid OPERATOR(pg_catalog.=) a.type
AND t.typtype OPERATOR(pg_catalog.<>) CAST('d' AS pg_catalog."char")
LEFT JOIN pg_catalog.pg_type element ON element.oid OPERATOR(pg_catalog.=) t.typelem
AND t.typlen OPERATOR(pg_catalog.=) CAST(-1 AS pg_catalog.int2)
JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) t.typnamespace
"""
)


@dataclass(frozen=True, slots=True)
class ElementType:
    """The type of the elements of an array.

    Attributes:
        oid: its oid.
        name: its name.
        is_enum: whether it is an enumeration.
        is_domain: whether it is a domain.
    """

    oid: int
    name: str
    is_enum: bool
    is_domain: bool


@dataclass(frozen=True, slots=True)
class ServerColumn:
    """One column as it is in the database.

    Attributes:
        name: its name in the database.
        oid: the oid of its type, or of the base type of its domain.
        type_name: the name of that type, such as ``int4`` or ``vector``.
        type_schema: the schema of that type.
        is_enum: whether it is an enumeration.
        element: that of an array, None for any other type.
        is_extension: whether it is a type that an extension brings, or an array of one.
        dimensions: the declared dimensions of a vector or length of a bit string, None when it has none.
        always_identity: whether it is ``GENERATED ALWAYS AS IDENTITY``.
    """

    name: str
    oid: int
    type_name: str
    type_schema: str
    is_enum: bool
    element: ElementType | None
    is_extension: bool
    dimensions: int | None
    always_identity: bool

    @property
    def is_dense(self) -> bool:
        """Whether it holds vectors with an element for each dimension."""
        return self.type_name in _DENSE

    @property
    def is_sparse(self) -> bool:
        """Whether it holds sparse vectors."""
        return self.type_name == "sparsevec"

    @property
    def is_bits(self) -> bool:
        """Whether it holds bit strings of a fixed length."""
        return self.type_name == "bit" and self.type_schema == "pg_catalog"

    @property
    def is_vector(self) -> bool:
        """Whether its values are checked as vectors are, each with the sentence that fits."""
        return self.is_dense or self.is_sparse or self.is_bits


@dataclass(frozen=True, slots=True)
class CopyTarget:
    """The table and the columns that one load writes, in order.

    Attributes:
        table: the table as it is declared.
        schema: the schema that the rows go to, None for the search path.
        relation: the name of the relation that the rows go to.
        declared: the columns as they are declared.
        server: the same columns as they are in the database.
        has_row_security: whether policies choose the rows that this user may write; COPY is not allowed then.
        checks_later: whether foreign keys, deferrable constraints or triggers look at the rows when a statement ends.
        filled: those of the columns that the rows leave out, and that have a default for each row.
        made: the names and the SQL of further columns, whose default the server works out.
    """

    table: Table
    schema: str | None
    relation: str
    declared: tuple[Column[Any], ...]
    server: tuple[ServerColumn, ...]
    has_row_security: bool = False
    checks_later: bool = False
    filled: tuple[Column[Any], ...] = ()
    made: tuple[tuple[str, str], ...] = ()

    @property
    def name(self) -> str:
        """The quoted name with the schema."""
        return qualified_name(self.schema, self.relation)

    @property
    def column_list(self) -> str:
        """The quoted names, separated by commas."""
        return ", ".join(PREPARER.quote(column.name) for column in self.server)


def table_of(entity: Any) -> Table:  # a Table, or whatever SQLAlchemy can inspect as a mapped class
    """Return the table of an entity.

    Raises:
        LoadingValueError: it is no table and no mapped class, or its rows are spread over several tables.
    """
    if isinstance(entity, Table):
        return entity
    mapper = inspect(entity, raiseerr=False)
    if isinstance(mapper, Mapper) and isinstance(mapper.local_table, Table) and len(mapper.tables) == 1:
        return mapper.local_table
    raise LoadingValueError(
        f"Rows cannot be loaded into {entity!r}. "
        "COPY writes into one table, and this is neither a Table nor a class mapped to exactly one. "
        "Pass the table, or load each table of a joined inheritance in turn."
    )


def columns_by_key(entity: Any, table: Table) -> Mapping[str, Column[Any]]:
    """Return each column under every name a row may use for it: the attribute, the key, the name."""
    found: dict[str, Column[Any]] = {}
    if entity is not table:
        for attribute in inspect(entity).column_attrs:
            if len(attribute.columns) == 1 and attribute.columns[0].table is table:
                found[attribute.key] = attribute.columns[0]
    for column in table.columns:
        found.setdefault(column.key, column)
        found.setdefault(column.name, column)
    return found


def find_target(connection: Connection, table: Table, columns: Iterable[Column[Any]]) -> CopyTarget:
    """Return the target with what the catalog says; one statement runs.

    Raises:
        LoadingValueError: the table, or one of the columns, does not exist or cannot be written.
        LoadingError: the server does not let this user look, as without USAGE on the schema.
    """
    translation = connection.get_execution_options().get("schema_translate_map") or {}
    schema = translation.get(table.schema, table.schema)
    name = qualified_name(schema, table.name)
    known = {row.attname: row for row in _rows_of(connection, table, name)}
    if not known:
        raise LoadingValueError(
            f"There is no table {name} in the database. "
            "Rows are loaded into a table that exists, and the types of its columns decide what is sent. "
            "Run the migration that creates it, or check the search path of the connection."
        )
    declared = tuple(columns)
    some = next(iter(known.values()))
    return CopyTarget(
        table,
        schema,
        table.name,
        declared,
        tuple(_server_column(column, known, name) for column in declared),
        some.has_row_security,
        some.checks_later,
    )


def _rows_of(connection: Connection, table: Table, name: str) -> Sequence[Row[Any]]:
    try:
        rows = connection.execute(_COLUMNS, {"name": name}).all()
    except DBAPIError as error:
        refusal = refusal_of(error)
        if refusal is None or refusal.sqlstate == _FAILED_BEFORE:
            raise
        raise refused_load(table.name, refusal) from refusal.orig
    except UnicodeError as error:
        raise _wrong_encoding(name) from error
    if rows and isinstance(rows[0].attname, bytes):  # psycopg's text in SQL_ASCII
        raise _wrong_encoding(name)
    return rows


def _wrong_encoding(name: str) -> LoadingError:
    return LoadingError(
        f"The names of the table {name} and of its columns cannot be read and written on this connection. "
        "Its client_encoding has no form for one of their characters, or is SQL_ASCII, in which bytes are no text. "
        "Load on a connection of the encoding UTF8, such as after: SET client_encoding = 'UTF8'"
    )


def _server_column(column: Column[Any], known: Mapping[str, Any], table_name: str) -> ServerColumn:
    row = known.get(column.name)
    if row is None:
        raise LoadingValueError(
            f"The table {table_name} has no column {column.name!r}. "
            f"It is declared in the model, and the database has {', '.join(map(repr, known))}. "
            "Run the migration that adds the column, or leave it out of the rows."
        )
    if row.generated:
        raise LoadingValueError(
            f"The column {column.name!r} of {table_name} is generated. "
            "The server computes its value from the other columns. "
            "Leave it out of the rows."
        )
    counted = row.typname in {*_DENSE, "sparsevec", "bit"} and row.modifier > 0
    return ServerColumn(
        name=column.name,
        oid=row.oid,
        type_name=row.typname,
        type_schema=row.nspname,
        is_enum=row.kind == "e",
        element=None
        if row.element_oid is None
        else ElementType(row.element_oid, row.element_name, row.element_kind == "e", row.element_kind == "d"),
        is_extension=row.is_extension,
        dimensions=row.modifier if counted else None,
        always_identity=row.always_identity,
    )
