"""One run of autogenerate: what it has seen until now, with the methods that it replaces in Alembic meanwhile."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from alembic_ops.autogenerate.declared import is_vector_index
from alembic_ops.catalog.indexes import extension_in_search_path

if TYPE_CHECKING:
    from collections.abc import Callable

    from alembic.autogenerate.api import AutogenContext
    from sqlalchemy import Index, Table

    from alembic_ops.autogenerate.proposals import TableKey
    from alembic_ops.catalog.indexes import InstalledExtension

__all__ = ["ComparedTable", "Run", "begin_run", "run_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedTable:
    """One table that Alembic compares: ``current`` is None where it is new, ``wished`` where it goes away."""

    schema: str | None
    name: str
    current: Table | None
    wished: Table | None

    @property
    def key(self) -> TableKey:
        """How proposals and states name the table."""
        return self.schema, self.name


@dataclass(slots=True, kw_only=True)
class Run:
    """What one run of autogenerate has seen until now.

    ``impl`` is Alembic's implementation of the dialect, of which one instance gets other methods until the tables have
    been compared. ``replaced`` names those.
    """

    extension: InstalledExtension
    impl: Any  # DefaultImpl, whose methods are not typed
    tables: list[ComparedTable] = field(default_factory=list)
    replaced: list[str] = field(default_factory=list)

    def hide_vector_indexes(self) -> None:
        """Keep vector indexes from Alembic's own comparison, which takes too many of them for equal."""
        stock = self.impl.correct_for_autogen_constraints

        def correct(uniques: set[Any], indexes: set[Index], wished_uniques: set[Any], wished: set[Index]) -> None:
            stock(uniques, indexes, wished_uniques, wished)
            for side in (indexes, wished):
                side -= {index for index in side if is_vector_index(index)}

        self._replace("correct_for_autogen_constraints", correct)

    def compare_defaults_with_the_extension(self, context: AutogenContext) -> None:
        """Let the server find the extension's ``=`` when Alembic asks it to compare two defaults of a vector column."""
        connection = context.connection
        assert connection is not None
        stock = self.impl.compare_server_default

        def compare(*columns_and_defaults: Any) -> Any:  # the arguments and the answer are Alembic's affair
            with extension_in_search_path(connection, self.extension):
                return stock(*columns_and_defaults)

        self._replace("compare_server_default", compare)

    def _replace(self, method: str, function: Callable[..., Any]) -> None:
        setattr(self.impl, method, function)
        self.replaced.append(method)

    def give_back(self) -> None:
        """Let Alembic's implementation have its own methods again."""
        while self.replaced:
            delattr(self.impl, self.replaced.pop())


_RUN: Final = "alembic_ops_run"
"""The attribute of a context that has its run, and lives as long: the run refers to the context's connection."""


def begin_run(context: AutogenContext, extension: InstalledExtension) -> Run:
    """Begin a run in a context."""
    run = Run(extension=extension, impl=context.migration_context.impl)
    setattr(context, _RUN, run)
    return run


def run_of(context: AutogenContext) -> Run | None:
    """Return the run of a context.

    A context that somebody makes by hand and that runs only parts of autogenerate has none: it is compared by Alembic
    alone, as if this package were not there.
    """
    found: Run | None = getattr(context, _RUN, None)
    return found
