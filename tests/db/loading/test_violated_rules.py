"""Each rule of the server that a row can violate, by each way of loading: which row and which columns the error names."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from sqlalchemy import Column, Integer, MetaData, Numeric, String, Table, Text, create_engine, func, select, text
from sqlalchemy.dialects.postgresql import ENUM, INT4RANGE, TSVECTOR, Range

from sqlalchemy_vecsearch import VECTOR, LoadingError, copy_rows
from tests.conftest import DRIVERS, OF_OTHER_CODE_PATHS, runner

SCHEMA = (
    "CREATE TABLE owner (id integer PRIMARY KEY)",
    "CREATE TABLE place (x integer, y integer, PRIMARY KEY (x, y))",
    "CREATE DOMAIN mail AS text CHECK (VALUE LIKE '%@%')",
    "CREATE TYPE mood AS ENUM ('calm', 'glad')",
    """
    CREATE TABLE thing (
        id integer PRIMARY KEY,
        "Title" text NOT NULL,
        low integer CONSTRAINT low_is_positive CHECK (low > 0),
        high integer,
        owner integer REFERENCES owner,
        x integer,
        y integer,
        code text UNIQUE,
        late_code text UNIQUE DEFERRABLE INITIALLY IMMEDIATE,
        part integer,
        slug text,
        span int4range,
        mail mail,
        price numeric(5, 2),
        short varchar(3),
        mood mood,
        note text,
        words tsvector,
        embedding vector(3),
        CONSTRAINT low_is_below_high CHECK (low < high),
        CONSTRAINT thing_place FOREIGN KEY (x, y) REFERENCES place,
        CONSTRAINT thing_part UNIQUE (part, slug),
        CONSTRAINT spans_do_not_meet EXCLUDE USING gist (span WITH &&)
    )
    """,
    "CREATE UNIQUE INDEX thing_slug ON thing (lower(slug)) WHERE part > 0",
    """
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF NEW.note = TG_ARGV[0] THEN RAISE EXCEPTION 'the note is %', NEW.note; END IF;
        RETURN NEW;
    END $$
    """,
    "CREATE TRIGGER before_thing BEFORE INSERT ON thing FOR EACH ROW EXECUTE FUNCTION refuse('early')",
    "CREATE TRIGGER after_thing AFTER INSERT ON thing FOR EACH ROW EXECUTE FUNCTION refuse('late')",
    "INSERT INTO owner VALUES (1)",
    "INSERT INTO place VALUES (1, 1)",
)

thing = Table(
    "thing",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("Title", Text),
    Column("low", Integer),
    Column("high", Integer),
    Column("owner", Integer),
    Column("x", Integer),
    Column("y", Integer),
    Column("code", Text),
    Column("late_code", Text),
    Column("part", Integer),
    Column("slug", Text),
    Column("span", INT4RANGE),
    Column("mail", Text),
    Column("price", Numeric),
    Column("short", String),
    Column("mood", ENUM("calm", "glad", name="mood")),
    Column("note", Text),
    Column("words", TSVECTOR),
    Column("embedding", VECTOR(3, returns="list")),
)

COPYING = ["psycopg", "psycopg_async", "asyncpg"]


@dataclass(frozen=True)
class Case:
    """What a row has that is wrong, and what the error says of it."""

    values: dict
    columns: tuple
    constraint: str | None
    told: str


CASES = {
    "not null": Case({"Title": None}, ("Title",), None, 'null value in column "Title"'),
    "check of one column": Case({"low": 0}, ("low",), "low_is_positive", 'check constraint "low_is_positive"'),
    "check of two columns": Case(
        {"low": 9, "high": 2}, ("low", "high"), "low_is_below_high", 'check constraint "low_is_below_high"'
    ),
    "foreign key": Case({"owner": 7}, ("owner",), "thing_owner_fkey", "(Key (owner)=(7) is not present in table"),
    "foreign key of two columns": Case(
        {"x": 1, "y": 7}, ("x", "y"), "thing_place", "(Key (x, y)=(1, 7) is not present in table"
    ),
    "unique": Case({"code": "c3"}, ("code",), "thing_code_key", "(Key (code)=(c3) already exists)"),
    "deferrable unique": Case(
        {"late_code": "l3"}, ("late_code",), "thing_late_code_key", "(Key (late_code)=(l3) already exists)"
    ),
    "unique of two columns": Case(
        {"part": -3, "slug": "s3"}, ("part", "slug"), "thing_part", "(Key (part, slug)=(-3, s3) already exists)"
    ),
    "unique expression": Case(
        {"part": 1, "slug": "A"}, ("part", "slug"), "thing_slug", "(Key (lower(slug))=(a) already exists)"
    ),
    "exclusion": Case(
        {"span": Range(30, 35)}, ("span",), "spans_do_not_meet", "conflicts with existing key (span)=([30,39))"
    ),
    "domain": Case({"mail": "nobody"}, ("mail",), "mail_check", "value for domain mail violates check constraint"),
    "numeric overflow": Case({"price": 1000}, ("price",), None, "numeric field overflow"),
    "too long": Case({"short": "abcd"}, ("short",), None, "value too long for type character varying(3)"),
    "trigger before the row": Case({"note": "early"}, (), None, "the note is early"),
    "trigger after the row": Case({"note": "late"}, (), None, "the note is late"),
}
COUNT, BAD = 1_050, 1_034  # more than one part, and not in the first
FIRST = 10


def row_of(number):
    return {
        "id": number,
        "Title": "t",
        "low": 1,
        "high": 2,
        "owner": 1,
        "x": 1,
        "y": 1,
        "code": f"c{number}",
        "late_code": f"l{number}",
        "part": -number if number else 1,
        "slug": f"s{number}" if number else "a",
        "span": Range(10 * number, 10 * number + 9),
        "mail": "a@b",
        "price": 1,
        "short": "abc",
        "note": "n",
        "embedding": [1, 2, 3],
    }


def prepare(connection):
    for statement in SCHEMA:
        connection.execute(text(statement))


def check_refused(connection, rows, case, on_conflict=None):
    with pytest.raises(LoadingError) as caught:
        copy_rows(connection, thing, rows, on_conflict=on_conflict)
    error = caught.value
    assert (error.row, error.columns, error.constraint) == (BAD, case.columns, case.constraint), str(error)
    assert error.column == (case.columns[0] if len(case.columns) == 1 else None)
    assert case.told in str(error)
    assert f"row {BAD} of the load into 'thing'" in str(error)
    assert connection.scalar(select(func.count()).select_from(thing)) == 0
    assert copy_rows(connection, thing, [row_of(1)]) == 1


def rows_of(case):
    return (row_of(number) | (case.values if number == BAD else {}) for number in range(COUNT))


@pytest.fixture(scope="module")
def prepared_url(vecsearch_databases):
    url = vecsearch_databases.create()
    engine = create_engine(url)
    with engine.begin() as connection:
        prepare(connection)
    engine.dispose()
    yield url
    vecsearch_databases.drop(url)


EACH_CODE_PATH = [pytest.param(one, marks=pytest.mark.slow if one in OF_OTHER_CODE_PATHS else ()) for one in DRIVERS]


@pytest.fixture(params=EACH_CODE_PATH)
def undone(request, make_engine, prepared_url):
    """Give what `run` gives, on a database that has the tables; what a test did there is undone."""
    run = runner(make_engine, request.param, url=prepared_url)

    def call(function):
        def check(connection):
            function(connection)
            connection.rollback()

        run(check)

    return call


# Three ways of loading, and one of three drivers for each rule in each: between them each code path meets each rule.


@pytest.mark.share(0, 3)
@pytest.mark.parametrize("name", CASES)
def test_the_row_and_the_columns_of_the_rule_are_named(undone, name):
    undone(lambda connection: check_refused(connection, rows_of(CASES[name]), CASES[name]))


STAGED = [name for name in CASES if "unique" not in name]  # on_conflict takes these for rows that exist


@pytest.mark.share(1, 3)
@pytest.mark.parametrize("name", STAGED)
def test_they_are_named_through_a_temporary_table(undone, name):
    undone(lambda connection: check_refused(connection, rows_of(CASES[name]), CASES[name], "update"))


@pytest.mark.share(2, 3)
@pytest.mark.parametrize("name", CASES)
def test_they_are_named_where_the_server_casts_a_text(undone, name):
    rows = (row | {"words": "a b"} for row in rows_of(CASES[name]))
    undone(lambda connection: check_refused(connection, rows, CASES[name]))


@pytest.mark.parametrize("name", ["check of one column", "check of two columns", "foreign key of two columns"])
def test_they_are_named_for_columns_of_arrays(run, name):
    case = CASES[name]

    def check(connection):
        prepare(connection)
        connection.execute(text("ALTER TABLE thing ALTER \"Title\" SET DEFAULT 't'"))
        columns = {key: np.full(COUNT, row_of(1)[key]) for key in ("low", "high", "x", "y")}
        columns |= {"id": np.arange(COUNT), "embedding": np.ones((COUNT, 3), dtype=np.float32)}
        for key, value in case.values.items():
            columns[key][BAD] = value
        check_refused(connection, columns, case)

    run(check)


@pytest.mark.parametrize("run", COPYING, indirect=True)  # INSERT would need the type for its parameters
def test_a_label_that_an_enumeration_lacks_is_named(run):
    def check(connection):
        prepare(connection)
        plain = Table("thing", MetaData(), *(Column(c.name, Text if c.name == "mood" else c.type) for c in thing.c))
        rows = (row_of(number) | {"mood": "sad" if number == BAD else "calm"} for number in range(COUNT))
        with pytest.raises(LoadingError) as caught:
            copy_rows(connection, plain, rows)
        assert (caught.value.row, caught.value.column) == (BAD, "mood")
        assert connection.scalar(select(func.count()).select_from(thing)) == 0

    run(check)


def test_a_row_that_a_policy_refuses_is_named(run):
    def check(connection):
        prepare(connection)
        role = f"writer_{run.driver}"  # roles belong to the whole server
        for statement in (
            f"CREATE ROLE {role}",
            f"GRANT ALL ON thing, owner, place TO {role}",
            "ALTER TABLE thing ENABLE ROW LEVEL SECURITY",
            f"CREATE POLICY low_notes ON thing TO {role} USING (true) WITH CHECK (low < 5)",
            f"SET LOCAL ROLE {role}",
        ):
            connection.execute(text(statement))
        case = Case({"low": 6, "high": 7}, (), None, 'new row violates row-level security policy for table "thing"')
        check_refused(connection, rows_of(case), case)
        for statement in ("RESET ROLE", f"DROP OWNED BY {role}", f"DROP ROLE {role}"):
            connection.execute(text(statement))

    run(check)


@pytest.mark.parametrize("run", COPYING, indirect=True)  # the others insert one row a statement
def test_a_rule_about_all_rows_at_once_says_that_the_row_is_unknown(run):
    def check(connection):
        prepare(connection)
        connection.execute(
            text(
                "CREATE FUNCTION few() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
                "IF (SELECT count(*) FROM added) > 5 THEN RAISE EXCEPTION 'too many rows'; END IF; RETURN NULL; END $$"
            )
        )
        connection.execute(
            text(
                "CREATE TRIGGER few_things AFTER INSERT ON thing REFERENCING NEW TABLE AS added "
                "FOR EACH STATEMENT EXECUTE FUNCTION few()"
            )
        )
        with pytest.raises(LoadingError) as caught:
            copy_rows(connection, thing, (row_of(number) for number in range(FIRST)))
        assert str(caught.value) == (
            "The server refused rows of the load into 'thing': too many rows. "
            "It looks at them together and does not say which it means, and none of them is in the table. "
            "Correct the rows, and load them again."
        )
        assert (caught.value.row, caught.value.columns) == (None, ())
        assert connection.scalar(select(func.count()).select_from(thing)) == 0

    run(check)
