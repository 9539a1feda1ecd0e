"""The ORM assigns over a loaded vector, or a loaded array of vectors, and writes what changed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pgvector import HalfVector, SparseVector
from sqlalchemy import ARRAY, event, inspect
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.mutable import MutableList
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from sqlalchemy.types import TypeDecorator

from sqlalchemy_vecsearch.types import BIT, HALFVEC, SPARSEVEC, VECTOR


class Arrays(TypeDecorator):
    impl = ARRAY(VECTOR(2, returns="numpy"))
    cache_ok = True


class Base(DeclarativeBase):
    pass


class Page(Base):
    __tablename__ = "page"
    id: Mapped[int] = mapped_column(primary_key=True)
    list_: Mapped[Any] = mapped_column(VECTOR(2))
    array: Mapped[Any] = mapped_column(VECTOR(2, returns="numpy"))
    half: Mapped[Any] = mapped_column(HALFVEC(2, returns="numpy"))
    lists: Mapped[Any] = mapped_column(ARRAY(VECTOR(2)), nullable=True)
    arrays: Mapped[Any] = mapped_column(ARRAY(VECTOR(2, returns="numpy")), nullable=True)
    halves: Mapped[Any] = mapped_column(postgresql.ARRAY(HALFVEC(2, returns="numpy")), nullable=True)
    sparse: Mapped[Any] = mapped_column(ARRAY(SPARSEVEC(2)))
    bits: Mapped[Any] = mapped_column(ARRAY(BIT(2)))
    grid: Mapped[Any] = mapped_column(ARRAY(VECTOR(2, returns="numpy"), dimensions=2))
    decorated: Mapped[Any] = mapped_column(Arrays(), nullable=True)
    mutable: Mapped[Any] = mapped_column(MutableList.as_mutable(ARRAY(VECTOR(2, returns="numpy"))), nullable=True)


ONE, TWO = [1.0, 2.0], [3.0, 4.0]
VECTORS = ("list_", "array", "half")
ROWS = ("lists", "arrays", "halves", "decorated", "mutable")
FIRST: dict[str, Any] = {
    **dict.fromkeys(VECTORS, tuple(ONE)),
    **{name: [ONE, TWO] for name in ROWS},
    "sparse": [SparseVector(ONE)],
    "bits": ["10"],
    "grid": [[ONE], [TWO]],
}
SECOND: dict[str, list[Any]] = {
    **{name: [TWO, np.array([5.0, 6.0]), (7.0, 8.0)] for name in VECTORS},
    **{name: [[TWO, TWO], [np.array(TWO)], [np.array(TWO), None], [HalfVector(TWO)], [], None] for name in ROWS},
    "sparse": [[SparseVector(TWO)], [np.array(TWO), SparseVector(ONE)]],
    "bits": [["01"], [np.array([True, True])]],
    "grid": [[[TWO], [ONE]], [[np.array(ONE)], [np.array(ONE)]]],
}


def plain(value):
    """Return lists of a value of any form."""
    if hasattr(value, "to_list"):
        return value.to_list()
    if isinstance(value, np.ndarray):
        return value.tolist()
    return [plain(one) for one in value] if isinstance(value, (list, tuple)) else value


@pytest.mark.parametrize("name", FIRST)
def test_a_new_value_is_stored(run, name):
    def check(connection):
        Base.metadata.create_all(connection)
        with Session(connection) as session:
            session.add(Page(id=1, **FIRST))
            session.flush()
            for value in SECOND[name]:
                session.expire_all()
                page = session.get(Page, 1)
                getattr(page, name)
                setattr(page, name, value)
                assert inspect(page).attrs[name].history.has_changes()
                session.flush()
                session.expire_all()
                wanted = ["11"] if name == "bits" and not isinstance(value[0], str) else plain(value)
                assert plain(getattr(page, name)) == wanted

    run(check)


def test_the_same_value_is_not_written_again(run):
    def check(connection):
        Base.metadata.create_all(connection)
        with Session(connection) as session:
            page = Page(id=1, **FIRST)
            session.add(page)
            session.flush()
            session.expire_all()
            for name, value in FIRST.items():
                getattr(page, name)
                setattr(page, name, value)
            statements = []
            event.listen(connection, "before_cursor_execute", lambda *args: statements.append(args[2]))
            session.flush()
            assert statements == []

    run(check)


def test_an_array_that_was_changed_in_place_is_written_when_it_is_assigned_again(run):
    def check(connection):
        Base.metadata.create_all(connection)
        with Session(connection) as session:
            page = Page(id=1, **FIRST)
            session.add(page)
            session.flush()
            session.expire_all()
            changed = page.array
            changed *= 2
            page.array = changed
            session.flush()
            session.expire_all()
            assert page.array.tolist() == [2, 4]

    run(check)
