"""Errors of the server in terms of the operation that met them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from alembic_ops.errors import BuildError, MigrationError
from sqlalchemy_vecsearch.sqlstates import sqlstate_of

if TYPE_CHECKING:
    from sqlalchemy.exc import DBAPIError

__all__ = ["explained"]

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
        "Drop or change those in an earlier revision; the server lists them in the details of its message.",
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
    "08": (
        "The connection was lost; the server may go on building, and will then finish.",
        "Run the upgrade again: it waits for a build that still runs, and otherwise starts anew.",
    ),
}


_EXTENSION_PRIVILEGE: Final = (
    "To create an extension takes CREATE on the database, and to change or to drop it takes its owner.",
    "Let the migration connect as such a role, or let a superuser do it once by psql.",
)

_DEFAULT: Final = (
    "The default of the column is of the former type, and the server does not cast it.",
    "Take the default away before by op.alter_column(..., server_default=None), and set the new one after it.",
)

_SHARED_MEMORY: Final = (
    "Parallel workers build the graph in shared memory, of which a container has 64 MB unless it is given more.",
    "Start the container with --shm-size=2g, or write build=Build(workers=0), and run the upgrade again.",
)


def explained(error: DBAPIError, *, wish: str, name: str, of_extension: bool = False) -> MigrationError:
    """Return what a server's error means for an operation.

    Args:
        error: what the driver raised.
        wish: what the operation wanted, as from its ``describe()``.
        name: the name of the index.
        of_extension: whether the operation is one on the extension, whose privileges are others than a table's.
    """
    code = sqlstate_of(error.orig)
    said = _message(error)
    why, remedy = _EXTENSION_PRIVILEGE if of_extension and code == "42501" else _reason(error, code)
    return BuildError(f"The server did not {wish}: {said}. {why} {remedy}", name=name, sqlstate=code)


def _message(error: DBAPIError) -> str:
    """Return the first line of what the server said."""
    arguments = getattr(error.orig, "args", ())
    if arguments and isinstance(arguments[0], dict):  # pg8000
        return str(arguments[0].get("M"))
    lines = str(error.orig).strip().splitlines()
    return lines[0] if lines else type(error.orig).__name__


def _reason(error: DBAPIError, code: str | None) -> tuple[str, str]:
    if code == "53100" and "shared memory" in str(error.orig):
        return _SHARED_MEMORY
    if code == "42804" and "default for column" in str(error.orig):
        return _DEFAULT
    if code is not None and code in _REASONS:
        return _REASONS[code]
    if error.connection_invalidated or (code or "08").startswith("08"):
        return _REASONS["08"]
    return ("It is not one of the known causes.", f"Mend what the server says, and then: {_RERUN}")
