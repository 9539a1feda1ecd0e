"""The operations on a job as data: rendered, evaluated, turned round."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from alembic.autogenerate import render_python_code
from alembic.operations import Operations
from alembic.operations.ops import UpgradeOps
from alembic.runtime.migration import MigrationContext

import alembic_ops
import sqlalchemy_vecsearch.types
from alembic_ops.errors import IrreversibleOperationError, OperationArgumentError
from alembic_ops.operations import (
    AbortReembeddingOp,
    BeginReembeddingOp,
    FinishReembeddingOp,
    SwapEmbeddingBackOp,
    SwapEmbeddingOp,
)
from sqlalchemy_vecsearch import HALFVEC, HNSW, VECTOR

PLAIN = {"table_name": "document", "live": "embedding", "new": sa.Column("v2", VECTOR(4)), "model": "new"}


class Recorder(Operations):
    """Keeps the operations that a revision invokes, in place of performing them."""

    def __init__(self):
        super().__init__(MigrationContext.configure(dialect_name="postgresql"))
        self.invoked = []

    def invoke(self, operation):
        self.invoked.append(operation)


def begun(job="j", **arguments):
    recorder = Recorder()
    BeginReembeddingOp.begin_reembedding(recorder, job, **PLAIN | {"source": ["title"]} | arguments)
    return recorder.invoked[0]


OPERATIONS = [
    begun(),
    begun("it's", source="title", index=HNSW(m=8), schema='"app"', published=True, key=["id", "part"]),
    begun(
        source=sa.text("lower(title)::text || ':x'"), index=HNSW(), metric="l2", previous_model="old", digest="sha256"
    ),
    begun(source=sa.func.lower(sa.column("title")), index={"name": "ix", "method": "ivfflat", "with_": {"lists": 7}}),
    begun(
        new=sa.Column("v2", HALFVEC(4)),
        index={
            "column": sa.text("(v2::bit(4))"),
            "operator_class": "bit_hamming_ops",
            "where": "language = ':x' AND a::text = 'b'",
        },
    ),
    AbortReembeddingOp(job="j"),
    AbortReembeddingOp(job="j", discard_vectors=True, schema="app"),
    SwapEmbeddingOp(job="j"),
    SwapEmbeddingOp(job="j", mode="rename", max_pending=7, schema="app", published=True),
    SwapEmbeddingBackOp(job="j"),
    SwapEmbeddingBackOp(job="j", allow_stale=True, schema="app", published=True),
    FinishReembeddingOp(job="j"),
    FinishReembeddingOp(job="j", keep_old=True, schema="app"),
]


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: repr(one.to_diff_tuple()))
def test_the_rendered_text_evaluates_to_an_equal_operation(operation):
    recorder = Recorder()
    body = render_python_code(UpgradeOps(ops=[operation]))
    names = {"sqlalchemy_vecsearch": sqlalchemy_vecsearch, "op": recorder, "sa": sa, "alembic_ops": alembic_ops}
    exec("if True:\n    " + body, names)
    assert recorder.invoked == [operation]


def test_there_and_back_are_the_same_operation():
    begin, swap = begun(), SwapEmbeddingOp(job="j", mode="rename", max_pending=3, schema="app")
    assert begin.reverse() == AbortReembeddingOp(job="j")
    assert begin.reverse().reverse() is begin
    assert swap.reverse() == SwapEmbeddingBackOp(job="j", schema="app")
    assert swap.reverse().reverse() is swap
    assert SwapEmbeddingBackOp(job="j").reverse() == SwapEmbeddingOp(job="j")


def test_what_cannot_be_turned_round_says_so():
    with pytest.raises(IrreversibleOperationError) as refusal:
        FinishReembeddingOp(job="j").reverse()
    assert str(refusal.value) == (
        "Finishing the job 'j' cannot be reversed. The vectors of the former model are gone with their column, or "
        "nobody has kept them true to their texts. Begin a job with the former model by op.begin_reembedding(), and "
        "let it embed the rows again."
    )
    with pytest.raises(IrreversibleOperationError, match="Aborting the job 'j' cannot be reversed"):
        AbortReembeddingOp(job="j").reverse()


@pytest.mark.parametrize(
    ("arguments", "argument"),
    [({"mode": "view"}, "mode"), ({"max_pending": -1}, "max_pending"), ({"max_pending": True}, "max_pending")],
)
def test_a_switch_that_is_none_is_refused(arguments, argument):
    with pytest.raises(OperationArgumentError) as refusal:
        SwapEmbeddingOp(job="j", **arguments)
    assert refusal.value.argument == argument


def test_an_index_wish_is_in_the_words_of_create_vector_index():
    assert begun(index=HNSW(m=8)).index.as_json() == {
        "name": "ix_document_v2", "column": "v2", "method": "hnsw", "with_": {"m": 8},
    }  # fmt: skip
    assert begun(index=HNSW(), metric="cosine").index.as_json()["operator_class"] == "vector_cosine_ops"


def test_an_index_over_an_expression_needs_its_operator_class():
    with pytest.raises(OperationArgumentError, match="asks for an index over an expression without an operator class"):
        begun(index={"column": sa.text("(v2::halfvec(4))")})


def test_the_words_for_people_name_the_job():
    assert [operation.describe() for operation in OPERATIONS if operation.job == "j"][1:] == [
        "begin the job j on document.v2",
        "begin the job j on document.v2",
        "begin the job j on document.v2",
        "abort the job j",
        "abort the job app.j",
        "switch searches to the new column of the job j",
        "switch searches to the new column of the job app.j",
        "switch searches back to the former column of the job j",
        "switch searches back to the former column of the job app.j",
        "finish the job j",
        "finish the job app.j",
    ]
