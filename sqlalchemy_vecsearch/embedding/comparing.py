"""Comparisons that pg_catalog answers, whatever a stranger has planted on the search path."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Enum,
    Integer,
    String,
    Uuid,
    and_,
    any_,
    bindparam,
    cast,
    func,
    not_,
    select,
    tuple_,
)
from sqlalchemy.dialects.postgresql import CITEXT
from sqlalchemy.types import Date, DateTime, LargeBinary, Numeric, Time, UserDefinedType

from sqlalchemy_vecsearch.types.decorators import undecorated

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import BindParameter, Column, ColumnElement

__all__ = [
    "CATALOG_JSONB",
    "behind",
    "compared",
    "counted",
    "given_keys",
    "key_is",
    "key_is_given",
    "within",
    "without",
]


class _CatalogJSONB(UserDefinedType[Any]):
    """``jsonb`` with its schema, so that no type of that name on the search path is meant."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "pg_catalog.jsonb"


CATALOG_JSONB: Final = _CatalogJSONB()


def compared(left: Any, operator: str, right: Any) -> ColumnElement[bool]:
    """Return a comparison by an operator of pg_catalog, such as ``<=``; Any: elements, or a value on the right."""
    found: ColumnElement[bool] = left.op(_qualified(operator), is_comparison=True, return_type=Boolean())(right)
    return found


def counted(left: Any, operator: str, right: Any) -> ColumnElement[Any]:
    """Return a calculation by an operator of pg_catalog that has the type of its left side."""
    found: ColumnElement[Any] = left.op(_qualified(operator), return_type=left.type)(right)
    return found


def within(left: Any, query: Any) -> ColumnElement[bool]:
    """Return the condition that a value is in the only column of a query, without the ``=`` that IN looks up."""
    return compared(left, "=", any_(query.scalar_subquery()))


def without(left: Any, query: Any) -> ColumnElement[bool]:
    """Return the condition that a value is not in a query, in the form that is hashed."""
    return not_(within(left, query))


def key_is(key: Sequence[Column[Any]], values: Sequence[Any]) -> ColumnElement[bool]:
    """Return the condition that the columns of a key have these values or equal these elements."""
    return and_(*(_same(column, value) for column, value in zip(key, values, strict=True)))


def behind(key: Sequence[Column[Any]], values: Sequence[Any]) -> ColumnElement[bool]:
    """Return the condition that a key comes behind another one."""
    if not all(map(_is_of_the_catalog, key)):
        return key[0] > values[0] if len(key) == 1 else tuple_(*key) > tuple_(*values)
    if len(key) == 1:
        return compared(key[0], ">", values[0])
    return compared(tuple_(*key), ">", tuple_(*values))


def key_is_given(key: Sequence[Column[Any]]) -> ColumnElement[bool]:
    """Return the condition that a key is one of those that :func:`given_keys` binds.

    It is one statement for any number of keys: arrays where their types have any, so that nothing is parsed.
    """
    if _fit_in_arrays(key):
        arrays = [_array(column, f"{_KEYS}_{place}") for place, column in enumerate(key)]
        if len(key) == 1:
            return compared(key[0], "=", any_(arrays[0]))
        # with several arguments unnest is syntax, which finds its function in pg_catalog alone
        names = [f"key_{place}" for place in range(len(key))]
        given = func.unnest(*arrays).table_valued(*names, name="given").render_derived()
        listed = select(*given.c).scalar_subquery()
        return compared(tuple_(*key), "=", any_(listed))
    keys: BindParameter[Any] = bindparam(_KEYS, expanding=True)
    return key[0].in_(keys) if len(key) == 1 else tuple_(*key).in_(keys)


def given_keys(key: Sequence[Column[Any]], values: Sequence[tuple[Any, ...]]) -> dict[str, list[Any]]:
    """Return the parameters of a statement with :func:`key_is_given`; Any: values of the columns' types."""
    if _fit_in_arrays(key):
        return {f"{_KEYS}_{place}": [one[place] for one in values] for place in range(len(key))}
    whole: list[Any] = [one for (one,) in values] if len(key) == 1 else list(values)
    return {_KEYS: whole}


def _qualified(operator: str) -> str:
    return f"OPERATOR(pg_catalog.{operator})"


def _same(column: Column[Any], value: Any) -> ColumnElement[bool]:
    return compared(column, "=", value) if _is_of_the_catalog(column) else column == value


def _array(column: Column[Any], name: str) -> ColumnElement[Any]:
    listed = ARRAY(column.type)
    return cast(bindparam(name, type_=listed), listed)


def _fit_in_arrays(key: Sequence[Column[Any]]) -> bool:
    return all(
        isinstance(column.type, Integer | Uuid | String) and not isinstance(column.type, Enum | CITEXT)
        for column in key
    )


_KEYS: Final = "vecsearch_keys"  # a parameter of an UPDATE that is named as a column would be set
_OF_THE_CATALOG: Final = (Integer, BigInteger, Numeric, String, Uuid, Boolean, Date, DateTime, Time, LargeBinary)


def _is_of_the_catalog(column: Column[Any]) -> bool:
    """Say whether the type is PostgreSQL's own; the operators of an extension's are where the extension is."""
    type_ = undecorated(column.type)
    return isinstance(type_, _OF_THE_CATALOG) and not isinstance(type_, CITEXT)
