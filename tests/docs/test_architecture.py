"""The picture of the layout shows what exists."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_module_in_the_picture_exists():
    text = (ROOT / "docs" / "explanation" / "architecture.md").read_text(encoding="utf-8")
    picture = text.partition("## The picture")[2].partition("## Which way")[0]
    missing, package = [], ""
    for line in picture.splitlines():
        if match := re.match(r"(\w+)/ ", line):
            package = match[1]
        elif match := re.match(r"  (\w+(?:\.py|/)) ", line):
            missing += [] if (ROOT / package / match[1]).exists() else [f"{package}/{match[1]}"]
    assert missing == []
    assert package == "alembic_ops"
