"""What a rule finds fault with."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Finding"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing in a statement that keeps a vector index from serving it, or makes it return fewer rows.

    Attributes:
        rule: the name of the rule, such as ``"descending"``; it never changes.
        message: what is written, and what PostgreSQL makes of it, in two sentences.
        fix: what to write instead.
    """

    rule: str
    message: str
    fix: str

    def __str__(self) -> str:
        return f"{self.message} {self.fix}"
