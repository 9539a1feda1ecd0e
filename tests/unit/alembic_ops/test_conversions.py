"""Which vectors can follow their column to another type."""

import pytest
from pgvector.sqlalchemy import BIT, HALFVEC, SPARSEVEC, VECTOR
from sqlalchemy import ARRAY, Double, String
from sqlalchemy.dialects import postgresql

from alembic_ops.model.conversions import Conversion, conversion

DIALECT = postgresql.dialect()


@pytest.mark.parametrize(
    ("existing", "wished", "expected"),
    [
        (VECTOR(3), HALFVEC(3), Conversion(casts=("HALFVEC(3)",), condition="always")),
        (HALFVEC(3), SPARSEVEC(3), Conversion(casts=("SPARSEVEC(3)",), condition="always")),
        (VECTOR(3), VECTOR(), Conversion(casts=("VECTOR",), condition="always")),
        (VECTOR(), VECTOR(3), Conversion(casts=("VECTOR(3)",), condition="of_dimensions", dimensions=3)),
        (
            ARRAY(VECTOR()),
            ARRAY(VECTOR(3)),
            Conversion(casts=("VECTOR(3)[]",), condition="of_dimensions", dimensions=3, of_elements=True),
        ),
        (VECTOR(), HALFVEC(3), Conversion(casts=("HALFVEC(3)",), condition="of_dimensions", dimensions=3)),
        (VECTOR(3), VECTOR(4), Conversion(casts=("VECTOR(4)",), condition="no_vectors")),
        (VECTOR(3), HALFVEC(4), Conversion(casts=("HALFVEC(4)",), condition="no_vectors")),
        (VECTOR(3), BIT(3), Conversion(casts=("BIT(3)",), condition="no_vectors")),
        (BIT(3), BIT(4), Conversion(casts=("BIT(4)",), condition="no_vectors")),
        (BIT(3), VECTOR(3), Conversion(casts=("VECTOR(3)",), condition="no_vectors")),
        (ARRAY(VECTOR(3)), ARRAY(HALFVEC(3)), Conversion(casts=("HALFVEC(3)[]",), condition="always")),
        (ARRAY(VECTOR(3)), ARRAY(VECTOR(4)), Conversion(casts=("VECTOR(4)[]",), condition="no_vectors")),
        (ARRAY(VECTOR(3)), VECTOR(3), Conversion(casts=("VECTOR(3)",), condition="no_vectors")),
        (ARRAY(Double()), VECTOR(3), Conversion(casts=("real[]", "VECTOR(3)"), condition="always")),
        (VECTOR(3), ARRAY(Double()), Conversion(casts=("real[]", "DOUBLE PRECISION[]"), condition="always")),
        (String(), VECTOR(3), Conversion(casts=("VECTOR(3)",), condition="always")),
    ],
    ids=repr,
)
def test_a_conversion_is_known_from_the_types(existing, wished, expected):
    assert conversion(existing, wished) == expected
