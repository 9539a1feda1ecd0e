"""Revisions whose template puts everything into an autocommit block, as that of Advanced Alchemy does."""

import pytest
from sqlalchemy import Column, Index, Integer, MetaData, Table

from sqlalchemy_vecsearch.types import HALFVEC, VECTOR

_MOVED = """

def upgrade() -> None:
    with op.get_context().autocommit_block():
        schema_upgrades()


def downgrade() -> None:
    with op.get_context().autocommit_block():
        schema_downgrades()
"""


def in_a_block(revision):
    path = revision.path
    whole = path.read_text()
    for name in ("upgrade", "downgrade"):
        whole = whole.replace(f"def {name}() -> None:", f"def schema_{name}s() -> None:")
    path.write_text(whole + _MOVED)


def items(type_, *, name="ix_items_embedding"):
    metadata = MetaData()
    operator_class = "halfvec_l2_ops" if isinstance(type_, HALFVEC) else "vector_l2_ops"
    Table(
        "items",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("embedding", type_),
        Index(name, "embedding", postgresql_using="hnsw", postgresql_ops={"embedding": operator_class}),
    )
    return metadata


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, items(VECTOR(3))),
        (items(VECTOR(3)), items(HALFVEC(3))),
        (items(VECTOR(3)), items(VECTOR(3), name="ix_items_renamed")),
    ],
    ids=["create and drop", "alter the type", "rename"],
)
@pytest.mark.parametrize("driver", ["psycopg", "psycopg2", "pg8000"])
def test_operations_that_need_a_transaction_have_one_in_an_autocommit_block(
    project, make_engine, driver, before, after
):
    project.engine_of_env = make_engine(driver)
    if before is not None:
        before.create_all(project.engine)
    project.metadata = after
    catalog = project.catalog()
    in_a_block(project.autogenerate())
    project.upgrade()
    assert project.proposes_nothing()
    project.downgrade()
    assert [row for row in project.catalog() if "alembic_version" not in str(row)] == list(catalog)
