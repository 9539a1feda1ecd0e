"""SQLAlchemy declarations and searches for pgvector."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy_vecsearch.columns import Embedding, declaration_of, embedding_column
from sqlalchemy_vecsearch.embedding import assignment as _assignment  # noqa: F401  # listens to mapped classes
from sqlalchemy_vecsearch.embedding.errors import (
    ColumnSwitchedError,
    EmbedderError,
    EmbedderRefusesAllError,
    FingerprintError,
    JobStateError,
    ReembeddingError,
    RetryLater,
    UnknownEmbedderError,
    UnknownJobError,
    VerificationError,
    WorkTableError,
)
from sqlalchemy_vecsearch.errors import (
    DeclarationError,
    DimensionError,
    LoadingError,
    LoadingValueError,
    MetricError,
    ModelError,
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
from sqlalchemy_vecsearch.methods import HNSW, IVFFlat
from sqlalchemy_vecsearch.metrics import Metric, Storage
from sqlalchemy_vecsearch.mixins import (
    ChunkMixin,
    EmbeddingMixin,
    FullText,
    FullTextMixin,
    ProvenanceMixin,
    VersionedEmbeddingMixin,
)
from sqlalchemy_vecsearch.provenance import Provenance
from sqlalchemy_vecsearch.settings import SearchSettings
from sqlalchemy_vecsearch.types import BIT, HALFVEC, SPARSEVEC, VECTOR, Vector
from sqlalchemy_vecsearch.versions import __version__

if TYPE_CHECKING:
    from sqlalchemy_vecsearch.embedding.asking import aembed, aembed_query, embed, embed_query
    from sqlalchemy_vecsearch.embedding.embedders import embedder
    from sqlalchemy_vecsearch.embedding.journal import Reembedding
    from sqlalchemy_vecsearch.embedding.notify_trigger import notify_trigger
    from sqlalchemy_vecsearch.embedding.pacing import Rate, Retry
    from sqlalchemy_vecsearch.embedding.pointer import ActiveEmbedding, aactive, active
    from sqlalchemy_vecsearch.embedding.preflight import Preflight, preflight
    from sqlalchemy_vecsearch.embedding.refreshing import arefresh, refresh
    from sqlalchemy_vecsearch.embedding.run import Refreshed
    from sqlalchemy_vecsearch.embedding.stale import Census, census, source_hash, source_text, stale
    from sqlalchemy_vecsearch.embedding.throttling import WaitForDatabase
    from sqlalchemy_vecsearch.loading import acopy_rows, copy_rows
    from sqlalchemy_vecsearch.measuring.asserting import IndexNotServedError, aassert_index_served, assert_index_served
    from sqlalchemy_vecsearch.measuring.choosing import achoose_strategy, choose_strategy
    from sqlalchemy_vecsearch.measuring.explaining import aexplain, explain
    from sqlalchemy_vecsearch.measuring.findings import Finding
    from sqlalchemy_vecsearch.measuring.linting import lint
    from sqlalchemy_vecsearch.measuring.recall import RecallResult, arecall, recall
    from sqlalchemy_vecsearch.measuring.served import SearchPlan
    from sqlalchemy_vecsearch.measuring.tuning import TuningPoint, TuningResult, atune, tune
    from sqlalchemy_vecsearch.search.boosted import boosted, recency
    from sqlalchemy_vecsearch.search.building.fusion import RRF, Weighted
    from sqlalchemy_vecsearch.search.building.query_vector import embedding_of
    from sqlalchemy_vecsearch.search.count_within import count_within
    from sqlalchemy_vecsearch.search.dense import dense
    from sqlalchemy_vecsearch.search.distance import distance, similarity
    from sqlalchemy_vecsearch.search.diversify import diversify
    from sqlalchemy_vecsearch.search.fulltext import fulltext
    from sqlalchemy_vecsearch.search.hybrid import hybrid
    from sqlalchemy_vecsearch.search.max_sim import max_sim
    from sqlalchemy_vecsearch.search.nearest import nearest
    from sqlalchemy_vecsearch.search.nearest_each import nearest_each
    from sqlalchemy_vecsearch.search.nearest_first import nearest_first
    from sqlalchemy_vecsearch.search.nearest_per_group import nearest_per_group
    from sqlalchemy_vecsearch.search.page import page
    from sqlalchemy_vecsearch.search.recommend import recommend
    from sqlalchemy_vecsearch.search.search_settings import search_settings
    from sqlalchemy_vecsearch.search.similar_pairs import similar_pairs
    from sqlalchemy_vecsearch.search.sparse import sparse
    from sqlalchemy_vecsearch.search.strategy import Strategy
    from sqlalchemy_vecsearch.search.stream import stream
    from sqlalchemy_vecsearch.search.trigram import trigram

__all__ = [
    "BIT",
    "HALFVEC",
    "HNSW",
    "RRF",
    "SPARSEVEC",
    "VECTOR",
    "ActiveEmbedding",
    "Census",
    "ChunkMixin",
    "ColumnSwitchedError",
    "DeclarationError",
    "DimensionError",
    "EmbedderError",
    "EmbedderRefusesAllError",
    "Embedding",
    "EmbeddingMixin",
    "Finding",
    "FingerprintError",
    "FullText",
    "FullTextMixin",
    "IVFFlat",
    "IndexNotServedError",
    "JobStateError",
    "LoadingError",
    "LoadingValueError",
    "Metric",
    "MetricError",
    "ModelError",
    "Preflight",
    "Provenance",
    "ProvenanceMixin",
    "Rate",
    "RecallResult",
    "Reembedding",
    "ReembeddingError",
    "Refreshed",
    "Retry",
    "RetryLater",
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
    "UnknownEmbedderError",
    "UnknownJobError",
    "UnsupportedServerError",
    "VecSearchError",
    "Vector",
    "VectorIndex",
    "VectorValueError",
    "VerificationError",
    "VersionedEmbeddingMixin",
    "WaitForDatabase",
    "Weighted",
    "WorkTableError",
    "__version__",
    "aactive",
    "aassert_index_served",
    "achoose_strategy",
    "acopy_rows",
    "active",
    "aembed",
    "aembed_query",
    "aexplain",
    "arecall",
    "arefresh",
    "assert_index_served",
    "atune",
    "boosted",
    "census",
    "choose_strategy",
    "copy_rows",
    "count_within",
    "declaration_of",
    "dense",
    "describe_index",
    "distance",
    "diversify",
    "embed",
    "embed_query",
    "embedder",
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
    "notify_trigger",
    "page",
    "preflight",
    "recall",
    "recency",
    "recommend",
    "refresh",
    "search_settings",
    "similar_pairs",
    "similarity",
    "source_hash",
    "source_text",
    "sparse",
    "stale",
    "stream",
    "trigram",
    "tune",
    "vector_index",
]

_BY_MODULE: Final = {
    "embedding.asking": ("aembed", "aembed_query", "embed", "embed_query"),
    "embedding.embedders": ("embedder",),
    "embedding.journal": ("Reembedding",),
    "embedding.notify_trigger": ("notify_trigger",),
    "embedding.pacing": ("Rate", "Retry"),
    "embedding.pointer": ("ActiveEmbedding", "aactive", "active"),
    "embedding.preflight": ("Preflight", "preflight"),
    "embedding.refreshing": ("arefresh", "refresh"),
    "embedding.run": ("Refreshed",),
    "embedding.stale": ("Census", "census", "source_hash", "source_text", "stale"),
    "embedding.throttling": ("WaitForDatabase",),
    "loading": ("acopy_rows", "copy_rows"),
    "measuring.asserting": ("IndexNotServedError", "aassert_index_served", "assert_index_served"),
    "measuring.choosing": ("achoose_strategy", "choose_strategy"),
    "measuring.explaining": ("aexplain", "explain"),
    "measuring.findings": ("Finding",),
    "measuring.linting": ("lint",),
    "measuring.recall": ("RecallResult", "arecall", "recall"),
    "measuring.served": ("SearchPlan",),
    "measuring.tuning": ("TuningPoint", "TuningResult", "atune", "tune"),
    "search.boosted": (
        "boosted",
        "recency",
    ),
    "search.building.fusion": (
        "RRF",
        "Weighted",
    ),
    "search.building.query_vector": ("embedding_of",),
    "search.count_within": ("count_within",),
    "search.dense": ("dense",),
    "search.distance": (
        "distance",
        "similarity",
    ),
    "search.diversify": ("diversify",),
    "search.fulltext": ("fulltext",),
    "search.hybrid": ("hybrid",),
    "search.max_sim": ("max_sim",),
    "search.nearest": ("nearest",),
    "search.nearest_each": ("nearest_each",),
    "search.nearest_first": ("nearest_first",),
    "search.nearest_per_group": ("nearest_per_group",),
    "search.page": ("page",),
    "search.recommend": ("recommend",),
    "search.search_settings": ("search_settings",),
    "search.similar_pairs": ("similar_pairs",),
    "search.sparse": ("sparse",),
    "search.strategy": ("Strategy",),
    "search.stream": ("stream",),
    "search.trigram": ("trigram",),
}
"""What declarations do not need: a module is imported when one of its names is asked for."""

_MODULES: Final = {name: module for module, names in _BY_MODULE.items() for name in names}


def __getattr__(name: str) -> Any:  # Any: any public name; type checkers see the imports above
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})
