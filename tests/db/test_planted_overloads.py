"""The planted overloads win wherever a name is not qualified: so a test that counts none of their calls says something."""

import pytest

from tests.db.planted_overloads import qualified_names, without_qualification

CALLS = {
    # SQL that a planted overload answers -> what it is an overload of
    "SELECT concat('a'::text, 'b'::text)": "concat",
    "SELECT websearch_to_tsquery('english'::regconfig, 'word'::varchar)": "websearch_to_tsquery",
    "SELECT 1.5::float8 + 1::int4": "+",
    "SELECT count(*) FROM pg_class WHERE relname = 'pg_class'::varchar": "=",
    "SELECT 1 WHERE 'a'::varchar IN ('b'::varchar)": "=",
    "SELECT set_config('search_path', 'public'::varchar, true)": "set_config",
    "SELECT unnest(ARRAY['a'])": "unnest",
    "SELECT quote_ident('a'::name)": "quote_ident",
}
EXACT = {
    "SELECT 'a'::text || 'b'::text": "||",
    "SELECT count(*) FROM pg_class": "count",
    "SELECT current_setting('search_path')": "current_setting",
    "SELECT 1 WHERE 1 IN (2)": "=",
}


@pytest.mark.parametrize(("sql", "name"), CALLS.items())
def test_an_overload_of_converted_arguments_is_called(planted, engine, sql, name):
    planted.plant({name})
    with engine.connect() as connection:
        connection.exec_driver_sql(sql)
        connection.rollback()
    assert set(planted.calls()) == {name}


@pytest.mark.parametrize(("sql", "name"), EXACT.items())
def test_where_the_path_has_public_first_an_overload_of_the_very_types_is_called(planted, engine, sql, name):
    planted.plant({name}, first=True)
    with engine.connect() as connection:
        connection.exec_driver_sql(sql)
    assert set(planted.calls()) == {name}


def test_what_is_qualified_calls_none(planted, engine):
    planted.plant({"=", "||", "concat", "count"}, first=True)
    with engine.connect() as connection:
        connection.exec_driver_sql(
            "SELECT pg_catalog.concat('a', 'b'), pg_catalog.count(*) FROM pg_catalog.pg_class"
            " WHERE relname OPERATOR(pg_catalog.=) ('pg' OPERATOR(pg_catalog.||) 'class')"
        )
    assert planted.calls() == {}


def test_the_names_of_a_statement_are_read_and_their_qualification_taken_away():
    sql = "SELECT pg_catalog.count(*), pg_catalog.counted FROM t WHERE a OPERATOR(pg_catalog.=) pg_catalog.lower (b)"
    assert qualified_names(sql) == {"count", "=", "lower"}
    assert (
        without_qualification(sql, "=")
        == "SELECT pg_catalog.count(*), pg_catalog.counted FROM t WHERE a = pg_catalog.lower (b)"
    )
    assert without_qualification(sql, "count") == (
        "SELECT count(*), pg_catalog.counted FROM t WHERE a OPERATOR(pg_catalog.=) pg_catalog.lower (b)"
    )
