"""Wished indexes in the server's own words, compared with what the server made of them."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pgvector.sqlalchemy import BIT, HALFVEC, VECTOR
from sqlalchemy import Column, Index, Integer, MetaData, String, Table, cast, func, select, text

from alembic_ops.autogenerate.changes import index_changes
from alembic_ops.autogenerate.declared import declared_indexes
from alembic_ops.catalog.indexes import current_indexes
from alembic_ops.catalog.normalize import Refusal, Wish, normalised
from alembic_ops.model.index_state import IndexDefinition, IndexState, canonical


def items(name="items", schema=None):
    return Table(
        name,
        MetaData(),
        Column("id", Integer, primary_key=True),
        Column("kind", String(10)),
        Column("Embedding", VECTOR(4)),
        Column("loose", VECTOR()),
        schema=schema,
    )


def expressions(table):
    embedding = table.c.Embedding
    return {
        "plain": (embedding, "vector"),
        "other name": (text('("Embedding")'), "vector"),
        "half": (cast(embedding, HALFVEC(4)).label("element"), "halfvec"),
        "half by text": (text('("Embedding"::halfvec(4))'), "halfvec"),
        "half of a part": (cast(func.subvector(embedding, 1, 3), HALFVEC(3)).label("element"), "halfvec"),
        "part": (cast(func.subvector(embedding, 1, 3), VECTOR(3)).label("element"), "vector"),
        "other part": (cast(func.subvector(embedding, 2, 3), VECTOR(3)).label("element"), "vector"),
        "unit": (cast(func.l2_normalize(embedding), VECTOR(4)).label("element"), "vector"),
        "bits": (cast(func.binary_quantize(embedding), BIT(4)).label("element"), "bit"),
        "model of 4": (cast(table.c.loose, VECTOR(4)).label("element"), "vector"),
        "model of 5": (cast(table.c.loose, VECTOR(5)).label("element"), "vector"),
    }


PREDICATES = [
    None,
    "id > 1",
    "(id)>1",
    "id > 1 AND kind = 'a'",
    "((id > 1) AND ((kind)::text = 'a'::text))",
    "kind = '100% a:b'",
    "kind IN ('a', 'b')",
    "kind = ANY (ARRAY['a', 'b']::varchar[])",
    "id % 2 = 0",
]
OPERATOR_CLASSES = {
    "vector": ["vector_l2_ops", "vector_cosine_ops", "public.vector_l2_ops"],
    "halfvec": ["halfvec_l2_ops", "halfvec_ip_ops"],
    "bit": ["bit_hamming_ops"],
}
PARAMETERS = {
    "hnsw": [{}, {"m": 16}, {"m": "16", "ef_construction": 64}, {"m": 24}, {"ef_construction": 100}],
    "ivfflat": [{}, {"lists": 100}, {"lists": 5}],
}


@st.composite
def declarations(draw):
    """One way to declare an index, as a function of a table."""
    element = draw(st.sampled_from(sorted(expressions(items()))))
    storage = expressions(items())[element][1]
    method = draw(st.sampled_from(["hnsw", "ivfflat"]))
    operators = draw(st.sampled_from(OPERATOR_CLASSES[storage]))
    parameters = draw(st.sampled_from(PARAMETERS[method]))
    predicate = draw(st.sampled_from(PREDICATES))
    return element, method, operators, parameters, predicate


def declare(table, name, declaration):
    element, method, operators, parameters, predicate = declaration
    expression, _ = expressions(table)[element]
    options = {"postgresql_using": method, "postgresql_with": parameters}
    if predicate is not None:
        options["postgresql_where"] = text(predicate)
    key = getattr(expression, "key", None)
    if key is None:
        return Index(name, text(f"{expression.text} {operators}"), _table=table, **options)
    return Index(name, expression, postgresql_ops={key: operators}, **options)


@pytest.fixture(scope="module")
def shared(vecsearch_databases):
    from sqlalchemy import create_engine, make_url

    url = vecsearch_databases.create()
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"))
    yield engine
    engine.dispose()
    vecsearch_databases.drop(url)


def catalog_text(connection, name):
    query = select(text("pg_get_indexdef(x.indexrelid), pg_get_expr(x.indpred, x.indrelid), i.reloptions")).select_from(
        text("pg_index x JOIN pg_class i ON i.oid = x.indexrelid")
    ).where(text("i.relname = :name"))  # fmt: skip
    definition, predicate, options = connection.execute(query, {"name": name}).one()
    given = {"m": 16, "ef_construction": 64} if "USING hnsw" in definition else {"lists": 100}
    for option in options or ():
        given[option.partition("=")[0]] = int(option.partition("=")[2])
    return definition.replace(f"INDEX {name} ", "").split(" WITH (")[0].split(" WHERE ")[0], predicate, given


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(current=declarations(), wished=declarations())
def test_the_difference_is_empty_if_and_only_if_the_catalog_is_the_same(shared, current, wished):
    with shared.connect() as connection:
        had, wants = items(), items()
        declare(had, "ix", current)
        declare(wants, "ix", wished)
        had.create(connection)
        (declared,) = declared_indexes(wants, schema=None)
        (definition,) = normalised(connection, [Wish(state=declared.state)])
        assert not isinstance(definition, Refusal)
        (found,) = current_indexes(connection, {None})
        here = [replaced(found, canonical(found.definition))]
        there = [replaced(declared.state, definition)]
        declare(had, "other", wished).create(connection)
        same = catalog_text(connection, "ix") == catalog_text(connection, "other")
        assert (index_changes(here, there) == []) is same
        connection.rollback()


def replaced(state, definition):
    from dataclasses import replace

    return replace(state, definition=definition)


def test_nothing_is_left_behind(engine):
    table = items()
    table.create(engine)
    declare(table, "ix", ("half", "hnsw", "halfvec_l2_ops", {}, "id > 1"))
    (declared,) = declared_indexes(table, schema=None)
    with engine.connect() as connection:
        normalised(connection, [Wish(state=declared.state)] * 3)
        leftovers = connection.scalars(text("SELECT relname FROM pg_class WHERE relname LIKE 'alembic_ops%'")).all()
        settings_left = connection.scalar(text("SELECT current_setting('alembic_ops.wishes')"))
    assert (leftovers, settings_left) == ([], "")


def test_it_works_in_autocommit(engine):
    table = items()
    table.create(engine)
    declare(table, "ix", ("half", "hnsw", "halfvec_l2_ops", {}, None))
    (declared,) = declared_indexes(table, schema=None)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        (definition,) = normalised(connection, [Wish(state=declared.state)])
    assert definition.expression == '("Embedding"::halfvec(4))'


def test_what_the_server_refuses_is_named_and_the_rest_goes_on(engine):
    table = items()
    table.create(engine)
    declare(table, "ix_a", ("half", "hnsw", "halfvec_l2_ops", {}, "no_such_column = 1"))
    declare(table, "ix_b", ("half", "hnsw", "halfvec_l2_ops", {}, "id > 1"))
    declared = declared_indexes(table, schema=None)
    with engine.connect() as connection:
        refused, made = normalised(connection, [Wish(state=one.state) for one in declared])
    assert (refused.sqlstate, refused.message) == ("42703", 'column "no_such_column" does not exist')
    assert made.predicate == "id > 1"


def test_a_column_that_will_have_another_type_is_read_as_such(engine):
    table = items()
    table.create(engine)
    index = Index("ix", table.c.Embedding, postgresql_using="hnsw", postgresql_ops={"Embedding": "halfvec_l2_ops"},
                  postgresql_where=text("id>1"))  # fmt: skip
    table.c.Embedding.type = HALFVEC(4)
    (declared,) = declared_indexes(table, schema=None)
    with engine.connect() as connection:
        (definition,) = normalised(
            connection, [Wish(state=declared.state, actions=('ALTER COLUMN "Embedding" TYPE halfvec(4)',))]
        )
    assert index.name == "ix"
    assert (definition.column, definition.operator_class, definition.predicate) == (
        "Embedding",
        "halfvec_l2_ops",
        "id > 1",
    )


@pytest.mark.parametrize("driver", ["psycopg", "psycopg2", "pg8000"])
def test_every_driver_reads_the_same_states(make_engine, driver):
    engine = make_engine(driver)
    table = items("Table % 1")
    declare(table, "Ix % 1", ("half", "hnsw", "halfvec_l2_ops", {"m": 24}, "kind = '100% a:b'"))
    table.create(make_engine("psycopg") if driver == "pg8000" else engine)
    (declared,) = declared_indexes(table, schema=None)
    with engine.connect() as connection:
        (definition,) = normalised(connection, [Wish(state=declared.state)])
        (found,) = current_indexes(connection, {None})
    assert canonical(found.definition) == definition
    assert found.name == "Ix % 1"


def half_where(table_name, predicate, expression="(embedding::halfvec(3))"):
    definition = IndexDefinition(
        method="hnsw", operator_class="halfvec_l2_ops", expression=expression, predicate=predicate
    )
    return Wish(state=IndexState(name="ix", table_name=table_name, definition=definition))


def test_one_sql_over_columns_of_several_types_means_something_else_in_each_table(engine):
    types = {"short": "varchar(10)", "long": "varchar(20)", "sorted": 'varchar(10) COLLATE "C"', "unlimited": "text"}
    with engine.connect() as connection:
        for name, type_ in types.items():
            connection.execute(text(f"CREATE TABLE {name} (id int, kind {type_}, embedding vector(3))"))
        wishes = [half_where(name, "KIND = 'a' AND id>1") for name in types]
        found = [definition.predicate for definition in normalised(connection, wishes * 2)]
    expected = ["kind::text = 'a'::text AND id > 1"] * 3 + ["kind = 'a'::text AND id > 1"]
    assert found == expected * 2


def test_a_column_in_a_spelling_that_only_the_server_knows_is_found_in_the_whole_table(engine):
    with engine.connect() as connection:
        connection.execute(text("CREATE TABLE items (id int, embedding vector(3))"))
        wish = half_where("items", "id > 1", expression='(U&"\\0065mbedding"::halfvec(3))')
        (found,) = normalised(connection, [wish])
    assert (found.expression, found.predicate) == ("(embedding::halfvec(3))", "id > 1")


def test_columns_of_other_tables_are_not_taken_for_those_of_a_table_that_lacks_them(engine):
    with engine.connect() as connection:
        connection.execute(text("CREATE TABLE a (id int, kind int, embedding vector(3))"))
        connection.execute(text("CREATE TABLE b (id int, vector_dims int, embedding vector(3))"))
        connection.execute(text('CREATE TABLE c (id int, "0065" int, other int, embedding vector(3))'))
        wishes = [
            half_where("a", "kind>1"),
            half_where("b", "vector_dims>1"),
            half_where("b", "kind > 1"),
            half_where("c", "vector_dims(embedding)>1"),
            half_where("c", 'U&"k\\0069nd" > 1'),
            half_where("c", "other>1"),
        ]
        found = normalised(connection, wishes)
    assert [one.message if isinstance(one, Refusal) else one.predicate for one in found] == [
        "kind > 1",
        "vector_dims > 1",
        'column "kind" does not exist',
        "vector_dims(embedding) > 1",
        'column "kind" does not exist',
        "other > 1",
    ]


def test_sets_of_columns_that_share_a_copy_keep_their_own_names_and_types(engine):
    count = 45
    with engine.connect() as connection:
        for number in range(count):
            columns = [
                "same int",
                f"also_{number % 2} {'int' if number % 7 else 'text'}",
                f"e{number} {'vector' if number % 3 else 'halfvec'}({number + 3})",
            ]
            connection.execute(text(f"CREATE TABLE t{number} ({', '.join(columns)})"))
        wishes = [
            half_where(f"t{number}", f"same>1 AND also_{number % 2} IS NULL", f"(e{number}::halfvec({number + 3}))")
            for number in range(count)
        ]
        found = normalised(connection, wishes)
    assert [one.expression for one in found] == [
        f"(e{number}::halfvec({number + 3}))" if number % 3 else None for number in range(count)
    ]
    assert [one.column for one in found] == [None if number % 3 else f"e{number}" for number in range(count)]
    assert [one.predicate for one in found] == [f"same > 1 AND also_{number % 2} IS NULL" for number in range(count)]
