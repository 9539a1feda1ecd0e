"""The rows of the truth table that change an index: what is declared before and after, and what is proposed."""

from pgvector.sqlalchemy import BIT, HALFVEC, SPARSEVEC, VECTOR
from sqlalchemy import Column, Index, Integer, MetaData, String, Table, cast, func, literal_column, text

ROWS = "INSERT INTO items (kind, model_id, embedding, half, bits, loose) SELECT 'a', 1, v, v, binary_quantize(v), v FROM (SELECT ARRAY[i, 7 - i, 1]::vector(3) AS v FROM generate_series(1, 20) i) s"

LONGEST = 63  # bytes of a name


def models(*indexes, naming_convention=None, name="items", metadata=None):
    metadata = MetaData(naming_convention=naming_convention) if metadata is None else metadata
    items = Table(
        name,
        metadata,
        Column("id", Integer, primary_key=True),
        Column("kind", String(10)),
        Column("model_id", Integer),
        Column("embedding", VECTOR(3)),
        Column("half", HALFVEC(3)),
        Column("sparse", SPARSEVEC(3)),
        Column("bits", BIT(3)),
        Column("loose", VECTOR()),
    )
    for index in indexes:
        index(items)
    return metadata


def of_table(name, table):
    """Return the name of an index, which is unique in a schema, for one of several tables, where it is not too long."""
    number = table.name.removeprefix("items")
    return name if name is None or len(f"{name}{number}".encode()) > LONGEST else f"{name}{number}"


def ix(expression="embedding", operators="vector_l2_ops", name="ix_e", using="hnsw", **options):
    """Declare an index over a column, or over what a function makes of the table's columns."""
    given = {f"postgresql_{key.rstrip('_')}": value for key, value in options.items()}

    def declare(table):
        element = expression(table.c) if callable(expression) else table.c[expression]
        key = getattr(element, "key", None)
        if key is not None:
            given["postgresql_ops"] = {key: operators}
        Index(of_table(name, table), element, _table=table, postgresql_using=using, **given)

    return declare


def half(c, size=3):
    return cast(c.embedding, HALFVEC(size)).label("x")


def bits(c):
    return cast(func.binary_quantize(c.embedding), BIT(3)).label("x")


def part(start):
    return lambda c: cast(func.subvector(c.embedding, start, 2), VECTOR(2)).label("x")


def unit(c):
    return cast(func.l2_normalize(c.embedding), VECTOR(3)).label("x")


def of_model(size):
    return lambda c: cast(c.loose, VECTOR(size)).label("x")


def readme_half(c):
    return func.cast(c.embedding, HALFVEC(3)).label("embedding")


def readme_bits(c):
    return func.cast(func.binary_quantize(c.embedding), BIT(3)).label("embedding")


def keyed_by_text(operators):
    expression = "(embedding::halfvec(3))"
    return lambda table: Index(
        of_table("ix_e", table),
        text(expression),
        _table=table,
        postgresql_using="hnsw",
        postgresql_ops={expression: operators},
    )


CREATE, DROP, REBUILD, RENAME = (
    "create_vector_index",
    "drop_vector_index",
    "rebuild_vector_index",
    "rename_vector_index",
)
HALF = "halfvec_l2_ops"

