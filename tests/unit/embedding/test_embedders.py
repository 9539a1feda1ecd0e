"""What an embedder may return, and what is said of one that returns something else."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from sqlalchemy_vecsearch import (
    EmbedderError,
    RetryLater,
    SearchError,
    UnknownEmbedderError,
    aembed,
    aembed_query,
    embed,
    embed_query,
    embedder,
    embedding_column,
)
from sqlalchemy_vecsearch.embedding.embedders import checked_batch
from sqlalchemy_vecsearch.embedding.refusals import Fault, fault_of, wait_wanted_by


class Base(DeclarativeBase):
    pass


class Item(Base):
    __tablename__ = "item"
    id: Mapped[int] = mapped_column(primary_key=True)
    embedding: Mapped[list[float] | None] = embedding_column(3, metric="cosine", model="three")
    other: Mapped[list[float] | None] = embedding_column(2, metric="cosine", model="three")
    unknown: Mapped[list[float] | None] = embedding_column(2, metric="cosine", model="nobody's")
    plain: Mapped[list[float] | None] = embedding_column(2, metric="cosine")


def three(answer, **arguments):
    embedder("three", dimensions=3, **arguments)(answer)


def test_questions_and_texts_are_embedded_each_by_its_function():
    three(lambda texts: [[1, 2, float(len(texts[0]))]], query=lambda texts: np.array([[9, 9, len(texts[0])]]))
    assert embed(Item.embedding, "abc") == [1, 2, 3]
    assert embed_query(Item.embedding, "abcd").tolist() == [9, 9, 4]


def test_an_async_embedder_is_awaited_where_no_loop_runs():
    async def later(texts):
        await asyncio.sleep(0)
        return [[1, 2, 3] for _ in texts]

    three(later)
    assert embed_query(Item.embedding, "a") == [1, 2, 3]

    async def inside():
        with pytest.raises(EmbedderError) as raised:
            embed_query(Item.embedding, "a")
        return str(raised.value), await aembed_query(Item.embedding, "a"), await aembed(Item.embedding, "a")

    assert asyncio.run(inside()) == (
        "The embedder 'three' is async, and this thread runs an event loop. The loop can not wait here for something "
        "that it has to do itself. Write await aembed_query(...), or await aembed(...).",
        [1, 2, 3],
        [1, 2, 3],
    )


class AsyncModel:
    async def __call__(self, texts):
        await asyncio.sleep(0)
        return [[1, 2, 3] for _ in texts]


def test_an_object_with_an_async_call_is_awaited():
    three(AsyncModel())
    assert embed(Item.embedding, "a") == [1, 2, 3]


UNUSABLE = [
    (lambda _: [], "The embedder 'three' returned 0 vectors for 1 text."),
    (lambda _: np.zeros(3), "The embedder 'three' returned an array of shape (3,) for 1 text."),
    (lambda _: None, "The embedder 'three' returned a NoneType for 1 text."),
    (lambda _: [[1.0, 2.0]], "The embedder 'three' returned what is no vector of the column."),
    (lambda _: [[1.0, 2.0, float("nan")]], "The embedder 'three' returned what is no vector of the column."),
    (lambda _: [[0.0, 0.0, 0.0]], "The embedder 'three' returned what is no vector of the column."),
]


@pytest.mark.parametrize(("answer", "message"), UNUSABLE)
def test_what_is_no_vector_is_refused_by_name(answer, message):
    three(answer)
    with pytest.raises(EmbedderError) as raised:
        embed_query(Item.embedding, "a")
    assert str(raised.value).startswith(message)


def test_the_message_says_what_to_return():
    with pytest.raises(EmbedderError) as raised:
        checked_batch(np.zeros((2, 3)), 4, "three")
    assert str(raised.value) == (
        "The embedder 'three' returned an array of shape (2, 3) for 4 texts. Vectors and texts are matched by their "
        "order, so that one missing would shift all that follow. Return one vector for each text: a list of lists, or "
        "an array of shape (texts, dimensions)."
    )


def test_a_column_without_a_model_or_with_an_unknown_one_has_no_questions():
    with pytest.raises(UnknownEmbedderError) as raised:
        embed_query(Item.plain, "a")
    assert str(raised.value) == (
        "The column 'item.plain' declares no model. A question must be embedded by the model that embedded the rows, and "
        'only the column can say which. Declare it: embedding_column(..., model="...").'
    )
    with pytest.raises(UnknownEmbedderError) as raised:
        embed_query(Item.unknown, "a")
    assert str(raised.value).startswith('No embedder is registered for the model "nobody\'s"; registered: ')
    three(lambda texts: texts)
    with pytest.raises(EmbedderError) as raised:
        embed_query(Item.other, "a")
    assert str(raised.value) == (
        "The model 'three' makes vectors of 3 dimensions, and the column 'item.other' holds 2. Vectors of another length "
        "belong to another model. Correct the dimensions, or the model of the column."
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": ""}, "name=''. Rows keep it, in a column of 200 characters."),
        ({"dimensions": 0}, "dimensions=0. It is the length of every vector."),
        ({"batch_size": True}, "batch_size=True. A call embeds at least one text."),
        ({"price": -1}, "price=-1. It is what a million tokens cost."),
    ],
)
def test_arguments_out_of_range_are_refused(arguments, message):
    given = {"name": "x", "dimensions": 3} | arguments
    with pytest.raises(EmbedderError) as raised:
        embedder(given.pop("name"), **given)(list)
    assert str(raised.value) == f"An embedder can not be registered with {message} Correct it in @embedder(...)."


class Response:
    def __init__(self, status, **headers):
        self.status_code, self.headers = status, headers


class HTTPStatusError(Exception):
    def __init__(self, status, **headers):
        super().__init__(str(status))
        self.response = Response(status, **headers)


class ReadTimeoutError(Exception):
    pass


class TimeoutException(ReadTimeoutError):  # noqa: N818  # as httpx calls it
    pass


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (RetryLater(), Fault.LATER),
        (TimeoutError(), Fault.LATER),
        (ConnectionResetError(), Fault.LATER),
        (TimeoutException(), Fault.LATER),
        (HTTPStatusError(429), Fault.LATER),
        (HTTPStatusError(503), Fault.LATER),
        (HTTPStatusError(401), Fault.FATAL),
        (ModuleNotFoundError(), Fault.FATAL),
        (HTTPStatusError(400), Fault.REFUSED),
        (ValueError(), Fault.REFUSED),
    ],
)
def test_what_an_exception_says(error, fault):
    assert fault_of(error) is fault


def test_the_wait_that_a_service_asks_for():
    headers = {"retry-after": "7"}
    assert wait_wanted_by(HTTPStatusError(429, **headers)) == 7
    assert wait_wanted_by(HTTPStatusError(429)) is None
    assert wait_wanted_by(RetryLater(seconds=3)) == 3
    assert wait_wanted_by(ValueError()) is None


def no_answer(texts):
    raise AssertionError(texts)


@pytest.mark.parametrize("question", ["", " \n"])
def test_a_question_without_words_is_refused_before_the_model_is_asked(question):
    three(no_answer)
    expected = (
        f"The question {question!r} has no words. "
        "Models make a vector of nothing from it, or none at all, and every row would be as near as another. "
        "Ask for a question before you search."
    )
    with pytest.raises(SearchError) as caught:
        embed_query(Item.embedding, question)
    assert str(caught.value) == expected
    with pytest.raises(SearchError) as caught:
        asyncio.run(aembed_query(Item.embedding, question))
    assert str(caught.value) == expected
