"""The rows of the truth table that change the type of a column: before, after, what is proposed, and which rows it has."""

from column_models import ALTER, CREATE, DROP, HALF, L2, models
from pgvector.sqlalchemy import BIT, HALFVEC, SPARSEVEC, VECTOR
from sqlalchemy import ARRAY, Double, String, cast
from sqlalchemy.types import TypeDecorator

from sqlalchemy_vecsearch import types as ours


class Tagged(TypeDecorator):
    impl = HALFVEC
    cache_ok = True


class Mine(VECTOR):
    """A type of the app, which a revision need not import."""

    cache_ok = True


def as_vector(size):
    return lambda column: cast(column, VECTOR(size))


FOLLOWING = {
    "vector to halfvec": (models(VECTOR(3)), models(HALFVEC(3)), [ALTER], "vector"),
    "halfvec to vector": (models(HALFVEC(3)), models(VECTOR(3)), [ALTER], "vector"),
    "halfvec to sparsevec": (models(HALFVEC(3)), models(SPARSEVEC(3)), [ALTER], "vector"),
    "vector to sparsevec": (models(VECTOR(3)), models(SPARSEVEC(3)), [ALTER], "vector"),
    "vector to halfvec with its index": (models(VECTOR(3), operators=L2), models(HALFVEC(3), operators=HALF), [DROP, ALTER, CREATE], "vector"),
    "halfvec to sparsevec with its index": (models(HALFVEC(3), operators=HALF), models(SPARSEVEC(3), operators="sparsevec_ip_ops"), [DROP, ALTER, CREATE], "vector"),
    "dimensions lost": (models(VECTOR(3)), models(VECTOR()), [ALTER], "vector"),
    "dimensions gained": (models(VECTOR()), models(VECTOR(3)), [ALTER], "vector"),
    "dimensions lost with the index": (models(VECTOR(3), operators=L2), models(VECTOR()), [DROP, ALTER], "vector"),
    "dimensions lost, the index over a cast": (models(VECTOR(3), operators=L2), models(VECTOR(), operators=L2, element=as_vector(3)), [DROP, ALTER, CREATE], "vector"),
    "dimensions gained under an index": (models(VECTOR(), operators=L2, element=as_vector(3)), models(VECTOR(3), operators=L2), [DROP, ALTER, CREATE], "vector"),
    "a cast that is needed no more": (models(HALFVEC(3), operators=L2, element=as_vector(3)), models(VECTOR(3), operators=L2, element=as_vector(3)), [DROP, ALTER, CREATE], "vector"),
    "floats to vector": (models(ARRAY(Double())), models(VECTOR(3)), [ALTER], "floats"),
    "text to vector": (models(String()), models(VECTOR(3)), [ALTER], "text"),
    "arrays that lose their dimensions": (models(ARRAY(VECTOR(3))), models(ARRAY(VECTOR())), [ALTER], "array"),
    "arrays that gain dimensions": (models(ARRAY(VECTOR())), models(ARRAY(VECTOR(3))), [ALTER], "array"),
    "arrays": (models(ARRAY(VECTOR(3))), models(ARRAY(HALFVEC(3))), [ALTER], "array"),
    "type decorator": (models(VECTOR(3)), models(Tagged()), [ALTER], "vector"),
    "variant": (models(VECTOR(3)), models(String().with_variant(HALFVEC(3), "postgresql")), [ALTER], "vector"),
    "type and nullability": (models(VECTOR(3)), models(HALFVEC(3), nullable=False), [ALTER, "alter_column"], "vector"),
    "a class of the app": (models(HALFVEC(3)), models(Mine(3)), [ALTER], "vector"),
    "our types": (models(VECTOR(3)), models(ours.HALFVEC(3)), [ALTER], "vector"),
}  # fmt: skip

STAYING = {
    "more dimensions": (models(VECTOR(3)), models(VECTOR(4)), [ALTER], "vector"),
    "more dimensions with the index": (models(VECTOR(3), operators=L2), models(VECTOR(4), operators=L2), [ALTER], "vector"),
    "other storage and dimensions": (models(VECTOR(3), operators=L2), models(HALFVEC(2), operators=HALF), [DROP, ALTER, CREATE], "vector"),
    "vector to bits": (models(VECTOR(3)), models(BIT(3)), [ALTER], "vector"),
    "more bits": (models(BIT(3)), models(BIT(4)), [ALTER], "bit"),
    "arrays that gain other dimensions": (models(ARRAY(VECTOR())), models(ARRAY(VECTOR(4))), [ALTER], "array"),
    "arrays of other dimensions": (models(ARRAY(VECTOR(3))), models(ARRAY(VECTOR(4))), [ALTER], "array"),
    "dimensions gained, but others": (models(VECTOR()), models(VECTOR(4)), [ALTER], "vector"),
}  # fmt: skip

TYPES = [
    VECTOR(3),
    VECTOR(),
    Mine(3),
    Tagged(),
    String().with_variant(HALFVEC(3), "postgresql"),
    HALFVEC(3),
    SPARSEVEC(3),
    ARRAY(VECTOR(3)),
    ARRAY(HALFVEC(3)),
    BIT(3),
]
