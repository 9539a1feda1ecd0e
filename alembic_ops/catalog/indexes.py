"""What the database has: its vector indexes, its partitions, and the vector extension."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import ARRAY, Text, bindparam, text
from sqlalchemy.exc import DBAPIError

from alembic_ops.model.index_state import IndexDefinition, IndexState
from sqlalchemy_vecsearch.quoting import PREPARER

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from sqlalchemy import Connection, RowMapping

__all__ = [
    "DEFINITION_COLUMNS",
    "INDEX_TABLES",
    "InstalledExtension",
    "current_indexes",
    "definition_of_row",
    "extension_in_search_path",
    "installed_extension",
    "partitions",
    "search_path_with",
    "settings_that_find_vectors",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class InstalledExtension:
    """The vector extension of a database: ``version`` is None where it is not created, ``available`` where not offered.

    ``visible`` says whether its schema is on the search path of the connection.
    """

    version: str | None
    available: str | None
    schema: str | None
    visible: bool


_EXTENSION: Final = text("""
SELECT a.default_version AS available, e.extversion AS version, n.nspname AS schema,
       COALESCE(n.nspname OPERATOR(pg_catalog.=) ANY (pg_catalog.current_schemas(true)), false) AS visible
  FROM (SELECT CAST('vector' AS pg_catalog.name) AS name) w
  LEFT JOIN pg_catalog.pg_available_extensions a ON a.name OPERATOR(pg_catalog.=) w.name
  LEFT JOIN pg_catalog.pg_extension e ON e.extname OPERATOR(pg_catalog.=) w.name
  LEFT JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) e.extnamespace
""")

# pg_get_indexdef(oid, 1, true) is the element alone: in parentheses where the grammar wants them, without its class.
# What has one row for each index is looked up by a sub-select: nine tables in a join take four times as long to plan.
DEFINITION_COLUMNS: Final = """
       (SELECT m.amname FROM pg_catalog.pg_am m WHERE m.oid OPERATOR(pg_catalog.=) i.relam) AS method,
       (SELECT CASE WHEN pg_catalog.pg_opclass_is_visible(o.oid) THEN o.opcname
                    ELSE pg_catalog.format('%I.%I', c.nspname, o.opcname) END
          FROM pg_catalog.pg_opclass o
          JOIN pg_catalog.pg_namespace c ON c.oid OPERATOR(pg_catalog.=) o.opcnamespace
         WHERE o.oid OPERATOR(pg_catalog.=) x.indclass[0]) AS operator_class,
       (SELECT a.attname FROM pg_catalog.pg_attribute a
         WHERE a.attrelid OPERATOR(pg_catalog.=) x.indrelid AND a.attnum OPERATOR(pg_catalog.=) x.indkey[0]
           AND x.indkey[0] OPERATOR(pg_catalog.<>) 0) AS column_name,
       CASE WHEN x.indkey[0] OPERATOR(pg_catalog.=) 0 THEN pg_catalog.pg_get_indexdef(i.oid, 1, true) END AS expression,
       pg_catalog.pg_get_expr(x.indpred, x.indrelid, true) AS predicate, i.reloptions AS parameters
"""
"""What ``definition_of_row`` reads, of the tables in ``INDEX_TABLES``."""

INDEX_TABLES: Final = """
       pg_catalog.pg_index x
  JOIN pg_catalog.pg_class i ON i.oid OPERATOR(pg_catalog.=) x.indexrelid
  JOIN pg_catalog.pg_class t ON t.oid OPERATOR(pg_catalog.=) x.indrelid
  JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) i.relnamespace
"""

_INDEXES: Final = text(f"""
SELECT n.nspname AS schema, t.relname AS table_name, i.relname AS name, i.oid AS oid, {DEFINITION_COLUMNS},
       x.indisvalid AS valid, x.indisready AS ready, x.indislive AS live,
       t.relkind OPERATOR(pg_catalog.=) 'p' AS partitioned,
       EXISTS (SELECT FROM pg_catalog.pg_stat_progress_create_index p
                WHERE p.index_relid OPERATOR(pg_catalog.=) i.oid
                  AND p.datname OPERATOR(pg_catalog.=) pg_catalog.current_database()) AS building
  FROM {INDEX_TABLES}
 WHERE i.relam OPERATOR(pg_catalog.=) ANY (ARRAY(
           SELECT m.oid FROM pg_catalog.pg_am m
            WHERE m.amname OPERATOR(pg_catalog.=) ANY (CAST('{{hnsw,ivfflat}}' AS pg_catalog.name[]))
       ))
   AND NOT i.relispartition
   AND n.nspname OPERATOR(pg_catalog.=) ANY (:schemas)
 ORDER BY n.nspname, t.relname, i.relname
