"""Plans that PostgreSQL and Citus printed, read without a server."""

import json
from pathlib import Path

import pytest

from sqlalchemy_vecsearch import SearchError
from sqlalchemy_vecsearch.measuring.plans import PlanNode, read_plan
from sqlalchemy_vecsearch.measuring.served import judge

PLANS = Path(__file__).parents[2] / "data" / "plans"
HNSW_OF_CITUS = {("public", "items_hnsw"): "items_hnsw"}


def recorded(name):
    return read_plan(json.loads((PLANS / f"{name}.json").read_text(encoding="utf-8")))


def scan(index="ix", relation="doc", **more):
    order = {"Order By": "(doc.embedding <=> '[1,2]'::vector)"} if index == "ix" else {}
    return {"Node Type": "Index Scan", "Index Name": index, "Relation Name": relation, "Schema": "s", **order, **more}


def sort(key, *children):
    return {"Node Type": "Sort", "Sort Key": [key], "Plans": list(children)}


def judged(plan, **indexes):
    known = {("s", name): declared for name, declared in ({"ix": "ix"} | indexes).items()}
    return judge(read_plan([{"Plan": plan}]), known, asked=None)


def test_a_global_search_on_citus_is_served_by_the_declared_index_on_each_shard():
    plan = judge(recorded("citus_global_knn"), HNSW_OF_CITUS, asked=10)
    assert plan.index_served
    assert plan.indexes == ("items_hnsw",)
    (found,) = [node for node in plan.root.walk() if node.index == "items_hnsw"]
    assert found.shard == found.relation.rpartition("_")[2]
    assert dict(next(node for node in plan.root.walk() if "Citus" in node.kind).details)["Task Count"] == "8"


def test_a_routed_search_on_citus_shows_the_rows_that_its_filter_lost():
    plan = judge(recorded("citus_router_knn"), HNSW_OF_CITUS, asked=10)
    assert plan.index_served
    assert (plan.rows.asked, plan.rows.returned, plan.rows.removed) == (10, 3, 37)


def test_a_sub_select_that_citus_runs_first_is_part_of_the_plan():
    plan = judge(recorded("citus_rerank_subplan"), HNSW_OF_CITUS, asked=10)
    assert plan.index_served
    roles = [node.role for node in plan.root.walk() if node.role]
    assert roles == [
        "Distributed Subplan 1",
        "Task on host=127.0.0.1 port=5502 dbname=postgres",
        "Task on host=localhost port=5500 dbname=postgres",
    ]


def test_a_flat_window_on_citus_is_not_served():
    plan = judge(recorded("citus_seqscan_window_trap"), HNSW_OF_CITUS, asked=10)
    assert not plan.index_served
    assert plan.verdict == "Not served by a vector index."


def test_a_foreign_server_that_orders_by_the_distance_leaves_the_question_open():
    plan = judge(recorded("fdw_mergeappend_knn"), {}, asked=10)
    assert not plan.index_served
    assert plan.unseen == ("items_1", "items_2", "items_3")
    assert plan.verdict == (
        "Not known: 'items_1' and 'items_2' and 'items_3' is searched by a plan that only its own server can show."
    )


def test_an_index_of_the_same_name_that_is_no_vector_index_does_not_count():
    assert judge(recorded("citus_global_knn"), {}, asked=10).indexes == ()


def test_the_indexes_of_partitions_count_as_the_one_that_was_declared():
    plan = judged(
        {"Node Type": "Merge Append", "Subplans Removed": 2, "Plans": [scan(), scan("p1", **{"Order By": "a <=> b"})]},
        ix="ix_doc",
        p1="ix_doc",
    )
    assert plan.indexes == ("ix_doc",)
    assert plan.index_served
    assert plan.root.subplans_removed == 2


def test_one_partition_that_is_sorted_means_not_served():
    seq = {"Node Type": "Seq Scan", "Relation Name": "p2", "Schema": "s"}
    plan = judged({"Node Type": "Merge Append", "Plans": [scan(), sort("(p2.embedding <=> '[1,2]'::vector)", seq)]})
    assert not plan.index_served
    assert plan.unserved == ("p2",)
    assert plan.verdict == "Served by 'ix' in part: 'p2' is sorted without an index."


@pytest.mark.parametrize(
    "key",
    [
        "((doc.embedding <=> '[1,2]'::vector) + '0'::double precision)",
        "(doc.title <-> 'words'::text)",
        "doc.id",
    ],
)
def test_sorting_by_something_else_than_the_distance_is_no_lack_of_an_index(key):
    seq = {"Node Type": "Seq Scan", "Relation Name": "doc", "Schema": "s"}
    assert judged({"Node Type": "Append", "Plans": [scan(), sort(key, seq)]}).index_served


def test_candidates_that_are_ranked_again_are_served_where_they_were_found():
    candidates = {"Node Type": "Limit", "Plans": [scan(**{"Order By": "(bits <~> '01')"})]}
    assert judged(sort("(doc.embedding <=> '[1,2]'::vector)", candidates)).index_served
    cte = {**candidates, "Parent Relationship": "InitPlan", "Subplan Name": "CTE c"}
    join = {"Node Type": "Nested Loop", "Plans": [{"Node Type": "CTE Scan", "CTE Name": "c"}, scan("doc_pkey")]}
    plan = judged(sort("(doc.embedding <=> '[1,2]'::vector)", cte, join))
    assert plan.index_served
    assert [node.role for node in plan.root.walk() if node.role] == ["CTE c"]


