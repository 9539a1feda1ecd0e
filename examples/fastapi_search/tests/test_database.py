"""What the database has: the revisions say what the models say, and the index serves the searches."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from alembic import command
from app import search
from app.load import load
from app.models import Article
from sqlalchemy import select

from sqlalchemy_vecsearch import census

if TYPE_CHECKING:
    from collections.abc import Callable

    from alembic.config import Config
    from sqlalchemy import Engine

QUESTION = [1.0] * 256


def test_the_revisions_lead_to_the_models(alembic: Config) -> None:
    command.check(alembic)


@pytest.mark.parametrize("lang", [None, "en"])
def test_the_index_serves_a_search(engine: Engine, lang: str | None, assert_index_served: Callable[..., Any]) -> None:
    with engine.connect() as connection:
        assert_index_served(connection, search.by_meaning(QUESTION, lang=lang, k=5), index="ix_article_embedding")


def test_loading_again_embeds_nothing_again(engine: Engine) -> None:
    embedded_at = select(Article.__table__.c.embedded_at).order_by(Article.slug)
    with engine.connect() as connection:
        before = connection.scalars(embedded_at).all()
    assert load(engine, Path(__file__).parents[1] / "articles.jsonl") == len(before)
    with engine.connect() as connection:
        assert connection.scalars(embedded_at).all() == before
        assert census(connection, Article.embedding).pending == 0


def test_the_last_revision_can_be_taken_back_and_made_again(alembic: Config, engine: Engine) -> None:
    command.downgrade(alembic, "-1")
    command.upgrade(alembic, "head")
    command.check(alembic)
    load(engine, Path(__file__).parents[1] / "articles.jsonl")
