"""Operations as the Python text of a revision, one argument a line."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from alembic.autogenerate.render import _render_column, _repr_type

from alembic_ops.build import Build

if TYPE_CHECKING:
    from alembic.autogenerate.api import AutogenContext

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
    from alembic_ops.state import IndexDefinition

__all__ = [
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
]

# What sa.text would take for a bind parameter.
_BIND: Final = re.compile(r"(?<![:\w\\]):(?=\w+(?!:))")


def render_create_extension(context: AutogenContext, operation: CreateVectorExtensionOp) -> str:
    """Return the call of ``op.create_vector_extension``."""
    return _call(
        context,
        "create_vector_extension",
        [],
        _given(minimum_version=operation.minimum_version, schema=operation.schema),
    )


def render_update_extension(context: AutogenContext, operation: UpdateVectorExtensionOp) -> str:  # noqa: ARG001  # fixed by Alembic
    """Return the call of ``op.update_vector_extension``."""
    return _call(context, "update_vector_extension", [], {})


def render_drop_extension(context: AutogenContext, operation: DropVectorExtensionOp) -> str:
    """Return the call of ``op.drop_vector_extension``."""
    return _call(
        context, "drop_vector_extension", [], _given(schema=operation.schema, minimum_version=operation.minimum_version)
    )


def render_create_index(context: AutogenContext, operation: CreateVectorIndexOp) -> str:
    """Return the call of ``op.create_vector_index``."""
    element, keywords = _definition(context, operation.definition)
    if operation.automatic_lists:
        keywords["with_"] = repr({"lists": "auto"})
    keywords |= _where_and_how(operation.schema, concurrently=operation.concurrently, build=operation.build)
    return _call(context, "create_vector_index", [repr(operation.name), repr(operation.table_name), element], keywords)


def render_drop_index(context: AutogenContext, operation: DropVectorIndexOp) -> str:
    """Return the call of ``op.drop_vector_index``, with the definition of what it drops."""
    arguments, keywords = _named(context, operation.name, operation.table_name, operation.definition)
    keywords |= _where_and_how(operation.schema, concurrently=operation.concurrently)
    return _call(context, "drop_vector_index", arguments, keywords)


def render_rebuild_index(context: AutogenContext, operation: RebuildVectorIndexOp) -> str:
    """Return the call of ``op.rebuild_vector_index``."""
    arguments, keywords = _named(context, operation.name, operation.table_name, operation.definition)
    keywords |= _where_and_how(operation.schema, concurrently=operation.concurrently, build=operation.build)
    return _call(context, "rebuild_vector_index", arguments, keywords)


def render_rename_index(context: AutogenContext, operation: RenameVectorIndexOp) -> str:
    """Return the call of ``op.rename_vector_index``."""
    keywords = _given(table_name=operation.table_name, schema=operation.schema)
    return _call(context, "rename_vector_index", [repr(operation.name), repr(operation.new_name)], keywords)


def render_alter_type(context: AutogenContext, operation: AlterEmbeddingTypeOp) -> str:
    """Return the call of ``op.alter_embedding_type``."""
    keywords = {
        "existing_type": _repr_type(operation.existing_type, context),
        "type_": _repr_type(operation.type_, context),
    } | _given(using=operation.using)
    if operation.discard_vectors:
        keywords["discard_vectors"] = "True"
    keywords |= _given(schema=operation.schema)
    return _call(context, "alter_embedding_type", [repr(operation.table_name), repr(operation.column)], keywords)


def render_swap_index(context: AutogenContext, operation: SwapVectorIndexOp) -> str:
    """Return the call of ``op.swap_vector_index``."""
    keywords = {"replacement": repr(operation.replacement), "table_name": repr(operation.table_name)}
    keywords |= _where_and_how(operation.schema, concurrently=operation.concurrently)
    return _call(context, "swap_vector_index", [repr(operation.name)], keywords)


def render_add_column(context: AutogenContext, operation: AddEmbeddingColumnOp) -> str:
    """Return the call of ``op.add_embedding_column``."""
    column = _render_column(operation.column, context)
    return _call(context, "add_embedding_column", [repr(operation.table_name), column], _given(schema=operation.schema))


def render_swap_columns(context: AutogenContext, operation: SwapEmbeddingColumnsOp) -> str:
    """Return the call of ``op.swap_embedding_columns``."""
    keywords = _given(live=operation.live, replacement=operation.replacement, schema=operation.schema)
    return _call(context, "swap_embedding_columns", [repr(operation.table_name)], keywords)


def _named(
    context: AutogenContext, name: str, table_name: str, definition: IndexDefinition | None
) -> tuple[list[str], dict[str, str]]:
    if definition is None:
        return [repr(name), repr(table_name)], {}
    element, keywords = _definition(context, definition)
    return [repr(name), repr(table_name), element], keywords


def _definition(context: AutogenContext, definition: IndexDefinition) -> tuple[str, dict[str, str]]:
    """Return the element and the keyword arguments that describe a definition, all as text."""
    element = repr(definition.column) if definition.expression is None else _text(context, definition.expression)
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


def _text(context: AutogenContext, sql: str) -> str:
    prefix = context.opts.get("sqlalchemy_module_prefix") or ""
    # a colon before a word would be a bind parameter; sa.text knows the double colon of a cast
    escaped = _BIND.sub(r"\\\g<0>", sql)
    return f"{prefix}text({escaped!r})"


def _given(**values: str | None) -> dict[str, str]:
    return {key: repr(value) for key, value in values.items() if value is not None}


def _call(context: AutogenContext, name: str, arguments: list[str], keywords: dict[str, str]) -> str:
    """Return one call as text."""
    context.imports.add("import alembic_ops")
    prefix = context.opts.get("alembic_module_prefix") or ""
    lines = [*arguments, *(f"{key}={value}" for key, value in keywords.items())]
    if not lines:
        return f"{prefix}{name}()"
    body = "".join(f"    {line},\n" for line in lines)
    return f"{prefix}{name}(\n{body})"
