import pytest

from sqlalchemy_vecsearch import DeclarationError, Metric, MetricError, Storage
from sqlalchemy_vecsearch.metrics import index_limit, metric_of_operator_class, operator_class


@pytest.mark.parametrize(
    ("metric", "operator"),
    [("l2", "<->"), ("inner_product", "<#>"), ("cosine", "<=>"), ("l1", "<+>"), ("hamming", "<~>"), ("jaccard", "<%>")],
)
def test_each_metric_has_its_operator(metric, operator):
    assert Metric.of(metric).operator == operator


def test_an_unknown_metric_names_the_six_that_exist():
    with pytest.raises(MetricError) as caught:
        Metric.of("manhattan")
    assert str(caught.value) == (
        "There is no metric 'manhattan'. pgvector has an operator for each of 'l2', 'inner_product', 'cosine', 'l1', "
        "'hamming', 'jaccard', and for no other. Write one of these names, or the Metric member."
    )


def test_an_unknown_storage_names_the_four_that_exist():
    with pytest.raises(DeclarationError) as caught:
        Storage.of("float8")
    assert str(caught.value) == (
        "There is no storage 'float8'. pgvector stores embeddings as 'vector', 'halfvec', 'sparsevec', 'bit'. "
        "Write one of these names, or the Storage member."
    )


def test_a_metric_that_a_storage_lacks_names_those_it_has():
    with pytest.raises(DeclarationError) as caught:
        operator_class(Storage.BIT, Metric.COSINE)
    assert str(caught.value) == (
        "The metric 'cosine' is not offered for the storage 'bit'. pgvector compares bit values by 'hamming', "
        "'jaccard' only. Choose one of these metrics, or another storage."
    )


def test_operator_classes_lead_back_to_storage_and_metric():
    for storage in Storage:
        for metric in storage.metrics:
            assert metric_of_operator_class(operator_class(storage, metric).name) == (storage, metric)
    assert metric_of_operator_class('ext."vector_l2_ops"') == (Storage.VECTOR, Metric.L2)
    assert metric_of_operator_class("text_ops") is None


def test_ivfflat_is_offered_for_the_pairs_that_pgvector_has():
    offered = {
        operator_class(storage, metric).name
        for storage in Storage
        for metric in storage.metrics
        if "ivfflat" in operator_class(storage, metric).methods
    }
    assert offered == {
        "vector_l2_ops", "vector_ip_ops", "vector_cosine_ops",
        "halfvec_l2_ops", "halfvec_ip_ops", "halfvec_cosine_ops", "bit_hamming_ops",
    }  # fmt: skip


def test_the_limits_of_indexes_are_those_of_pgvector():
    assert [index_limit(storage) for storage in Storage] == [2_000, 4_000, None, 64_000]
