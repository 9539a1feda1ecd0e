"""Plans as readable text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy_vecsearch.measuring.plans import PlanNode

__all__ = ["render_plan"]

_VECTOR: Final = re.compile(r"'\[([^\]']{24,})\]'")
_SPARSE: Final = re.compile(r"'\{([^}']{24,})\}/")
_BITS: Final = re.compile(r"B?'([01]{24,})'")
_LONGEST: Final = 200


def render_plan(root: PlanNode) -> str:
    """Return a plan as text, a line for each step, its conditions beneath it, long vectors shortened."""
    return "\n".join(_lines(root, depth=0))


def _lines(node: PlanNode, depth: int) -> Iterator[str]:
    margin = "   " * depth
    if node.role is not None:
        yield f"{margin}{node.role}"
    yield f"{margin}{'-> ' if depth else ''}{_title(node)}"
    inner = margin + ("      " if depth else "   ")
    for name, value in node.details:
        removed = f"  ({node.removed} rows removed)" if name in {"Filter", "Join Filter"} and node.removed else ""
        yield f"{inner}{name}: {_shortened(value)}{removed}"
    if node.subplans_removed:
        yield f"{inner}Subplans Removed: {node.subplans_removed}"
    for child in node.children:
        yield from _lines(child, depth + 1)


def _title(node: PlanNode) -> str:
    using = f" using {node.index}" if node.index is not None else ""
    read = node.relation or node.source
    on = f" on {read}" if read is not None else ""
    if node.rows is None:
        return f"{node.kind}{using}{on}  ({node.estimated_rows} rows expected)"
    return f"{node.kind}{using}{on}  ({node.rows} rows, {node.estimated_rows} expected)"


def _shortened(text: str) -> str:
    short = _VECTOR.sub(lambda found: f"'[... {found[1].count(',') + 1} numbers]'", text)
    short = _SPARSE.sub(lambda found: f"'{{... {found[1].count(':')} numbers}}/", short)
    short = _BITS.sub(lambda found: f"B'... {len(found[1])} bits'", short)
    return short if len(short) <= _LONGEST else short[: _LONGEST - 4] + " ..."
