"""Errors of the server in terms of the operation that met them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from alembic_ops.errors import BuildError, ExtensionError, MigrationError
from alembic_ops.operations import CreateVectorExtensionOp, DropVectorExtensionOp, UpdateVectorExtensionOp
from sqlalchemy_vecsearch.sqlstates import ServerMessage, server_message

if TYPE_CHECKING:
    from sqlalchemy.exc import DBAPIError

    from alembic_ops.operations import Operation

__all__ = ["explained", "no_shared_memory", "refused"]

_RERUN: Final = "Run the upgrade again: it clears what is left and finishes the work."

# SQLSTATE or its class -> why, and what to do.
_REASONS: Final[dict[str, tuple[str, str]]] = {
    "57014": ("Somebody cancelled the statement.", _RERUN),
    "57P01": ("An administrator ended the connection, or the server was shut down.", _RERUN),
    "57P02": ("The server went down.", _RERUN),
    "57P05": ("The server closed the connection because it was idle.", _RERUN),
    "25P04": ("The server's transaction_timeout ended the connection.", _RERUN),
    "55P03": ("A lock was not to be had in time, because another session held it.", _RERUN),
    "40P01": ("The server chose the statement as the victim of a deadlock.", _RERUN),
    "2BP01": (
        "Columns, indexes or functions still use it.",
        "Drop or change those in an earlier revision, or before the operation in this one.",
    ),
    "53100": (
        "The disk of the server is full.",
        "Free some space (an INVALID index keeps what it has taken until it is dropped), and run the upgrade again.",
    ),
    "53200": (
        "The server has no memory left for it.",
        'Give less, with build=Build(memory="64MB", workers=0), and run the upgrade again.',
    ),
    "53400": ("A limit that is configured on the server was reached.", "Raise the limit, and run the upgrade again."),
    "42501": (
        "Only the owner of the table may do this, who needs CREATE on its schema for an index.",
        "Let the migration connect as the owner, or grant its role membership of the owner.",
    ),
    "3F000": (
        "The database has no schema of this name.",
        "Correct the schema, of the operator class too, or create it in an earlier revision.",
    ),
    "42704": (
        (
            "The operator class or the type is misspelt, or belongs to the vector extension, which is missing here, "
            "too old, or in a schema that is not on the search path."
        ),
        (
            "Call op.create_vector_extension() in an earlier revision, and write the operator class with its schema "
            'where that is not on the search path: operator_class="extensions.vector_cosine_ops".'
        ),
    ),
    "42804": (
        "The operator class is made for another type than the column's.",
        "Take the one that fits: halfvec_cosine_ops for a HALFVEC column, for example.",
    ),
    "42846": (
        "The server has no cast between the two types.",
        (
            "Give op.alter_embedding_type() a using= expression that makes the new value, such as "
            'using="embedding::text::vector(384)", or correct the cast that the index holds.'
        ),
    ),
    "42703": ("The table has no such column.", "Correct the name, or add the column in an earlier revision."),
    "42P17": (
        "The expression and the predicate of an index may use nothing whose value changes from one day to the next.",
        "Take now(), random() and the like out of it, and write such a condition into the queries.",
    ),
    "22000": (
        "A vector of the table has another number of dimensions than the index is made for.",
        (
            "Cast to the dimensions that the vectors have, or leave the others out by "
            'where="vector_dims(embedding) = 384".'
        ),
    ),
    "54000": (
        "An index covers at most 2,000 dimensions of a vector, 4,000 of a halfvec and 64,000 of a bit.",
        (
            "Index a cast to halfvec, its bits, or a part of the vector: "
            'sa.text("(embedding::halfvec(3072))") with halfvec_cosine_ops.'
        ),
    ),
    "22023": (
        "An index needs to know the number of dimensions, and build parameters must be in their range.",
        "Declare the dimensions on the column, or index a cast such as (embedding::vector(384)).",
    ),
    "25001": (
        (
            "The statement must run outside of a transaction, and one is open: a connection pooler in transaction mode "
            "opens one, for example."
        ),
        "Let migrations connect to the server itself, or to a pool in session mode.",
    ),
    "25P01": (
        "The statement needs a transaction, and the connection of env.py is in autocommit mode.",
        'Take isolation_level="AUTOCOMMIT" out of env.py: what runs outside of a transaction leaves it by itself.',
    ),
    "25006": (
        "The transactions of the connection are read-only, by its role, its database or env.py.",
        "Set default_transaction_read_only = off for the role of the migrations, and run the upgrade again.",
    ),
    "08": (
        "The connection was lost; the server may go on building, and will then finish.",
        "Run the upgrade again: it waits for a build that still runs, and otherwise starts anew.",
    ),
}


_EXTENSION_PRIVILEGE: Final = (
    "To create an extension takes CREATE on the database, and to change or to drop it takes its owner.",
    "Let the migration connect as such a role, or let a superuser do it once by psql.",
)

_REPLICA: Final = (
    "The server is a replica, which takes no writes.",
    "Let migrations connect to the primary server, and run the upgrade again.",
)

_NO_TEMPORARY_TABLE: Final = (
    "The server is asked what an expression or a predicate means by an index on an empty temporary table.",
    "Grant TEMPORARY on the database to the role of the migrations.",
)

_SHARED_MEMORY: Final = (
    "Parallel workers build the graph in shared memory, of which a container has 64 MB unless it is given more.",
    "Start the container with --shm-size=2g, or write build=Build(workers=0), and run the upgrade again.",
)

# (SQLSTATE, function of PostgreSQL that raised it) -> why, and what to do: the messages are in the server's language.
_REASONS_BY_PLACE: Final[dict[tuple[str, str], tuple[str, str]]] = {
    ("42804", "ATExecAlterColumnType"): (
        "The default of the column is of the former type, and the server does not cast it.",
        "Take the default away before by op.alter_column(..., server_default=None), and set the new one after it.",
    ),
    ("0A000", "ATExecAlterColumnType"): (
        "A view, a rule, a policy or a generated column reads the column, and is bound to its type.",
        "Drop it before the operation in this revision, and create it again after it.",
    ),
    ("0A000", "RememberAllDependentForRebuilding"): (
        "A view, a rule, a policy or a generated column reads the column, and is bound to its type.",
        "Drop it before the operation in this revision, and create it again after it.",
    ),
}

_IN_SHARED_MEMORY: Final = "dsm_impl.c"
"""The file of PostgreSQL's source that asks the operating system for shared memory."""


