"""The exit code of the command that other tools do not have; the others are 0, 1, 2 and 130 as everywhere."""

from typing import Final

__all__ = ["NEEDS_ATTENTION"]

NEEDS_ATTENTION: Final = 3
"""The command did its work, and what it found needs somebody's attention."""
