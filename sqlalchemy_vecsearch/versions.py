"""Versions: that of this distribution, and others as numbers that can be compared."""

from __future__ import annotations

__all__ = ["__version__", "version_number"]

__version__ = "0.1.0"
"""The version of this distribution."""


def version_number(version: str) -> tuple[int, ...]:
    """Return a version such as "0.8.0" as numbers that can be compared."""
    return tuple(int(part) for part in version.split("-", maxsplit=1)[0].split(".") if part.isdigit())
