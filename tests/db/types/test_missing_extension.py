"""What a statement says on a database where nobody has created the extension."""

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, Text, make_url, text
from sqlalchemy.exc import DBAPIError, ProgrammingError

from sqlalchemy_vecsearch import hybrid, trigram
from sqlalchemy_vecsearch.types import HALFVEC, SPARSEVEC, VECTOR

HINT = (
    "The database {name!r} does not have the extension vector. pgvector's types come with it, and each database has "
    "extensions of its own. Run CREATE EXTENSION vector in this database before create_all(), or call "
    "op.create_vector_extension() in the first revision."
)


def refused(connection, statement):
    with pytest.raises(ProgrammingError) as caught, connection.begin_nested():
        connection.execute(text(statement))
    return caught.value


@pytest.mark.parametrize("kind", [VECTOR, HALFVEC, SPARSEVEC])
def test_create_all_keeps_its_error_and_says_how_to_create_the_extension(bare_run, bare_url, kind):
    table = Table("item", MetaData(), Column("id", Integer, primary_key=True), Column("embedding", kind(3)))

    def check(connection):
        with pytest.raises(ProgrammingError) as caught, connection.begin_nested():
            table.create(connection)
        assert caught.value.detail == [HINT.format(name=make_url(bare_url).database)]
        assert f'type "{kind.__name__.lower()}" does not exist' in str(caught.value.orig)
        assert str(caught.value.orig) in str(caught.value)
        assert caught.value.detail[0] in str(caught.value)
        assert caught.value.statement.strip().startswith("CREATE TABLE item")

    bare_run(check)


def test_every_statement_says_so_and_none_after_the_extension_is_there(bare_run):
    def check(connection):
        for statement in ("SELECT '[1]'::vector", "CREATE TABLE item (embedding halfvec(3))"):
            assert len(refused(connection, statement).detail) == 1
        connection.execute(text("CREATE EXTENSION vector"))
        assert connection.scalar(text("SELECT '[1]'::vector::text")) == "[1]"
        assert refused(connection, "SELECT 1::pg_catalog.vector").detail == []

    bare_run(check)


@pytest.mark.parametrize(
    "statement", ["SELECT 1::no_type", "SELECT to_tsvector(1, 2)", "SELECT 'a'::regtype", "SELECT x"]
)
def test_other_errors_of_such_a_database_are_left_alone(bare_run, statement):
    def check(connection):
        with pytest.raises(DBAPIError) as caught, connection.begin_nested():
            connection.execute(text(statement))
        assert caught.value.detail == []

    bare_run(check)


def test_a_trigram_leg_says_which_extension_it_needs(bare_run):
    table = Table("item", MetaData(), Column("id", Integer, primary_key=True), Column("title", Text))
    search = hybrid(table, [trigram(table.c.title, "ramne")], k=5)

    def check(connection):
        table.create(connection)
        connection.execute(table.insert(), [{"id": 1, "title": "Ramen"}])
        with pytest.raises(ProgrammingError) as caught, connection.begin_nested():
            connection.execute(search)
        assert caught.value.detail == [
            "The search path of this connection leads to no extension pg_trgm. A trigram leg compares spelling by its "
            "functions, and each database has extensions of its own. Run CREATE EXTENSION pg_trgm in this database, or "
            "leave the leg out."
        ]
        assert "function word_similarity(" in str(caught.value.orig)
        assert refused(connection, "SELECT no_similarity('a')").detail == []

    bare_run(check)
