"""The code of the README and the documentation: what runs, and what a type checker reads of it."""

from __future__ import annotations

import ast
import inspect
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent, indent

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

BLOCK = re.compile(
    r"^(?P<indent> *)```(?P<kind>[^\n`]*)\n(?P<code>.*?)^(?P=indent)```[ ]*$|^<!--python\n(?P<hidden>.*?)^-->[ ]*$",
    re.MULTILINE | re.DOTALL,
)
MISSPELT = {"py", "python3", "pycon", "Python"}
REDEFINES = "# mypy: allow-redefinition"  # a reader gives `rows` another value from one block to the next


@dataclass(frozen=True)
class Block:
    """Code that runs, with the line of the page on which it starts."""

    line: int
    code: str

    def compiled(self, path):
        """Return the code object; its lines are those of the page, and `await` may stand at its top level."""
        source = "\n" * (self.line - 1) + self.code
        return compile(source, str(path), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)

    @property
    def awaits(self):
        return bool(self.compiled("page").co_flags & inspect.CO_COROUTINE)


def blocks_of(page_text):
    """Find the blocks of a page that run."""
    found = []
    for match in BLOCK.finditer(page_text):
        name, _, attributes = (match["kind"] or "").strip().partition(" ")
        assert name not in MISSPELT, f"```{name} would not run: write ```python, or ```text"
        if match["hidden"] is not None:
            group = "hidden"
        elif name == "python" and "title=" not in attributes:
            group = "code"
        else:
            continue
        found.append(Block(page_text.count("\n", 0, match.start(group)) + 1, dedent(match[group])))
    return found


HIDDEN = re.compile(r"^<!--python\n.*?^-->", re.MULTILINE | re.DOTALL)


def shown(page_text):
    """Return a page as its readers see it, with the lines that it has."""
    return HIDDEN.sub(lambda hidden: "\n" * hidden[0].count("\n"), page_text)


def module_of(page_text):
    """Return the blocks of a page as one module, with the lines of the page, or None where it has no block.

    A page that awaits at the top level becomes one async function.
    """
    blocks = blocks_of(page_text)
    if not blocks:
        return None
    awaits = any(block.awaits for block in blocks)
    lines = [REDEFINES, "async def page(url: str) -> None:" if awaits else 'url: str = ""']
    for block in blocks:
        lines += [""] * (block.line - 1 - len(lines))
        lines += indent(block.code, "    " if awaits else "").splitlines()
    return "\n".join(lines) + "\n"


def write_modules(folder, *, seen=lambda page_text: page_text):
    """Write a module for each page that has code; return their paths.

    Args:
        folder: is made where it is missing.
        seen: what of a page counts, all of it or what is `shown`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for path in PAGES:
        module = module_of(seen(path.read_text(encoding="utf-8")))
        if module is not None:
            name = "__".join(path.relative_to(ROOT).with_suffix(".py").parts)
            written.append(folder / f"documented__{name}")
            written[-1].write_text(module, encoding="utf-8")
    return written


if __name__ == "__main__":  # python -m tests.documented FOLDER, for a type checker
    from tests.generated import write_revision

    write_modules(Path(sys.argv[1]))
    write_revision(Path(sys.argv[1]))