""").bindparams(bindparam("schemas", type_=ARRAY(Text)))  # noqa: S608  # the parts are constants

_PARTITIONS: Final = text("""
SELECT n.nspname AS schema, t.relname AS table_name
  FROM pg_catalog.pg_class t JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) t.relnamespace
 WHERE t.relispartition AND t.relkind OPERATOR(pg_catalog.=) ANY (CAST('{r,p,f}' AS pg_catalog."char"[]))
   AND n.nspname OPERATOR(pg_catalog.=) ANY (:schemas)
""").bindparams(bindparam("schemas", type_=ARRAY(Text)))


_OPERATOR_CLASSES: Final = text("""
    SELECT m.amname, o.opcname FROM pg_catalog.pg_opclass o JOIN pg_catalog.pg_am m
       ON m.oid OPERATOR(pg_catalog.=) o.opcmethod
     WHERE o.opcname OPERATOR(pg_catalog.=) ANY (:names)
""").bindparams(bindparam("names", type_=ARRAY(Text)))


def installed_extension(connection: Connection) -> InstalledExtension:
    """Return which version of the vector extension the database has and could have, at the cost of one query."""
    row = connection.execute(_EXTENSION).mappings().one()
    return InstalledExtension(
        version=row["version"], available=row["available"], schema=row["schema"], visible=row["visible"]
    )


def current_indexes(connection: Connection, schemas: Collection[str | None]) -> list[IndexState]:
    """Return the vector indexes of whole schemas, at the cost of one query whatever the number of tables.

    Indexes that belong to an index of a partitioned table are left out: they come and go with it.

    Args:
        connection: a connection of the database.
        schemas: names of schemas; None is the default schema of the connection, and comes back as None.
    """
    default = connection.dialect.default_schema_name
    rows = connection.execute(_INDEXES, {"schemas": _names(schemas, default)}).mappings()
    return [
        IndexState(
            name=row["name"],
            table_name=row["table_name"],
            schema=None if row["schema"] == default and None in schemas else row["schema"],
            definition=definition_of_row(row),
            valid=row["valid"],
            ready=row["ready"],
            live=row["live"],
            building=row["building"],
            partitioned=row["partitioned"],
            oid=row["oid"],
        )
        for row in rows
    ]


def partitions(connection: Connection, schemas: Collection[str | None]) -> set[tuple[str | None, str]]:
    """Return the tables that are partitions of another, as (schema, table), at the cost of one query."""
    default = connection.dialect.default_schema_name
    rows = connection.execute(_PARTITIONS, {"schemas": _names(schemas, default)})
    return {(None if schema == default and None in schemas else schema, name) for schema, name in rows}


def operator_classes(connection: Connection, names: Collection[str]) -> set[tuple[str, str]]:
    """Return the method and the name of each operator class that has one of the names, in any schema."""
    return {(method, name) for method, name in connection.execute(_OPERATOR_CLASSES, {"names": list(names)})}


def definition_of_row(row: RowMapping | dict[str, Any]) -> IndexDefinition:  # Any: the columns differ in type
    """Return the definition that one row of the catalog, or of a probe, describes."""
    parameters = (option.partition("=")[::2] for option in row["parameters"] or ())
    return IndexDefinition(
        method=row["method"],
        operator_class=row["operator_class"],
        column=row["column_name"],
        expression=row["expression"],
        parameters=tuple(sorted((name, int(value)) for name, value in parameters)),
        predicate=row["predicate"],
    )


@contextmanager
def extension_in_search_path(connection: Connection, extension: InstalledExtension) -> Iterator[None]:
    """Put the extension's schema on the search path for a while, where it is not, so that both sides read alike."""
    if extension.schema is None or extension.visible:
        yield
        return
    before = connection.scalar(text("SELECT pg_catalog.current_setting('search_path')"))
    wider = search_path_with(str(before), PREPARER.quote(extension.schema))
    _set_search_path(connection, wider)
    try:
        yield
    except DBAPIError:  # the transaction is over, and the setting with it
        raise
    except BaseException:
        _set_search_path(connection, str(before))
        raise
    _set_search_path(connection, str(before))


def settings_that_find_vectors(connection: Connection) -> dict[str, str]:
    """Return the search path that has the vector extension too, nothing where it is found already."""
    extension = installed_extension(connection)
    if extension.schema is None or extension.visible:
        return {}
    current = str(connection.scalar(text("SELECT pg_catalog.current_setting('search_path')")))
    return {"search_path": search_path_with(current, PREPARER.quote(extension.schema))}


def search_path_with(search_path: str, schema: str) -> str:
    """Return a search path that ends with one more schema."""
    return f"{search_path}, {schema}" if search_path else schema


def _set_search_path(connection: Connection, value: str) -> None:
    connection.execute(text("SELECT pg_catalog.set_config('search_path', :value, false)"), {"value": value})


def _names(schemas: Collection[str | None], default: str | None) -> list[str]:
    return sorted({name for schema in schemas if (name := schema or default) is not None})
