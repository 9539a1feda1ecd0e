"""Which indexes may differ only in how the server prints their SQL."""

from alembic_ops.settled import doubtful
from alembic_ops.state import IndexDefinition, IndexState


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


def test_two_prints_of_one_predicate_are_doubtful_on_both_sides():
    assert doubtful([PRINTED], [AGAIN]) == [PRINTED]
    assert doubtful([AGAIN], [PRINTED]) == [AGAIN]


def test_another_name_may_be_a_rename():
    renamed = state(name="other", predicate="kind = 'a'")
    assert doubtful([renamed], [AGAIN]) == [renamed]


def test_two_prints_of_one_expression_are_doubtful():
    assert doubtful([state(expression="(f(a))")], [state(expression="(f((a)))")]) == [state(expression="(f(a))")]


def test_what_the_other_side_has_is_not_doubtful():
    assert doubtful([AGAIN], [AGAIN, PRINTED]) == []


def test_what_differs_in_more_is_not_doubtful():
    assert doubtful([PRINTED], [state(predicate="id > 1", operator_class="vector_cosine_ops")]) == []
    assert doubtful([PRINTED], [state(predicate="id > 1", table_name="others")]) == []
    assert doubtful([PRINTED], [state(predicate="id > 1", parameters=(("m", 24),))]) == []


def test_with_and_without_a_predicate_is_not_doubtful():
    assert doubtful([PRINTED], [state()]) == []
    assert doubtful([state()], [PRINTED]) == []
    assert doubtful([PRINTED], [state(expression="(f(a))", predicate="id > 1")]) == []
