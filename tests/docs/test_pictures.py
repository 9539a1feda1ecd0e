"""The pictures of the documentation are what their figures draw, say in words what they show, and each stands in a page."""

from __future__ import annotations

import runpy
import xml.etree.ElementTree as ET
from collections import Counter

import pytest

from tests.documented import PAGES, ROOT

FOLDER = ROOT / "docs" / ".pictures"
DRAWING = runpy.run_path(str(FOLDER / "draw.py"))
DRAWN = DRAWING["drawn"]()
SVG = "{http://www.w3.org/2000/svg}"
WALKED = {"first used the index": True, "scan ran": False, "exact ran": False}


def test_the_files_are_what_the_measured_figures_draw():
    kept = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.svg")}
    assert kept == DRAWN


@pytest.mark.parametrize("name", DRAWN)
def test_a_picture_says_in_words_what_it_shows(name):
    picture = ET.fromstring(DRAWN[name])
    assert picture.get("role") == "img"
    assert len(picture.find(f"{SVG}title").text) > 5
    assert len(picture.find(f"{SVG}desc").text) > 100


@pytest.mark.parametrize("name", DRAWN)
def test_nothing_lies_outside_of_a_picture(name):
    picture = ET.fromstring(DRAWN[name])
    width, height = map(float, picture.get("viewBox").split()[2:])
    for box in picture.iter(f"{SVG}rect"):
        x, y, wide, high = (float(box.get(one)) for one in ("x", "y", "width", "height"))
        assert 0 <= x <= x + wide <= width + 1
        assert 0 <= y <= y + high <= height
    for text in picture.iter(f"{SVG}text"):
        long = len(text.text) * (5.4 if text.get("class") == "small" else 6.4)  # as wide as most fonts are
        before = {"start": 0, "middle": 0.5, "end": 1}[text.get("text-anchor")] * long
        assert float(text.get("x")) - before >= -4, text.text
        assert float(text.get("x")) - before + long <= width + 8, text.text
        assert 8 <= float(text.get("y")) <= height


def test_each_picture_stands_in_one_page():
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert {name: text.count(f'--8<-- "docs/.pictures/{name}"') for name in DRAWN} == dict.fromkeys(DRAWN, 1)


@pytest.mark.parametrize(
    ("found", "way"),
    [
        ({}, "first"),
        ({"scan ran": True}, "scan"),
        ({"exact ran": True}, "exact"),
        ({"first used the index": False}, "planner"),
    ],
)
def test_the_way_of_a_search_is_the_arm_that_ran(found, way):
    assert DRAWING["way_of"](WALKED | found) == way


def test_figures_change_the_picture():
    measured = DRAWING["json"].loads((FOLDER / "measured.json").read_text(encoding="utf-8"))
    measured["swap"]["lock_ms"] += 1
    changed = Counter(name for name, draw in DRAWING["PICTURES"].items() if draw(measured) != DRAWN[name])
    assert changed == {"swap.svg": 1}
