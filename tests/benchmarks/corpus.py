"""Vectors of the benchmarks: synthetic, with the low inner dimension that real embeddings have."""

from __future__ import annotations

import numpy as np


def embeddings(rows, dimensions, seed=7):
    """Return unit vectors, float32: 32 hidden dimensions, projected, with noise."""
    random = np.random.default_rng(seed)
    hidden = random.standard_normal((rows, 32), dtype=np.float32)
    projection = np.random.default_rng(1).standard_normal((32, dimensions), dtype=np.float32)
    vectors = hidden @ projection + 0.3 * random.standard_normal((rows, dimensions), dtype=np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def terms(rows, dimensions, seed=7):
    """Return the same with nine of ten elements zero, as sparse embeddings are."""
    vectors = embeddings(rows, dimensions, seed)
    vectors[np.random.default_rng(seed + 1).random(vectors.shape) < 0.9] = 0
    return vectors


def signatures(rows, dimensions, seed=7):
    """Return the signs of the vectors, as binary quantisation keeps them."""
    return embeddings(rows, dimensions, seed) > 0


def bit_text(bits):
    """Return the booleans as text, which is what pgvector.sqlalchemy hands to the driver."""
    return (bits.view(np.uint8) + ord("0")).tobytes().decode()
