"""SQLAlchemy declarations and searches for pgvector."""

from __future__ import annotations

from sqlalchemy_vecsearch.columns import Embedding, declaration_of, embedding_column
from sqlalchemy_vecsearch.errors import (
    DeclarationError,
    DimensionError,
    LoadingError,
    MetricError,
    SearchError,
    SearchPathError,
    ServerError,
    SettingsError,
    UnsupportedServerError,
    VecSearchError,
    VectorValueError,
)
from sqlalchemy_vecsearch.expressions import Subvector
from sqlalchemy_vecsearch.indexes import VectorIndex, describe_index, vector_index
from sqlalchemy_vecsearch.loading import acopy_rows, copy_rows
from sqlalchemy_vecsearch.measuring.asserting import IndexNotServedError, assert_index_served
from sqlalchemy_vecsearch.measuring.choosing import choose_strategy
from sqlalchemy_vecsearch.measuring.explaining import explain
from sqlalchemy_vecsearch.measuring.findings import Finding
from sqlalchemy_vecsearch.measuring.linting import lint
from sqlalchemy_vecsearch.measuring.recall import recall
from sqlalchemy_vecsearch.measuring.served import SearchPlan
from sqlalchemy_vecsearch.measuring.tuning import TuningPoint, TuningResult, tune
from sqlalchemy_vecsearch.methods import HNSW, IVFFlat
from sqlalchemy_vecsearch.metrics import Metric, Storage
from sqlalchemy_vecsearch.mixins import ChunkMixin, EmbeddingMixin, FullText, FullTextMixin, VersionedEmbeddingMixin
from sqlalchemy_vecsearch.search.batch import nearest_each
from sqlalchemy_vecsearch.search.block import search_settings
from sqlalchemy_vecsearch.search.boosting import boosted, recency
from sqlalchemy_vecsearch.search.counting import count_within
from sqlalchemy_vecsearch.search.distances import distance, similarity
from sqlalchemy_vecsearch.search.diversity import diversify
from sqlalchemy_vecsearch.search.fusion import RRF, Weighted
from sqlalchemy_vecsearch.search.grouping import nearest_per_group
from sqlalchemy_vecsearch.search.hybrid import hybrid
from sqlalchemy_vecsearch.search.legs import dense, sparse
from sqlalchemy_vecsearch.search.max_sim import max_sim
from sqlalchemy_vecsearch.search.nearest import nearest
from sqlalchemy_vecsearch.search.paging import page
from sqlalchemy_vecsearch.search.pairs import similar_pairs
from sqlalchemy_vecsearch.search.queries import embedding_of
from sqlalchemy_vecsearch.search.recommend import recommend
from sqlalchemy_vecsearch.search.strategy import Strategy
from sqlalchemy_vecsearch.search.streaming import nearest_first, stream
from sqlalchemy_vecsearch.search.text_legs import fulltext, trigram
from sqlalchemy_vecsearch.settings import SearchSettings
from sqlalchemy_vecsearch.types import BIT, HALFVEC, SPARSEVEC, VECTOR, Vector

__all__ = [
    "BIT",
    "HALFVEC",
    "HNSW",
    "RRF",
    "SPARSEVEC",
    "VECTOR",
    "ChunkMixin",
    "DeclarationError",
    "DimensionError",
    "Embedding",
    "EmbeddingMixin",
    "Finding",
    "FullText",
    "FullTextMixin",
    "IVFFlat",
    "IndexNotServedError",
    "LoadingError",
    "Metric",
    "MetricError",
    "SearchError",
    "SearchPathError",
    "SearchPlan",
    "SearchSettings",
    "ServerError",
    "SettingsError",
    "Storage",
    "Strategy",
    "Subvector",
    "TuningPoint",
    "TuningResult",
    "UnsupportedServerError",
    "VecSearchError",
    "Vector",
    "VectorIndex",
    "VectorValueError",
    "VersionedEmbeddingMixin",
    "Weighted",
    "acopy_rows",
    "assert_index_served",
    "boosted",
    "choose_strategy",
    "copy_rows",
    "count_within",
    "declaration_of",
    "dense",
    "describe_index",
    "distance",
    "diversify",
    "embedding_column",
    "embedding_of",
    "explain",
    "fulltext",
    "hybrid",
    "lint",
    "max_sim",
    "nearest",
    "nearest_each",
    "nearest_first",
    "nearest_per_group",
    "page",
    "recall",
    "recency",
    "recommend",
    "search_settings",
    "similar_pairs",
    "similarity",
    "sparse",
    "stream",
    "trigram",
    "tune",
    "vector_index",
]
