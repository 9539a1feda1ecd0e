"""The error of the demo."""

from __future__ import annotations

from sqlalchemy_vecsearch.errors import VecSearchError

__all__ = ["DemoError"]


class DemoError(VecSearchError, RuntimeError):
    """The demo cannot run here; the message says what to change."""
