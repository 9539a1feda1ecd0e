"""Distance operators give floats, however they are written."""

from __future__ import annotations

import pytest
from sqlalchemy import Column, Float, Integer, Numeric, column
from sqlalchemy.types import TypeDecorator

from sqlalchemy_vecsearch import Metric
from sqlalchemy_vecsearch.types import BIT, HALFVEC, SPARSEVEC, VECTOR


class Decorated(TypeDecorator):
    impl = VECTOR(3)
    cache_ok = True


TYPES = [VECTOR(3), VECTOR(3, returns="numpy"), HALFVEC(3), SPARSEVEC(3), BIT(3), Decorated()]


@pytest.mark.parametrize("operator", [metric.operator for metric in Metric])
@pytest.mark.parametrize("type_", TYPES, ids=repr)
def test_an_operator_gives_a_float(type_, operator):
    subject = Column("subject", type_)
    assert isinstance(subject.op(operator)(column("other", type_)).type, Float)
    assert isinstance(subject.op(operator, return_type=Numeric())(column("other", type_)).type, Numeric)


@pytest.mark.parametrize("type_", TYPES, ids=repr)
def test_the_other_side_is_sent_as_the_type_of_the_column(type_):
    distance = Column("subject", type_).op("<=>")([1, 2, 3])
    assert repr(distance.right.type) == repr(type_)


def test_other_operators_keep_what_sqlalchemy_makes_of_them():
    subject = Column("subject", VECTOR(3))
    assert isinstance((subject + subject).type, VECTOR)
    assert isinstance(subject.op("||")(subject).type, VECTOR)
    assert isinstance(subject.op("@@", return_type=Integer())(subject).type, Integer)
