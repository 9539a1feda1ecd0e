"""No overload on the search path is called by what measuring sends on its own account, and each name is qualified."""

from typing import ClassVar

import pytest
from sqlalchemy import event, insert, select, text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from sqlalchemy_vecsearch import (
    HNSW,
    IndexNotServedError,
    assert_index_served,
    choose_strategy,
    distance,
    embedding_column,
    explain,
    recall,
)
from tests.db.planted_overloads import qualified_names, without_qualification


class Base(DeclarativeBase):
    pass


class Row(Base):
    __tablename__ = "measured_row"
    id: Mapped[int] = mapped_column(primary_key=True)
    embedding: Mapped[list[float]] = embedding_column(3, metric="l2", index=HNSW())
    other: Mapped[list[float]] = embedding_column(3, metric="l2")


class Part(Base):
    __tablename__ = "measured_part"
    __table_args__: ClassVar[dict] = {"postgresql_partition_by": "LIST (id)"}
    id: Mapped[int] = mapped_column(primary_key=True)


SERVED = select(Row.id).order_by(distance(Row.embedding, [1, 2, 3])).limit(2)
UNSERVED = select(Row.id).order_by(distance(Row.other, [1, 2, 3])).limit(2)


def measure(connection):
    """Do what sends each of the statements that measuring writes itself, beside those of the caller."""
    explain(connection, SERVED)
    assert_index_served(connection, SERVED)
    with pytest.raises(IndexNotServedError):
        assert_index_served(connection, UNSERVED)
    choose_strategy(connection, Part)
    recall(connection, Row.embedding, k=1, sample=2)


@pytest.fixture
def sent(engine):
    """Give the statements that measuring writes itself, with the values of each."""
    Base.metadata.create_all(engine)
    found = {}

    def note(connection, cursor, sql, values, context, many):
        if "pg_catalog." in sql and not sql.startswith("EXPLAIN"):
            found[sql] = values

    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE measured_part_1 PARTITION OF measured_part FOR VALUES IN (1)"))
        connection.execute(insert(Row), [{"id": i, "embedding": [i, 1, 2], "other": [i, 1, 2]} for i in range(9)])
    with engine.connect() as connection:
        event.listen(connection, "before_cursor_execute", note)
        measure(connection)
    return found


def test_no_planted_overload_is_called(planted, engine, sent):
    names = set().union(*map(qualified_names, sent))
    assert {"pg_partition_root", "pg_partition_ancestors", "to_regclass", "sum", "random", "="} <= names
    searches = {sql for sql in sent if ("hnsw" in sql and "amname" not in sql) or " AS key_0" in sql}
    own = [sql for sql in sent if sql not in searches]
    planted.plant(set().union(*map(qualified_names, own)), first=True)
    with engine.connect() as connection:
        for sql in own:
            connection.exec_driver_sql(sql, sent[sql])
    assert planted.calls() == {}


def test_each_qualification_is_needed(planted, engine, sent):
    own = {sql: qualified_names(sql) for sql in sent if "hnsw" not in sql or "amname" in sql}
    planted.plant(set().union(*own.values()), first=True)
    for sql, names in own.items():
        for name in names:
            before = planted.calls().get(name, 0)
            try:
                with engine.connect() as connection:
                    connection.exec_driver_sql(without_qualification(sql, name), sent[sql])
            except ProgrammingError as error:  # a planted function that returns no rows of the kind
                taken = ("relid does not exist", "a column definition list is required")
                assert any(words in str(error) for words in taken)  # noqa: PT017  # only where it is raised
            else:
                assert planted.calls().get(name, 0) > before, (name, sql)
