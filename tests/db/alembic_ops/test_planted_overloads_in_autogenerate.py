"""What a stranger has planted on the search path is not called while autogenerate compares."""

import re
from contextlib import suppress

import pytest
from alembic.autogenerate import produce_migrations
from alembic.migration import MigrationContext
from pgvector.sqlalchemy import HALFVEC, VECTOR
from sqlalchemy import Column, Computed, Index, Integer, MetaData, String, Table, cast, event, text
from sqlalchemy.exc import DBAPIError

import alembic_ops  # noqa: F401  # registers the comparison
from tests.db.planted_overloads import qualified_names, without_qualification

OURS = re.compile(r"alembic_ops|OPERATOR\(pg_catalog")


def models(m, kind):
    metadata = MetaData()
    items = Table(
        "items",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("kind", String(10, collation="C")),
        Column("embedding", VECTOR(3)),
        Column("unit", VECTOR(3), Computed("l2_normalize(embedding)", persisted=True)),
    )
    options = {"postgresql_using": "hnsw", "postgresql_with": {"m": m}}
    Index("ix_part", items.c.embedding, postgresql_ops={"embedding": "vector_l2_ops"},
          postgresql_where=text(f"kind = '{kind}'"), **options)  # fmt: skip
    half = cast(items.c.embedding, HALFVEC(3)).label("half")
    Index("ix_half", half, postgresql_ops={"half": "halfvec_l2_ops"}, **options)
    Index("ix_own", items.c.embedding, postgresql_ops={"embedding": "own_ops"}, postgresql_using="hnsw")
    return metadata


@pytest.fixture
def sent(engine):
    """Create the tables, and give our own statements of one comparison, with their values."""
    with engine.begin() as connection:
        connection.execute(text(
            "CREATE OPERATOR CLASS own_ops FOR TYPE vector USING hnsw AS OPERATOR 1 <-> (vector, vector) FOR ORDER BY float_ops,"
            " FUNCTION 1 vector_l2_squared_distance(vector, vector)"
        ))  # fmt: skip
    models(16, "a").create_all(engine)
    found = []

    def note(connection, cursor, sql, values, context, many):
        if OURS.search(sql):
            found.append((sql, values))

    with engine.connect() as connection:
        event.listen(connection, "before_cursor_execute", note)
        script = produce_migrations(MigrationContext.configure(connection), models(24, "b"))
    assert [type(one).__name__ for one in script.upgrade_ops.ops] == ["RebuildVectorIndexOp"] * 2
    return found


def test_nothing_planted_is_called(engine, planted, sent):
    names = set().union(*(qualified_names(sql) for sql, _ in sent))
    assert names >= {
        "=",
        "<>",
        ">",
        "->",
        "->>",
        "?",
        "||",
        "/",
        "concat",
        "format",
        "set_config",
        "count",
        "to_regclass",
    }
    planted.plant(names, first=True)
    with engine.connect() as connection:
        for sql, values in sent:
            connection.exec_driver_sql(sql, values)
    assert planted.calls() == {}


REACHED = {
    *("=", "<>", ">", "->", "->>", "||", "+", "-", "/", "?"),
    *("array_append", "array_to_string", "concat", "format", "format_type", "jsonb_array_elements_text", "quote_ident"),
    *("jsonb_build_object", "pg_get_expr", "pg_my_temp_schema", "set_config", "current_setting", "to_regclass"),
}


def test_a_name_without_its_schema_would_be_found(engine, planted, sent):
    names = set().union(*(qualified_names(sql) for sql, _ in sent))
    planted.plant(names, first=True)
    for name in names:
        with engine.connect() as connection:
            for sql, values in sent:
                with suppress(DBAPIError), connection.begin_nested():  # what is planted may not fit where it is called
                    connection.exec_driver_sql(without_qualification(sql, name), values)
    assert set(planted.calls()) >= REACHED
