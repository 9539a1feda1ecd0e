"""The order of a downgrade."""

from alembic.operations.ops import AddColumnOp, CreateTableOp
from sqlalchemy import Column, Integer

from alembic_ops.autogenerate.order import commits_by_itself, downgrade_operations
from alembic_ops.model.index_state import IndexDefinition
from alembic_ops.operations import CreateVectorIndexOp, DropVectorIndexOp, RebuildVectorIndexOp

L2 = IndexDefinition(method="hnsw", operator_class="vector_l2_ops", column="embedding")
IP = IndexDefinition(method="hnsw", operator_class="vector_ip_ops", column="embedding")
UPGRADE = [
    RebuildVectorIndexOp(name="a", table_name="items", definition=IP, existing=L2),
    DropVectorIndexOp(name="b", table_name="items", definition=L2),
    CreateTableOp("others", []),
    CreateVectorIndexOp(name="c", table_name="others", definition=L2, concurrently=False),
    AddColumnOp("items", Column("note", Integer)),
]


def names(operations):
    return [type(one).__name__ for one in operations]


def test_what_commits_by_itself_comes_first_and_the_rest_stays_in_its_order():
    found = downgrade_operations(UPGRADE, needs_the_rest=lambda _: False)
    assert names(found) == [
        "CreateVectorIndexOp",
        "RebuildVectorIndexOp",
        "DropColumnOp",
        "DropVectorIndexOp",
        "DropTableOp",
    ]
    assert [commits_by_itself(one) for one in found] == [True, True, False, False, False]


def test_what_needs_the_rest_stays_where_the_reversed_order_puts_it():
    found = downgrade_operations(UPGRADE, needs_the_rest=lambda one: one.name == "a")
    assert names(found) == [
        "CreateVectorIndexOp",
        "DropColumnOp",
        "DropVectorIndexOp",
        "DropTableOp",
        "RebuildVectorIndexOp",
    ]
