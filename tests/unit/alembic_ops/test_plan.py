from __future__ import annotations

from dataclasses import replace

import pytest

from alembic_ops.catalog.tables import Facts, FoundIndex, FoundTable
from alembic_ops.errors import BuildError, IndexConflictError, MigrationError
from alembic_ops.model.index_state import IndexDefinition
from alembic_ops.operations import CreateVectorIndexOp, DropVectorIndexOp, RebuildVectorIndexOp
from alembic_ops.planning.next_step import next_step
from alembic_ops.sql.steps import BuildIndex, DropIndex, Finished, ReindexIndex, RenameIndex, WaitForBuild, WaitForTable

GIVEN = IndexDefinition(method="hnsw", operator_class="vector_l2_ops", column="embedding", parameters=(("m", 8),))
FULL = replace(GIVEN, parameters=(("ef_construction", 64), ("m", 8)))
OTHER = replace(FULL, parameters=(("ef_construction", 64), ("m", 4)))
TABLE = FoundTable(oid=1, name="document", schema="public")

CREATE = CreateVectorIndexOp(name="ix", table_name="document", definition=GIVEN)
DROP = DropVectorIndexOp(name="ix", table_name="document")
REINDEX = RebuildVectorIndexOp(name="ix", table_name="document")
REBUILD = RebuildVectorIndexOp(name="ix", table_name="document", definition=GIVEN)

BUILD = BuildIndex(name="ix", table_name="document", schema=None, definition=GIVEN)
BUILD_BESIDE = replace(BUILD, name="ix__new")
REINDEX_IX = ReindexIndex(name="ix", schema="public")
ALREADY = Finished(remark="the index 'ix' is there already, valid and as wished")
GONE = Finished(remark="there is no index 'ix' any more")


def index(name="ix", **values):
    given = {
        "oid": 2,
        "schema": "public",
        "table_oid": 1,
        "table_name": "document",
        "definition": FULL,
        "sql": "CREATE ...",
    }
    return FoundIndex(name=name, **(given | values))


def invalid(name="ix", **values):
    return index(name, valid=False, **values)


def drop(name="ix"):
    return DropIndex(name=name, schema="public")


def wait(name="ix"):
    return WaitForBuild(name=name, schema="public", builder=7)


@pytest.mark.parametrize(
    ("operation", "indexes", "done", "step"),
    [
        (CREATE, [], [], BUILD),
        (CREATE, [index()], [], ALREADY),
        (CREATE, [index()], [BUILD], Finished()),
        (CREATE, [invalid()], [], drop()),
        (CREATE, [index(ready=False)], [], drop()),
        (CREATE, [index(live=False)], [], drop()),
        (CREATE, [invalid(builder=7)], [], wait()),
        (CREATE, [invalid()], [wait()], drop()),
        (DROP, [], [], GONE),
        (DROP, [], [drop()], Finished()),
        (DROP, [index()], [], drop()),
        (DROP, [invalid()], [], drop()),
        (DROP, [invalid(builder=7)], [], wait()),
        (REINDEX, [index()], [], REINDEX_IX),
        (REINDEX, [index()], [REINDEX_IX], Finished()),
        (REINDEX, [invalid()], [], REINDEX_IX),
        (REINDEX, [index(), invalid("ix_ccnew")], [], drop("ix_ccnew")),
        (REINDEX, [index(), invalid("ix_ccnew12")], [], drop("ix_ccnew12")),
        (REINDEX, [index()], [drop("ix_ccnew")], REINDEX_IX),
        (REINDEX, [index(), invalid("ix_ccold")], [], drop("ix_ccold")),
        (REINDEX, [index()], [drop("ix_ccold")], Finished()),
        (REINDEX, [index()], [drop("ix_ccold"), drop("ix_ccnew")], REINDEX_IX),
        (REINDEX, [index(), invalid("ix_ccnew", builder=7)], [], wait("ix_ccnew")),
        (REINDEX, [index()], [wait("ix_ccnew")], Finished()),
        (REINDEX, [index(), invalid("ix_ccnew")], [wait("ix_ccnew")], drop("ix_ccnew")),
        (REINDEX, [index()], [wait("ix_ccnew"), drop("ix_ccnew")], REINDEX_IX),
        (REINDEX, [index(), index("ix_ccnew")], [], REINDEX_IX),
        (REINDEX, [index(), invalid("ix_ccnew", definition=OTHER)], [], REINDEX_IX),
        (REINDEX, [index(), invalid("ix_ccnew", table_oid=9)], [], REINDEX_IX),
        (REINDEX, [index(), invalid("ixx_ccnew")], [], REINDEX_IX),
        (REBUILD, [index()], [], REINDEX_IX),
        (REBUILD, [index(definition=OTHER)], [], BUILD_BESIDE),
        (REBUILD, [invalid(definition=OTHER)], [], BUILD_BESIDE),
        (REBUILD, [index(definition=OTHER), invalid("ix__new", builder=7)], [], wait("ix__new")),
        (REBUILD, [index(definition=OTHER), invalid("ix__new")], [], drop("ix__new")),
        (REBUILD, [index(definition=OTHER), index("ix__new")], [], drop()),
        (REBUILD, [invalid(definition=OTHER), index("ix__new")], [], drop()),
        (REBUILD, [index("ix__new")], [], RenameIndex(name="ix__new", new_name="ix", schema="public")),
        (REBUILD, [index()], [RenameIndex(name="ix__new", new_name="ix", schema="public")], Finished()),
        (REBUILD, [], [], BUILD),
        (REBUILD, [index()], [BUILD], Finished()),
    ],
)
def test_the_next_step_follows_from_the_catalog(operation, indexes, done, step):
    assert next_step(operation, Facts(table=TABLE, indexes=tuple(indexes), wished=None), done) == step


