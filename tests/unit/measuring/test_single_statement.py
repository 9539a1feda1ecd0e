"""Which texts hold a second statement."""

from __future__ import annotations

import pytest

from sqlalchemy_vecsearch.measuring.single_statement import what_follows

SINGLE = [
    "select 1",
    "select 1;",
    "select 1; ; -- done",
    "select 1; /* a ; /* b ; */ c ; */ ;",
    "select ';'",
    "select 'it''s; so'",
    'select 1 as "a;""b;"',
    "select $$ a; b $$",
    "select $tag$ a; $$ b; $other$ $tag$",
    r"select E'a\'; b'",
    "select e'a'\n 'b\\'; c'",
    "select e'a' -- and on\n 'b\\'; c'",
    "select 1 -- a; b",
    "select 1 /* a; b",
    "select 'never ended; select 2",
    "select $1; ",
    "select a$b$c from t where x = $$;$$",
    "",
]
SECOND = [
    ("select 1; select 2", "select 2"),
    ("select 1;; select 2;", "select 2;"),
    ("select ';'; drop table small", "drop table small"),
    ("select 1; commit; drop table small; commit", "commit; drop table small; commit"),
    (r"select 'a\'; select 2 --'", "select 2 --'"),
    ("select e'a' 'b\\'; select 2 --'", "select 2 --'"),
    ("select name'a\\'; select 2 --'", "select 2 --'"),
    ("select /* ; */ 1; select 2", "select 2"),
    ("select $a$ ; $b$ ; $a$; select 2", "select 2"),
    ("select a$b$; select 2 $b$", "select 2 $b$"),
    ("select 1 -- \n; select 2", "select 2"),
    ("; select 2", "select 2"),
]


@pytest.mark.parametrize("sql", SINGLE)
def test_a_semicolon_that_ends_nothing_is_passed_over(sql):
    assert what_follows(sql) is None


@pytest.mark.parametrize(("sql", "rest"), SECOND)
def test_what_follows_the_first_statement_is_found(sql, rest):
    assert what_follows(sql) == rest


def test_a_backslash_in_a_plain_string_is_what_the_server_takes_it_for():
    assert what_follows(r"select 'a\'; b'", standard_strings=False) is None
    assert what_follows(r"select 'a\\'; b", standard_strings=False) == "b"
    assert what_follows(r"select 'a\', ';'") is None
