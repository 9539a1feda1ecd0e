"""The page on the architecture names every package and module, in the words that the modules say of themselves."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("sqlalchemy_vecsearch", "alembic_ops")
PAGE = ROOT / "docs" / "explanation" / "architecture.md"
JOURNEY = re.compile(r"^\d+\. `(\w[\w/]*\.py)`", re.MULTILINE)
MODULE = re.compile(r"`(?:\w+/)*(\w+\.py)`")
MOST_HOPS = 12


def test_every_module_stands_on_the_page_with_its_first_line():
    page = PAGE.read_text(encoding="utf-8").partition("## Every module")[2]
    shown = dict(re.findall(r"^- `([\w/]+(?:\.py|/))`: (.+)$", page, re.MULTILINE))
    assert shown == {name: first_line for name, first_line in modules() if first_line}


def test_the_journeys_go_through_modules_that_exist_and_through_few():
    page = PAGE.read_text(encoding="utf-8").partition("## Three journeys")[2].partition("\n## ")[0]
    journeys = [JOURNEY.findall(part) for part in page.split("\n### ")[1:]]
    named = [set(MODULE.findall(part)) for part in page.split("\n### ")[1:]]
    assert [len(hops) for hops in (*journeys, *named) if not 1 < len(hops) <= MOST_HOPS] == []
    assert len(journeys) == 3
    assert [hop for hops in journeys for hop in hops if not (ROOT / hop).is_file()] == []


def modules():
    """Yield the name and the first line of each package and module; the demo's revisions are its migrations/ alone."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            name = path.relative_to(ROOT).as_posix()
            if "/migrations/" not in name:
                first_line = path.read_text(encoding="utf-8").partition("\n")[0].strip('"')
                yield name.removesuffix("__init__.py"), first_line


if __name__ == "__main__":  # writes the list anew, after a module came, went or got another first line
    text, heading, _ = PAGE.read_text(encoding="utf-8").partition("## Every module")
    lines = [f"- `{name}`: {first_line}" for name, first_line in modules()]
    introduction = "Each with its own first line. `python tests/docs/test_architecture.py` writes this list anew."
    PAGE.write_text(f"{text}{heading}\n\n{introduction}\n\n" + "\n".join(lines) + "\n", encoding="utf-8")
