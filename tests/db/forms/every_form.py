"""Every search form over whatever is searched, small enough that approximate and exact results are the same."""

import numpy as np
from situations import DIMENSIONS
from sqlalchemy import case

from sqlalchemy_vecsearch import (
    RRF,
    Subvector,
    boosted,
    count_within,
    dense,
    embedding_of,
    fulltext,
    hybrid,
    max_sim,
    nearest,
    nearest_each,
    nearest_first,
    nearest_per_group,
    page,
    recommend,
    similar_pairs,
)

QUERY, OTHER, THIRD = np.random.default_rng(12).normal(size=(3, DIMENSIONS)).astype(np.float32).tolist()


def legs(at, **options):
    return [dense(at["embedding"], QUERY, **options), fulltext(at["fts"], "amber", language="english")]


def recommended(at, **options):
    examples = {"positive": [at.identity(1), QUERY], "negative": [at.identity(7)]}
    return recommend(at.source, at["embedding"], **examples, k=10, **options)


def grouped(at, **options):
    return nearest_per_group(at.german, at["embedding"], QUERY, by=at["parent_id"], k=4, per_group=2, **options)


FORMS = {
    "nearest": lambda at, **options: nearest(at.source, at["embedding"], QUERY, k=10, **options),
    "nearest, filtered": lambda at, **options: nearest(at.german, at["embedding"], QUERY, k=10, **options),
    "nearest, within": lambda at, **options: nearest(at.source, at["embedding"], QUERY, k=10, within=0.5, **options),
    "nearest, after some": lambda at, **options: nearest(at.german.offset(5), at["embedding"], QUERY, k=10, **options),
    "like a stored row": lambda at, **options: nearest(
        at.source, at["embedding"], embedding_of(at.entity, at.identity(7)), k=10, **options
    ),
    "in two stages": lambda at, **options: nearest(at.source, at["bits"], QUERY, k=10, **options),
    "in several stages": lambda at, **options: nearest(
        at.german,
        at["bits"],
        QUERY,
        k=10,
        **options or {"oversample": 12, "stages": [(Subvector(1, 6), 90), ("halfvec", 60)]},
    ),
    "one of each group": lambda at, **options: nearest_per_group(
        at.source, at["embedding"], QUERY, by=at["parent_id"], k=10, **options
    ),
    "some of each group": grouped,
    "a batch": lambda at, **options: nearest_each(at.german, at["embedding"], {"a": QUERY, "b": OTHER}, k=5, **options),
    "an average": recommended,
    "the best score": lambda at, **options: recommended(at, strategy="best_score", **options),
    "hybrid": lambda at, **options: hybrid(at.german, legs(at, **options), k=10, fusion=RRF(60, {"fulltext": 0.9})),
    "a page": lambda at, **options: page(at.source, at["embedding"], QUERY, number=2, size=7, pool=50, **options),
    "nearest first": lambda at, **options: nearest_first(at.german, at["embedding"], QUERY, **options),
    "boosted": lambda at, **options: boosted(
        at.source,
        at["embedding"],
        QUERY,
        boost=case((at["parent_id"] > 3, 0.03), else_=0.0),  # an operator of the caller's own is not ours to qualify
        k=10,
        pool=50,
        **options,
    ),
    "pairs": lambda at, **options: similar_pairs(at.source, at["embedding"], within=0.2, **options),
    "a count": lambda at, **options: count_within(at.german, at["embedding"], QUERY, within=0.8, **options),
    "late interaction": lambda at, **options: max_sim(
        at.german, at["embedding"], [QUERY, OTHER, THIRD], by=at["parent_id"], k=5, **options
    ),
}
NEED_ITERATIVE_SCANS = {"nearest first"}
"""Forms that a pgvector before 0.8 serves with ``exact=True`` alone."""
AGGREGATES = {"a count", "late interaction"}
