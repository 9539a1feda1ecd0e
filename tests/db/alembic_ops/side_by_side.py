"""Cases of the truth table side by side: each on a table of its own, in one database and one revision."""

from column_models import VALUES
from index_rows import ROWS, models
from sqlalchemy import MetaData

CONVENTION = {"ix": "ix_%(table_name)s_%(column_0_name)s"}


def tables_of(cases):
    """Return the name of the table of each case."""
    return {case: f"items_{number}" for number, case in enumerate(cases)}


def indexes(cases, which):
    """Declare one table for each case with its indexes: `which` is 0 for those before the change, 1 for after it."""
    metadata = MetaData(naming_convention=CONVENTION)
    for case, table in tables_of(cases).items():
        models(*cases[case][which], name=table, metadata=metadata)
    return metadata


def columns(cases, which):
    """Declare one table for each case with its column and what is over it."""
    metadata = MetaData()
    for number, (case, name) in enumerate(tables_of(cases).items()):
        (table,) = cases[case][which].tables.values()
        for index in table.to_metadata(metadata, name=name).indexes:
            index.name = f"{index.name}_{number}"
    return metadata


def operations(cases):
    """Return what a revision must hold for each table, in order."""
    return {table: cases[case][2] for case, table in tables_of(cases).items()}


def index_values(cases):
    """Return the statements that put rows into the tables."""
    return "; ".join(ROWS.replace("items", table, 1) for table in tables_of(cases).values())


def column_values(cases):
    """Return the statements that put rows into the tables, each with the rows of its case."""
    return "; ".join(VALUES[cases[case][3]].replace("items", table, 1) for case, table in tables_of(cases).items())
