"""Types of the application that are no subclasses of a vector type: known by the SQL that they compile to."""

import re

import pytest
from alembic import command
from column_models import ALTER, CREATE, DROP, HALF, L2, VALUES, models
from pgvector.sqlalchemy import HALFVEC, SPARSEVEC, VECTOR
from sqlalchemy import ARRAY, Column, Index, Integer, MetaData, String, Table, Text
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.types import TypeDecorator, TypeEngine, UserDefinedType

from alembic_ops.errors import VectorMigrationWarning


class OfSQL(UserDefinedType):
    cache_ok = True

    def __init__(self, sql):
        self.sql = sql

    def get_col_spec(self, **_):
        return self.sql


class Decorated(TypeDecorator):
    impl = OfSQL
    cache_ok = True


class Written(TypeDecorator):
    impl = Text
    cache_ok = True


@compiles(Written, "postgresql")
def write(type_, compiler, **_):
    return "VECTOR ( 3 )"


class Silent(TypeEngine):
    """Compiles to nothing for any database."""

    __visit_name__ = "silent"


SAME = {
    "vector": (VECTOR(3), OfSQL("vector(3)")),
    "upper case": (VECTOR(3), OfSQL("VECTOR(3)")),
    "with its schema": (VECTOR(3), OfSQL("public.vector(3)")),
    "with its quoted schema": (VECTOR(3), OfSQL('"public"."vector"(3)')),
    "no dimensions": (VECTOR(), OfSQL("vector")),
    "halfvec": (HALFVEC(3), OfSQL("halfvec(3)")),
    "sparsevec": (SPARSEVEC(3), OfSQL("sparsevec(3)")),
    "bits": (OfSQL("bit(3)"), OfSQL("bit(3)")),
    "array": (ARRAY(VECTOR(3)), OfSQL("vector(3)[]")),
    "array of them": (ARRAY(HALFVEC(3)), ARRAY(OfSQL("halfvec(3)"))),
    "variant": (VECTOR(3), String().with_variant(OfSQL("vector(3)"), "postgresql")),
    "decorator": (VECTOR(3), Decorated("vector(3)")),
    "decorator that is compiled by itself": (VECTOR(3), Written()),
    "no vectors": (OfSQL("tsvector"), OfSQL("tsvector")),
}


@pytest.mark.parametrize("case", SAME)
def test_nothing_is_proposed_where_both_are_one_type(project, case):
    there, declared = SAME[case]
    models(there).create_all(project.engine)
    project.metadata = models(declared)
    assert project.proposes_nothing()


CHANGES = {
    "dimensions": (OfSQL("vector(3)"), OfSQL("vector(4)"), None, [ALTER], None),
    "storage": (OfSQL("vector(3)"), OfSQL("halfvec(3)"), None, [ALTER], "vector"),
    "storage with its index": (OfSQL("vector(3)"), OfSQL("halfvec(3)"), (L2, HALF), [DROP, ALTER, CREATE], "vector"),
    "to a type that is known": (OfSQL("vector(3)"), HALFVEC(3), (L2, HALF), [DROP, ALTER, CREATE], "vector"),
    "to text": (OfSQL("vector(3)"), Text(), None, [ALTER], None),
}


@pytest.mark.parametrize("case", CHANGES)
def test_a_change_is_proposed_once_and_goes_both_ways(project, case):
    old, new, operators, operations, rows = CHANGES[case]
    before, after = operators or (None, None)
    models(old, operators=before).create_all(project.engine)
    project.metadata = models(new, operators=after)
    revision = project.cycle(*operations, rows=VALUES.get(rows))
    assert "OfSQL" not in revision.whole


def item(m, type_):
    metadata = MetaData()
    options = {"postgresql_using": "hnsw", "postgresql_with": {"m": m}, "postgresql_ops": {"embedding": L2}}
    index = Index("ix_item", "embedding", **options)
    Table("item", metadata, Column("id", Integer, primary_key=True), Column("embedding", type_), index)
    return metadata


def test_a_changed_index_is_one_rebuild(project):
    item(16, VECTOR(3)).create_all(project.engine)
    project.metadata = item(16, OfSQL("vector(3)"))
    assert project.proposes_nothing()
    project.metadata = item(24, OfSQL("vector(3)"))
    project.cycle("rebuild_vector_index")


def test_a_new_table_and_a_new_column_need_no_import_of_the_application(project):
    project.metadata = item(16, OfSQL("vector(3)"))
    revision = project.cycle("create_table", "create_vector_index")
    assert "pgvector.sqlalchemy.VECTOR(3)" in revision.upgrade
    project.upgrade()
    project.metadata = item(16, OfSQL("vector(3)"))
    project.metadata.tables["item"].append_column(Column("half", OfSQL("halfvec(3)")))
    revision = project.cycle("add_embedding_column")
    assert "pgvector.sqlalchemy.HALFVEC(3)" in revision.upgrade


@pytest.mark.parametrize("sql", ["vector(", "vector(x)", "/* dense */ vector(4)", "public.halfvec(3) NOT NULL", ""])
def test_what_cannot_be_read_is_not_different(project, sql):
    models(VECTOR(3), operators=L2).create_all(project.engine)
    project.metadata = models(OfSQL(sql), operators=L2)
    why = f"compiles to {sql!r}, which is not the plain name of a vector type" if sql else "does not compile to SQL"
    with pytest.warns(VectorMigrationWarning, match=re.escape(f"'OfSQL' {why}")):
        command.check(project.config())


def test_what_does_not_compile_is_not_different(project):
    models(VECTOR(3), operators=L2).create_all(project.engine)
    project.metadata = models(Silent(), operators=L2)
    with pytest.warns(VectorMigrationWarning) as warned:
        command.check(project.config())
    assert [str(one.message) for one in warned] == [
        "The type of the column 'embedding' of the table 'items' could not be compared. "
        "The database has vectors in it, and 'Silent' does not compile to SQL for PostgreSQL. "
        "Let the type say what it is by get_col_spec(), or by a variant for 'postgresql'."
    ]


def test_a_type_names_the_schema_of_an_extension_outside_the_search_path(bare_project):
    project = bare_project
    project.execute("CREATE SCHEMA ext")
    project.execute("CREATE EXTENSION vector SCHEMA ext")
    project.metadata = models(OfSQL("ext.vector(3)"))
    project.metadata.create_all(project.engine)
    assert project.proposes_nothing()
    project.metadata = models(OfSQL("ext.vector(4)"))
    with pytest.warns(VectorMigrationWarning, match="is not on the search path"):
        revision = project.cycle(ALTER)
    assert "type_=alembic_ops.InSchema('ext', pgvector.sqlalchemy.VECTOR(4))" in revision.upgrade
