"""The values that psycopg 3 sends in binary, with what its connections must know to do so."""

from __future__ import annotations

from functools import cache
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from pgvector import Bit, HalfVector, SparseVector, Vector
from sqlalchemy import event

if TYPE_CHECKING:
    from psycopg.abc import Buffer
    from psycopg.adapt import AdaptersMap, Dumper
    from sqlalchemy.engine import Dialect

__all__ = ["BitWire", "HalfvecWire", "SparsevecWire", "VectorWire", "Wire", "teach", "teach_connections"]


class Wire(bytes):
    """A value as PostgreSQL's receive function reads it."""

    __slots__ = ()

    value_class: type[Any]  # the class of pgvector that can print it

    def to_text(self) -> str:
        """Return the text form, which a client-side cursor and an array need."""
        return str(self.value_class.from_binary(self).to_text())


class VectorWire(Wire):
    """A ``vector``."""

    value_class = Vector


class HalfvecWire(Wire):
    """A ``halfvec``."""

    value_class = HalfVector


class SparsevecWire(Wire):
    """A ``sparsevec``."""

    value_class = SparseVector


class BitWire(Wire):
    """A ``bit``."""

    value_class = Bit


_UNKNOWN_OID: Final = 0  # the cast that stands round the parameter says what it is, in whatever schema that type lives
_BIT_OID: Final = 1560
_OIDS: Final[dict[type[Wire], int]] = {
    VectorWire: _UNKNOWN_OID,
    HalfvecWire: _UNKNOWN_OID,
    SparsevecWire: _UNKNOWN_OID,
    BitWire: _BIT_OID,
}

_DumperClass: TypeAlias = "type[Dumper]"


_TEACHING: Final = Lock()


def teach_connections(dialect: Dialect) -> None:
    """Let all psycopg connections of a dialect send `Wire` values in binary, also those that are open already.

    It costs no statement, and less than a microsecond for each statement that runs later. It does not matter who
    opened the connection, or whether ``register_vector`` was called on it. When it returns, every statement that begins
    does so, whichever thread has seen to it.

    Args:
        dialect: a psycopg 3 dialect, sync or async.
    """
    with _TEACHING:  # SQLAlchemy knows of a listener before it calls it, and another thread would not wait for that
        if not event.contains(dialect, "do_execute", _teach_before_execute):
            event.listen(dialect, "do_execute", _teach_before_execute)
            event.listen(dialect, "do_executemany", _teach_before_execute)


def teach(adapters: AdaptersMap) -> None:
    """Register the dumpers of all `Wire` classes, unless that is done already."""
    from psycopg.adapt import PyFormat

    if adapters.get_dumper(VectorWire, PyFormat.TEXT) is _dumpers()[0][1]:
        return
    for wire, dumper in _dumpers():
        adapters.register_dumper(wire, dumper)


def _teach_before_execute(cursor: Any, *_: object) -> None:  # psycopg's cursor, or SQLAlchemy's async shell of it
    cursor = getattr(cursor, "_cursor", cursor)
    teach(cursor.connection.adapters)
    teach(cursor.adapters)


@cache
def _dumpers() -> list[tuple[type[Wire], _DumperClass]]:
    """Return the dumper classes; of two for one class, psycopg prefers the later, so binary comes last."""
    from psycopg.adapt import Dumper
    from psycopg.pq import Format

    class TextDumper(Dumper):  # without an oid: a client-side cursor would write '101'::bit, which is one bit
        format = Format.TEXT

        def dump(self, obj: Wire) -> Buffer | None:
            return obj.to_text().encode()

    class BinaryDumper(Dumper):
        format = Format.BINARY

        def dump(self, obj: Wire) -> Buffer | None:
            return obj

    pairs: list[tuple[type[Wire], _DumperClass]] = []
    for wire, oid in _OIDS.items():
        binary = type(f"{wire.__name__}BinaryDumper", (BinaryDumper,), {"oid": oid})
        pairs += [(wire, TextDumper), (wire, binary)]
    return pairs
