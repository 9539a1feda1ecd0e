"""The code of each page as type checkers read it: `make lint` has mypy and pyright do so, both strict."""

from __future__ import annotations

import subprocess
import sys

from tests.documented import PAGES, ROOT, blocks_of, module_of, shown, write_modules


def test_no_code_of_a_page_silences_a_type_checker():
    blocks = [block for path in PAGES for block in blocks_of(path.read_text(encoding="utf-8"))]
    assert [block for block in blocks if "type: ignore" in block.code or "pyright:" in block.code] == []


def test_a_reader_sees_where_each_name_comes_from(tmp_path):
    modules = write_modules(tmp_path, seen=shown)
    command = [
        sys.executable,
        "-m",
        "ruff",
        "check",
        "--isolated",
        "--select=F821",
        "--output-format=concise",
        tmp_path,
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert len(modules) > 30
    assert done.stdout.splitlines() == ["All checks passed!"]


def test_hidden_code_is_not_shown():
    page = "# A page\n\n<!--python\nhidden = 1\n-->\n\n```python\nprint(hidden)\n```\n"
    assert module_of(shown(page)).splitlines()[2:] == ["", "", "", "", "", "print(hidden)"]


def test_a_page_becomes_a_module_with_the_lines_of_the_page():
    page = "# A page\n\ntext\n\n```python\nfirst = url\n```\n\n```python\nif first:\n    second = 2\n```\n"
    lines = ["# mypy: allow-redefinition", 'url: str = ""', "", "", "", "first = url", "", "", ""]
    assert module_of(page).splitlines() == [*lines, "if first:", "    second = 2"]


def test_a_page_that_awaits_becomes_a_function():
    page = "# A page\n\n```python\nfirst = 1\nawait wait(first)\n```\n"
    assert module_of(page).splitlines()[1:] == [
        "async def page(url: str) -> None:",
        "",
        "    first = 1",
        "    await wait(first)",
    ]


def test_a_page_without_code_is_no_module():
    assert module_of("# A page\n\n```text\nnothing\n```\n") is None
