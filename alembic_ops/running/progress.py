"""Where the progress of a build goes: a bar on a terminal, lines of the log, lines of JSON, or a function."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Final, TextIO

from alembic_ops.errors import OperationArgumentError
from sqlalchemy_vecsearch.progress import showing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from sqlalchemy_vecsearch.observing.builds import BuildProgress

__all__ = ["reporter"]

_LOG: Final = logging.getLogger("alembic.alembic_ops")


@contextmanager
def reporter(options: Mapping[str, object], stream: TextIO | None = None) -> Iterator[Callable[[BuildProgress], None]]:
    """Give the function that progress is reported to, as ``context.configure(vector_progress=)`` asks for it.

    Args:
        options: the options of the migration context. ``vector_progress`` is "auto" (a bar on a terminal where rich is
            installed, else lines), "lines", "json", "none", or a function that takes a BuildProgress.
        stream: where bars and JSON go, None for the standard error.

    Raises:
        OperationArgumentError: ``vector_progress`` is something else.
    """
    wished = options.get("vector_progress", "auto")
    if callable(wished):
        yield wished
    elif wished == "none":
        yield lambda _: None
    elif wished in ("auto", "lines", "json"):
        with showing(wished, stream=stream, line=partial(_LOG.info, "%s"), transient=True) as report:
            yield report
    else:
        raise OperationArgumentError(
            f"context.configure(vector_progress={wished!r}) is not a way to show progress. "
            'Progress is shown as "auto", "lines", "json" or "none", or is given to a function. '
            "Write one of these in env.py, or leave it out.",
            operation="context.configure",
            argument="vector_progress",
        )
