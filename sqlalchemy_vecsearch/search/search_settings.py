"""Search settings for a block of a transaction."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

from sqlalchemy import Integer, bindparam, func, select, text
from sqlalchemy.exc import DBAPIError

from sqlalchemy_vecsearch.errors import SettingsError
from sqlalchemy_vecsearch.settings import SearchSettings

if TYPE_CHECKING:
    from types import TracebackType

    from sqlalchemy import Connection, TextClause
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
    from sqlalchemy.orm import Session

__all__ = ["search_settings"]


class search_settings:  # noqa: N801  # used as a function, like contextlib.suppress
    """Sets search settings for a block of a transaction, and restores them.

    The statements of the helpers keep to the settings of the block: they raise ``ef_search`` and ``probes`` where they
    need more, and never lower them. It sends ``SET LOCAL`` with literal values, which is the form that Citus forwards
    to its workers (with ``citus.propagate_set_commands = 'local'``).

    Args:
        session: a ``Session``, ``Connection``, ``AsyncSession`` or ``AsyncConnection`` in a transaction; the async ones
            with ``async with``.
        settings: those of :class:`SearchSettings`: ``ef_search``, ``probes``, ``max_scan_tuples``,
            ``scan_mem_multiplier``, ``max_probes``.

    Raises:
        SettingsError: a value is out of range, no setting is given, or the connection is in autocommit, where
            ``SET LOCAL`` ends with its own statement.
        UnsupportedServerError: the setting needs pgvector 0.8.

    Example:
        ```text
        with search_settings(session, ef_search=200):
            rows = session.execute(nearest(Document, Document.embedding, vector, k=10)).all()
        ```
    """

    def __init__(
        self, session: Session | Connection | AsyncSession | AsyncConnection, /, **settings: int | None
    ) -> None:
        self._session = session
        self._wanted = SearchSettings(**settings).parameters
        self._before: dict[str, str | None] = {}
        if not self._wanted:
            raise SettingsError(
                "search_settings() was given no setting. "
                "It holds settings for a block, and there is none to hold. "
                "Name one, such as ef_search=200."
            )

    def __enter__(self) -> Self:
        if _is_async(self._session):
            raise SettingsError(
                f"search_settings() was entered without 'async' for an {type(self._session).__name__}. "
                "Its statements have to be awaited. "
                "Write: async with search_settings(session, ...)."
            )
        self._apply(self._session)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._restore(self._session, failed=error is not None)

    async def __aenter__(self) -> Self:
        await self._awaitable.run_sync(self._apply)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        failed = error is not None
        await self._awaitable.run_sync(lambda session: self._restore(session, failed=failed))

    @property
    def _awaitable(self) -> Any:  # Any: the two async classes share run_sync but no base that has it
        if _is_async(self._session):
            return self._session
        raise SettingsError(
            f"search_settings() was entered with 'async' for a {type(self._session).__name__}. "
            "Its statements are not awaited. "
            "Write: with search_settings(session, ...)."
        )

    def _apply(self, session: Any) -> None:
        self._before = _current(session, self._wanted)
        for parameter, value in self._wanted.items():
            session.execute(_set_local(parameter, int(value)))
        if _current(session, self._wanted) != self._wanted:
            raise SettingsError(
                f"The settings {', '.join(self._wanted)} did not last to the next statement. "
                "The connection is in autocommit, where each statement is a transaction of its own. "
                "Begin a transaction first, or pass the setting to the search: nearest(..., ef_search=200)."
            )

    def _restore(self, session: Any, *, failed: bool) -> None:
        # a failed transaction refuses statements, and its rollback takes the settings away
        with suppress(*((DBAPIError,) if failed else ())):
            for parameter, value in self._before.items():
                session.execute(_set_local(parameter, int(value) if value else None))


def _is_async(session: object) -> bool:
    """Tell by the method, since ``sqlalchemy.ext.asyncio`` can be imported only where greenlet is installed."""
    return hasattr(session, "run_sync")


def _current(session: Any, parameters: dict[str, str]) -> dict[str, str | None]:
    row = session.execute(select(*(func.pg_catalog.current_setting(parameter, True) for parameter in parameters))).one()  # noqa: FBT003
    return dict(zip(parameters, row, strict=True))


def _set_local(parameter: str, value: int | None) -> TextClause:
    """Return ``SET LOCAL``, which takes no bound values; the parameter is one of our own words."""
    if value is None:
        return text("SET LOCAL " + parameter + " TO DEFAULT")
    literal = bindparam("value", value, Integer, literal_execute=True)
    return text("SET LOCAL " + parameter + " = :value").bindparams(literal)
