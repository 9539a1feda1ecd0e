import sys
from threading import Barrier, Thread

import pytest
from sqlalchemy.dialects.postgresql import psycopg

from sqlalchemy_vecsearch.types.adapters import teach_connections

THREADS = 4
DIALECTS = 500


@pytest.fixture
def often():
    """Let threads take turns far more often than usual."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


@pytest.mark.usefixtures("often")
def test_connections_are_taught_when_it_returns_whichever_thread_has_seen_to_it():
    """A thread that found another at it went on, and sent a vector as bytea: "cannot cast type bytea to vector"."""
    alone = psycopg.dialect()
    teach_connections(alone)
    taught = []

    def teach(dialect, together):
        together.wait()
        teach_connections(dialect)
        taught.append(listeners(dialect))

    for _ in range(DIALECTS):
        dialect, together = psycopg.dialect(), Barrier(THREADS)
        threads = [Thread(target=teach, args=(dialect, together)) for _ in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert listeners(alone) != listeners(psycopg.dialect())
    assert taught == [listeners(alone)] * DIALECTS * THREADS


def listeners(dialect):
    return [*dialect.dispatch.do_execute], [*dialect.dispatch.do_executemany]
