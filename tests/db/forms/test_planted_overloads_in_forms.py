"""No overload on the search path that takes other types is called by the statement of any form."""

import re
from itertools import product

import pytest
import situations
from every_form import FORMS, NEED_ITERATIVE_SCANS
from situations import Item, Leaf, Part, Situation
from sqlalchemy import Double, event, insert, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from sqlalchemy_vecsearch import HNSW, embedding_column, embedding_of, nearest, nearest_each, recommend
from tests.db.planted_overloads import qualified_names, without_qualification

EXPECTED = {"concat", "set_config", "current_setting", "count", "to_regclass", "pg_stat_get_xact_numscans", "sum", "+"}
COMPARISONS = {"=", "<>", "<", "<=", ">", ">="}
"""Operators that stand without their schema where pg_catalog has the very types of both sides."""
ONLY_IN_C = {"row_number"}
"""Window functions, which a role without more rights can not write."""


class ExactlyTyped(Situation):
    """A Select whose own comparisons are of exact types: a String column and a VARCHAR value are not, and the caller's."""

    @property
    def german(self):
        return self.source.where(Item.number % 3 == 0)


@pytest.fixture
def searches(pgvector_version):
    """Give ``searches(situation, names)``, the statements of forms, approximate and exact, that the server has."""
    absent = NEED_ITERATIVE_SCANS if pgvector_version < (0, 8) else set()

    def searches(situation, names=FORMS):
        for name, options in product(sorted(names), ({}, {"exact": True})):
            if options or name not in absent:
                yield FORMS[name](situation, **options)

    return searches


@pytest.fixture
def sent(engine, searches):
    """Give the statement of every form, approximate and exact, with its values."""
    with engine.begin() as connection:
        situations.fill(connection)
    found = {}

    def note(connection, cursor, sql, values, context, many):
        found[sql] = values

    exactly_typed = ExactlyTyped(select(Item.number, Item.lang))
    with Session(engine) as session:
        event.listen(session.connection(), "before_cursor_execute", note)
        for statement in searches(exactly_typed):
            session.execute(statement)
    return found


@pytest.fixture
def names(sent):
    names = set().union(*map(qualified_names, sent)) - ONLY_IN_C
    assert names >= EXPECTED
    return names


def run(engine, sql, values):
    with engine.connect() as connection:
        connection.exec_driver_sql(sql, values).all()


def test_no_form_calls_a_planted_overload(planted, engine, sent, names):
    planted.plant(names | COMPARISONS)
    for sql, values in sent.items():
        run(engine, sql, values)
    assert planted.calls() == {}


CAST_FROM = ("text", "varchar", "name", "int4", "int8", "float8", "bool", "oid", "regclass", "regconfig")


def test_no_form_takes_an_implicit_cast_to_a_type_of_a_stranger(engine, sent, names):
    """A cast needs the ownership of one of its types only; an operator class, which a superuser alone makes, more."""
    with engine.begin() as connection:
        for statement in casts_planted(names | COMPARISONS):
            connection.execution_options(no_parameters=True).exec_driver_sql(statement)
    run(engine, "SELECT concat('a'::public.planted), pg_typeof('a'::text::public.planted)", ())
    assert casts_called(engine) == 1
    for sql, values in sent.items():
        run(engine, sql, values)
    assert casts_called(engine) == 1


def casts_planted(names):
    """Yield statements that make a type, casts to it from what our statements hold, and all names over the type."""
    yield "CREATE SEQUENCE casts"
    yield "CREATE TYPE planted AS ENUM ('a')"
    for number, source in enumerate(CAST_FROM):
        yield (
            f"CREATE FUNCTION cast_{number}({source}) RETURNS planted LANGUAGE sql"
            " AS $$ SELECT nextval('public.casts'); SELECT 'a'::public.planted $$"
        )
        yield f"CREATE CAST ({source} AS planted) WITH FUNCTION cast_{number}({source}) AS IMPLICIT"
    for number, name in enumerate(sorted(names)):
        two = f"{name if name.isidentifier() else f'operator_{number}'}(planted, planted)"
        yield f"CREATE FUNCTION public.{two} RETURNS bool LANGUAGE sql AS 'SELECT true'"
        if not name.isidentifier():
            yield f"CREATE OPERATOR public.{name} (LEFTARG = planted, RIGHTARG = planted, FUNCTION = operator_{number})"