def explained(error: DBAPIError, operation: Operation, *, on_replica: bool = False) -> MigrationError:
    """Return what a server's error means for an operation.

    Args:
        error: what the driver raised.
        operation: what was to be done.
        on_replica: whether the server is a replica.
    """
    said = server_message(error.orig)
    lost = error.connection_invalidated or (said.sqlstate or "08").startswith("08")
    return refused(said, operation, on_replica=on_replica, connection_lost=lost)


def refused(
    said: ServerMessage,
    operation: Operation,
    *,
    on_replica: bool = False,
    connection_lost: bool = False,
    temporary_tables: bool = True,
) -> MigrationError:
    """Return the error for an operation that a server has refused: what it said, why that is, and what to do.

    Args:
        said: the fields of the error.
        operation: what was to be done.
        on_replica: whether the server is a replica.
        connection_lost: whether the connection ended with the error.
        temporary_tables: whether the role may create them, which asking for a normal form takes.
    """
    of_extension = isinstance(operation, CreateVectorExtensionOp | UpdateVectorExtensionOp | DropVectorExtensionOp)
    if of_extension and said.sqlstate == "42501":
        why, remedy = _EXTENSION_PRIVILEGE
    elif not temporary_tables and said.sqlstate == "42501":
        why, remedy = _NO_TEMPORARY_TABLE
    elif on_replica and said.sqlstate == "25006":
        why, remedy = _REPLICA
    else:
        why, remedy = _reason(said, connection_lost)
    text = f"The server did not {operation.describe()}: {_in_one_line(said)}. {why} {remedy}"
    if of_extension:
        return ExtensionError(text, installed=None, available=None, sqlstate=said.sqlstate)
    return BuildError(text, name=operation.subject, sqlstate=said.sqlstate, detail=said.detail, hint=said.hint)


def no_shared_memory(said: ServerMessage) -> bool:
    """Say whether the server did not get the shared memory that parallel workers need."""
    return said.source_file == _IN_SHARED_MEMORY


def _in_one_line(said: ServerMessage) -> str:
    """Return the message with the server's details, which name what stands in the way, and with its hint."""
    more = [] if said.detail is None else ["; ".join(line.rstrip(".;") for line in said.detail.splitlines())]
    more += [] if said.hint is None else [f"hint of the server: {' '.join(said.hint.split()).rstrip('.')}"]
    message = said.message.rstrip(".")
    return f"{message} ({'; '.join(more)})" if more else message


def _reason(said: ServerMessage, connection_lost: bool) -> tuple[str, str]:
    if no_shared_memory(said):
        return _SHARED_MEMORY
    place = (said.sqlstate or "", said.source_function or "")
    if place in _REASONS_BY_PLACE:
        return _REASONS_BY_PLACE[place]
    if said.sqlstate in _REASONS:
        return _REASONS[said.sqlstate]
    if connection_lost:
        return _REASONS["08"]
    return ("It is not one of the known causes.", f"Mend what the server says, and then: {_RERUN}")
