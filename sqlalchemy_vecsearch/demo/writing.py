"""The application's writers as a program, which shares no interpreter with what they are measured beside.

It reads one line of JSON, what to write where, says that it begins, writes until its input ends, and prints what
happened as JSON.
"""

from __future__ import annotations

import json
import random
import sys
from threading import Event, Thread
from time import perf_counter, time
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import create_engine, text

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

__all__ = ["Writer", "main"]

_PAUSE: Final = 0.008
_FIRST_NEW: Final = 1_000_000
_DELETED: Final = 0.2
_INSERTED: Final = 0.3
"""The shares of the writes that delete a row or insert one; the others edit one."""
_INSERT: Final = text("INSERT INTO passage (id, name, docstring) VALUES (:id, :name, :docstring)")
_EDIT: Final = text("UPDATE passage SET docstring = :docstring WHERE id = :id")
_DELETE: Final = text("DELETE FROM passage WHERE id = :id")


class Writer:
    """Inserts, edits and deletes rows, each in a transaction of its own, and remembers what they have to say.

    Attributes:
        milliseconds: (when, by the clock of the system, and how long) of each write.
        errors: what went wrong, one text for each write that failed.
        texts: id -> docstring of the rows that it has written, None for those that it has deleted.
    """

    def __init__(self, engine: Engine, *, rows: int, number: int, of: int) -> None:
        self.engine = engine
        self.milliseconds: list[tuple[float, float]] = []
        self.errors: list[str] = []
        self.texts: dict[int, str | None] = {}
        self._random = random.Random(number)  # noqa: S311  # the same work in every run
        self._mine = range(number, rows, of)
        self._next_new = _FIRST_NEW * number

    def go_on(self, stopped: Event) -> None:
        """Write until it is stopped."""
        while not stopped.wait(_PAUSE):
            when, begin = time(), perf_counter()
            try:
                self.one()
            except Exception as error:  # noqa: BLE001  # whatever it is, a user would have seen it
                self.errors.append(f"{type(error).__name__}: {error}".partition("\n")[0])
            self.milliseconds.append((when, 1000 * (perf_counter() - begin)))

    def one(self) -> None:
        """Write one row, by SQL that knows nothing of vectors."""
        choice = self._random.random()
        words = f"Number {self._random.randrange(10**6)} of what is written while the model changes."
        kept = [key for key, found in self.texts.items() if found is not None and key >= _FIRST_NEW]
        with self.engine.begin() as connection:
            if choice < _DELETED and kept:
                changed = self._delete(connection, self._random.choice(kept))
            elif choice < _DELETED + _INSERTED:
                changed = self._insert(connection, words)
            else:
                changed = self._edit(connection, self._random.choice(self._mine), words)
        self.texts |= changed  # what is committed

    def _insert(self, connection: Connection, words: str) -> dict[int, str | None]:
        self._next_new += 1
        name = f"new.{self._next_new}"
        connection.execute(_INSERT, {"id": self._next_new, "name": name, "docstring": words})
        return {self._next_new: words}

    def _edit(self, connection: Connection, key: int, words: str) -> dict[int, str | None]:
        edited = connection.execute(_EDIT, {"id": key, "docstring": words})
        return {key: words} if edited.rowcount else {}

    def _delete(self, connection: Connection, key: int) -> dict[int, str | None]:
        connection.execute(_DELETE, {"id": key})
        return {key: None}


def main() -> None:
    """Write as the first line of the input says, until the input ends."""
    given: dict[str, Any] = json.loads(sys.stdin.readline())  # Any: as JSON has it
    engine = create_engine(given["url"])
    count = int(given["writers"])
    writers = [Writer(engine, rows=given["rows"], number=number, of=count) for number in range(1, count + 1)]
    stopped = Event()
    threads = [Thread(target=one.go_on, args=(stopped,)) for one in writers]
    for thread in threads:
        thread.start()
    sys.stdout.write("writing\n")
    sys.stdout.flush()
    sys.stdin.read()
    stopped.set()
    for thread in threads:
        thread.join()
    engine.dispose()
    json.dump(
        {
            "milliseconds": [one for writer in writers for one in writer.milliseconds],
            "errors": [one for writer in writers for one in writer.errors],
            "texts": [[key, words] for writer in writers for key, words in writer.texts.items()],
        },
        sys.stdout,
    )


if __name__ == "__main__":
    main()
