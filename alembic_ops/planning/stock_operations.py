"""What is unsafe in a stock operation on a table of vectors, in words, with the safe form. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import Column

from sqlalchemy_vecsearch.methods import HNSW, IVFFlat

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy import Index

__all__ = ["btree_on_vectors", "danger_of_btree", "danger_of_build", "danger_of_new_column", "danger_of_type"]

_BLOCKS: Final = (
    "It takes an exclusive lock, and builds every index of the table anew, those on vectors among them, which takes"
    " minutes for a million vectors. "
)
_PAGE: Final = "https://sqlalchemy-vecsearch.readthedocs.io/how_to/change_tables_safely/"


def btree_on_vectors(index: Index, vectors: Collection[str]) -> str | None:
    """Return which of the columns of vectors a B-tree has for a key, None where it has none or is no B-tree."""
    if (index.dialect_options["postgresql"]["using"] or "btree").lower() != "btree":
        return None
    columns = (key for key in index.expressions if isinstance(key, Column))
    return next((key.name for key in columns if key.name in vectors), None)


def danger_of_btree(index: Index, column: str) -> str:
    """Say what is wrong with a B-tree on vectors."""
    table = _table_of(index)
    return (
        f"The index {index.name!r} of the table {table!r} is a B-tree on the vectors of {column!r}. "
        "No search by distance uses a B-tree, and vectors of more than some 670 dimensions do not fit into one, so that"
        " their rows are refused. "
        f"Write op.create_vector_index({index.name!r}, {table!r}, {column!r}, method='hnsw',"
        " operator_class='vector_cosine_ops'), or declare vector_index(), with the metric that you search by."
    )


def danger_of_build(index: Index) -> str:
    """Say what an index that is not built concurrently does to a table with rows."""
    options = index.dialect_options["postgresql"]
    table = _table_of(index)
    if options["using"] in {HNSW.name, IVFFlat.name}:
        safe = (
            f"Write op.create_vector_index({_vector_index_arguments(index, table)}) in its place, which builds"
            " concurrently, looks whether the index is valid, and can be run again after a failure."
        )
    else:
        keys = ", ".join(repr(key.name) if isinstance(key, Column) else "..." for key in index.expressions)
        safe = (
            "Let the revision build it outside of its transaction:\n\n"
            "    with op.get_context().autocommit_block():\n"
            f"        op.create_index({index.name!r}, {table!r}, [{keys}], postgresql_concurrently=True)\n"
        )
    return (
        f"op.create_index({index.name!r}) blocks every write to the table {table!r}, which has rows. "
        "It is not built concurrently, and its lock is held until the revision's transaction ends. "
        f"{safe}"
    )


def danger_of_new_column(column: Column[object], table_name: str) -> str:
    """Say what a column whose value is computed for each row does to a table with rows."""
    if column.computed is not None:
        safe = (
            "Add a plain column, let a trigger keep it, fill the rows that are there in batches, and build its index"
            f" concurrently: {_PAGE}#a-generated-column"
        )
    else:
        safe = (
            f"Add {column.name!r} without the default, give it the default by op.alter_column(), and fill the rows that"
            f" are there in batches: {_PAGE}#a-default-that-differs-from-row-to-row"
        )
    return (
        f"op.add_column({table_name!r}, {column.name!r}) writes the whole table {table_name!r} anew, which has rows,"
        f" and blocks readers and writers meanwhile. {_BLOCKS}{safe}"
    )


def danger_of_type(column: str, table_name: str, *, holds_vectors: bool) -> str:
    """Say what another type that needs other bytes does to a table with rows."""
    if holds_vectors:
        safe = (
            f"Write op.alter_embedding_type({table_name!r}, {column!r}, ...), which takes the indexes along, or to"
            " block nobody fill a second column and let them exchange names by op.swap_embedding_columns():"
            f" {_PAGE}#another-type"
        )
    else:
        safe = (
            "Add a column of the new type, fill it in batches, and let the columns exchange names:"
            f" {_PAGE}#another-type"
        )
    return (
        f"op.alter_column({table_name!r}, {column!r}) writes the whole table {table_name!r} anew, which has rows,"
        f" and blocks readers and writers meanwhile. {_BLOCKS}{safe}"
    )


def _vector_index_arguments(index: Index, table: str) -> str:
    """Return what the safe operation is called with; three points stand for what only the revision knows."""
    options = index.dialect_options["postgresql"]
    (key, *_) = index.expressions
    if not isinstance(key, Column) or options["where"] is not None:
        return f"{index.name!r}, {table!r}, ..."
    given = {
        "method": options["using"],
        "operator_class": options["ops"].get(key.key),
        "with_": options["with"] or None,
        "schema": key.table.schema,
    }
    words = [repr(part) for part in (index.name, table, key.name)]
    return ", ".join([*words, *(f"{name}={value!r}" for name, value in given.items() if value is not None)])


def _table_of(index: Index) -> str:
    assert index.table is not None, "an operation knows its table"
    return index.table.name
