import numpy as np
import pytest

from sqlalchemy_vecsearch import HNSW, DeclarationError, Embedding, IVFFlat, Subvector
from sqlalchemy_vecsearch.methods import lists_for


def test_only_given_parameters_reach_the_server():
    assert HNSW().parameters == {}
    assert HNSW(m=24, ef_construction=100).parameters == {"m": 24, "ef_construction": 100}
    assert IVFFlat().parameters == {}
    assert IVFFlat(lists=200).parameters == {"lists": 200}


@pytest.mark.parametrize("m", [1, 101, -3])
def test_m_out_of_range_names_the_range(m):
    with pytest.raises(DeclarationError) as caught:
        HNSW(m=m)
    assert str(caught.value) == (
        f"HNSW(m={m}) is out of range. pgvector accepts m from 2 to 100. "
        "Choose a value in that range, or leave it out for the server's default."
    )


@pytest.mark.parametrize("ef_construction", [3, 1001])
def test_ef_construction_out_of_range_names_the_range(ef_construction):
    with pytest.raises(DeclarationError, match="pgvector accepts ef_construction from 4 to 1000"):
        HNSW(ef_construction=ef_construction)


def test_ef_construction_below_twice_m_says_what_it_must_be():
    with pytest.raises(DeclarationError) as caught:
        HNSW(m=40)
    assert str(caught.value) == (
        "HNSW(m=40, ef_construction=64) cannot be built. pgvector requires ef_construction to be at least twice m. "
        "Raise ef_construction to 80 or more, or lower m."
    )


@pytest.mark.parametrize("lists", [0, 32_769])
def test_lists_out_of_range_names_the_range(lists):
    with pytest.raises(DeclarationError, match="pgvector accepts lists from 1 to 32768"):
        IVFFlat(lists=lists)


@pytest.mark.parametrize("value", ["16", 16.0, True])
def test_a_parameter_that_is_no_whole_number_is_refused(value):
    with pytest.raises(DeclarationError, match="is not a whole number"):
        HNSW(m=value)


@pytest.mark.parametrize(
    ("rows", "lists"), [(0, 1), (999, 1), (5_000, 5), (1_000_000, 1000), (4_000_000, 2000), (2**40, 32_768)]
)
def test_the_number_of_lists_follows_the_readme_of_pgvector(rows, lists):
    assert lists_for(rows) == lists


def test_the_integers_of_numpy_are_integers():
    declared = Embedding(np.int64(384), metric="l2", index=HNSW(m=np.int32(8), ef_construction=np.uint8(40)))
    assert declared == Embedding(384, metric="l2", index=HNSW(m=8, ef_construction=40))
    assert {type(value) for value in (declared.dimensions, *declared.index.parameters.values())} == {int}
    assert type(IVFFlat(np.int64(7)).lists) is int
    part = Subvector(np.int64(1), np.int16(3))
    assert (type(part.start), type(part.length), part) == (int, int, Subvector(1, 3))
