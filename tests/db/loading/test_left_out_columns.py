"""What stands in the columns that the rows of a load leave out: what an INSERT would put there, on every driver."""

from __future__ import annotations

import uuid
from typing import ClassVar

import numpy as np
import pytest
from sqlalchemy import (
    Column,
    Integer,
    MetaData,
    Sequence,
    Table,
    Text,
    Uuid,
    func,
    insert,
    insert_sentinel,
    select,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from sqlalchemy_vecsearch import VECTOR, LoadingError, copy_rows

metadata = MetaData()
seen = Table(
    "seen",
    metadata,
    Column("id", Integer, Sequence("seen numbers", start=500), primary_key=True),
    Column("word", Text),
    Column("length", Integer, default=lambda context: len(context.get_current_parameters()["word"])),
    Column("first", Text, default=lambda context: context.current_parameters["word"][0]),
    Column("both", Text, default=lambda context: "{first}{length}{token}".format_map(context.current_parameters)),
    Column("token", Uuid, default=uuid.uuid4),
    insert_sentinel("_sentinel"),
    Column("sign", Text, default=text(r"'100%\:' || chr(39)")),
    Column("most", Integer, default=select(func.max(10)).scalar_subquery()),
    Column("place", Integer, Sequence("places", optional=True)),
    Column("embedding", VECTOR(2, returns="list")),
)


class Base(DeclarativeBase):
    pass


class Entry(Base):
    __tablename__ = "entry"
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    version: Mapped[int] = mapped_column()
    embedding: Mapped[list[float] | None] = mapped_column(VECTOR(2, returns="list"))
    __mapper_args__: ClassVar = {"polymorphic_on": "kind", "polymorphic_identity": "entry", "version_id_col": version}


class Letter(Entry):
    sender: Mapped[str | None]
    __mapper_args__: ClassVar = {"polymorphic_identity": "letter"}


ROWS = [{"word": "one", "embedding": [1, 2]}, {"word": "seven", "embedding": None}]
AS_COLUMNS = {"word": ["one", "seven"], "embedding": np.array([[1, 2], [3, 4]], dtype=np.float32)}


@pytest.mark.parametrize("on_conflict", [None, "nothing"])
@pytest.mark.parametrize("rows", [ROWS, AS_COLUMNS], ids=["rows", "columns"])
def test_defaults_of_python_and_of_sql_are_those_of_an_insert(run, rows, on_conflict):
    def check(connection):
        metadata.create_all(connection)
        assert copy_rows(connection, seen, rows, on_conflict=on_conflict) == 2
        connection.execute(insert(seen), ROWS)
        names = ("id", "length", "first", "both", "sign", "most", "place")
        found = connection.execute(select(*(seen.c[name] for name in names)).order_by(seen.c.id)).all()
        assert [row.id for row in found] == [500, 501, 502, 503]
        assert [tuple(row)[1:] for row in found[:2]] == [tuple(row)[1:] for row in found[2:]]
        assert tuple(found[1])[1:] == (5, "s", "s5None", "100%:'", 10, None)
        assert connection.scalar(select(func.count(seen.c.token.distinct()))) == 4

    run(check)


def test_an_update_leaves_the_defaults_of_rows_that_exist_alone(run):
    def check(connection):
        metadata.create_all(connection)
        token = uuid.UUID(int=1)
        connection.execute(insert(seen).values(id=1, word="one", length=99, token=token, sign="mine", most=3))
        changed = [{"id": 1, "word": "two", "embedding": [5, 6]}, {"id": 2, "word": "four", "embedding": None}]
        assert copy_rows(connection, seen, changed, on_conflict="update") == 2
        names = ("word", "length", "token", "sign", "most", "embedding")
        found = connection.execute(select(*(seen.c[name] for name in names)).order_by(seen.c.id)).all()
        assert tuple(found[0]) == ("two", 99, token, "mine", 3, [5, 6])
        assert (found[1].length, found[1].sign, found[1].most) == (4, "100%:'", 10)
        assert found[1].token not in {None, token}

    run(check)


def test_an_update_writes_a_column_with_a_default_that_the_rows_name(run):
    def check(connection):
        metadata.create_all(connection)
        connection.execute(insert(seen).values(id=1, word="one", length=99))
        copy_rows(connection, seen, [{"id": 1, "word": "one", "length": 7, "most": None}], on_conflict="update")
        assert connection.execute(select(seen.c.length, seen.c.most)).one() == (7, None)

    run(check)


def test_a_default_of_sql_does_not_hide_which_row_is_wrong(run):
    def check(connection):
        metadata.create_all(connection)
        rows = [{"word": str(number), "embedding": [1, 2] if number != 1100 else [1]} for number in range(1300)]
        with pytest.raises(LoadingError) as caught:
            copy_rows(connection, seen, rows)
        assert (caught.value.row, caught.value.column) == (1100, "embedding")
        connection.execute(text("ALTER TABLE seen ADD CONSTRAINT short CHECK (word <> '1100')"))
        rows[1100]["embedding"] = None
        with pytest.raises(LoadingError) as caught:
            copy_rows(connection, seen, rows)
        assert (caught.value.row, caught.value.constraint) == (1100, "short")
        assert connection.scalar(select(func.count()).select_from(seen)) == 0

    run(check)


@pytest.mark.parametrize(("entity", "kind"), [(Entry, "entry"), (Letter, "letter")])
def test_a_mapper_fills_the_kind_and_the_version_of_its_rows(run, entity, kind):
    def check(connection):
        Base.metadata.create_all(connection)
        copy_rows(connection, entity, [{"id": 1, "embedding": [1, 2]}, {"id": 2, "embedding": None}])
        copy_rows(connection, entity, {"id": [3], "kind": ["letter"], "version": [8]})
        found = connection.execute(select(Entry.id, Entry.kind, Entry.version).order_by(Entry.id)).all()
        assert found == [(1, kind, 1), (2, kind, 1), (3, "letter", 8)]

    run(check)


def test_a_column_without_a_length_is_refused(engine):
    with engine.begin() as connection:
        metadata.create_all(connection)
        with pytest.raises(LoadingError) as caught:
            copy_rows(connection, seen, {"id": (number for number in range(3)), "word": ["a", "b", "c"]})
        assert str(caught.value) == (
            "The column 'id' of the load into 'seen' is a generator, which has no length. "
            "A mapping holds a whole column under each name, and all columns have one length. "
            "Pass a list or an array for it; one row is loaded as [{...}], and a stream as dictionaries."
        )


def test_a_masked_column_holds_null_and_no_masked_vector(engine):
    with engine.begin() as connection:
        metadata.create_all(connection)
        masked = np.ma.array([1, 2], mask=[False, True])
        copy_rows(connection, seen, {"word": ["a", "b"], "most": masked})
        assert connection.scalars(select(seen.c.most).order_by(seen.c.id)).all() == [1, None]
        with pytest.raises(LoadingError) as caught:
            copy_rows(connection, seen, {"word": ["a"], "embedding": np.ma.array([[1.0, 2.0]], mask=[[True, False]])})
        assert (caught.value.row, caught.value.column) == (0, "embedding")


@pytest.mark.parametrize("schema", [None, "pattern"])
def test_the_sequence_of_a_default_is_found_in_the_schema_that_the_connection_puts_it_in(run, schema):
    numbers = Sequence("numbers", start=7, schema=schema)
    numbered = Table("numbered", MetaData(), Column("id", Integer, numbers), Column("word", Text), schema=schema)

    def check(connection):
        connection.execute(text("CREATE SCHEMA tenant"))
        connection.execution_options(schema_translate_map={schema: "tenant"})
        numbered.metadata.create_all(connection)
        assert copy_rows(connection, numbered, [{"word": "one"}, {"word": "two"}]) == 2
        assert connection.scalars(select(numbered.c.id).order_by(numbered.c.id)).all() == [7, 8]

    run(check)
