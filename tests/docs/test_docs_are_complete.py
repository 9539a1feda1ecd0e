"""The reference mentions every public name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import alembic_ops
import sqlalchemy_vecsearch
from sqlalchemy_vecsearch import testing

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"


@pytest.mark.parametrize("package", [sqlalchemy_vecsearch, alembic_ops, testing], ids=lambda package: package.__name__)
def test_every_public_name_is_in_the_reference(package):
    text = "\n".join(page.read_text(encoding="utf-8") for page in REFERENCE.rglob("*.md"))
    mentioned = set(re.findall(r"\w+", text))
    assert sorted(set(getattr(package, "__all__", ())) - mentioned) == []


@pytest.mark.parametrize("package", [sqlalchemy_vecsearch, alembic_ops], ids=lambda package: package.__name__)
def test_public_names_are_sorted_and_exist(package):
    names = list(getattr(package, "__all__", ()))
    assert [name for name in names if not hasattr(package, name)] == []
    assert len(names) == len(set(names))
