"""What the database says about the columns that rows are loaded into."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Column, Connection, Table, inspect, text
from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.orm import Mapper

from sqlalchemy_vecsearch.errors import LoadingError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlalchemy.sql.compiler import IdentifierPreparer

__all__ = ["CopyTarget", "ServerColumn", "columns_by_key", "find_target", "quoted", "table_of"]

# A dialect of its own, because those of the drivers double the percent signs of names.
QUOTING: Final[IdentifierPreparer] = PGDialect(paramstyle="named").identifier_preparer  # type: ignore[no-untyped-call]  # SQLAlchemy has no annotations there

_DENSE: Final = frozenset({"vector", "halfvec"})

# A domain is sent as its base type.
_COLUMNS: Final = text(
    """
SELECT a.attname, t.oid::bigint, t.typname, n.nspname, t.typtype::text,
       CASE WHEN declared.typtype = 'd' THEN declared.typtypmod ELSE a.atttypmod END AS modifier,
       a.attgenerated <> '' AS generated, a.attidentity = 'a' AS always_identity,
       t.oid >= 16384 AND coalesce(element.typtype, t.typtype) = 'b' AS is_extension,
       row_security_active(a.attrelid) AS has_row_security,
       EXISTS (
           SELECT FROM pg_trigger g
           WHERE g.tgrelid = a.attrelid AND g.tgenabled <> 'D' AND g.tgtype & 4 <> 0 AND g.tgtype & 2 = 0
       ) AS checks_later
FROM pg_attribute a
JOIN pg_type declared ON declared.oid = a.atttypid
JOIN pg_type t ON t.oid = CASE WHEN declared.typtype = 'd' THEN declared.typbasetype ELSE declared.oid END
LEFT JOIN pg_type element ON element.oid = t.typelem AND t.typlen = -1
JOIN pg_namespace n ON n.oid = t.typnamespace
WHERE a.attrelid = to_regclass(:name) AND a.attnum > 0 AND NOT a.attisdropped
"""
)


@dataclass(frozen=True, slots=True)
class ServerColumn:
    """One column as it is in the database.

    Attributes:
        name: its name in the database.
        oid: the oid of its type, or of the base type of its domain.
        type_name: the name of that type, such as ``int4`` or ``vector``.
        type_schema: the schema of that type.
        is_enum: whether it is an enumeration.
        is_extension: whether it is a type that an extension brings, or an array of one.
        dimensions: the declared dimensions of a vector or length of a bit string, None when it has none.
        generated: whether the server computes it, so that nobody can write it.
        always_identity: whether it is ``GENERATED ALWAYS AS IDENTITY``.
    """

    name: str
    oid: int
    type_name: str
    type_schema: str
    is_enum: bool
    is_extension: bool
    dimensions: int | None
    generated: bool
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
    def is_encoded(self) -> bool:
        """Whether its values are sent as the bytes that the receive function of its type reads."""
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
        return quoted(self.schema, self.relation)

    @property
    def column_list(self) -> str:
        """The quoted names, separated by commas."""
        return ", ".join(QUOTING.quote(column.name) for column in self.server)


def table_of(entity: Any) -> Table:  # a Table, or whatever SQLAlchemy can inspect as a mapped class
    """Return the table of an entity.

    Raises:
        LoadingError: it is no table and no mapped class, or its rows are spread over several tables.
    """
    if isinstance(entity, Table):
        return entity
    mapper = inspect(entity, raiseerr=False)
    if isinstance(mapper, Mapper) and isinstance(mapper.local_table, Table) and len(mapper.tables) == 1:
        return mapper.local_table
    raise LoadingError(
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
        LoadingError: the table, or one of the columns, does not exist or cannot be written.
    """
    translation = connection.get_execution_options().get("schema_translate_map") or {}
    schema = translation.get(table.schema, table.schema)
    name = quoted(schema, table.name)
    known = {row.attname: row for row in connection.execute(_COLUMNS, {"name": name})}
    if not known:
        raise LoadingError(
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


def _server_column(column: Column[Any], known: Mapping[str, Any], table_name: str) -> ServerColumn:
    row = known.get(column.name)
    if row is None:
        raise LoadingError(
            f"The table {table_name} has no column {column.name!r}. "
            f"It is declared in the model, and the database has {', '.join(map(repr, known))}. "
            "Run the migration that adds the column, or leave it out of the rows."
        )
    if row.generated:
        raise LoadingError(
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
        is_enum=row.typtype == "e",
        is_extension=row.is_extension,
        dimensions=row.modifier if counted else None,
        generated=row.generated,
        always_identity=row.always_identity,
    )


def quoted(schema: str | None, name: str) -> str:
    """Return the quoted name of a relation, with the schema where one is given."""
    return QUOTING.quote(name) if schema is None else f"{QUOTING.quote_schema(schema)}.{QUOTING.quote(name)}"