def casts_called(engine):
    with engine.connect() as connection:
        return connection.exec_driver_sql("SELECT coalesce(pg_sequence_last_value('casts'), 0)").scalar()


class Unfiltered(Situation):
    """A Situation without a comparison of the caller's own."""

    @property
    def german(self):
        return select(self.source)


class GroupedByText(Unfiltered):
    """A Situation whose groups are those of a text."""

    def __getitem__(self, name):
        return Item.title if name == "parent_id" else super().__getitem__(name)


GROUPED = ("one of each group", "some of each group", "late interaction")
COMPARED_AS_ANOTHER = {
    "a key of text and a number": (Unfiltered(Leaf, Leaf, lambda number: (f"b{number // 60}", number)), FORMS),
    "a partition key of text": (
        Unfiltered(Part, Part, lambda number: (number, "en" if number % 3 else "de")),
        FORMS.keys() - GROUPED,
    ),
    "groups of text": (GroupedByText(Item), GROUPED),
}
"""pg_catalog compares a VARCHAR as text, and not as a number of double precision what psycopg2 writes into a statement."""


class KeyedBase(DeclarativeBase):
    pass


class KeyedByNumber(KeyedBase):
    __tablename__ = "keyed_by_number"
    id: Mapped[float] = mapped_column(Double, primary_key=True)
    embedding: Mapped[list[float]] = embedding_column(2, metric="l2", index=HNSW())


class KeyedByText(KeyedBase):
    __tablename__ = "keyed_by_text"
    id: Mapped[str] = mapped_column(primary_key=True)
    embedding: Mapped[list[float]] = embedding_column(2, metric="l2", index=HNSW())


def searches_of_keys():
    """Yield what names a row by its key, and what leaves each row out of its own result."""
    for entity, key in ((KeyedByNumber, 2.0), (KeyedByText, "2")):
        for exact in (False, True):
            yield nearest(entity, entity.embedding, embedding_of(entity, key), k=2, exact=exact, within=9.5)
            yield nearest_each(entity, entity.embedding, select(entity.id, entity.embedding), k=2, exact=exact)
            yield recommend(entity, entity.embedding, positive=[key], k=2, exact=exact)


def test_no_comparison_of_an_application_s_values_calls_a_planted_overload(planted, engine, make_engine, searches):
    with engine.begin() as connection:
        situations.fill(connection)
        KeyedBase.metadata.create_all(connection)
        for entity in (KeyedByNumber, KeyedByText):
            of_text = entity is KeyedByText
            rows = [{"id": str(place) if of_text else place, "embedding": [place, 1]} for place in range(1, 5)]
            connection.execute(insert(entity), rows)
    planted.plant(COMPARISONS)
    with Session(engine) as session:
        for situation, names in COMPARED_AS_ANOTHER.values():
            for statement in searches(situation, names):
                session.execute(statement).unique().all()
    for driver in ("psycopg", "psycopg2"):
        with Session(make_engine(driver)) as session:
            for statement in searches_of_keys():
                assert len(session.execute(statement).all()) >= 2
    assert planted.calls() == {}


def test_each_qualification_is_needed(planted, engine, sent, names):
    planted.plant(names, first=True)
    assert {name for name in names if not is_needed(planted, engine, sent, name)} == set()


def is_needed(planted, engine, sent, name):
    """Return whether some statement that names it without its schema calls more overloads, or fails for one."""
    for sql, values in sent.items():
        if name not in qualified_names(sql):
            continue
        start = planted.calls().get(name, 0)
        run(engine, sql, values)
        qualified = planted.calls().get(name, 0)
        try:
            run(engine, without_qualification(sql, name), values)
        except DBAPIError as error:
            if re.search(r"does not exist|column definition list|is not unique", str(error)):
                return True
            raise
        if planted.calls().get(name, 0) - qualified > qualified - start:
            return True
    return False
