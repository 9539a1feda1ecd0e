"""Adapters over the models and clients of other libraries."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from openai import AsyncOpenAI, OpenAI
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from sqlalchemy_vecsearch import embed, embed_query, embedding_column
from sqlalchemy_vecsearch.embedding.adapters import (
    use_fastembed,
    use_openai,
    use_sentence_transformers,
)


class Base(DeclarativeBase):
    pass


class Item(Base):
    __tablename__ = "item"
    id: Mapped[int] = mapped_column(primary_key=True)
    service: Mapped[list[float] | None] = embedding_column(3, metric="cosine", model="adapted-service")
    local: Mapped[list[float] | None] = embedding_column(2, metric="cosine", model="adapted-local")


WITH_WORDLLAMA = """
from pathlib import Path
import numpy as np
import wordllama
from sqlalchemy import Column, MetaData, Table
from sqlalchemy_vecsearch import embed, embed_query, embedding_column
from sqlalchemy_vecsearch.embedding.adapters import use_wordllama

words = embedding_column(256, metric="cosine", model="words", name="words").column
Table("item", MetaData(), words)
here = Path(wordllama.__file__).parent
use_wordllama(wordllama.WordLlama.load(cache_dir=here, disable_download=True), name="words")
near, far = (embed(words, text) for text in ("walk a directory tree", "the price of fish"))
question = embed_query(words, "recursively list folders and files")
assert abs(np.linalg.norm(near) - 1) < 1e-3
assert np.dot(question, near) > np.dot(question, far) + 0.1
print("embedded")
"""


def test_wordllama_embeds_with_the_weights_of_its_wheel():
    # in a process of its own: the demo shows that it does not import wordllama
    ended = subprocess.run([sys.executable, "-c", WITH_WORDLLAMA], capture_output=True, text=True, check=False)
    assert (ended.stdout, ended.returncode) == ("embedded\n", 0), ended.stderr


class Service(BaseHTTPRequestHandler):
    """A service of OpenAI's form, that is busy at first, and answers in another order than it was asked."""

    def do_POST(self):  # named by http.server
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.asked.append(asked)
        busy = len(self.server.asked) <= self.server.busy
        data = [{"object": "embedding", "index": place, "embedding": [1.0, 2.0, float(len(text))]}
                for place, text in enumerate(asked["input"])]  # fmt: skip
        answer = {"object": "list", "model": "m", "data": data[::-1], "usage": {"prompt_tokens": 1, "total_tokens": 1}}
        body = json.dumps({"error": {"message": "slow down"}} if busy else answer).encode()
        self.send_response(429 if busy else 200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.send_header("retry-after-ms", "1")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def service():
    with ThreadingHTTPServer(("127.0.0.1", 0), Service) as server:
        server.asked, server.busy = [], 0
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def address(server):
    return {"base_url": f"http://127.0.0.1:{server.server_address[1]}/v1", "api_key": "none"}


@pytest.mark.parametrize("shorten", [False, True])
def test_a_service_of_openais_form_is_asked_again_when_it_is_busy(service, shorten):
    service.busy = 2
    with OpenAI(**address(service), max_retries=3) as client:
        made = use_openai(client, name="adapted-service", model="m", dimensions=3, shorten=shorten, price=0.02)
        assert made.embed(["a", "bbbb"]) == [[1.0, 2.0, 1.0], [1.0, 2.0, 4.0]]
        assert embed_query(Item.service, "cc") == [1.0, 2.0, 2.0]
    assert [one["input"] for one in service.asked] == [["a", "bbbb"]] * 3 + [["cc"]]
    assert all(("dimensions" in one) is shorten for one in service.asked)
    assert (made.price, made.is_async) == (0.02, False)


async def test_an_async_client_is_awaited(service):
    async with AsyncOpenAI(**address(service)) as client:
        made = use_openai(client, name="adapted-service", model="m", dimensions=3)
        assert made.is_async
        assert await made.embed(["a"]) == [[1.0, 2.0, 1.0]]


class Transformer:
    """The methods of SentenceTransformer that the adapter calls, with their parameters."""

    def get_sentence_embedding_dimension(self):
        return 2

    def encode(
        self,
        sentences,
        prompt_name=None,
        prompt=None,
        batch_size=32,
        show_progress_bar=None,
        output_value="sentence_embedding",
        precision="float32",
        convert_to_numpy=True,
        convert_to_tensor=False,
        device=None,
        normalize_embeddings=False,
    ):
        assert (show_progress_bar, convert_to_numpy) == (False, True)
        length = len(prompt or "") + 1.0
        found = np.array([[length, len(text)] for text in sentences], dtype=np.float32)
        return found / np.linalg.norm(found, axis=1, keepdims=True) if normalize_embeddings else found


class TextEmbedding:
    """The methods of fastembed's class of this name that the adapter calls."""

    def embed(self, documents, batch_size=256, parallel=None):
        yield from (np.array([1.0, len(text)]) for text in documents)

    def query_embed(self, query):
        yield from (np.array([2.0, len(text)]) for text in query)


def test_prompts_stand_before_texts_and_questions():
    use_sentence_transformers(Transformer(), name="adapted-local", prompt="text: ", query_prompt="q: ", normalise=False)
    assert embed(Item.local, "abc").tolist() == [7, 3]
    assert embed_query(Item.local, "abc").tolist() == [4, 3]
    use_sentence_transformers(Transformer(), name="adapted-local")
    assert np.linalg.norm(embed(Item.local, "abc")) == pytest.approx(1)


def test_the_query_form_of_fastembed_embeds_questions():
    use_fastembed(TextEmbedding(), name="adapted-local", dimensions=2)
    assert embed(Item.local, "abc").tolist() == [1, 3]
    assert embed_query(Item.local, "abc").tolist() == [2, 3]
