"""Whether an embedder that raised can not answer now, has to be put right, or refuses a text."""

from __future__ import annotations

from enum import Enum
from typing import Any, Final

from sqlalchemy_vecsearch.embedding.errors import EmbedderError, RetryLater

__all__ = ["Fault", "fault_of", "wait_wanted_by"]


class Fault(Enum):
    """What an exception of an embedder says."""

    LATER = "later"  # too many requests, a time-out: ask again
    FATAL = "fatal"  # a wrong key, a wrong address: no text will pass
    REFUSED = "refused"  # something in these texts


_LATER: Final = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
_FATAL: Final = frozenset({401, 402, 403, 404})


def fault_of(error: Exception) -> Fault:
    """Return what an exception says, by its class or by the HTTP status that client libraries give their exceptions."""
    if isinstance(error, RetryLater | TimeoutError | ConnectionError) or _named_as_timeout(error):
        return Fault.LATER
    status = _status(error)
    if status in _LATER:
        return Fault.LATER
    if status in _FATAL or isinstance(error, ImportError | NotImplementedError | NameError):
        return Fault.FATAL
    return Fault.REFUSED


def wait_wanted_by(error: Exception) -> float | None:
    """Return how many seconds a service asks to wait, by RetryLater or by the header Retry-After."""
    if isinstance(error, RetryLater):
        return error.seconds
    headers: Any = getattr(getattr(error, "response", None), "headers", None) or {}
    try:
        return float(headers.get("retry-after"))
    except (AttributeError, TypeError, ValueError):  # none, or a date
        return None


def reason_of(error: Exception) -> str:
    """Return why a text was refused, for the work table."""
    return str(error) if isinstance(error, EmbedderError) else f"{type(error).__name__}: {error}"


def _status(error: Exception) -> int | None:
    for holder in (error, getattr(error, "response", None)):
        for name in ("status_code", "status", "code"):
            found = getattr(holder, name, None)
            if isinstance(found, int):
                return found
    return None


def _named_as_timeout(error: Exception) -> bool:
    names = {base.__name__ for base in type(error).__mro__}
    return bool(names & {"Timeout", "TimeoutException", "APITimeoutError", "APIConnectionError", "TransportError"})
