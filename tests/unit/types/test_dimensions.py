"""The number that a declaration gives, and what is said of one that no column can have."""

from __future__ import annotations

import numpy as np
import pytest
from sqlalchemy.dialects import postgresql

from sqlalchemy_vecsearch import BIT, HALFVEC, SPARSEVEC, VECTOR, DeclarationError

LIMITS = {VECTOR: 16_000, HALFVEC: 16_000, SPARSEVEC: 1_000_000_000, BIT: 83_886_080}
WRONG = [0, -1, True, False, 3.0, 2.5, "x", "3", [3], np.float32(3), np.array([3])]


@pytest.mark.parametrize("type_", LIMITS)
@pytest.mark.parametrize("wrong", WRONG, ids=repr)
def test_what_is_no_length_is_refused_with_the_range(type_, wrong):
    name = type_.__name__
    with pytest.raises(DeclarationError) as caught:
        type_(wrong)
    assert str(caught.value) == (
        f"{name}({wrong!r}) is not a type. "
        f"A {name.lower()} column has 1 to {LIMITS[type_]} dimensions, given as a whole number. "
        f"Write the length of the vectors that your model gives, such as {name}(384)."
    )


@pytest.mark.parametrize(("type_", "limit"), LIMITS.items())
def test_the_limits_are_those_of_the_server(type_, limit):
    assert str(limit) in type_(limit).compile(dialect=postgresql.dialect())
    with pytest.raises(DeclarationError):
        type_(limit + 1)


@pytest.mark.parametrize("type_", LIMITS)
def test_an_integer_of_numpy_is_an_integer(type_):
    declared = type_(np.int64(3))
    given = declared.length if type_ is BIT else declared.dim
    assert (given, type(given)) == (3, int)
    assert type_().compile() == type_.__name__
