"""The repr of a value as a message shows it: whatever a caller passed, short, and without an error of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["short_repr", "shortened"]

_LONGEST: Final = 200


def short_repr(value: object, longest: int = _LONGEST, *, written: Callable[[object], str] = repr) -> str:
    """Return the start of a value's repr, or of what else writes it; where it has none, which class it is of."""
    try:
        text = written(value)
    except Exception:  # noqa: BLE001  # of any class; Python itself writes no whole number of more than 4,300 digits
        return f"<{type(value).__name__} that can not be written>"
    return shortened(text, longest)


def shortened(text: str, longest: int = 40) -> str:
    """Return at most so many characters of a text; 40 are enough to recognise a value in a line of a log."""
    return text if len(text) <= longest else text[: longest - 3] + "..."
