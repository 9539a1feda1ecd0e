"""How the types of vector columns are written in a revision, with the imports that they need."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pgvector.sqlalchemy import BIT
from sqlalchemy.types import TypeDecorator

from alembic_ops.model.vector_types import is_embedding_type, vector_type_of
from sqlalchemy_vecsearch.metrics import Storage

if TYPE_CHECKING:
    from collections.abc import Callable

    from alembic.autogenerate.api import AutogenContext

__all__ = ["render_types_with_imports"]

_OPTION: Final = "render_item"

_VECTOR_MODULES: Final = {
    # where the class lives -> where a revision takes it from
    "pgvector.sqlalchemy": "pgvector.sqlalchemy",
    "sqlalchemy_vecsearch.types": "sqlalchemy_vecsearch.types",
}

_IMPORTED_AS_THEY_ARE: Final = ("sqlmodel",)
"""Packages whose types Alembic writes by their full name, without an import for it."""


def render_types_with_imports(context: AutogenContext, *, schema: str | None) -> None:
    """Make every rendering in this context write vector types with their imports, after asking the user's hook.

    Imports that a comparator adds are thrown away before rendering, so they are added while a type is rendered. The
    template of the revision can stay as ``alembic init`` made it.

    Args:
        context: the run of autogenerate.
        schema: the schema of the extension where SQL has to name it, None where it is on the search path.
    """
    users: Callable[..., Any] | None = context.opts.get(_OPTION)  # the user's hook returns text or False
    if isinstance(users, _TypeRenderer):
        return
    context.opts[_OPTION] = _TypeRenderer(users, schema)


class _TypeRenderer:
    def __init__(self, users: Callable[..., Any] | None, schema: str | None) -> None:
        self.users = users
        self.schema = schema

    def __call__(self, kind: str, item: Any, context: AutogenContext) -> str | bool:
        rendered: str | bool = self.users(kind, item, context) if self.users is not None else False
        if rendered is not False or kind != "type":
            return rendered
        here = item._variant_mapping.get(context.dialect.name, item)  # noqa: SLF001  # the public way copies the type
        if self.schema is None or not _is_of_the_extension(here):
            return _rendered(item, context)
        context.imports.add("import alembic_ops")
        return f"alembic_ops.InSchema({self.schema!r}, {_rendered(here, context)})"


def _is_of_the_extension(type_: Any) -> bool:  # Any: a type of any library
    """Say whether the extension has made a type: arrays hold one and are PostgreSQL's own, like bits."""
    found = vector_type_of(type_)
    return found is not None and found.array_dimensions is None and found.storage is not Storage.BIT


def _rendered(type_: Any, context: AutogenContext) -> str | bool:  # Any: a type of any library
    if isinstance(type_, TypeDecorator) and not isinstance(type_, BIT) and is_embedding_type(type_):
        # a revision must not change with the app's own class, and need not import it
        return _rendered(type_.load_dialect_impl(context.dialect), context)
    for class_ in type(type_).__mro__:  # the app's own class may inherit from a vector type
        for package, home in _VECTOR_MODULES.items():
            if class_.__module__ == package or class_.__module__.startswith(package + "."):
                context.imports.add(f"import {home}")
                return f"{home}.{class_.__name__}({_size(type_)})"
    module: str = type(type_).__module__
    found = None if module.startswith("sqlalchemy.") else vector_type_of(type_)
    if found is not None and _is_of_the_extension(type_) and context.dialect.name not in type_._variant_mapping:  # noqa: SLF001  # there is no public way
        context.imports.add("import pgvector.sqlalchemy")
        dimensions = "" if found.dimensions is None else found.dimensions
        return f"pgvector.sqlalchemy.{found.storage.name}({dimensions})"
    if module.partition(".")[0] in _IMPORTED_AS_THEY_ARE:
        context.imports.add(f"import {module}")
    return False


def _size(type_: Any) -> int | str:  # Any: likewise
    size = getattr(type_, "dim", None) if hasattr(type_, "dim") else getattr(type_, "length", None)
    return "" if size is None else size