def test_what_reindex_leaves_of_a_long_name_is_recognised_where_postgresql_cuts_it():
    name = "ä" * 31
    operation = RebuildVectorIndexOp(name=name, table_name="document")
    left = invalid("ä" * 28 + "_ccnew")
    assert next_step(operation, Facts(table=TABLE, indexes=(index(name), left))) == drop(left.name)


@pytest.mark.parametrize(
    ("operation", "indexes", "done", "error"),
    [
        (CREATE, [index(definition=OTHER)], [], IndexConflictError),
        (CREATE, [index(table_oid=9)], [], IndexConflictError),
        (CREATE, [index(definition=None)], [], IndexConflictError),
        (CREATE, [invalid()], [BUILD], BuildError),
        (DROP, [index(definition=None)], [], IndexConflictError),
        (REINDEX, [], [], IndexConflictError),
        (REINDEX, [invalid()], [REINDEX_IX], BuildError),
        (REBUILD, [index(definition=OTHER), index("ix__new", definition=OTHER)], [], IndexConflictError),
        (REBUILD, [index(definition=OTHER), invalid("ix__new")], [BUILD_BESIDE], BuildError),
    ],
)
def test_what_must_not_be_touched_is_an_error(operation, indexes, done, error):
    with pytest.raises(error):
        next_step(operation, Facts(table=TABLE, indexes=tuple(indexes)), done)


def test_the_predicate_is_compared_in_the_words_of_the_server():
    operation = replace(CREATE, definition=replace(GIVEN, predicate="lang='en'"))
    canonical = replace(FULL, predicate="(lang = 'en'::text)")
    assert next_step(operation, Facts(table=TABLE, indexes=(index(definition=canonical),), wished=canonical)) == ALREADY


def test_the_number_of_automatic_lists_is_not_compared():
    lists = IndexDefinition(method="ivfflat", operator_class="vector_l2_ops", column="embedding")
    operation = replace(CREATE, definition=lists, automatic_lists=True)
    found = index(definition=replace(lists, parameters=(("lists", 7),)))
    assert next_step(operation, Facts(table=TABLE, indexes=(found,))) == ALREADY


def test_a_missing_table_is_an_error():
    with pytest.raises(MigrationError, match=r"There is no table 'document'\."):
        next_step(DROP, Facts(table=None))


@pytest.mark.parametrize(
    ("operation", "indexes"),
    [
        (CREATE, []),
        (CREATE, [invalid()]),
        (DROP, [index()]),
        (REINDEX, [index()]),
        (REBUILD, [index(definition=OTHER)]),
    ],
)
def test_nothing_concurrent_is_queued_behind_a_process_that_has_the_table(operation, indexes):
    taken = replace(TABLE, occupant=7)
    waiting = WaitForTable(table_name="document", process=7)
    assert next_step(operation, Facts(table=taken, indexes=tuple(indexes))) == waiting
    assert next_step(operation, Facts(table=taken, indexes=tuple(indexes)), [waiting, waiting]) == waiting


def test_what_needs_no_table_does_not_wait_for_it():
    taken = replace(TABLE, occupant=7)
    assert next_step(CREATE, Facts(table=taken, indexes=(index(),))) == ALREADY
    in_transaction = replace(DROP, concurrently=False)
    assert next_step(in_transaction, Facts(table=taken, indexes=(index(),))) == replace(drop(), concurrently=False)


PARTS = (
    FoundTable(oid=11, name="document_1", schema="public", parent=1),
    FoundTable(oid=12, name="document_2", schema="public", parent=1),
)
WHOLE = index(partitioned=True)
FIRST = index("document_1_ix", oid=21, table_oid=11, parent=2)
SECOND = index("document_2_ix", oid=22, table_oid=12, parent=2)


def reindex(name):
    return ReindexIndex(name=name, schema="public")


@pytest.mark.parametrize(
    ("left", "done", "step"),
    [
        ([], [], reindex("document_1_ix")),
        ([], [reindex("document_1_ix")], reindex("document_2_ix")),
        ([], [reindex("document_1_ix"), reindex("document_2_ix")], Finished()),
        ([invalid("document_2_ix_ccnew", table_oid=12)], [reindex("document_1_ix")], drop("document_2_ix_ccnew")),
        ([], [drop("document_1_ix_ccold")], reindex("document_2_ix")),
        ([invalid("document_1_ix_ccnew", table_oid=11, builder=7)], [], wait("document_1_ix_ccnew")),
    ],
)
def test_a_partitioned_index_is_rebuilt_part_by_part(left, done, step):
    table = replace(TABLE, partitioned=True)
    assert next_step(REINDEX, Facts(table=table, partitions=PARTS, indexes=(WHOLE, FIRST, SECOND, *left)), done) == step
