"""A worker that waits while the database has more important things to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import text

from sqlalchemy_vecsearch.embedding.errors import EmbedderError

if TYPE_CHECKING:
    from sqlalchemy import Connection

__all__ = ["WaitForDatabase"]

_REPLICA_LAG: Final = text(
    "SELECT pg_catalog.max(EXTRACT(EPOCH FROM s.replay_lag)) FROM pg_catalog.pg_stat_replication AS s"
)
_LOCK_WAIT: Final = text(
    "SELECT EXTRACT(EPOCH FROM pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) pg_catalog.min(l.waitstart))"
    " FROM pg_catalog.pg_locks AS l"
    " JOIN pg_catalog.pg_stat_activity AS a ON a.pid OPERATOR(pg_catalog.=) l.pid"
    " WHERE NOT l.granted AND a.datname OPERATOR(pg_catalog.=) pg_catalog.current_database()"
)  # by the session: a lock on a transaction, for which a second writer of a row waits, names no database itself


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitForDatabase:
    """Waits while a replica lags behind, or somebody waits for a lock: ``refresh(..., throttle=WaitForDatabase())``.

    Locks are those of this database; the other databases of the server do not count. Replicas follow the whole server.

    It costs two look-ups of the server's own state before each claim, well below a millisecond.

    Args:
        replica_lag: the seconds that a replica may be behind, None for any number. Roles without ``pg_monitor`` do not
            see the replicas of others, and then wait for none.
        lock_wait: the seconds that somebody may have waited for a lock, None for any number.
        seconds: until it looks again, above 0.
    """

    replica_lag: float | None = 10.0
    lock_wait: float | None = 1.0
    seconds: float = 1.0

    def __post_init__(self) -> None:
        if self.seconds <= 0 or min(self.replica_lag or 0, self.lock_wait or 0) < 0:
            raise EmbedderError(
                f"{self!r} can not be waited for. "
                "Its numbers are seconds: how long others may lag or wait, and when to look again. "
                "Write WaitForDatabase(replica_lag=10, lock_wait=1, seconds=1)."
            )

    def __call__(self, connection: Connection) -> float | None:
        """Return the seconds to wait before asking again, None to go on."""
        for statement, most in ((_REPLICA_LAG, self.replica_lag), (_LOCK_WAIT, self.lock_wait)):
            if most is not None and (connection.scalar(statement) or 0) > most:
                return self.seconds
        return None
