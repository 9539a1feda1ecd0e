"""The name of the column that a type stands in, for the errors that its values raise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import ARRAY, Column, event
from sqlalchemy.types import TypeDecorator, TypeEngine

from sqlalchemy_vecsearch.types.equality import same_vectors

if TYPE_CHECKING:
    from sqlalchemy.sql.schema import SchemaItem

__all__ = ["NamedByColumn", "without_decorators"]


class NamedByColumn(TypeEngine[Any]):
    """A type that remembers which column it was declared for; None when it serves columns of several names."""

    column_name: str | None = None
    _column_names: frozenset[str] = frozenset()

    def compare_values(self, x: Any, y: Any) -> bool:  # values of an attribute
        """Tell the ORM whether an assigned value is the loaded one; arrays alone would answer with an array."""
        return same_vectors(x, y)

    if not TYPE_CHECKING:  # the overloads of SQLAlchemy's method name types that are not public

        def adapt(self, cls: type[Any], **options: Any) -> Any:
            """Return the type's copy, which SQLAlchemy makes for each dialect, with the name of the column."""
            copy = super().adapt(cls, **options)
            if isinstance(copy, NamedByColumn):
                copy.column_name = self.column_name
            return copy


@event.listens_for(Column, "after_parent_attach")
def _remember(column: Column[Any], _parent: SchemaItem) -> None:
    type_ = without_decorators(column.type)
    if isinstance(type_, ARRAY):
        type_ = without_decorators(type_.item_type)
    if isinstance(type_, NamedByColumn):
        type_._column_names |= {column.name}  # noqa: SLF001  # this listener is half of that class
        type_.column_name = column.name if len(type_._column_names) == 1 else None  # noqa: SLF001  # the same


def without_decorators(type_: TypeEngine[Any]) -> TypeEngine[Any]:
    """Return the type that an application's decorators stand round; one of our types may be a decorator itself."""
    while isinstance(type_, TypeDecorator) and not isinstance(type_, NamedByColumn):
        type_ = type_.impl_instance
    return type_
