"""Operations as the Python text of a revision, one argument a line."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from alembic.autogenerate.render import _render_column, _repr_type

from alembic_ops.autogenerate.proposals import NEW_TABLE
from alembic_ops.model.build import Build

if TYPE_CHECKING:
    from alembic.autogenerate.api import AutogenContext

    from alembic_ops.model.index_state import IndexDefinition
    from alembic_ops.operations import (
        AddEmbeddingColumnOp,
        AlterEmbeddingTypeOp,
        CreateVectorExtensionOp,
        CreateVectorIndexOp,
        DropVectorExtensionOp,
        DropVectorIndexOp,
        RebuildVectorIndexOp,
        RenameVectorIndexOp,
        SwapEmbeddingColumnsOp,
        SwapVectorIndexOp,
        UpdateVectorExtensionOp,
    )

__all__ = [
    "call",
    "given",
    "published_argument",
    "render_add_column",
    "render_alter_type",
    "render_create_extension",
    "render_create_index",
    "render_drop_extension",
    "render_drop_index",
    "render_rebuild_index",
    "render_rename_index",
    "render_swap_columns",
    "render_swap_index",
    "render_update_extension",
    "sql_text",
]

# What sa.text would take for a bind parameter.
_BIND: Final = re.compile(r"(?<![:\w\\]):(?=\w+(?!:))")

_FIRST_LOAD: Final = "# copy_rows(..., indexes='after') makes the first load fast: it builds this index over the rows"


def render_create_extension(context: AutogenContext, operation: CreateVectorExtensionOp) -> str:
    """Return the call of ``op.create_vector_extension``."""
    return call(
        context,
        "create_vector_extension",
        [],
        given(minimum_version=operation.minimum_version, schema=operation.schema),
    )


def render_update_extension(context: AutogenContext, operation: UpdateVectorExtensionOp) -> str:  # noqa: ARG001  # fixed by Alembic
    """Return the call of ``op.update_vector_extension``."""
    return call(context, "update_vector_extension", [], {})


def render_drop_extension(context: AutogenContext, operation: DropVectorExtensionOp) -> str:
    """Return the call of ``op.drop_vector_extension``."""
    return call(
        context, "drop_vector_extension", [], given(schema=operation.schema, minimum_version=operation.minimum_version)
    )


def render_create_index(context: AutogenContext, operation: CreateVectorIndexOp) -> str:
    """Return the call of ``op.create_vector_index``."""
    element, keywords = _definition(context, operation.definition)
    if operation.automatic_lists:
        keywords["with_"] = repr({"lists": "auto"})
    keywords |= _where_and_how(operation.schema, concurrently=operation.concurrently, build=operation.build)
    text = call(context, "create_vector_index", [repr(operation.name), repr(operation.table_name), element], keywords)
    return f"{_FIRST_LOAD}\n{text}" if NEW_TABLE in operation.info else text


def render_drop_index(context: AutogenContext, operation: DropVectorIndexOp) -> str:
    """Return the call of ``op.drop_vector_index``, with the definition of what it drops."""
    arguments, keywords = _named(context, operation.name, operation.table_name, operation.definition)
    keywords |= _where_and_how(operation.schema, concurrently=operation.concurrently)
    return call(context, "drop_vector_index", arguments, keywords)


def render_rebuild_index(context: AutogenContext, operation: RebuildVectorIndexOp) -> str:
    """Return the call of ``op.rebuild_vector_index``."""
    arguments, keywords = _named(context, operation.name, operation.table_name, operation.definition)
    keywords |= _where_and_how(operation.schema, concurrently=operation.concurrently, build=operation.build)
    return call(context, "rebuild_vector_index", arguments, keywords)


def render_rename_index(context: AutogenContext, operation: RenameVectorIndexOp) -> str:
    """Return the call of ``op.rename_vector_index``."""
    keywords = given(table_name=operation.table_name, schema=operation.schema)
    return call(context, "rename_vector_index", [repr(operation.name), repr(operation.new_name)], keywords)


def render_alter_type(context: AutogenContext, operation: AlterEmbeddingTypeOp) -> str:
    """Return the call of ``op.alter_embedding_type``."""
    keywords = {
        "existing_type": _repr_type(operation.existing_type, context),
        "type_": _repr_type(operation.type_, context),
    } | given(using=operation.using)
    if operation.discard_vectors:
        keywords["discard_vectors"] = "True"
    keywords |= given(schema=operation.schema) | published_argument(operation.published)
    return call(context, "alter_embedding_type", [repr(operation.table_name), repr(operation.column)], keywords)


def render_swap_index(context: AutogenContext, operation: SwapVectorIndexOp) -> str:
    """Return the call of ``op.swap_vector_index``."""
    keywords = {"replacement": repr(operation.replacement), "table_name": repr(operation.table_name)}
    keywords |= _where_and_how(operation.schema, concurrently=operation.concurrently)
    return call(context, "swap_vector_index", [repr(operation.name)], keywords)


def render_add_column(context: AutogenContext, operation: AddEmbeddingColumnOp) -> str:
    """Return the call of ``op.add_embedding_column``."""
    column = _render_column(operation.column, context)
    keywords = given(schema=operation.schema) | published_argument(operation.published)
    return call(context, "add_embedding_column", [repr(operation.table_name), column], keywords)


def render_swap_columns(context: AutogenContext, operation: SwapEmbeddingColumnsOp) -> str:
    """Return the call of ``op.swap_embedding_columns``."""
    keywords = given(live=operation.live, replacement=operation.replacement, schema=operation.schema)
    keywords |= published_argument(operation.published)
    return call(context, "swap_embedding_columns", [repr(operation.table_name)], keywords)


def _named(
    context: AutogenContext, name: str, table_name: str, definition: IndexDefinition | None
) -> tuple[list[str], dict[str, str]]:
    if definition is None:
        return [repr(name), repr(table_name)], {}
    element, keywords = _definition(context, definition)
    return [repr(name), repr(table_name), element], keywords


def _definition(context: AutogenContext, definition: IndexDefinition) -> tuple[str, dict[str, str]]:
    """Return the element and the keyword arguments that describe a definition, all as text."""
    element = repr(definition.column) if definition.expression is None else sql_text(context, definition.expression)
    keywords = {"method": repr(definition.method), "operator_class": repr(definition.operator_class)}
    if definition.parameters:
        keywords["with_"] = repr(dict(definition.parameters))
    if definition.predicate is not None:
        keywords["where"] = repr(definition.predicate)
    return element, keywords


def _where_and_how(schema: str | None, *, concurrently: bool, build: Build | None = None) -> dict[str, str]:
    keywords = {} if schema is None else {"schema": repr(schema)}
    if not concurrently:
        keywords["concurrently"] = "False"
    if build is not None and build != Build():
        keywords["build"] = f"alembic_ops.{build!r}"
    return keywords


def sql_text(context: AutogenContext, sql: str) -> str:
    """Return SQL as a call of ``sa.text``."""
    prefix = context.opts.get("sqlalchemy_module_prefix") or ""
    # a colon before a word would be a bind parameter; sa.text knows the double colon of a cast
    escaped = _BIND.sub(r"\\\g<0>", sql)
    return f"{prefix}text({escaped!r})"


def given(**values: str | None) -> dict[str, str]:
    """Return the keyword arguments that are not None."""
    return {key: repr(value) for key, value in values.items() if value is not None}


def published_argument(published: bool) -> dict[str, str]:
    """Return the keyword argument ``published``, where it is not the default."""
    return {"published": "True"} if published else {}


def call(context: AutogenContext, name: str, arguments: list[str], keywords: dict[str, str]) -> str:
    """Return one call as text."""
    context.imports.add("import alembic_ops")
    prefix = context.opts.get("alembic_module_prefix") or ""
    lines = [*arguments, *(f"{key}={value}" for key, value in keywords.items())]
    if not lines:
        return f"{prefix}{name}()"
    body = "".join(f"    {line},\n" for line in lines)
    return f"{prefix}{name}(\n{body})"
