"""The parts of a caller's Select that some forms can not take."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy_vecsearch.errors import SearchError
from sqlalchemy_vecsearch.selects import has_loader_options, has_offset, is_locking

if TYPE_CHECKING:
    from sqlalchemy_vecsearch.selects import Statement

__all__ = ["refuse_loaders", "refuse_lock", "refuse_offset"]


def refuse_offset(statement: Statement) -> None:
    """Check that a statement has no OFFSET, for the forms that do not count from the nearest row.

    Raises:
        SearchError: it has one.
    """
    if has_offset(statement):
        raise SearchError(
            "The statement to search has an OFFSET. "
            "This search ranks a fixed number of rows, and what comes after them is not known. "
            "Ask for more rows and leave the first ones out, or page through nearest() or page()."
        )


def refuse_lock(statement: Statement, why: str, remedy: str) -> None:
    """Check that a statement locks no rows, for the forms that return something else than its rows.

    Raises:
        SearchError: it does.
    """
    if is_locking(statement):
        raise SearchError(f"The statement to search locks rows. {why} {remedy}")


def refuse_loaders(statement: Statement, why: str, remedy: str) -> None:
    """Check that a statement has no options that load entities.

    Raises:
        SearchError: it has some.
    """
    if has_loader_options(statement):
        raise SearchError(f"The statement to search has loader options. {why} {remedy}")
