"""The questions that the service answers, each one statement."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from app.models import Article
from sqlalchemy_vecsearch import dense, embedding_of, fulltext, hybrid, nearest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement, Executable

__all__ = ["by_meaning", "by_meaning_and_words", "like"]


def by_meaning(question: Sequence[float], *, lang: str | None, k: int) -> Executable:
    """Return a search for the articles nearest to a question, with their `distance`."""
    articles = select(Article.slug, Article.title).where(*_written_in(lang))
    return nearest(articles, Article.embedding, question, k=k)


def by_meaning_and_words(question: Sequence[float], words: str, *, lang: str | None, k: int) -> Executable:
    """Return a search for the best articles by vectors and by full text together, with their `score`."""
    articles = select(Article.slug, Article.title).where(*_written_in(lang))
    return hybrid(articles, [dense(Article.embedding, question), fulltext(Article.fts, words)], k=k)


def like(slug: str, *, k: int) -> Executable:
    """Return a search for the articles nearest to one that is stored, without that one."""
    articles = select(Article.slug, Article.title)
    return nearest(articles, Article.embedding, embedding_of(Article, slug), k=k)


def _written_in(lang: str | None) -> list[ColumnElement[bool]]:
    return [] if lang is None else [Article.lang == lang]
