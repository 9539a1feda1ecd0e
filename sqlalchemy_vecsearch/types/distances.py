"""The comparator of the vector types: distance operators give floats."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy.sql.elements import BinaryExpression
from sqlalchemy.sql.operators import OperatorType, custom_op
from sqlalchemy.types import Float, TypeEngine

from sqlalchemy_vecsearch.metrics import Metric
from sqlalchemy_vecsearch.types.percent import with_percent_sign

__all__ = ["FloatDistances"]

_DISTANCES: Final = frozenset(metric.operator for metric in Metric)


class FloatDistances(TypeEngine.Comparator[Any]):
    """Goes before the comparator of pgvector-python, whose methods call ``op()`` as an application does.

    Without a type, ``column.op("<=>")(query)`` would be a vector, as SQLAlchemy takes an operator to give what it is
    given; and pg8000 wants the percent sign of ``<%>`` doubled.
    """

    def operate(self, op: OperatorType, *other: Any, **options: Any) -> Any:
        """Return the operation, a distance with the type Float unless the caller gave another."""
        if not isinstance(op, custom_op) or op.opstring not in _DISTANCES:
            return super().operate(op, *other, **options)
        if op.return_type is None and not op.is_comparison:
            op = custom_op(op.opstring, precedence=op.precedence, return_type=Float(), eager_grouping=op.eager_grouping)
        operation = super().operate(op, *other, **options)
        return (
            with_percent_sign(operation)
            if isinstance(operation, BinaryExpression) and "%" in op.opstring
            else operation
        )
