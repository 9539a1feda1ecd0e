import pytest
from form_models import OTHER, QUERY, Document, cache_key, expected, pages, sql

from sqlalchemy_vecsearch import DimensionError, SearchError, embedding_of, recommend


def recommended(positive=(1, 2), negative=(), k=10, **options):
    return recommend(Document, Document.embedding, positive=positive, negative=negative, k=k, **options)


def test_an_average_is_searched_for_by_one_scan():
    assert sql(recommended(negative=[7, OTHER])) == expected("recommend_average")


def test_vectors_alone_need_no_stored_rows():
    assert sql(recommended([QUERY, OTHER])) == expected("recommend_vectors")


def test_the_best_score_scans_for_each_example_and_compares_with_all():
    assert sql(recommended(negative=[7], strategy="best_score")) == expected("recommend_best_score")


def test_keys_of_several_columns_are_tuples_and_vectors_are_lists():
    statement = recommend(pages, pages.c.embedding, positive=[("b1", 7), [1.0, 2.0, 3.0]], k=3)
    assert sql(statement) == expected("recommend_composite")


def test_a_stored_row_can_be_named_by_embedding_of():
    assert sql(recommended([embedding_of(Document, 1), 2])) == sql(recommended([1, 2]))


@pytest.mark.parametrize("strategy", ["average", "best_score"])
def test_recommendations_differ_in_the_cache_by_their_metric_alone(strategy):
    one = recommended([1, QUERY], [2], strategy=strategy)
    assert cache_key(one) == cache_key(recommended([4, 5, 6, OTHER], [7, 8], k=3, strategy=strategy))
    exact = recommended(exact=True, strategy=strategy)
    assert cache_key(exact) != cache_key(recommended(exact=True, metric="l2", strategy=strategy))


def test_a_recommendation_needs_a_positive_example():
    with pytest.raises(SearchError) as raised:
        recommended([], [7])
    assert str(raised.value) == (
        "The recommendation has no positive examples. "
        "Negative ones say what to keep away from, and not where to search. "
        "Pass at least one key or vector: positive=[42]."
    )


def test_another_strategy_is_refused():
    with pytest.raises(SearchError) as raised:
        recommended(strategy="rocchio")
    assert str(raised.value) == (
        "There is no strategy 'rocchio'. "
        "A recommendation searches round the average of its examples, or by the best score among them. "
        'Write strategy="average" or strategy="best_score".'
    )


def test_sparse_vectors_have_no_average():
    with pytest.raises(SearchError) as raised:
        recommend(Document, Document.sparse, positive=[1], k=3)
    assert str(raised.value) == (
        "The column 'document.sparse' holds sparsevec values, which have no average. "
        "pgvector averages vector and halfvec only. "
        'Write strategy="best_score", which compares with each example.'
    )


def test_a_key_must_be_whole():
    with pytest.raises(SearchError) as raised:
        recommend(pages, pages.c.embedding, positive=["b1"], k=3)
    assert str(raised.value) == (
        "The key ('b1',) has 1 parts, and the primary key of the rows of 'page.embedding' has 2. "
        "A stored row is found by its whole key. "
        "Pass a tuple with a value for each of book, number."
    )


def test_an_example_of_another_length_is_refused():
    with pytest.raises(DimensionError):
        recommended([[1.0]])