CASES = {
    "b hnsw": ([], [ix()], [CREATE]),
    "b ivfflat": ([], [ix(using="ivfflat", with_={"lists": 5})], [CREATE]),
    "c operator class": ([ix()], [ix(operators="vector_cosine_ops")], [REBUILD]),
    "c m": ([ix(with_={"m": 8})], [ix(with_={"m": 24})], [REBUILD]),
    "c ef_construction": ([ix()], [ix(with_={"ef_construction": 100})], [REBUILD]),
    "c hnsw to ivfflat": ([ix()], [ix(using="ivfflat", with_={"lists": 5})], [REBUILD]),
    "c ivfflat to hnsw": ([ix(using="ivfflat", with_={"lists": 5})], [ix()], [REBUILD]),
    "c lists": ([ix(using="ivfflat", with_={"lists": 5})], [ix(using="ivfflat", with_={"lists": 2})], [REBUILD]),
    "c ivfflat without its default operator class": ([ix(using="ivfflat", operators="vector_ip_ops", with_={"lists": 5})], [ix(using="ivfflat", with_={"lists": 5})], [REBUILD]),
    "c parameters removed": ([ix(with_={"m": 24})], [ix()], [REBUILD]),
    "c predicate added": ([ix()], [ix(where=text("model_id = 1"))], [REBUILD]),
    "c predicate changed": ([ix(where=text("model_id = 1"))], [ix(where=text("model_id = 2 AND kind = 'a'"))], [REBUILD]),
    "c predicate removed": ([ix(where=text("model_id = 1"))], [ix()], [REBUILD]),
    "c renamed": ([ix(name="ix_old", with_={"m": 24})], [ix(with_={"m": 24})], [RENAME]),
    "c removed": ([ix(with_={"m": 24})], [], [DROP]),
    "c removed ivfflat": ([ix(using="ivfflat", with_={"lists": 5})], [], [DROP]),
    "c a second one on the column": ([ix()], [ix(), ix(operators="vector_cosine_ops", name="ix_cosine")], [CREATE]),
    "c two on the column": ([], [ix(), ix(operators="vector_cosine_ops", name="ix_cosine")], [CREATE, CREATE]),
    "d half as in the README": ([], [ix(readme_half, HALF)], [CREATE]),
    "d bits as in the README": ([], [ix(readme_bits, "bit_hamming_ops")], [CREATE]),
    "d operator class keyed by a text": ([], [keyed_by_text(HALF)], [CREATE]),
    "d operator class keyed by a text changes": ([ix(half, HALF)], [keyed_by_text("halfvec_ip_ops")], [REBUILD]),
    "d half": ([], [ix(half, HALF)], [CREATE]),
    "d bits": ([], [ix(bits, "bit_hamming_ops")], [CREATE]),
    "d part": ([], [ix(part(1))], [CREATE]),
    "d unit": ([], [ix(unit, "vector_ip_ops", with_={"m": 8})], [CREATE]),
    "d ivfflat over an expression": ([], [ix(half, HALF, using="ivfflat", with_={"lists": 2})], [CREATE]),
    "d text with its operator class": ([], [ix(lambda _: text("(embedding::halfvec(3)) halfvec_l2_ops"))], [CREATE]),
    "d literal column": ([], [ix(lambda _: literal_column("(embedding::halfvec(3))"), HALF)], [CREATE]),
    "d operator class in a text": ([ix(lambda _: text("(embedding::halfvec(3)) halfvec_l2_ops"))], [ix(lambda _: text("(embedding::halfvec(3)) halfvec_ip_ops"))], [REBUILD]),
    "d cast removed": ([ix(half, HALF)], [ix()], [REBUILD]),
    "d cast type": ([ix(half, HALF)], [ix(bits, "bit_hamming_ops")], [REBUILD]),
    "d operator class of an expression": ([ix(half, HALF)], [ix(half, "halfvec_cosine_ops")], [REBUILD]),
    "d other part": ([ix(part(1))], [ix(part(2))], [REBUILD]),
    "e partial": ([], [ix(where=text("model_id = 1 AND kind = 'a'"))], [CREATE]),
    "e partial over an expression": ([], [ix(half, HALF, where=text("model_id > 1"))], [CREATE]),
    "e one model of a column of many": ([], [ix(of_model(3), where=text("model_id = 1"))], [CREATE]),
    "e another model of a column of many": ([ix(of_model(3), where=text("model_id = 1"))], [ix(of_model(5), where=text("model_id = 2"))], [REBUILD]),
    "h concurrently in the model": ([], [ix(concurrently=True)], [CREATE]),
    "j operator class with its schema": ([], [ix(operators="public.vector_l2_ops")], [CREATE]),
    "k naming convention over an expression": ([], [ix(half, HALF, name=None)], [CREATE]),
    "o nulls not distinct": ([], [ix(nulls_not_distinct=True)], [CREATE]),
    "o tablespace": ([], [ix(tablespace="pg_default")], [CREATE]),
    "o method in capitals": ([], [ix(using="HNSW")], [CREATE]),
    "other storages": ([], [ix("half", HALF, name="ix_a"), ix("bits", "bit_jaccard_ops", name="ix_b"), ix("sparse", "sparsevec_l1_ops", name="ix_c")], [CREATE] * 3),
    "several at once": ([ix(name="ix_a"), ix(name="ix_b", with_={"m": 8})], [ix(name="ix_b"), ix(half, HALF, name="ix_c")], [CREATE, REBUILD, DROP]),
    "names": ([], [ix(name='Ix "quoted" %s 100%'), ix(half, HALF, name="é" * 31 + "x")], [CREATE, CREATE]),
    "k naming convention": ([], [ix(name=None)], [CREATE]),
}  # fmt: skip