@pytest.mark.parametrize(
    ("above", "unlimited"),
    [
        (["Limit"], ()),
        (["Limit", "Result"], ()),
        (["Sort", "Limit"], ()),
        ([], ("ix",)),
        (["Limit", "Sort"], ("ix",)),
        (["Limit", "WindowAgg"], ("ix",)),
        (["Limit", "Hash Join", "Hash"], ("ix",)),
    ],
)
def test_a_scan_is_limited_where_nothing_below_the_limit_reads_it_whole(above, unlimited):
    plan = scan()
    for kind in reversed(above):
        plan = {"Node Type": kind, "Plans": [plan]}
    assert judged(plan).unlimited == unlimited


def test_a_limit_does_not_end_the_scan_of_a_cte_beneath_it():
    cte = {**scan(), "Parent Relationship": "InitPlan", "Subplan Name": "CTE c"}
    assert judged({"Node Type": "Limit", "Plans": [cte, {"Node Type": "CTE Scan"}]}).unlimited == ("ix",)


def test_rows_count_each_time_a_step_is_run():
    node = read_plan(
        [{"Plan": {"Node Type": "Seq Scan", "Actual Rows": 2.5, "Actual Loops": 4, "Rows Removed by Filter": 3}}]
    )
    assert (node.rows, node.removed) == (10, 12)


def test_rows_are_not_known_without_analyze():
    plan = judged(scan(**{"Plan Rows": 7}))
    assert (plan.rows.returned, plan.rows.removed, plan.rows.estimated) == (None, None, 7)


def test_a_document_that_is_no_plan_is_refused():
    with pytest.raises(SearchError) as error:
        read_plan([{}])
    assert str(error.value) == (
        "The document is no plan. EXPLAIN (FORMAT JSON) prints a list that holds one object with the key 'Plan', and "
        "this is something else. Pass that output, parsed by json.loads."
    )


def test_the_text_of_a_plan_shortens_vectors_and_shows_what_filters_dropped():
    vector = "[" + ",".join(["0.25"] * 384) + "]"
    plan = judged(
        {
            "Node Type": "Limit",
            "Plan Rows": 10,
            "Actual Rows": 3,
            "Actual Loops": 1,
            "Plans": [
                scan(
                    **{
                        "Order By": f"(doc.embedding <=> '{vector}'::vector)",
                        "Filter": "(doc.lang = 'en'::text)",
                        "Rows Removed by Filter": 37,
                        "Plan Rows": 500,
                        "Actual Rows": 3,
                        "Actual Loops": 1,
                    }
                ),
            ],
        }
    )
    assert plan.render() == (
        "Served by 'ix'.\n"
        "3 rows, 37 removed by filters.\n"
        "\n"
        "Limit  (3 rows, 10 expected)\n"
        "   -> Index Scan using ix on doc  (3 rows, 500 expected)\n"
        "         Order By: (doc.embedding <=> '[... 384 numbers]'::vector)\n"
        "         Filter: (doc.lang = 'en'::text)  (37 rows removed)"
    )


def test_a_plan_is_a_value():
    assert read_plan([{"Plan": {"Node Type": "Result"}}]) == PlanNode(kind="Result")


def task(**remote):
    job = {"Task Count": 2, "Tasks Shown": "One of 2", "Tasks": [{"Node": "host=a port=1 dbname=b", **remote}]}
    return {"Node Type": "Custom Scan", "Custom Plan Provider": "Citus Adaptive", "Distributed Query": {"Job": job}}


def test_a_shard_whose_plan_could_not_be_fetched_leaves_the_question_open():
    plan = judged(task(Error="Could not get remote plan."))
    assert not plan.index_served
    assert plan.unseen == ("Task on host=a port=1 dbname=b",)
    assert plan.verdict == (
        "Not known: 'Task on host=a port=1 dbname=b' is searched by a plan that only its own server can show."
    )
    assert "Error: Could not get remote plan." in plan.render()


def test_a_query_of_which_citus_shows_no_task_leaves_the_question_open():
    job = {"Task Count": 4, "Tasks Shown": "None, not supported for re-partition queries"}
    node = {"Node Type": "Custom Scan", "Custom Plan Provider": "Citus Adaptive", "Distributed Query": {"Job": job}}
    assert judged(node).unseen == ("Custom Scan (Citus Adaptive)",)


def test_an_index_that_serves_a_part_says_that_the_rest_is_not_known():
    remote = {
        "Node Type": "Foreign Scan",
        "Relation Name": "far",
        "Remote SQL": "SELECT id FROM public.far ORDER BY embedding OPERATOR(public.<=>) $1 LIMIT 3",
    }
    plan = judged({"Node Type": "Merge Append", "Plans": [scan(), remote]})
    assert plan.verdict == ("Served by 'ix'. Not known: 'far' is searched by a plan that only its own server can show.")
