"""The page of promises names a test for each, which exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reference" / "promises.md").read_text(encoding="utf-8")
ROWS = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith("| promise")]


def names_in(path):
    """Return the names of the test functions of a file."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_each_promise_is_held_by_one_test_that_exists():
    held = [re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", row) for row in ROWS]
    assert [row for row, found in zip(ROWS, held, strict=True) if len(found) != 1] == []
    assert [(path, name) for ((path, name),) in held if name not in names_in(path)] == []
    assert len(ROWS) > 25
