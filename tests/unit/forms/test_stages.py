import pytest
from form_models import QUERY, Document, cache_key, sql
from sqlalchemy import select

from sqlalchemy_vecsearch import SearchError, Strategy, Subvector, nearest

STAGES = [(Subvector(1, 2), 100), ("halfvec", 50)]


def staged(stages=STAGES, **options):
    return nearest(select(Document.id), Document.bits, QUERY, **{"k": 10, **options}, stages=stages)


def test_each_stage_ranks_the_rows_of_the_one_before_by_its_own_form():
    text = sql(staged())
    assert text.endswith(
        "by_subvector_1 AS MATERIALIZED\n"
        "(SELECT document.id AS key_0, candidates_1.distance AS distance\n"
        "FROM document, candidates_1\n"
        "WHERE document.id = candidates_1.key_0 ORDER BY (CAST(subvector(document.bits, %(subvector_1)s::INTEGER, "
        "%(subvector_2)s::INTEGER) AS VECTOR(2)) <=> subvector(CAST(%(param_1)s::VECTOR(3) AS VECTOR(3)), "
        "%(subvector_3)s::INTEGER, %(subvector_4)s::INTEGER)) OPERATOR(pg_catalog.+) 0\n"
        "LIMIT 100),\n"
        "by_halfvec_1 AS MATERIALIZED\n"
        "(SELECT document.id AS key_0, by_subvector_1.distance AS distance\n"
        "FROM document, by_subvector_1\n"
        "WHERE document.id = by_subvector_1.key_0 ORDER BY (CAST(document.bits AS HALFVEC(3)) <=> "
        "CAST(%(param_1)s::VECTOR(3) AS HALFVEC(3))) OPERATOR(pg_catalog.+) 0\n"
        "LIMIT 50),\n"
        "sorted_1 AS\n"
        "(SELECT by_halfvec_1.key_0 AS key_0, by_halfvec_1.distance OPERATOR(pg_catalog.+) 0 AS distance\n"
        "FROM by_halfvec_1 ORDER BY distance\n"
        "LIMIT 10)\n"
        "SELECT document.id, sorted_1.distance AS distance\n"
        "FROM document, sorted_1\n"
        "WHERE document.id = sorted_1.key_0 ORDER BY sorted_1.distance\n"
        "LIMIT 10\n"
    )


def test_the_index_finds_no_fewer_rows_than_the_first_stage_keeps():
    first, second = (sql(staged([("halfvec", kept)])) for kept in (50, 5_000))
    assert "LIMIT 800)" in first
    assert "LIMIT 5000)" in second


def test_stages_differ_in_the_cache_by_their_forms_alone():
    assert cache_key(staged()) == cache_key(staged([(Subvector(1, 2), 90), ("halfvec", 20)], k=3))
    assert cache_key(staged([("halfvec", 50)])) != cache_key(staged([("binary", 50)]))


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"exact": True}, "is searched exactly"),
        ({"strategy": Strategy.EXACT}, "is searched exactly"),
        ({"column": Document.embedding}, "has an index of the whole vectors"),
    ],
)
def test_stages_need_a_quantised_index_to_start_from(options, what):
    options = dict(options)
    column = options.pop("column", Document.bits)
    with pytest.raises(SearchError) as raised:
        nearest(Document, column, QUERY, k=10, stages=STAGES, **options)
    assert str(raised.value) == (
        f"The column 'document.{column.key}' {what}, and stages were given. "
        "Stages lead from what a quantised index holds to the full vectors, and here is nothing between them. "
        'Leave stages out, or declare the column with quantize="binary" or another form.'
    )


@pytest.mark.parametrize("numbers", [(50, 100), (100, 9), (100, 50, 60)])
def test_the_rows_that_stages_keep_fall_to_what_is_wanted(numbers):
    with pytest.raises(SearchError) as raised:
        staged([("halfvec", number) for number in numbers])
    assert str(raised.value) == (
        f"The stages keep {', then '.join(map(str, numbers))} rows, and 10 are wanted. "
        "Each stage chooses among the rows of the one before it. "
        "Let the numbers fall, and end at no less than k and the offset."
    )


def test_a_stage_is_a_form_that_the_vectors_can_take():
    with pytest.raises(SearchError, match=r"^There is no quantisation 'float8'\."):
        staged([("float8", 50)])
    with pytest.raises(SearchError, match=r"^stages=0 is not possible\."):
        staged([("halfvec", 0)])
