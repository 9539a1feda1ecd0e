"""Declarations that the server would refuse at the upgrade, or take for something else, end autogenerate and check."""

import pytest
from alembic import command
from pgvector.sqlalchemy import HALFVEC, VECTOR
from sqlalchemy import Column, Index, Integer, MetaData, Table, cast, desc, nullslast, text
from sqlalchemy.exc import DBAPIError

from alembic_ops.autogenerate.declared import IndexRuleError
from alembic_ops.errors import BuildError


def models(declare, type_=None, naming_convention=None, **options):
    metadata = MetaData(naming_convention=naming_convention)
    items = Table(
        "items", metadata, Column("id", Integer, primary_key=True), Column("embedding", type_ or VECTOR(3), **options)
    )
    if declare is not None:
        declare(items)
    return metadata


def hnsw(*elements, name="ix_e", using="hnsw", ops="vector_l2_ops", key="embedding", unique=False, **options):
    def declare(table):
        given = {f"postgresql_{option.rstrip('_')}": value for option, value in options.items()}
        if ops is not None:
            given["postgresql_ops"] = {key: ops}
        found = [table.c[one] if isinstance(one, str) else one(table.c) for one in elements or ["embedding"]]
        Index(name, *found, _table=table, postgresql_using=using, unique=unique, **given)

    return declare


def twice(table):
    for operators in ("vector_l2_ops", "vector_cosine_ops"):
        Index(None, table.c.embedding, postgresql_using="hnsw", postgresql_ops={"embedding": operators})


REFUSED = {
    "c no operator class": (models(hnsw(ops=None)), "has no operator class"),
    "c misspelt key": (models(hnsw(key="embeding")), "has an operator class for 'embeding', which it does not index"),
    "c misspelt key, ivfflat": (models(hnsw(key="embeding", using="ivfflat")), "has an operator class for 'embeding', which it does not index"),
    "c operator class of another type": (models(hnsw(), HALFVEC(3)), "has the operator class 'vector_l2_ops' on a halfvec"),
    "c misspelt operator class": (models(hnsw(ops="vector_cos_ops")), "has the operator class 'vector_cos_ops'"),
    "c operator class of another method": (models(hnsw(ops="int4_ops")), "has the operator class 'int4_ops'"),
    "d no label": (models(hnsw(lambda c: cast(c.embedding, HALFVEC(3)), ops="halfvec_l2_ops")), "has an operator class for 'embedding', which it does not index"),
    "e no dimensions": (models(hnsw(), VECTOR()), "is on a vector without dimensions"),
    "k two of one generated name": (models(twice, naming_convention={"ix": "ix_%(column_0_name)s"}), "has the name of another index of that table"),
    "k no name": (models(hnsw(lambda _: text("(embedding::halfvec(3)) halfvec_l2_ops"), name=None, ops=None), naming_convention={"ix": "ix_%(column_0_label)s"}), "has no name of its own"),
    "k index=True": (models(None, index=True), "is a btree on the vector column 'embedding'"),
    "o include": (models(hnsw(include=["id"])), "includes columns"),
    "o unique": (models(hnsw(unique=True)), "is unique"),
    "o two columns": (models(hnsw("embedding", "id")), "has several columns"),
    "o nulls last": (models(hnsw(lambda c: nullslast(c.embedding))), "has an ordering"),
    "o descending": (models(hnsw(lambda c: desc(c.embedding))), "has an ordering"),
    "o unknown parameter": (models(hnsw(with_={"efc": 10})), "has parameters that pgvector refuses"),
    "o m out of range": (models(hnsw(with_={"m": 200})), "has parameters that pgvector refuses"),
    "o ef_construction under twice m": (models(hnsw(with_={"m": 40, "ef_construction": 60})), "has parameters that pgvector refuses"),
    "o too many dimensions": (models(hnsw(), VECTOR(2001)), "is on 2001 dimensions"),
    "o too many dimensions of halfvec": (models(hnsw(ops="halfvec_l2_ops"), HALFVEC(4001)), "is on 4001 dimensions"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_would_fail_at_the_upgrade_is_said_by_autogenerate_and_check(project, case):
    project.metadata, what = REFUSED[case]
    for run in (project.autogenerate, lambda: command.check(project.config())):
        with pytest.raises(IndexRuleError) as caught:
            run()
        assert str(caught.value).startswith(f"The index {caught.value.index!r} of the table 'items' {what}. ")
        assert caught.value.table == "items"
    assert list((project.folder / "versions").glob("*.py")) == []


SERVER_SAYS = {
    "no dimensions": ("(embedding::halfvec) halfvec_l2_ops", "column does not have dimensions"),
    "no dimensions of a function": ("l2_normalize(embedding) vector_l2_ops", "column does not have dimensions"),
    "too many dimensions": ("(embedding::halfvec(4001)) halfvec_l2_ops", "column cannot have more than 4000 dimensions for hnsw index"),
    "too many bits": ("(binary_quantize(embedding)::bit(64001)) bit_hamming_ops", "column cannot have more than 64000 dimensions for hnsw index"),
}  # fmt: skip


@pytest.mark.parametrize("case", SERVER_SAYS)
def test_what_only_a_build_would_refuse_is_said_before_it(project, case):
    sql, message = SERVER_SAYS[case]
    models(None).create_all(project.engine)
    project.metadata = models(hnsw(lambda _: text(sql), ops=None))
    with pytest.raises(IndexRuleError) as caught:
        project.autogenerate()
    assert str(caught.value) == (
        f"The index 'ix_e' of the table 'items' cannot be built. The server says: {message}. "
        "Correct its expression or its predicate."
    )
    with pytest.raises(DBAPIError) as said:
        project.execute(f"CREATE INDEX ON items USING hnsw ({sql})")
    assert message in str(said.value)


def test_an_operator_class_of_the_app_is_no_mistake(project):
    models(None).create_all(project.engine)
    project.execute(
        "CREATE OPERATOR CLASS of_the_app FOR TYPE vector USING hnsw AS OPERATOR 1 <-> (vector, vector) FOR ORDER BY"
        " float_ops, FUNCTION 1 vector_l2_squared_distance(vector, vector)"
    )
    project.metadata = models(hnsw(ops="of_the_app"))
    project.cycle("create_vector_index", rows="INSERT INTO items (embedding) VALUES ('[1,2,3]')")


def test_an_engine_in_autocommit_is_named(project):
    models(None).create_all(project.engine)
    project.metadata = models(None, HALFVEC(3))
    project.autogenerate()
    project.engine_of_env = project.engine.execution_options(isolation_level="AUTOCOMMIT")
    with pytest.raises(BuildError, match=r'autocommit mode\. Take isolation_level="AUTOCOMMIT" out of env\.py'):
        project.upgrade()
