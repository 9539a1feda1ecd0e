from __future__ import annotations

import pytest
from sqlalchemy.exc import DBAPIError

from alembic_ops.running.server_errors import explained


class Diagnostics:
    """The fields that the server sends, as psycopg gives them."""

    def __init__(self, message, *, detail=None, hint=None, file=None, function=None):
        self.message_primary, self.message_detail, self.message_hint = message, detail, hint
        self.source_file, self.source_function = file, function


class PsycopgError(Exception):
    def __init__(self, message, sqlstate, **fields):
        super().__init__(message)
        self.sqlstate = sqlstate
        self.diag = Diagnostics(message, **fields)


def wrapped(original):
    return DBAPIError("CREATE INDEX", None, original)


class Creation:
    subject = "ix"

    def describe(self):
        return "create ix"


@pytest.mark.parametrize(
    ("message", "code", "fields", "words"),
    [
        (
            "canceling statement due to user request",
            "57014",
            {},
            "The server did not create ix: canceling statement due to user request. Somebody cancelled the statement. "
            "Run the upgrade again: it clears what is left and finishes the work.",
        ),
        (
            'could not resize shared memory segment "/PostgreSQL.1" to 157286400 bytes: No space left on device',
            "53100",
            {"file": "dsm_impl.c", "function": "dsm_impl_posix"},
            'The server did not create ix: could not resize shared memory segment "/PostgreSQL.1" to 157286400 bytes: '
            "No space left on device. Parallel workers build the graph in shared memory, of which a container has 64 MB "
            "unless it is given more. Start the container with --shm-size=2g, or write build=Build(workers=0), and run "
            "the upgrade again.",
        ),
        (
            "could not extend file: No space left on device",
            "53100",
            {},
            "The server did not create ix: could not extend file: No space left on device. The disk of the server is full. "
            "Free some space (an INVALID index keeps what it has taken until it is dropped), and run the upgrade again.",
        ),
        (
            "must be owner of table document",
            "42501",
            {},
            "The server did not create ix: must be owner of table document. Only the owner of the table may do this, "
            "who needs CREATE on its schema for an index. Let the migration connect as the owner, or grant its role "
            "membership of the owner.",
        ),
        (
            "cannot cast type jsonb to vector",
            "42846",
            {},
            "The server did not create ix: cannot cast type jsonb to vector. The server has no cast between the two types. "
            "Give op.alter_embedding_type() a using= expression that makes the new value, such as "
            'using="embedding::text::vector(384)", or correct the cast that the index holds.',
        ),
        (
            'default for column "embedding" cannot be cast automatically to type vector',
            "42804",
            {"file": "tablecmds.c", "function": "ATExecAlterColumnType"},
            'The server did not create ix: default for column "embedding" cannot be cast automatically to type vector. '
            "The default of the column is of the former type, and the server does not cast it. Take the default away before "
            "by op.alter_column(..., server_default=None), and set the new one after it.",
        ),
        (
            "SAVEPOINT can only be used in transaction blocks",
            "25P01",
            {},
            "The server did not create ix: SAVEPOINT can only be used in transaction blocks. The statement needs a "
            "transaction, and the connection of env.py is in autocommit mode. "
            'Take isolation_level="AUTOCOMMIT" out of env.py: what runs outside of a transaction leaves it by itself.',
        ),
        (
            "something new",
            "XX000",
            {},
            "The server did not create ix: something new. It is not one of the known causes. Mend what the server says, "
            "and then: Run the upgrade again: it clears what is left and finishes the work.",
        ),
        (
            "server closed the connection unexpectedly",
            None,
            {},
            "The server did not create ix: server closed the connection unexpectedly. The connection was lost; the server "
            "may go on building, and will then finish. Run the upgrade again: it waits for a build that still runs, and "
            "otherwise starts anew.",
        ),
    ],
)
def test_each_cause_is_explained_in_three_sentences(message, code, fields, words):
    error = explained(wrapped(PsycopgError(message, code, **fields)), Creation())
    assert str(error) == words
    assert (error.name, error.sqlstate) == ("ix", code)


@pytest.mark.parametrize(
    ("message", "code", "fields", "why"),
    [
        (
            "konnte die Größe des Shared-Memory-Segments nicht ändern: Auf dem Gerät ist kein Speicherplatz mehr",
            "53100",
            {"file": "dsm_impl.c", "function": "dsm_impl_posix"},
            "Parallel workers build the graph in shared memory",
        ),
        (
            "Vorgabewert der Spalte »embedding« kann nicht automatisch in Typ vector umgewandelt werden",
            "42804",
            {"file": "tablecmds.c", "function": "ATExecAlterColumnType"},
            "The default of the column is of the former type",
        ),
    ],
)
def test_a_cause_is_recognised_in_any_language(message, code, fields, why):
    error = explained(wrapped(PsycopgError(message, code, **fields)), Creation())
    assert str(error).startswith(f"The server did not create ix: {message}. {why}")


def test_a_replica_and_read_only_transactions_are_told_apart():
    refused = wrapped(PsycopgError("cannot execute CREATE INDEX in a read-only transaction", "25006"))
    said = "The server did not create ix: cannot execute CREATE INDEX in a read-only transaction. "
    assert str(explained(refused, Creation(), on_replica=True)) == (
        f"{said}The server is a replica, which takes no writes. "
        "Let migrations connect to the primary server, and run the upgrade again."
    )
    assert str(explained(refused, Creation())) == (
        f"{said}The transactions of the connection are read-only, by its role, its database or env.py. "
        "Set default_transaction_read_only = off for the role of the migrations, and run the upgrade again."
    )


@pytest.mark.parametrize("driver", ["psycopg", "pg8000", "asyncpg"])
def test_the_details_and_the_hint_of_every_driver_are_in_the_error(driver):
    message, detail, hint = "it is used", "view a uses it\nview b uses it", "Drop the views too."
    if driver == "psycopg":
        original = PsycopgError(message, "2BP01", detail=detail, hint=hint)
    elif driver == "pg8000":
        original = Exception({"M": message, "C": "2BP01", "D": detail, "H": hint})
    else:
        original = PsycopgError(message, "2BP01")
        original.diag = None
        original.__cause__ = type("Cause", (Exception,), {"message": message, "detail": detail, "hint": hint})()
    error = explained(wrapped(original), Creation())
    assert str(error) == (
        "The server did not create ix: it is used (view a uses it; view b uses it; hint of the server: Drop the views "
        "too). Columns, indexes or functions still use it. Drop or change those in an earlier revision, or before the "
        "operation in this one."
    )
    assert (error.detail, error.hint) == (detail, hint)
