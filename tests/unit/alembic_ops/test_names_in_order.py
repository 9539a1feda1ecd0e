"""The order in which names of indexes become free."""

from alembic.operations.ops import CreateIndexOp, DropIndexOp, DropTableOp, ModifyTableOps

from alembic_ops.autogenerate.order import with_free_names
from alembic_ops.model.index_state import IndexDefinition
from alembic_ops.operations import CreateVectorIndexOp, DropVectorIndexOp, RenameVectorIndexOp

L2 = IndexDefinition(method="hnsw", operator_class="vector_l2_ops", column="embedding")


def create(name, table="items", schema=None):
    return CreateVectorIndexOp(name=name, table_name=table, schema=schema, definition=L2)


def drop(name, table="items"):
    return DropVectorIndexOp(name=name, table_name=table, definition=L2)


def rename(name, new_name, table="items"):
    return RenameVectorIndexOp(name=name, new_name=new_name, table_name=table)


def changed(table, *operations):
    return ModifyTableOps(table, list(operations))


def ordered(*operations):
    return with_free_names(operations, default_schema="public")


def test_operations_on_different_names_stay_in_their_order():
    operations = [create("a"), drop("b"), rename("c", "d"), changed("items", DropIndexOp("e", "items"))]
    assert ordered(*operations) == operations


def test_a_drop_comes_before_what_takes_its_name():
    assert ordered(create("a", "others"), create("b"), drop("a")) == [drop("a"), create("a", "others"), create("b")]


def test_an_index_that_is_dropped_first_already_stays():
    operations = [drop("a"), create("a"), create("b")]
    assert ordered(*operations) == operations


def test_the_default_schema_is_one_schema_with_and_without_its_name():
    assert ordered(create("a", schema="public"), drop("a")) == [drop("a"), create("a", schema="public")]
    operations = [create("a", schema="app"), drop("a")]
    assert ordered(*operations) == operations


def test_a_chain_of_renames_begins_at_its_end():
    chain = [rename("a", "b"), rename("b", "c", "others"), create("a", "thirds")]
    assert ordered(chain[2], chain[0], chain[1]) == [chain[1], chain[0], chain[2]]


def test_names_that_are_exchanged_go_by_a_third_one_and_back_again():
    there = ordered(rename("a", "b"), rename("b", "a", "others"))
    assert there == [rename("a", "a__aside"), rename("b", "a", "others"), rename("a__aside", "b")]
    back = [one.reverse() for one in reversed(there)]
    assert ordered(*back) == back


def test_a_drop_by_alembic_leaves_its_table_and_can_be_run_again():
    gone, other = DropIndexOp("a", "items"), DropIndexOp("b", "items")
    new = create("a")
    first, second, third = ordered(new, changed("items", other, gone), DropTableOp("thirds"))[:3]
    assert isinstance(first, ModifyTableOps)
    assert (first.ops, first.ops[0].if_exists, second) == ([gone], True, new)
    assert (third.ops, other.if_exists) == ([other], None)


def test_a_table_with_no_other_changes_is_left_out():
    table = changed("items", DropIndexOp("a", "items"))
    assert [type(one) for one in ordered(create("a"), table)] == [ModifyTableOps, CreateVectorIndexOp]


def test_an_index_of_alembic_waits_for_ours():
    table = changed("items", CreateIndexOp("a", "items", ["kind"]))
    assert ordered(table, drop("a", "others")) == [drop("a", "others"), table]


def test_indexes_of_alembic_among_each_other_are_left_to_alembic():
    operations = [
        changed("items", CreateIndexOp("a", "items", ["kind"])),
        changed("others", DropIndexOp("a", "others")),
    ]
    assert ordered(*operations) == operations
