"""The pure difference between current and wished indexes."""

from dataclasses import replace

import pytest

from alembic_ops.autogenerate.changes import (
    CreateIndex,
    DropIndex,
    IndexBeingBuilt,
    IndexLeftOver,
    RebuildIndex,
    RenameIndex,
    index_changes,
)
from alembic_ops.model.index_state import IndexDefinition, IndexState, canonical

HNSW_L2 = canonical(IndexDefinition(method="hnsw", operator_class="vector_l2_ops", column="embedding"))
IX = IndexState(name="ix", table_name="items", definition=HNSW_L2)


def test_equal_indexes_need_no_change():
    assert index_changes([IX], [IX]) == []


def test_facts_of_the_catalog_are_no_difference():
    assert index_changes([replace(IX, oid=16_400)], [IX]) == []


def test_a_declared_index_is_created_and_an_undeclared_one_is_dropped():
    old = replace(IX, name="old", definition=replace(HNSW_L2, operator_class="vector_ip_ops"))
    assert index_changes([old], [IX]) == [CreateIndex(wished=IX), DropIndex(current=old)]


@pytest.mark.parametrize(
    "changed",
    [
        {"operator_class": "vector_cosine_ops"},
        {"method": "ivfflat", "parameters": (("lists", 100),)},
        {"parameters": (("ef_construction", 64), ("m", 24))},
        {"predicate": "id > 1"},
        {"column": None, "expression": "(embedding::halfvec(3))"},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_any_part_of_the_definition_makes_a_rebuild(changed):
    wished = replace(IX, definition=replace(HNSW_L2, **changed))
    assert index_changes([IX], [wished]) == [RebuildIndex(current=IX, wished=wished)]


def test_the_same_definition_under_a_new_name_is_a_rename():
    new = replace(IX, name="ix_new")
    assert index_changes([IX], [new]) == [RenameIndex(current=IX, wished=new)]


def test_two_equal_indexes_that_get_new_names_are_renamed_each():
    second, new, other = (replace(IX, name=name) for name in ("ix2", "new1", "new2"))
    assert index_changes([IX, second], [other, new]) == [
        RenameIndex(current=IX, wished=new),
        RenameIndex(current=second, wished=other),
    ]


def test_the_same_definition_on_another_table_is_no_rename():
    other = replace(IX, table_name="others")
    assert index_changes([IX], [other]) == [CreateIndex(wished=other), DropIndex(current=IX)]


def test_an_invalid_index_that_is_declared_is_rebuilt():
    broken = replace(IX, valid=False)
    assert index_changes([broken], [IX]) == [RebuildIndex(current=broken, wished=IX)]


def test_an_invalid_index_that_nobody_declares_is_a_leftover():
    leftover = replace(IX, name="ix_ccnew", valid=False)
    assert index_changes([IX, leftover], [IX]) == [IndexLeftOver(current=leftover)]


def test_an_index_that_is_being_built_is_left_alone():
    building = replace(IX, valid=False, building=True)
    assert index_changes([building], [IX]) == [IndexBeingBuilt(current=building)]
    assert index_changes([building], []) == [IndexBeingBuilt(current=building)]


def test_an_incomplete_index_of_a_partitioned_table_is_no_leftover():
    parent = replace(IX, valid=False, partitioned=True)
    assert index_changes([parent], [IX]) == []
    assert index_changes([parent], []) == [DropIndex(current=parent)]


def test_canonical_definitions_have_the_defaults_and_bare_operator_classes():
    definition = IndexDefinition(
        method="hnsw", operator_class='ext."vector_l2_ops"', column="e", parameters=(("m", 16),)
    )
    assert canonical(definition) == IndexDefinition(
        method="hnsw", operator_class="vector_l2_ops", column="e", parameters=(("ef_construction", 64), ("m", 16))
    )
