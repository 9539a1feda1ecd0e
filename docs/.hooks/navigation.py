"""The navigation of the documentation, made from its four folders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

SECTIONS = {
    "tutorial": "Tutorial",
    "how_to": "How-to guides",
    "reference": "Reference",
    "explanation": "Explanation",
}


def on_config(config: Any) -> Any:
    """List every page: the index, the four kinds in the order in which people need them, the changelog."""
    docs = Path(config.docs_dir)
    navigation: list[Any] = [{"Home": "index.md"}]
    for folder, title in SECTIONS.items():
        pages = sorted(page.relative_to(docs).as_posix() for page in (docs / folder).rglob("*.md"))
        if pages:
            navigation.append({title: pages})
    navigation.append({"Changelog": "changelog.md"})
    config.nav = navigation
    return config
