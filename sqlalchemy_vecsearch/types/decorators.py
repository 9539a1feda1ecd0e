"""What an application's own type decorator does to a value before its type sends it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy.types import TypeDecorator

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine import Dialect
    from sqlalchemy.types import TypeEngine

__all__ = ["before_sending", "undecorated"]


def before_sending(decorator: TypeDecorator[Any], dialect: Dialect) -> Callable[[Any], Any]:
    """Return the decorator's ``process_bind_param`` for a dialect; what returns the value itself where it has none."""
    if type(decorator).process_bind_param is TypeDecorator.process_bind_param:
        return lambda value: value
    return lambda value: decorator.process_bind_param(value, dialect)


def undecorated(type_: TypeEngine[Any]) -> TypeEngine[Any]:
    """Return the type that decorators stand round."""
    while isinstance(type_, TypeDecorator):
        type_ = type_.impl_instance
    return type_
