"""The types of an extension whose schema is not on the search path, as revisions write them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy.ext.compiler import compiles
from sqlalchemy.types import TypeDecorator, TypeEngine, to_instance

from sqlalchemy_vecsearch.quoting import PREPARER
from sqlalchemy_vecsearch.types.qualified_names import schema_of

if TYPE_CHECKING:
    from sqlalchemy.sql.compiler import TypeCompiler

__all__ = ["InSchema"]


class InSchema(TypeDecorator[Any]):
    """A vector type that is named with the schema of its extension in SQL, and is otherwise the type itself.

    Autogenerate writes it where the extension is in a schema that is not on the search path.

    Args:
        schema: the schema of the extension.
        type_: the type, such as ``VECTOR(3)``.

    Example:
        >>> str(InSchema("extensions", VECTOR(3)).compile(dialect=postgresql.dialect()))
        'extensions.VECTOR(3)'
    """

    impl = TypeEngine
    cache_ok = True

    def __init__(self, schema: str, type_: TypeEngine[Any] | type[TypeEngine[Any]]) -> None:
        super().__init__()
        self.schema = schema
        self.impl = to_instance(type_)  # type: ignore[assignment]  # SQLAlchemy sets an instance here, too

    def __repr__(self) -> str:
        """Return the call that makes it."""
        return f"InSchema({self.schema!r}, {self.impl!r})"

    def copy(self, **keywords: Any) -> InSchema:  # noqa: ARG002  # fixed by SQLAlchemy
        """Return the same type again."""
        return InSchema(self.schema, self.impl_instance)


@compiles(InSchema)
def _named_with_its_schema(type_: InSchema, compiler: TypeCompiler, **keywords: Any) -> str:
    text = compiler.process(type_.impl_instance, **keywords)
    # an engine whose search path does not lead to the extension names its schema by itself
    return text if schema_of(compiler.dialect) is not None else f"{PREPARER.quote(type_.schema)}.{text}"
