"""The column swap as SQL for later."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from alembic_ops.catalog.columns import COLUMNS, PRIVILEGES, TABLE
from alembic_ops.catalog.dependents import TIED
from alembic_ops.catalog.relations import INDEXES
from alembic_ops.offline.gates import published_gate
from alembic_ops.planning.column_settings import not_null_check
from alembic_ops.planning.column_swap import column_renames, exchange_of
from alembic_ops.sql.statements import written
from sqlalchemy_vecsearch.names import fitted
from sqlalchemy_vecsearch.quoting import dollar_quoted, literal

if TYPE_CHECKING:
    from alembic_ops.operations import SwapEmbeddingColumnsOp

__all__ = ["swap_script"]

# What the operation carries online from name to name stops the script, which can not know the statements for it.
_BLOCK: Final = """DECLARE found pg_catalog.text; pair record; home pg_catalog.text; BEGIN
    SELECT pg_catalog.string_agg(pg_catalog.concat(description, ' uses ', used), '; ') INTO found
      FROM ({dependents}) AS dependents;
    IF found IS NOT NULL THEN RAISE EXCEPTION USING MESSAGE = pg_catalog.format({tied}, found); END IF;

    WITH columns AS ({columns}), granted AS ({privileges}),
         tied AS (SELECT c.*, ARRAY(
                             SELECT pg_catalog.concat_ws(' ', g.privilege, g.grantable, g.grantee, g.grantor)
                               FROM granted g WHERE g.name OPERATOR(pg_catalog.=) c.name ORDER BY 1) AS privileges
                    FROM columns c)
    SELECT pg_catalog.string_agg(what, ', ') INTO found
      FROM tied live, tied other, LATERAL (VALUES
           ('NOT NULL', live.required OPERATOR(pg_catalog.=) other.required),
           ('the default', COALESCE(live.default_ OPERATOR(pg_catalog.=) other.default_,
                                    live.default_ IS NULL AND other.default_ IS NULL)),
           ('the comment', COALESCE(live.comment OPERATOR(pg_catalog.=) other.comment,
                                    live.comment IS NULL AND other.comment IS NULL)),
           ('the statistics settings', live.statistics OPERATOR(pg_catalog.=) other.statistics
                                       AND live.options OPERATOR(pg_catalog.=) other.options),
           ('the storage settings', COALESCE(live.storage, '') OPERATOR(pg_catalog.=) COALESCE(other.storage, '')
                AND COALESCE(live.compression, '') OPERATOR(pg_catalog.=) COALESCE(other.compression, '')),
           ('the column privileges', live.privileges OPERATOR(pg_catalog.=) other.privileges)) AS compared (what, alike)
     WHERE live.name OPERATOR(pg_catalog.=) {live} AND other.name OPERATOR(pg_catalog.=) {replacement} AND NOT alike;
    IF found IS NOT NULL THEN RAISE EXCEPTION USING MESSAGE = pg_catalog.format({different}, found); END IF;

    IF EXISTS (SELECT FROM ({table}) AS t WHERE t.has_relatives) THEN
        RAISE EXCEPTION USING MESSAGE = {relatives};
    END IF;

    SELECT pg_catalog.string_agg(CAST(i.name AS pg_catalog.text), ', ') INTO found
      FROM ({indexes}) AS i WHERE NOT i.of_vectors AND {live} OPERATOR(pg_catalog.=) ANY (i.columns);
    IF found IS NOT NULL THEN RAISE EXCEPTION USING MESSAGE = pg_catalog.format({other_index}, found); END IF;

    SELECT pg_catalog.quote_ident(n.nspname) INTO home
      FROM pg_catalog.pg_class t JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) t.relnamespace
     WHERE t.oid OPERATOR(pg_catalog.=) pg_catalog.to_regclass({name});
    FOR pair IN
        WITH tied AS ({indexes}),
             ranked AS (SELECT t.name, t.valid, column_name, metric, pg_catalog.row_number() OVER (
                               PARTITION BY column_name, metric ORDER BY operator_class, name) AS number
                          FROM tied t, pg_catalog.unnest(t.columns) AS column_name, pg_catalog.regexp_replace(
                               operator_class, '^(vector|halfvec|sparsevec|bit)_', '') AS metric)
        SELECT live.name AS first, other.name AS second, COALESCE(other.valid, false) AS usable
          FROM ranked live LEFT JOIN ranked other
            ON other.column_name OPERATOR(pg_catalog.=) {replacement}
               AND other.metric OPERATOR(pg_catalog.=) live.metric AND other.number OPERATOR(pg_catalog.=) live.number
         WHERE live.column_name OPERATOR(pg_catalog.=) {live}
    LOOP
        IF NOT pair.usable THEN RAISE EXCEPTION USING MESSAGE = pg_catalog.format({no_partner}, pair.first); END IF;
        EXECUTE pg_catalog.format('ALTER INDEX %s.%I RENAME TO %I', home, pair.first, {between});
        EXECUTE pg_catalog.format('ALTER INDEX %s.%I RENAME TO %I', home, pair.second, pair.first);
        EXECUTE pg_catalog.format('ALTER INDEX %s.%I RENAME TO %I', home, {between}, pair.second);
    END LOOP;
END"""


def swap_script(operation: SwapEmbeddingColumnsOp) -> list[str]:
    """Return the statements of a swap, which stop where something would not follow the names. Pure."""
    exchange = exchange_of(operation)
    table = exchange.table
    columns = {"table": table, "names": exchange.columns}
    ours = not_null_check(operation.table_name, operation.replacement)
    values = {
        "name": table,
        "live": operation.live,
        "replacement": operation.replacement,
        "between": fitted(operation.live, suffix="__swap"),
        **_messages(operation),
    }
    block = _BLOCK.format(
        table=written(TABLE, table=table),
        columns=written(COLUMNS, **columns),
        privileges=written(PRIVILEGES, **columns),
        indexes=written(INDEXES, **columns),
        dependents=written(TIED, **columns, ours=[ours]),
        **{name: literal(value) for name, value in values.items()},
    )
    swap = f"DO {dollar_quoted(block, tag='swap')}"
    gates = published_gate(exchange)
    return [f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE", *gates, swap, *column_renames(table, exchange.pairs)]


def _messages(operation: SwapEmbeddingColumnsOp) -> dict[str, str]:
    """Return what the block raises; format() puts the reason in place of %s."""
    names = f"{operation.live!r} and {operation.replacement!r} of {operation.table_name!r}".replace("%", "%%")
    refused = f"The columns {names} were not swapped: "
    return {
        "tied": refused
        + "%s. PostgreSQL ties these objects to the column and not to its name, so that they would go on "
        "using the old vectors. Run the revision online, which lets most of them follow, or drop them before the swap, "
        "and create them again after it.",
        "different": refused + "they differ in %s. These belong to the name, and a script can not move them. Make both "
        "columns alike before, or run the revision online.",
        "relatives": refused.replace("%%", "%") + "the table has partitions or child tables. Their indexes would keep "
        "their names. Let the application read the new column by its own name instead.",
        "other_index": refused
        + "the indexes %s use the first and are not of vectors. A script cannot tell which others have to take their "
        "names. Run the revision online, or drop them before the swap and create them again after it.",
        "no_partner": refused + "the new column has no valid index like %s. After the swap every search would read the "
        "whole table. Build it with the same metric, and run this script again.",
    }
