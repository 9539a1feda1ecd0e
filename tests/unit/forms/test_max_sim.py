import pytest
from form_models import OTHER, QUERY, Chunk, Document, cache_key, expected, sql

from sqlalchemy_vecsearch import DimensionError, SearchError, max_sim


def scored(vectors=(QUERY, OTHER), k=10, by=Chunk.document_id, **options):
    return max_sim(Chunk, Chunk.embedding, vectors, by=by, k=k, **options)


def test_documents_are_found_by_each_vector_and_scored_by_all_of_theirs():
    assert sql(scored()) == expected("max_sim")


def test_late_interactions_differ_in_the_cache_by_their_metric_alone():
    assert cache_key(scored()) == cache_key(scored([OTHER] * 4, k=3, candidates=77))
    assert cache_key(max_sim(Document, Document.embedding, [QUERY], by=Document.lang, k=1)) != cache_key(
        max_sim(Document, Document.maybe, [QUERY], by=Document.lang, k=1)
    )


def test_a_query_has_at_least_one_vector():
    with pytest.raises(SearchError) as raised:
        scored([])
    assert str(raised.value) == (
        "The query has no vectors. "
        "A document is scored by its best match for each of them. "
        "Pass at least one; a model for late interaction makes one for each token."
    )


def test_a_vector_of_another_length_is_refused():
    with pytest.raises(DimensionError):
        scored([[1.0]])


@pytest.mark.parametrize("name", ["k", "candidates"])
def test_numbers_are_one_or_more(name):
    with pytest.raises(SearchError, match=f"^{name}=0 is not possible"):
        scored(**{name: 0})
