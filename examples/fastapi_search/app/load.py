"""Load articles from a file of JSON lines, and embed them: `python -m app.load articles.jsonl`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import create_engine

from app.database import database_url
from app.models import Article
from sqlalchemy_vecsearch import copy_rows, refresh

if TYPE_CHECKING:
    from sqlalchemy import Engine

__all__ = ["load"]


def load(engine: Engine, file: Path) -> int:
    """Copy the lines of a file in one transaction, embed what is pending, and return how many articles came.

    Running it again changes only the articles whose text is another one, and embeds only those.
    """
    with file.open(encoding="utf-8") as lines:
        articles = [json.loads(line) for line in lines]
    with engine.begin() as connection:
        copied = copy_rows(connection, Article, articles, on_conflict="update")
    refresh(engine, Article.embedding)
    return copied


if __name__ == "__main__":
    count = load(create_engine(database_url()), Path(sys.argv[1]))
    sys.stdout.write(f"{count} articles\n")
