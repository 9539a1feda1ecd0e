"""The embedder of the demo."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from sqlalchemy_vecsearch.demo import embedder as module
from sqlalchemy_vecsearch.demo.embedder import DIMENSIONS, Embedder
from sqlalchemy_vecsearch.demo.errors import DemoError


@pytest.fixture(scope="module")
def embedder():
    return Embedder()


def test_each_text_gets_a_float32_row_of_length_one(embedder):
    vectors = embedder.embed(["walk a directory tree", "compress a file"])
    assert vectors.shape == (2, DIMENSIONS)
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([1, 1], abs=1e-6)


def test_a_text_has_the_same_vector_alone_and_in_a_batch(embedder):
    texts = [f"text number {number}" for number in range(600)]
    batched = embedder.embed(texts)
    assert np.array_equal(batched[599], embedder.embed([texts[599]])[0])


def test_texts_of_like_meaning_are_nearer(embedder):
    asked, near, far = embedder.embed(["compress a file", "make an archive smaller with gzip", "the day of the week"])
    assert asked @ near > asked @ far


def test_no_texts_give_no_rows(embedder):
    assert embedder.embed([]).shape == (0, DIMENSIONS)


def test_progress_counts_every_text(embedder):
    counts = []
    embedder.embed(["text"] * 600, progress=counts.append)
    assert sum(counts) == 600


def test_it_has_no_need_of_wordllama_s_code_which_looks_for_weights_on_the_network(embedder):
    embedder.embed(["text"])
    assert "wordllama" not in sys.modules


def test_a_missing_wheel_is_named_with_the_extra(monkeypatch):
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(DemoError) as refused:
        Embedder()
    assert str(refused.value) == (
        "The package 'wordllama' is not installed. "
        "The demo embeds its texts with the static weights of wordllama. "
        "Install what it needs with: pip install 'sqlalchemy-vecsearch[demo]'"
    )
