"""Operators with a percent sign, which each driver wants written in its own way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.elements import BinaryExpression, ColumnElement

from sqlalchemy_vecsearch.metrics import Metric
from sqlalchemy_vecsearch.types.qualified_names import operator_with_schema

if TYPE_CHECKING:
    from sqlalchemy.sql.compiler import SQLCompiler

__all__ = ["with_percent_sign"]

_DOUBLED: Final = frozenset({"format", "pyformat"})


class _PercentOperation(BinaryExpression[Any]):
    """``left <%> right``: SQLAlchemy doubles the sign for every driver that needs it except pg8000."""

    inherit_cache = True


def with_percent_sign(operation: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return an operation such as ``left <%> right`` in the form that runs on every driver."""
    assert isinstance(operation, BinaryExpression)
    return _PercentOperation(operation.left, operation.right, operation.operator, type_=operation.type)


@compiles(_PercentOperation)
def _percent_operation(element: _PercentOperation, compiler: SQLCompiler, **options: Any) -> str:
    operator: Any = element.operator  # a custom_op
    left, right = (compiler.process(side, **options) for side in (element.left, element.right))
    doubled = compiler.dialect.paramstyle in _DOUBLED
    symbol = operator.opstring
    if symbol == Metric.JACCARD.operator:
        symbol = operator_with_schema(compiler.dialect, symbol)
    return f"{left} {symbol.replace('%', '%%') if doubled else symbol} {right}"
