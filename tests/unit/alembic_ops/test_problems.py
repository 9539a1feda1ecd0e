from __future__ import annotations

import pytest
from sqlalchemy.exc import DBAPIError

from alembic_ops.problems import explained


class PsycopgError(Exception):
    def __init__(self, message, sqlstate):
        super().__init__(message)
        self.sqlstate = sqlstate


def wrapped(original):
    return DBAPIError("CREATE INDEX", None, original)


@pytest.mark.parametrize(
    ("message", "code", "words"),
    [
        (
            "canceling statement due to user request",
            "57014",
            "The server did not create ix: canceling statement due to user request. Somebody cancelled the statement. "
            "Run the upgrade again: it clears what is left and finishes the work.",
        ),
        (
            'could not resize shared memory segment "/PostgreSQL.1" to 157286400 bytes: No space left on device',
            "53100",
            'The server did not create ix: could not resize shared memory segment "/PostgreSQL.1" to 157286400 bytes: '
            "No space left on device. Parallel workers build the graph in shared memory, of which a container has 64 MB "
            "unless it is given more. Start the container with --shm-size=2g, or write build=Build(workers=0), and run "
            "the upgrade again.",
        ),
        (
            "could not extend file: No space left on device",
            "53100",
            "The server did not create ix: could not extend file: No space left on device. The disk of the server is full. "
            "Free some space (an INVALID index keeps what it has taken until it is dropped), and run the upgrade again.",
        ),
        (
            "must be owner of table document",
            "42501",
            "The server did not create ix: must be owner of table document. Only the owner of the table may do this, "
            "who needs CREATE on its schema for an index. Let the migration connect as the owner, or grant its role "
            "membership of the owner.",
        ),
        (
            "cannot cast type jsonb to vector",
            "42846",
            "The server did not create ix: cannot cast type jsonb to vector. The server has no cast between the two types. "
            "Give op.alter_embedding_type() a using= expression that makes the new value, such as "
            'using="embedding::text::vector(384)", or correct the cast that the index holds.',
        ),
        (
            'default for column "embedding" cannot be cast automatically to type vector',
            "42804",
            'The server did not create ix: default for column "embedding" cannot be cast automatically to type vector. '
            "The default of the column is of the former type, and the server does not cast it. Take the default away before "
            "by op.alter_column(..., server_default=None), and set the new one after it.",
        ),
        (
            "SAVEPOINT can only be used in transaction blocks",
            "25P01",
            "The server did not create ix: SAVEPOINT can only be used in transaction blocks. The statement needs a "
            "transaction, and the connection of env.py is in autocommit mode. "
            'Take isolation_level="AUTOCOMMIT" out of env.py: what runs outside of a transaction leaves it by itself.',
        ),
        (
            "something new",
            "XX000",
            "The server did not create ix: something new. It is not one of the known causes. Mend what the server says, "
            "and then: Run the upgrade again: it clears what is left and finishes the work.",
        ),
        (
            "server closed the connection unexpectedly",
            None,
            "The server did not create ix: server closed the connection unexpectedly. The connection was lost; the server "
            "may go on building, and will then finish. Run the upgrade again: it waits for a build that still runs, and "
            "otherwise starts anew.",
        ),
    ],
)
def test_each_cause_is_explained_in_three_sentences(message, code, words):
    error = explained(wrapped(PsycopgError(message, code)), wish="create ix", name="ix")
    assert str(error) == words
    assert (error.name, error.sqlstate) == ("ix", code)
