"""The one value that changes with anything that an exchange of names between columns depends on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alembic_ops.catalog.columns import COLUMNS, PRIVILEGES
from alembic_ops.catalog.dependents import DEPENDENTS, TIED
from alembic_ops.catalog.publications import PUBLICATIONS
from alembic_ops.catalog.relations import INDEXES, RELATIONS
from alembic_ops.sql.statements import written

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["fingerprint_of_exchange"]


def fingerprint_of_exchange(
    table: str, names: Sequence[str], published: Sequence[str], *, except_constraints: Sequence[str], tied: bool
) -> str:
    """Return the expression of a hash of the answers of the very queries that the facts of an exchange are read by.

    Prepared before a lock is asked for, it says under the lock, in the time that the queries run and without that in
    which they are planned, whether what was planned still fits.

    Args:
        table: the name of the table with its schema, quoted.
        names: the columns that exchange names.
        published: those of them for which publications matter.
        except_constraints: names of constraints that are left out.
        tied: whether anything is tied to the columns: only then its definitions are read.
    """
    given = {"table": table, "names": list(names)}
    ours = list(except_constraints)
    queries = [
        *(written(query, **given) for query in (RELATIONS, COLUMNS, PRIVILEGES, INDEXES)),
        written(DEPENDENTS if tied else TIED, **given, ours=ours),
        written(PUBLICATIONS, table=table, columns=list(published)),
    ]
    answers = (
        f"(SELECT pg_catalog.jsonb_agg(answer ORDER BY CAST(answer AS pg_catalog.text)) FROM ({query}) AS answer)"  # noqa: S608  # our own
        for query in queries
    )
    return f"pg_catalog.md5(pg_catalog.concat_ws('/', {', '.join(answers)}))"
