"""Alembic's implementation of PostgreSQL, extended by its registry of dialects."""

from __future__ import annotations

from types import new_class

from alembic.ddl.impl import DefaultImpl

from sqlalchemy_vecsearch.quoting import DIALECT

__all__ = ["extend_implementation"]


def extend_implementation(extension: type[DefaultImpl]) -> None:
    """Put the methods of a class before those of what is registered for PostgreSQL, once.

    An implementation that was registered since the last call is extended, too. It keeps its name, which Alembic prints:
    ``Context impl PostgresqlImpl.``
    """
    stock = DefaultImpl.get_by_dialect(DIALECT)
    if not issubclass(stock, extension):
        new_class(stock.__name__, (extension, stock), exec_body=lambda body: body.update(__dialect__="postgresql"))
