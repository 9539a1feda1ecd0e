"""The errors of schema changes, which Alembic's command prints without a traceback because they are its errors too."""

from __future__ import annotations

from alembic.util import CommandError

from sqlalchemy_vecsearch.errors import VecSearchError

__all__ = [
    "BuildError",
    "DependentsError",
    "ExtensionError",
    "ExternalTransactionError",
    "GeneratedColumnError",
    "IndexConflictError",
    "IrreversibleOperationError",
    "JobNotReadyError",
    "LockWaitError",
    "MigrationError",
    "OperationArgumentError",
    "PendingRowsError",
    "PublishedTableError",
    "ReembeddingConflictError",
    "UnsafeOperationWarning",
    "VectorMigrationWarning",
    "VectorsInTheWayError",
]


class MigrationError(VecSearchError, CommandError, RuntimeError):
    """A schema change could not be made; what was done before it is kept, and running it again finishes the work."""


class OperationArgumentError(VecSearchError, CommandError, ValueError):
    """An operation is written in a way that PostgreSQL or pgvector would refuse.

    Attributes:
        operation: the name of the operation, such as ``create_vector_index``.
        argument: the argument that is wrong.
    """

    def __init__(self, message: str, *, operation: str, argument: str) -> None:
        super().__init__(message)
        self.operation = operation
        self.argument = argument


class GeneratedColumnError(VecSearchError, CommandError, ValueError):
    """A generated column of the models that the server refuses.

    Attributes:
        table_name: the table.
        column: the name of the column.
    """

    def __init__(self, message: str, *, table_name: str, column: str) -> None:
        super().__init__(message)
        self.table_name = table_name
        self.column = column


class IrreversibleOperationError(VecSearchError, CommandError, ValueError):
    """The operation cannot be turned round, because what it replaced is not known or not kept.

    Attributes:
        operation: the name of the operation.
        subject: the name of the index, column or extension.
    """

    def __init__(self, message: str, *, operation: str, subject: str) -> None:
        super().__init__(message)
        self.operation = operation
        self.subject = subject


class ExternalTransactionError(MigrationError):
    """``env.py`` holds a transaction of its own open, so that nothing can run outside of one.

    Attributes:
        operation: the name of the operation.
    """

    def __init__(self, message: str, *, operation: str) -> None:
        super().__init__(message)
        self.operation = operation


class IndexConflictError(MigrationError):
    """What has the index's name in the database is not what the operation expects; nothing was changed.

    Attributes:
        name: the name of the index, with its schema.
        current: what has the name now, None where nothing has.
        wished: what the operation asks for, None where it asks for nothing in particular.
    """

    def __init__(self, message: str, *, name: str, current: str | None, wished: str | None) -> None:
        super().__init__(message)
        self.name = name
        self.current = current
        self.wished = wished


class BuildError(MigrationError):
    """The server gave up a build or refused another change of an index or a column, or an index is not valid after it.

    Attributes:
        name: the name of the index or the column.
        sqlstate: the code of the server's error, None where the server reported none.
        detail: the server's details, such as the view that stands in the way, None where it gave none.
        hint: the server's hint, None where it gave none.
    """

    def __init__(
        self,
        message: str,
        *,
        name: str,
        sqlstate: str | None = None,
        detail: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message)
        self.name = name
        self.sqlstate = sqlstate
        self.detail = detail
        self.hint = hint


class ExtensionError(MigrationError):
    """The vector extension is missing, too old, in use, in another schema, or may not be changed by this role.

    Attributes:
        installed: the version in the database, None where there is none or it is not known.
        available: the version that the server could install, None where it has none or it is not known.
        sqlstate: the code of the server's error, None where no server was asked.
    """

    def __init__(
        self, message: str, *, installed: str | None, available: str | None, sqlstate: str | None = None
    ) -> None:
        super().__init__(message)
        self.installed = installed
        self.available = available
        self.sqlstate = sqlstate


class LockWaitError(MigrationError, TimeoutError):
    """A short lock was not to be had before the deadline, because others held the table all the time.

    Attributes:
        table_name: the table.
        attempts: how often the lock was asked for.
    """

    def __init__(self, message: str, *, table_name: str, attempts: int) -> None:
        super().__init__(message)
        self.table_name = table_name
        self.attempts = attempts


class VectorsInTheWayError(MigrationError):
    """A column holds vectors that cannot follow it to another type; nothing was changed.

    Attributes:
        table_name: the table.
        column: the column of vectors.
    """

    def __init__(self, message: str, *, table_name: str, column: str) -> None:
        super().__init__(message)
        self.table_name = table_name
        self.column = column


class PublishedTableError(MigrationError):
    """A change of a published table that its subscribers would not follow; nothing was changed.

    Attributes:
        table_name: the table.
        publications: the names of the publications.
    """

    def __init__(self, message: str, *, table_name: str, publications: tuple[str, ...]) -> None:
        super().__init__(message)
        self.table_name = table_name
        self.publications = publications


class VectorMigrationWarning(UserWarning):
    """Autogenerate found something that it leaves alone, or that a person should look at."""


class UnsafeOperationWarning(VectorMigrationWarning):
    """An operation of Alembic's own would block the application, or build what no search uses.

    ``context.configure(vector_safety=False)`` switches it off. ``warnings.simplefilter("error",
    UnsafeOperationWarning)`` in ``env.py`` stops the upgrade before the operation.
    """


class DependentsError(MigrationError):
    """Objects of the database would not follow a swap of columns; nothing was changed.

    Attributes:
        dependents: what they are, in PostgreSQL's words.
    """

    def __init__(self, message: str, *, dependents: tuple[str, ...]) -> None:
        super().__init__(message)
        self.dependents = dependents


class ReembeddingConflictError(MigrationError):
    """A job of re-embedding can not begin because of what is there; nothing was changed.

    Attributes:
        job: the name of the job.
        differences: what differs, as (what, in the database, asked for).
    """

    def __init__(self, message: str, *, job: str, differences: tuple[tuple[str, object, object], ...] = ()) -> None:
        super().__init__(message)
        self.job = job
        self.differences = differences


class JobNotReadyError(MigrationError):
    """A job of re-embedding is in a state in which the operation can not be done; nothing was changed.

    Attributes:
        job: its name.
        state: its state, None where there is no such job.
    """

    def __init__(self, message: str, *, job: str, state: str | None) -> None:
        super().__init__(message)
        self.job = job
        self.state = state


class PendingRowsError(MigrationError):
    """Rows have no vector of the column that searches would be switched to, or an older one; nothing was changed.

    Attributes:
        job: the name of the job.
        pending: how many rows these are; one more than was allowed where nobody has counted on.
    """

    def __init__(self, message: str, *, job: str, pending: int) -> None:
        super().__init__(message)
        self.job = job
        self.pending = pending
