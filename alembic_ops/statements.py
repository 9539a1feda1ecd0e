"""Steps as SQL, one statement each, with every name quoted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import TextClause, text

from alembic_ops.steps import BuildIndex, DropIndex, ReindexIndex, RenameIndex, ServerStep

if TYPE_CHECKING:
    from sqlalchemy.sql.compiler import IdentifierPreparer

    from alembic_ops.state import IndexDefinition

__all__ = ["create_index", "qualified_name", "statement", "verbatim"]


def statement(preparer: IdentifierPreparer, step: ServerStep) -> TextClause:
    """Return the SQL of a step."""
    if isinstance(step, BuildIndex):
        return create_index(
            preparer,
            step.name,
            step.table_name,
            step.schema,
            step.definition,
            concurrently=step.concurrently,
            only=step.only,
        )
    name = qualified_name(preparer, step.schema, step.name)
    if isinstance(step, ReindexIndex):
        return verbatim(f"REINDEX INDEX {_concurrently(step.concurrently)}{name}")
    if isinstance(step, DropIndex):
        return verbatim(f"DROP INDEX {_concurrently(step.concurrently)}{name}")
    if isinstance(step, RenameIndex):
        return verbatim(f"ALTER INDEX {name} RENAME TO {preparer.quote(step.new_name)}")
    parent = qualified_name(preparer, step.parent_schema, step.parent)
    return verbatim(f"ALTER INDEX {parent} ATTACH PARTITION {name}")


def create_index(
    preparer: IdentifierPreparer,
    name: str,
    table_name: str,
    schema: str | None,
    definition: IndexDefinition,
    *,
    concurrently: bool = False,
    only: bool = False,
) -> TextClause:
    """Return the CREATE INDEX of a definition; never IF NOT EXISTS, which takes an INVALID index for a good one."""
    if definition.expression is None:
        assert definition.column is not None, "a definition names a column or an expression"
        element = preparer.quote(definition.column)
    else:
        element = f"({definition.expression})"
    operator_class = ".".join(preparer.quote(part) for part in _parts(definition.operator_class))
    words = [
        f"CREATE INDEX {_concurrently(concurrently)}{preparer.quote(name)}",
        f"ON {'ONLY ' if only else ''}{qualified_name(preparer, schema, table_name)}",
        f"USING {definition.method} ({element} {operator_class})",
    ]
    if definition.parameters:
        words.append("WITH (" + ", ".join(f"{key} = {value}" for key, value in definition.parameters) + ")")
    if definition.predicate is not None:
        words.append(f"WHERE {definition.predicate}")
    return verbatim(" ".join(words))


def qualified_name(preparer: IdentifierPreparer, schema: str | None, name: str) -> str:
    """Return a name with its schema, both quoted where they must be."""
    quoted = preparer.quote(name)
    return quoted if schema is None else f"{preparer.quote(schema)}.{quoted}"


def verbatim(sql: str) -> TextClause:
    """Return SQL in which no colon is taken for a bind parameter."""
    return text(sql.replace(":", r"\:"))


def _concurrently(wanted: bool) -> str:
    return "CONCURRENTLY " if wanted else ""


def _parts(name: str) -> list[str]:
    """Split ``schema.name``, either of which may be quoted, into bare names."""
    schema, dot, bare = name.rpartition(".")
    return [part.strip('"') for part in ((schema, bare) if dot else (bare,))]
