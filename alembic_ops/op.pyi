# Alembic's op with the operations of this package. A test compares it with their methods.

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from alembic.op import *  # noqa: F403  # everything that it has
from sqlalchemy import Column, TextClause
from sqlalchemy.types import TypeEngine

from alembic_ops.model.build import Build
from alembic_ops.operations.index_wish import IndexArgument
from sqlalchemy_vecsearch.embedding.journal import SwitchMode
from sqlalchemy_vecsearch.metrics import Metric
from sqlalchemy_vecsearch.provenance import Source

def abort_reembedding(job: str, *, discard_vectors: bool = False, schema: str | None = None) -> None: ...
def add_embedding_column(
    table_name: str, column: Column[Any], *, schema: str | None = None, published: bool = False
) -> None: ...
def alter_embedding_type(
    table_name: str,
    column: str,
    *,
    existing_type: TypeEngine[Any] | type[TypeEngine[Any]],
    type_: TypeEngine[Any] | type[TypeEngine[Any]],
    using: str | None = None,
    discard_vectors: bool = False,
    schema: str | None = None,
    published: bool = False,
) -> None: ...
def begin_reembedding(
    job: str,
    *,
    table_name: str,
    source: Source,
    live: str,
    new: Column[Any],
    model: str,
    index: IndexArgument | None = None,
    metric: Metric | str | None = None,
    previous_model: str | None = None,
    digest: Literal["md5", "sha256"] = "md5",
    key: Sequence[str] | None = None,
    schema: str | None = None,
    published: bool = False,
) -> None: ...
def create_vector_extension(*, minimum_version: str | None = None, schema: str | None = None) -> None: ...
def create_vector_index(
    name: str,
    table_name: str,
    column: str | TextClause,
    *,
    method: str = "hnsw",
    operator_class: str,
    with_: Mapping[str, int | Literal["auto"]] | None = None,
    where: str | TextClause | None = None,
    schema: str | None = None,
    concurrently: bool = True,
    build: Build | None = None,
) -> None: ...
def drop_vector_extension(*, schema: str | None = None, minimum_version: str | None = None) -> None: ...
def drop_vector_index(
    name: str,
    table_name: str,
    column: str | TextClause | None = None,
    *,
    method: str = "hnsw",
    operator_class: str | None = None,
    with_: Mapping[str, int] | None = None,
    where: str | TextClause | None = None,
    schema: str | None = None,
    concurrently: bool = True,
) -> None: ...
def finish_reembedding(job: str, *, keep_old: bool = False, schema: str | None = None) -> None: ...
def rebuild_vector_index(
    name: str,
    table_name: str,
    column: str | TextClause | None = None,
    *,
    method: str = "hnsw",
    operator_class: str | None = None,
    with_: Mapping[str, int] | None = None,
    where: str | TextClause | None = None,
    schema: str | None = None,
    concurrently: bool = True,
    build: Build | None = None,
) -> None: ...
def rename_vector_index(name: str, new_name: str, *, table_name: str, schema: str | None = None) -> None: ...
def swap_embedding(
    job: str,
    *,
    mode: SwitchMode | None = None,
    max_pending: int = 0,
    schema: str | None = None,
    published: bool = False,
) -> None: ...
def swap_embedding_back(
    job: str, *, allow_stale: bool = False, schema: str | None = None, published: bool = False
) -> None: ...
def swap_embedding_columns(
    table_name: str, *, live: str, replacement: str, schema: str | None = None, published: bool = False
) -> None: ...
def swap_vector_index(
    name: str, *, replacement: str, table_name: str, schema: str | None = None, concurrently: bool = True
) -> None: ...
def update_vector_extension() -> None: ...
