"""Steps as SQL, one statement each, with every name quoted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import TextClause, text

from alembic_ops.sql.steps import BuildIndex, BuildPendingIndex, DropIndex, ReindexIndex, RenameIndex, ServerStep
from sqlalchemy_vecsearch.quoting import DIALECT, PREPARER, dollar_quoted, qualified_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from alembic_ops.model.index_state import IndexDefinition

__all__ = ["RESET_TIMEOUTS", "WITHOUT_TIMEOUTS", "create_index", "in_one", "statement", "verbatim", "written"]

WITHOUT_TIMEOUTS: Final = ("SET statement_timeout = 0", "SET lock_timeout = 0")
"""For the builds of a script, which take as long as they take."""

RESET_TIMEOUTS: Final = ("RESET statement_timeout", "RESET lock_timeout")


def statement(step: ServerStep) -> TextClause:
    """Return the SQL of a step."""
    if isinstance(step, BuildIndex):
        return create_index(
            step.name,
            step.table_name,
            step.schema,
            step.definition,
            concurrently=step.concurrently,
            only=step.only,
            if_not_exists=step.if_not_exists,
        )
    if isinstance(step, BuildPendingIndex):
        return _create_pending_index(step)
    name = qualified_name(step.schema, step.name)
    if isinstance(step, ReindexIndex):
        return verbatim(f"REINDEX INDEX {_concurrently(step.concurrently)}{name}")
    if isinstance(step, DropIndex):
        return verbatim(f"DROP INDEX {_concurrently(step.concurrently)}{'IF EXISTS ' * step.if_exists}{name}")
    if isinstance(step, RenameIndex):
        return verbatim(f"ALTER INDEX {'IF EXISTS ' * step.if_exists}{name} RENAME TO {PREPARER.quote(step.new_name)}")
    parent = qualified_name(step.parent_schema, step.parent)
    return verbatim(f"ALTER INDEX {parent} ATTACH PARTITION {name}")


def create_index(
    name: str,
    table_name: str,
    schema: str | None,
    definition: IndexDefinition,
    *,
    concurrently: bool = False,
    only: bool = False,
    if_not_exists: bool = False,
) -> TextClause:
    """Return the CREATE INDEX of a definition."""
    if definition.expression is None:
        assert definition.column is not None, "a definition names a column or an expression"
        element = PREPARER.quote(definition.column)
    else:
        element = f"({definition.expression})"
    operator_class = ".".join(PREPARER.quote(part) for part in _parts(definition.operator_class))
    words = [
        f"CREATE INDEX {_concurrently(concurrently)}{'IF NOT EXISTS ' * if_not_exists}{PREPARER.quote(name)}",
        f"ON {'ONLY ' if only else ''}{qualified_name(schema, table_name)}",
        f"USING {definition.method} ({element} {operator_class})",
    ]
    if definition.parameters:
        words.append("WITH (" + ", ".join(f"{key} = {value}" for key, value in definition.parameters) + ")")
    if definition.predicate is not None:
        words.append(f"WHERE {definition.predicate}")
    return verbatim(" ".join(words))


def _create_pending_index(step: BuildPendingIndex) -> TextClause:
    key = ", ".join(PREPARER.quote(name) for name in step.key)
    beginning = f"CREATE INDEX {_concurrently(step.concurrently)}{'IF NOT EXISTS ' * step.if_not_exists}"
    return verbatim(
        f"{beginning}{PREPARER.quote(step.name)} ON {'ONLY ' * step.only}"
        f"{qualified_name(step.schema, step.table_name)} ({key}) WHERE {step.condition}"
    )


def in_one(statements: Sequence[str]) -> str:
    """Return statements as one, for the server to run without waiting for us between them, under a lock for example."""
    if len(statements) == 1:
        return statements[0]
    return "DO " + dollar_quoted("BEGIN " + "; ".join(statements) + "; END", tag="exchange")


def verbatim(sql: str) -> TextClause:
    """Return SQL in which no colon is taken for a bind parameter."""
    return text(sql.replace(":", r"\:"))


def written(query: TextClause, **values: object) -> str:
    """Return a query of the catalog with its values written in, quoted by the dialect."""
    return str(query.bindparams(**values).compile(dialect=DIALECT, compile_kwargs={"literal_binds": True})).strip()


def _concurrently(wanted: bool) -> str:
    return "CONCURRENTLY " if wanted else ""


def _parts(name: str) -> list[str]:
    """Split ``schema.name``, either of which may be quoted, into bare names."""
    schema, dot, bare = name.rpartition(".")
    return [part.strip('"') for part in ((schema, bare) if dot else (bare,))]
