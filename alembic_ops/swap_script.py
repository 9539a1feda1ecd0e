"""The column swap as SQL for later: a block that reads the catalog when it is run, and the renames."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from alembic_ops.column_facts import COLUMNS, DEPENDENTS, INDEXES, PRIVILEGES, TABLE
from alembic_ops.column_swap import column_renames, not_null_check
from alembic_ops.quoting import DIALECT, PREPARER, dollar_quoted
from alembic_ops.statements import qualified_name
from sqlalchemy_vecsearch.names import fitted

if TYPE_CHECKING:
    from sqlalchemy import TextClause

    from alembic_ops.operations import SwapEmbeddingColumnsOp

__all__ = ["swap_script"]

# What the operation carries online from name to name stops the script, which can not know the statements for it.
_BLOCK: Final = """DECLARE found text; pair record; home text; BEGIN
    SELECT string_agg(description || ' uses ' || column_name, '; ') INTO found FROM ({dependents}) AS dependents;
    IF found IS NOT NULL THEN RAISE EXCEPTION USING MESSAGE = format({tied}, found); END IF;

    WITH columns AS ({columns}), granted AS ({privileges}),
         tied AS (SELECT c.*, ARRAY(SELECT CAST((g.privilege, g.grantable, g.grantee) AS text)
                                      FROM granted g WHERE g.name = c.name ORDER BY 1) AS privileges FROM columns c)
    SELECT string_agg(what, ', ') INTO found
      FROM tied live, tied other, LATERAL (VALUES
           ('NOT NULL', live.required <> other.required),
           ('the default', live.default_ IS DISTINCT FROM other.default_),
           ('the comment', live.comment IS DISTINCT FROM other.comment),
           ('the statistics settings', (live.statistics, live.options) <> (other.statistics, other.options)),
           ('the column privileges', live.privileges <> other.privileges)) AS compared (what, differs)
     WHERE live.name = {live} AND other.name = {replacement} AND differs;
    IF found IS NOT NULL THEN RAISE EXCEPTION USING MESSAGE = format({different}, found); END IF;

    IF EXISTS (SELECT FROM ({table}) AS t WHERE t.has_relatives) THEN
        RAISE EXCEPTION USING MESSAGE = {relatives};
    END IF;

    SELECT CAST(CAST(relnamespace AS regnamespace) AS text) INTO home
      FROM pg_catalog.pg_class WHERE oid = pg_catalog.to_regclass({name});
    FOR pair IN
        WITH tied AS ({indexes}),
             ranked AS (SELECT t.*, metric, row_number() OVER (
                               PARTITION BY column_name, metric ORDER BY operator_class, name) AS number
                          FROM tied t, regexp_replace(operator_class, '^(vector|halfvec|sparsevec|bit)_', '') AS metric)
        SELECT live.name AS first, other.name AS second, coalesce(other.valid, false) AS usable
          FROM ranked live LEFT JOIN ranked other
            ON other.column_name = {replacement} AND (other.metric, other.number) = (live.metric, live.number)
         WHERE live.column_name = {live}
    LOOP
        IF NOT pair.usable THEN RAISE EXCEPTION USING MESSAGE = format({no_partner}, pair.first); END IF;
        EXECUTE format('ALTER INDEX %s.%I RENAME TO %I', home, pair.first, {between});
        EXECUTE format('ALTER INDEX %s.%I RENAME TO %I', home, pair.second, pair.first);
        EXECUTE format('ALTER INDEX %s.%I RENAME TO %I', home, {between}, pair.second);
    END LOOP;
END"""


def swap_script(operation: SwapEmbeddingColumnsOp) -> list[str]:
    """Return the statements of a swap, which stop where something would not follow the names. Pure."""
    table = qualified_name(PREPARER, operation.schema, operation.table_name)
    columns = {"table": table, "names": [operation.live, operation.replacement]}
    ours = not_null_check(operation.table_name, operation.replacement)
    values = {
        "name": table,
        "live": operation.live,
        "replacement": operation.replacement,
        "between": fitted(operation.live, suffix="__swap"),
        **_messages(operation),
    }
    block = _BLOCK.format(
        table=_written(TABLE, table=table),
        columns=_written(COLUMNS, **columns),
        privileges=_written(PRIVILEGES, **columns),
        indexes=_written(INDEXES, **columns),
        dependents=_written(DEPENDENTS, **columns, ours=ours),
        **{name: "'" + value.replace("'", "''") + "'" for name, value in values.items()},
    )
    swap = f"DO {dollar_quoted(block, tag='swap')}"
    return [f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE", swap, *column_renames(operation)]


def _messages(operation: SwapEmbeddingColumnsOp) -> dict[str, str]:
    """Return what the block raises; format() puts the reason in place of %s."""
    names = f"{operation.live!r} and {operation.replacement!r} of {operation.table_name!r}".replace("%", "%%")
    refused = f"The columns {names} were not swapped: "
    return {
        "tied": refused
        + "%s. PostgreSQL ties these objects to the column and not to its name, so that they would go on "
        "using the old vectors. Drop them before the swap, and create them again after it.",
        "different": refused + "they differ in %s. These belong to the name, and a script can not move them. Make both "
        "columns alike before, or run the revision online.",
        "relatives": refused.replace("%%", "%") + "the table has partitions or child tables. Their indexes would keep "
        "their names. Let the application read the new column by its own name instead.",
        "no_partner": refused + "the new column has no valid index like %s. After the swap every search would read the "
        "whole table. Build it with the same metric, and run this script again.",
    }


def _written(query: TextClause, **values: object) -> str:
    """Return a query of the catalog with its values written in, quoted by the dialect."""
    return str(query.bindparams(**values).compile(dialect=DIALECT, compile_kwargs={"literal_binds": True})).strip()
