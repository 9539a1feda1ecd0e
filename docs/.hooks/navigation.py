"""The navigation of the documentation, made from its four folders."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

SECTIONS: Final = {
    "tutorial": "Tutorial",
    "how_to": "How-to guides",
    "reference": "Reference",
    "explanation": "Explanation",
}

FIRST: Final = {"tutorial": "semantic_search.md"}

# group -> the first words of its pages' names; a page takes the first group that names it, and else the last one
GROUPS: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    "how_to": {
        "Declare and store": ("declare", "adopt", "store", "load", "extension_in"),
        "Search": (
            "search",
            "boost",
            "choose",
            "count",
            "diversify",
            "late_interaction",
            "page_through",
            "recommend",
            "retrieve",
        ),
        "Embed": ("change_the_embedding", "keep_embeddings", "embed"),
        "Migrate and operate": (
            "build",
            "change_m",
            "change_tables",
            "deploy",
            "migrate",
            "recover",
            "set_up_alembic",
            "start_several",
        ),
        "Measure and test": ("check", "find", "measure", "test"),
        "Use with other tools": (),
    },
    "reference": {
        "Operations of Alembic": ("operations/", "autogenerate", "alter_", "rename_"),
        "What to expect": ("promises", "limits"),
        "sqlalchemy_vecsearch": (),
    },
}


def on_config(config: Any) -> Any:  # Any: mkdocs has no types
    """List every page: the index, the four kinds in the order in which people need them, the changelog."""
    docs = Path(config.docs_dir)
    navigation: list[Any] = [{"Home": "index.md"}]
    for folder, title in SECTIONS.items():
        pages = [page.relative_to(docs / folder).as_posix() for page in (docs / folder).rglob("*.md")]
        pages.sort(key=lambda page: (page != FIRST.get(folder), page))
        navigation.append({title: grouped(folder, pages)})
    navigation.append({"Changelog": "changelog.md"})
    config.nav = navigation
    return config


def grouped(folder: str, pages: list[str]) -> list[Any]:
    """Return the pages of a folder under the titles of its groups, or as they are where it has none."""
    groups = GROUPS.get(folder)
    if groups is None:
        return [f"{folder}/{page}" for page in pages]
    found: dict[str, list[str]] = {title: [] for title in groups}
    last = next(reversed(groups))
    for page in pages:
        title = next((title for title, words in groups.items() if page.startswith(words)), last)
        found[title].append(f"{folder}/{page}")
    return [{title: listed} for title, listed in found.items() if listed]
