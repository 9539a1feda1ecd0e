"""Alembic's own operations on tables of vectors: the unsafe ones warn before they run.

In the manner of strong_migrations: what would block the application is said with the safe form in its place.
"""

from __future__ import annotations

import contextlib
import inspect
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import alembic
from alembic.ddl.impl import DefaultImpl

from alembic_ops.catalog.vector_tables import COPY, COPY_SCHEMA, find_vector_table, is_rewritten
from alembic_ops.errors import OperationArgumentError, UnsafeOperationWarning
from alembic_ops.planning.stock_operations import (
    btree_on_vectors,
    danger_of_btree,
    danger_of_build,
    danger_of_new_column,
    danger_of_type,
)

if TYPE_CHECKING:
    from sqlalchemy import Column, Index
    from sqlalchemy.types import TypeEngine

__all__ = ["WarnsOfStockOperations", "warn_of"]

_LIBRARIES: Final = (str(Path(alembic.__file__).parent), str(Path(__file__).parents[1]), contextlib.__file__, "<")
"""What the files between a revision and here begin with; the functions of ``op`` are generated code of no file."""


class WarnsOfStockOperations(DefaultImpl):
    """Alembic's runner of operations, which looks at the table before it changes it.

    Nothing is looked at for ``--sql``, which does not know the tables, nor with ``vector_safety=False`` in
    ``context.configure()``.
    """

    def create_index(self, index: Index, **kw: Any) -> None:  # Any: Alembic's own arguments
        """Create an index, after a warning where that blocks writes or serves no search."""
        warn_of(self.danger_of_index(index))
        super().create_index(index, **kw)

    def add_column(self, table_name: str, column: Column[Any], *, schema: str | None = None, **kw: Any) -> None:
        """Add a column, after a warning where the table is written anew for it."""
        warn_of(self.danger_of_new_column(table_name, column, schema, **kw))
        super().add_column(table_name, column, schema=schema, **kw)

    def alter_column(self, table_name: str, column_name: str, **kw: Any) -> None:
        """Alter a column, after a warning where the table is written anew for its type."""
        warn_of(self.danger_of_type(table_name, column_name, **kw))
        super().alter_column(table_name, column_name, **kw)

    def danger_of_index(self, index: Index) -> str | None:
        """Return what to warn of an index, None where there is nothing."""
        assert index.table is not None, "an operation knows its table"
        table = find_vector_table(self._asked(), index.table.name, index.table.schema) if self._looks() else None
        if table is None or not table.has_rows:
            return None
        column = btree_on_vectors(index, table.vectors)
        if column is not None:
            return danger_of_btree(index, column)
        concurrently = index.dialect_options["postgresql"]["concurrently"]
        return None if concurrently else danger_of_build(index)

    def danger_of_new_column(self, table_name: str, column: Column[Any], schema: str | None, **kw: Any) -> str | None:
        """Return what to warn of a column, None where the table is not written anew."""
        if not self._looks() or (column.computed is None and column.server_default is None):
            return None
        table = find_vector_table(self._asked(), table_name, schema)
        if table is None or not table.has_rows:
            return None
        stock = super().add_column
        if not is_rewritten(self._asked(), table, lambda: stock(COPY, column, schema=COPY_SCHEMA, **kw)):
            return None
        return danger_of_new_column(column, table_name)

    def danger_of_type(
        self,
        table_name: str,
        column_name: str,
        *,
        type_: TypeEngine[Any] | None = None,
        schema: str | None = None,
        **kw: Any,
    ) -> str | None:
        """Return what to warn of another type, None where the table is not written anew."""
        if type_ is None or not self._looks():
            return None
        table = find_vector_table(self._asked(), table_name, schema)
        if table is None or not table.has_rows:
            return None
        stock = super().alter_column
        arguments = {name: value for name, value in kw.items() if name in {"existing_type", "postgresql_using"}}
        if not is_rewritten(
            self._asked(), table, lambda: stock(COPY, column_name, type_=type_, schema=COPY_SCHEMA, **arguments)
        ):
            return None
        return danger_of_type(column_name, table_name, holds_vectors=column_name in table.vectors)

    def _looks(self) -> bool:
        wished = self.context_opts.get("vector_safety", True)
        if not isinstance(wished, bool):
            raise OperationArgumentError(
                f"vector_safety={wished!r} is neither True nor False. "
                "It says whether unsafe operations on tables of vectors are warned of. "
                "Write context.configure(vector_safety=False), or leave it out.",
                operation="context.configure",
                argument="vector_safety",
            )
        return wished and not self.as_sql

    def _asked(self) -> Any:  # Any: a Connection, which mypy knows as one that may be missing
        assert self.connection is not None, "online there is a connection"
        return self.connection


def warn_of(danger: str | None) -> None:
    """Warn where the revision calls the operation."""
    if danger is None:
        return
    frame, level = inspect.currentframe(), 1
    while frame is not None and frame.f_code.co_filename.startswith(_LIBRARIES):
        frame, level = frame.f_back, level + 1
    warnings.warn(danger, UnsafeOperationWarning, stacklevel=level)
