"""A module as users have one: models and their embedder, which ends the process at the step that the test names.

As a program it is one worker: `python embedding_service.py URL`.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from sqlalchemy import create_engine

from sqlalchemy_vecsearch import Retry, embedder, refresh
from sqlalchemy_vecsearch.embedding.claims import Claims
from sqlalchemy_vecsearch.embedding.writing import Writer
from tests.db.embedding.embedded_models import DIMENSIONS, MODEL, Document, digits

__all__ = ["Document"]


def log(texts):
    path = os.environ.get("EMBEDDED_TEXTS")
    if path:
        with Path(path).open("a", encoding="utf-8") as file:
            file.writelines(f"{text!r}\n" for text in texts)


@embedder(MODEL, dimensions=DIMENSIONS, batch_size=4)
def embed_digits(texts):
    log(texts)
    killed_at("in the model")
    return digits(texts)


passed = {}


def killed_at(step):
    """End this process like kill -9 when it comes to its step for the second time."""
    passed[step] = passed.get(step, 0) + 1
    if os.environ.get("KILLED_AT") == step and passed[step] == 2:
        os.kill(os.getpid(), signal.SIGKILL)


def with_deaths(owner, name, before, after):
    original = getattr(owner, name)

    def around(*arguments, **named):
        killed_at(before)
        answer = original(*arguments, **named)
        killed_at(after)
        return answer

    setattr(owner, name, around)


if __name__ == "__main__":
    with_deaths(Claims, "find", "before the claim", "before the claim")
    with_deaths(Claims, "read", "before the read", "after the read")
    with_deaths(Writer, "settle", "after the write", "after the claim")
    with_deaths(Writer, "write", "before the write", "written")
    engine = create_engine(sys.argv[1])
    refresh(engine, Document.embedding, retry=Retry(first_wait=0.01))
