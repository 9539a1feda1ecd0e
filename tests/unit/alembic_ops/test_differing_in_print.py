"""Which indexes may differ only in how the server prints their SQL."""

from alembic_ops.autogenerate.changes import differing_in_print
from alembic_ops.model.index_state import IndexDefinition, IndexState


def state(name="ix", table_name="items", operator_class="vector_l2_ops", **definition):
    if "expression" not in definition:
        definition["column"] = "embedding"
    return IndexState(
        name=name,
        table_name=table_name,
        definition=IndexDefinition(method="hnsw", operator_class=operator_class, **definition),
    )


PRINTED = state(predicate="kind = ANY (ARRAY['a'::varchar]::text[])")
AGAIN = state(predicate="kind = ANY (ARRAY['a'::varchar::text])")


def test_two_prints_of_one_predicate_are_differing_in_print_on_both_sides():
    assert differing_in_print([PRINTED], [AGAIN]) == [PRINTED]
    assert differing_in_print([AGAIN], [PRINTED]) == [AGAIN]


def test_another_name_may_be_a_rename():
    renamed = state(name="other", predicate="kind = 'a'")
    assert differing_in_print([renamed], [AGAIN]) == [renamed]


def test_two_prints_of_one_expression_are_differing_in_print():
    assert differing_in_print([state(expression="(f(a))")], [state(expression="(f((a)))")]) == [
        state(expression="(f(a))")
    ]


def test_what_the_other_side_has_is_not_differing_in_print():
    assert differing_in_print([AGAIN], [AGAIN, PRINTED]) == []


def test_what_differs_in_more_is_not_differing_in_print():
    assert differing_in_print([PRINTED], [state(predicate="id > 1", operator_class="vector_cosine_ops")]) == []
    assert differing_in_print([PRINTED], [state(predicate="id > 1", table_name="others")]) == []
    assert differing_in_print([PRINTED], [state(predicate="id > 1", parameters=(("m", 24),))]) == []


def test_with_and_without_a_predicate_is_not_differing_in_print():
    assert differing_in_print([PRINTED], [state()]) == []
    assert differing_in_print([state()], [PRINTED]) == []
    assert differing_in_print([PRINTED], [state(expression="(f(a))", predicate="id > 1")]) == []
