import re
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Column as CoreColumn
from sqlalchemy import ForeignKey, Integer, MetaData, Table, bindparam, desc, func, literal_column, select, union_all
from sqlalchemy import text as sql_text
from sqlalchemy.dialects.postgresql import psycopg
from sqlalchemy.orm import DeclarativeBase, Mapped, aliased, joinedload, mapped_column, relationship

from sqlalchemy_vecsearch import (
    HNSW,
    VECTOR,
    DeclarationError,
    DimensionError,
    IVFFlat,
    MetricError,
    SearchError,
    SettingsError,
    Strategy,
    Subvector,
    VectorValueError,
    embedding_column,
    embedding_of,
    nearest,
    vector_index,
)
from tests.statement_text import compact, settings_of


class Base(DeclarativeBase):
    pass


class Author(Base):
    __tablename__ = "author"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


class Document(Base):
    __tablename__ = "document"
    id: Mapped[int] = mapped_column(primary_key=True)
    lang: Mapped[str]
    author_id: Mapped[int] = mapped_column(ForeignKey("author.id"))
    embedding: Mapped[list[float]] = embedding_column(3, metric="cosine", index=HNSW())
    author: Mapped[Author] = relationship()


class Note(Base):
    __tablename__ = "note"
    id: Mapped[int] = mapped_column(primary_key=True)
    maybe: Mapped[list[float] | None] = embedding_column(3, metric="l2", index=HNSW())
    lists: Mapped[list[float]] = embedding_column(3, metric="l2", index=IVFFlat(lists=60))
    bits: Mapped[list[float]] = embedding_column(3, metric="cosine", index=HNSW(), quantize="binary")
    half: Mapped[list[float]] = embedding_column(3, metric="cosine", index=HNSW(), quantize="halfvec")
    part: Mapped[list[float]] = embedding_column(3, metric="cosine", index=HNSW(), quantize=Subvector(1, 2))
    none: Mapped[list[float]] = embedding_column(3, metric="cosine")


QUERY = [1.0, 2.0, 3.0]
DIALECT = psycopg.dialect()

TEXTS = Path(__file__).parent / "sql"


def compiled(statement):
    return statement.compile(dialect=DIALECT, compile_kwargs={"render_postcompile": True})


def lines(statement):
    """Return the SQL text with each clause on a line of its own, what every search repeats written short."""
    return compact("\n".join(line.strip() for line in str(compiled(statement)).splitlines())) + "\n"


def sql(statement):
    return " ".join(lines(statement).split())


def settings(statement):
    """Return the settings of each scan, in the order of the scans."""
    return [" ".join(found.split()) for found in settings_of(str(compiled(statement)))]


def expected(name):
    return (TEXTS / f"{name}.sql").read_text(encoding="utf-8")


def parameters(statement):
    return {
        name: value for name, value in compiled(statement).params.items() if not isinstance(value, list | np.ndarray)
    }


def limits(statement):
    """Return each LIMIT that is a number, written or sent beside."""
    found = re.findall(r"LIMIT (?:(\d+)|%\((\w+)\)s)", sql(statement))
    return [int(number or compiled(statement).params[name]) for number, name in found]


RAISED = (
    "pg_catalog.set_config('{}', CAST(greatest(CAST(nullif(pg_catalog.current_setting('{}', true), '') AS INTEGER), "
    "{}) AS TEXT), true)"
)


def by_rows(number, rows):
    """Return the larger of a number and what a table of so many rows takes."""
    of_rows = (
        f"CAST(coalesce({rows}, CAST(0 AS REAL)) AS FLOAT(53)) OPERATOR(pg_catalog.*) CAST(0.16 AS DOUBLE PRECISION)"
    )
    return f"greatest({number}, CAST(least(pg_catalog.sqrt({of_rows}), CAST(400 AS DOUBLE PRECISION)) AS INTEGER))"


ROWS = (
    "(SELECT t.reltuples FROM pg_catalog.pg_class AS t WHERE t.oid = CAST(pg_catalog.to_regclass('document') AS OID) "
    "AND t.reltuples > CAST(0 AS REAL))"
)


def visited(looked_at, wanted, tuples=10):
    """Return how many rows a scan visits at the most that goes on for so many, after a look at so many candidates."""
    candidates = f"(CAST({looked_at} AS FLOAT(53)) OPERATOR(pg_catalog.*) CAST({wanted} AS FLOAT(53)))"
    likely = (
        f"({candidates} OPERATOR(pg_catalog.*) CAST({tuples} AS FLOAT(53))) OPERATOR(pg_catalog./) "
        "greatest(CAST(pg_catalog.count(*) AS FLOAT(53)), CAST(1 AS DOUBLE PRECISION))"
    )
    part = f"CAST(coalesce({ROWS}, CAST(1000000 AS REAL)) AS FLOAT(53)) OPERATOR(pg_catalog./) CAST(30 AS FLOAT(53))"
    return f"(SELECT CAST(greatest(least({likely}, {part}), CAST(1 AS DOUBLE PRECISION)) AS INTEGER) AS greatest_1 FROM first_1)"


def ef_search_of(statement):
    """Return to what each scan raises hnsw.ef_search at the least."""
    return [
        re.search(r"'hnsw.ef_search'.*?AS INTEGER\), (?:greatest\()?(\d+)", found)[1] for found in settings(statement)
    ]


def unset(parameter):
    return (
        f"CASE WHEN (pg_catalog.current_setting('{parameter}', true) != 'off') THEN "
        f"pg_catalog.set_config('{parameter}', 'off', true) END"
    )


def set_if_known(parameter, value):
    return (
        f"CASE WHEN (pg_catalog.current_setting('{parameter}', true) IS NOT NULL) THEN "
        f"pg_catalog.set_config('{parameter}', '{value}', true) END"
    )


ENTITY = "document.id, document.lang, document.author_id, document.embedding"


def test_a_search_without_a_filter_looks_at_once_and_goes_on_if_rows_are_missing():
    statement = nearest(Document, Document.embedding, QUERY, k=10)
    assert lines(statement) == expected("nearest")
    assert limits(statement) == [20, 50, 50, 10, 10]


def test_the_settings_of_each_scan_stand_in_its_own_level():
    first, scan = settings(nearest(Document, Document.embedding, QUERY, k=10))
    ef_search = "hnsw.ef_search"
    assert first == (
        f"(SELECT pg_catalog.concat({RAISED.format(ef_search, ef_search, by_rows(100, ROWS))}, "
        f"{unset('hnsw.iterative_scan')}) AS concat_1 FROM (VALUES (1)) AS given(one))"
    )
    assert scan == (
        f"(SELECT pg_catalog.concat({RAISED.format(ef_search, ef_search, 400)}, "
        "pg_catalog.set_config('hnsw.iterative_scan', 'relaxed_order', true), "
        f"pg_catalog.set_config('hnsw.max_scan_tuples', CAST({visited(by_rows(100, ROWS), 50)} AS TEXT), true), "
        "pg_catalog.set_config('hnsw.scan_mem_multiplier', '64', true)) AS concat_2 FROM (VALUES (1)) AS given(one) "
        "WHERE (SELECT way_1.taken FROM way_1) = 'scan')"
    )


def test_a_graph_of_more_links_takes_fewer_candidates_in_a_large_table_and_compares_more_for_each():
    """One of m = 8 takes as many as one of 16: fewer links were not measured."""
    table = Table("document", MetaData(), CoreColumn("id", Integer, primary_key=True), CoreColumn("at", VECTOR(3)))
    for name, links in (("few", 8), ("many", 40)):
        table.append_column(CoreColumn(name, VECTOR(3), nullable=False))
        vector_index(f"ix_{name}", table.c[name], metric="cosine", method=HNSW(m=links, ef_construction=80))
    usual = by_rows(100, ROWS)
    first, scan = settings(nearest(table, table.c.few, QUERY, k=10))
    assert RAISED.format("hnsw.ef_search", "hnsw.ef_search", usual) in first
    assert visited(usual, 50, tuples=5) in scan
    of_many = usual.replace(") AS INTEGER))", ") OPERATOR(pg_catalog.*) CAST(0.4 AS DOUBLE PRECISION) AS INTEGER))")
    first, scan = settings(nearest(table, table.c.many, QUERY, k=10))
    assert RAISED.format("hnsw.ef_search", "hnsw.ef_search", of_many) in first
    assert visited(of_many, 50, tuples=25) in scan


def test_k_raises_ef_search():
    assert ef_search_of(nearest(Document, Document.embedding, QUERY, k=10)) == ["100", "400"]
    assert ef_search_of(nearest(Document, Document.embedding, QUERY, k=160)) == ["250", "400"]


def test_an_explicit_ef_search_is_stated_outright_and_never_below_k():
    statement = nearest(Document, Document.embedding, QUERY, k=100, ef_search=50)
    assert "pg_catalog.set_config('hnsw.ef_search', CAST(100 AS TEXT), true)" in settings(statement)[0]
    outright = nearest(Document, Document.embedding, QUERY, k=10, ef_search=20)
    assert "pg_catalog.set_config('hnsw.ef_search', CAST(20 AS TEXT), true)" in settings(outright)[0]


def test_a_nullable_embedding_is_guarded():
    assert "WHERE note.maybe IS NOT NULL AND {settings}" in sql(nearest(Note, Note.maybe, QUERY, k=1))


def test_a_filter_stands_in_each_arm_and_the_index_scans_are_counted():
    statement = nearest(select(Document).where(Document.lang == "en"), Document.embedding, QUERY, k=10)
    assert lines(statement) == expected("nearest_filtered")
    assert limits(statement) == [20, 20, 20, 10, 10]


@pytest.mark.parametrize(
    ("strategy", "arms"),
    [
        (None, ["first", "way", "scan", "arm", "exact"]),
        (Strategy.PLAIN, ["first", "arm", "exact"]),
        (Strategy.ITERATIVE, ["scan", "arm", "exact"]),
        (Strategy.EXACT, []),
        ("plain", ["first", "arm", "exact"]),
        ("iterative", ["scan", "arm", "exact"]),
        ("exact", []),
    ],
)
@pytest.mark.parametrize("source", [select(Document), select(Document).where(Document.lang == "en")])
def test_a_strategy_leaves_the_other_ways_out(source, strategy, arms):
    """Also one that is given as text; and what is remembered of the one fits the other."""
    text = sql(nearest(source, Document.embedding, QUERY, k=10, strategy=strategy))
    assert [name for name in ("first", "way", "scan", "arm", "exact") if f"{name}_1" in text] == arms


@pytest.mark.parametrize("strategy", ["bogus", 42, True, "ITERATIVE"])
def test_another_strategy_is_refused(strategy):
    assert refused(SearchError, Document, Document.embedding, QUERY, strategy=strategy) == (
        f"strategy={strategy!r} is no way to the rows. It is one of 'exact', 'iterative', 'plain'. Pass one of these, or of "
        "Strategy, or leave it out, so that the statement decides when it runs."
    )


@pytest.mark.parametrize("strategy", [Strategy.PLAIN, Strategy.ITERATIVE, "plain"])
def test_a_strategy_is_not_ignored_beside_exact(strategy):
    assert refused(SearchError, Document, Document.embedding, QUERY, strategy=strategy, exact=True) == (
        f"exact=True and strategy={str(strategy)!r} contradict each other. The first reads every row that passes, the second "
        "scans the index. Pass one of the two."
    )
    both = nearest(Document, Document.embedding, QUERY, k=10, strategy=Strategy.EXACT, exact=True)
    assert sql(both) == sql(nearest(Document, Document.embedding, QUERY, k=10, exact=True))


def test_an_iterative_scan_that_was_asked_for_is_an_error_of_a_server_without():
    (scan,) = settings(nearest(Document, Document.embedding, QUERY, k=10, strategy=Strategy.ITERATIVE))
    assert (
        "), true), pg_catalog.set_config('hnsw.iterative_scan', 'relaxed_order', true), pg_catalog.set_config" in scan
    )


def test_strict_order_and_the_bound_of_the_scan_can_be_asked_for():
    source = select(Document).where(Document.lang == "en")
    statement = nearest(source, Document.embedding, QUERY, k=10, strict=True, max_scan_tuples=500)
    assert "pg_catalog.set_config('hnsw.iterative_scan', 'strict_order', true)" in settings(statement)[1]
    assert "pg_catalog.set_config('hnsw.max_scan_tuples', CAST(500 AS TEXT), true)" in settings(statement)[1]


def test_the_exact_way_can_be_bounded():
    assert "{rows} <= " not in sql(nearest(Document, Document.embedding, QUERY, k=10))
    statement = nearest(Document, Document.embedding, QUERY, k=10, max_exact_rows=5_000_000)
    text = sql(statement)
    allowed = "{rows} <= CAST(5000000 AS FLOAT(53))"
    assert f"ELSE CASE WHEN ({allowed}) THEN 'exact' ELSE 'scan' END END AS taken" in text
    assert f"FROM scan_1) < 50 AND {allowed}) THEN 'exact'" in text


def test_a_partition_is_told_outside_too():
    table = Table(
        "part",
        MetaData(),
        CoreColumn("tenant", Integer, primary_key=True),
        CoreColumn("id", Integer, primary_key=True),
        CoreColumn("e", VECTOR(3)),
        postgresql_partition_by='LIST ("tenant")',
    )
    vector_index("ix", table.c.e, metric="l2")
    own = nearest(select(table).where(table.c.tenant == 7, table.c.id > 5), table.c.e, QUERY, k=5)
    assert "FROM part, nearest_1 WHERE part.tenant = %(tenant_1)s::INTEGER AND part.tenant = nearest_1.key_0" in sql(
        own
    )
    both = nearest(select(table).where(table.c.tenant.in_([7, 8])), table.c.e, QUERY, k=5)
    outer = "FROM part, nearest_1 WHERE part.tenant IN (%(tenant_1_1)s::INTEGER, %(tenant_1_2)s::INTEGER) AND part."
    assert outer in sql(both)


def test_a_join_is_kept_on_both_levels_and_every_row_is_found_by_all_its_keys():
    source = select(Document.id, Author.name).join(Document.author).where(Author.name != "x")
    statement = nearest(source.order_by(Document.id).offset(3), Document.embedding, QUERY, k=10)
    text, join = sql(statement), "document JOIN author ON author.id = document.author_id"
    inner = (
        "(SELECT document.id AS key_0, author.id AS key_1, document.embedding <=> %(param_1)s::VECTOR(3) AS distance "
        f"FROM {join} WHERE author.name != %(name_1)s::VARCHAR "
    )
    assert text.count(inner) == 2
    assert (
        text.count(
            inner.replace(" AS distance", ") OPERATOR(pg_catalog.+) 0 AS distance").replace("_1, doc", "_1, (doc")
        )
        == 1
    )
    assert text.endswith(
        "sorted_1 AS (SELECT document.id AS key_0, author.id AS key_1, "
        f"candidates_1.distance OPERATOR(pg_catalog.+) 0 AS distance FROM {join}, candidates_1 "
        "WHERE document.id = candidates_1.key_0 AND author.id = candidates_1.key_1 ORDER BY distance, key_0 LIMIT 13) "
        f"SELECT document.id, author.name, sorted_1.distance AS distance FROM {join}, sorted_1 "
        "WHERE document.id = sorted_1.key_0 AND author.id = sorted_1.key_1 "
        "ORDER BY sorted_1.distance, sorted_1.key_0 LIMIT 10 OFFSET %(param_13)s::INTEGER"
    )
    assert (limits(statement), parameters(statement)["param_13"]) == ([26, 26, 26, 13, 10], 3)


def test_what_an_outer_join_can_make_null_is_matched_as_null():
    statement = nearest(select(Document).outerjoin(Document.author), Document.embedding, QUERY, k=10)
    assert "WHERE document.id = nearest_1.key_0 AND author.id IS NOT DISTINCT FROM nearest_1.key_1" in sql(statement)


def test_a_join_that_starts_from_another_entity_keeps_its_start():
    statement = nearest(select(Author).join(Document), Document.embedding, QUERY, k=10)
    assert sql(statement).count("FROM author JOIN document ON author.id = document.author_id") == 4


def test_exists_in_the_filter_needs_no_other_key():
    source = select(Document).where(select(Author.id).where(Author.id == Document.author_id).exists())
    assert "key_1" not in sql(nearest(source, Document.embedding, QUERY, k=10))


def test_loader_options_stay_with_the_rows_that_are_returned():
    source = select(Document).options(joinedload(Document.author)).where(Document.lang == "en")
    assert sql(nearest(source, Document.embedding, QUERY, k=10)).count("LEFT OUTER JOIN author") == 1


def test_the_join_of_an_eager_loader_is_no_row_of_the_search():
    source = select(Document.id, Document).join(Document.author).options(joinedload(Document.author))
    text = sql(nearest(source, Document.embedding, QUERY, k=10))
    assert "key_2" not in text
    assert text.count("LEFT OUTER JOIN author AS author_1") == 1


def test_no_more_rows_are_locked_than_are_wanted():
    source = select(Document).where(Document.lang == "en").with_for_update()
    assert limits(nearest(source, Document.embedding, QUERY, k=10)) == [10, 10, 10, 10, 10]


def test_a_lock_is_taken_inside_so_that_locked_rows_are_passed_over():
    source = select(Document).where(Document.lang == "en").with_for_update(skip_locked=True)
    assert sql(nearest(source, Document.embedding, QUERY, k=10)).count("FOR UPDATE SKIP LOCKED") == 4


def test_a_threshold_stands_outside_the_scan():
    text = sql(nearest(Document, Document.embedding, QUERY, k=10, within=0.3))
    assert text.count("distance OPERATOR(pg_catalog.<=) ") == 1
    assert text.endswith(
        "WHERE document.id = nearest_1.key_0 AND nearest_1.distance OPERATOR(pg_catalog.<=) %(distance_1)s "
        "ORDER BY nearest_1.distance LIMIT 10"
    )


def test_an_exact_search_can_not_be_served_by_an_approximate_index():
    source = select(Document.id).where(Document.lang == "en")
    assert sql(nearest(source, Document.embedding, QUERY, k=10, exact=True, within=0.5)) == (
        "WITH sorted_1 AS (SELECT document.id AS key_0, "
        "(document.embedding <=> %(param_1)s::VECTOR(3)) OPERATOR(pg_catalog.+) 0 AS distance FROM document "
        "WHERE document.lang = %(lang_1)s::VARCHAR ORDER BY distance LIMIT 10) "
        "SELECT document.id, sorted_1.distance AS distance FROM document, sorted_1 WHERE document.id = sorted_1.key_0 "
        "AND sorted_1.distance OPERATOR(pg_catalog.<=) %(distance_1)s ORDER BY sorted_1.distance LIMIT 10"
    )


def test_an_exact_search_keeps_offset_and_tie_breaks():
    source = select(Document.id).order_by(Document.lang).offset(2)
    assert sql(nearest(source, Document.embedding, QUERY, k=3, exact=True)).endswith(
        "document.lang AS tie_0 FROM document ORDER BY distance, tie_0 LIMIT 5) "
        "SELECT document.id, sorted_1.distance AS distance FROM document, sorted_1 WHERE document.id = sorted_1.key_0 "
        "ORDER BY sorted_1.distance, sorted_1.tie_0 LIMIT 3 OFFSET %(param_4)s::INTEGER"
    )


@pytest.mark.parametrize(
    ("order", "inside"),
    [
        ((Document.lang.desc().nulls_last(),), "distance, tie_0 DESC NULLS LAST"),
        ((Document.id.desc(), Document.lang), "distance, key_0 DESC, tie_1"),
        ((func.lower(Document.lang).label("small"),), "distance, tie_0"),
    ],
)
def test_what_breaks_ties_is_sorted_beside_the_keys(order, inside):
    for options in ({}, {"exact": True}):
        text = sql(nearest(select(Document.id).order_by(*order), Document.embedding, QUERY, k=3, **options))
        assert f"ORDER BY {inside} LIMIT 3)" in text
        outside = ", ".join(f"sorted_1.{term}" for term in inside.split(", "))
        assert f"ORDER BY {outside} LIMIT 3" in text


@pytest.mark.parametrize("order", ["small", desc("small"), sql_text("small DESC"), literal_column("2")])
def test_what_breaks_ties_as_text_is_sorted_outside(order):
    source = select(Document.id, func.lower(Document.lang).label("small")).order_by(order)
    assert "tie_0" not in sql(nearest(source, Document.embedding, QUERY, k=3))
    assert "sorted_1" not in sql(nearest(source, Document.embedding, QUERY, k=3, exact=True))


def test_rows_that_are_locked_are_locked_in_the_level_that_sorts_them():
    locked = sql(nearest(select(Document.id).with_for_update(), Document.embedding, QUERY, k=3, exact=True))
    assert locked.startswith("SELECT document.id, document.embedding <=> ")
    assert locked.endswith("FOR UPDATE")


def test_ivfflat_visits_six_tenths_of_its_lists_and_reads_every_row_where_these_have_too_few():
    statement = nearest(Note.__table__, Note.__table__.c.lists, QUERY, k=10)
    probes = "ivfflat.probes"
    assert settings(statement) == [
        f"(SELECT pg_catalog.concat({RAISED.format(probes, probes, 36)}, "
        f"{unset('ivfflat.iterative_scan')}, before_1.entries) AS concat_1 "
        "FROM (VALUES (1)) AS given(one) LEFT OUTER JOIN before_1 ON true)"
    ]
    outright = nearest(Note, Note.lists, QUERY, k=10, probes=3)
    assert "pg_catalog.set_config('ivfflat.probes', CAST(3 AS TEXT), true)" in settings(outright)[0]


def test_a_scan_of_lists_that_passes_over_more_than_it_yields_is_not_the_answer():
    text = sql(nearest(Note, Note.lists, QUERY, k=10))
    twice = "(CAST(seen_1.passed AS FLOAT(53)) OPERATOR(pg_catalog.*) CAST(2 AS DOUBLE PRECISION))"
    assert (
        "arm_1 AS MATERIALIZED (SELECT CASE WHEN (seen_1.passed < 20 OR before_1.entries IS NULL "
        f"OR ({{entries}} OPERATOR(pg_catalog.-) before_1.entries) > {twice}) THEN 'exact' ELSE 'first' END AS taken "
    ) in text
    assert text.startswith("WITH before_1 AS MATERIALIZED {entries}, first_1 AS MATERIALIZED ")


def test_under_a_filter_every_row_that_passes_costs_less_than_most_lists_of_ivfflat():
    statement = nearest(select(Note).where(Note.id > 5), Note.lists, QUERY, k=10)
    assert settings(statement) == []
    found = "(note.lists <-> %(param_1)s::VECTOR(3)) OPERATOR(pg_catalog.+) 0 AS distance"
    assert f"{found} FROM note WHERE note.id > %(id_1)s::INTEGER ORDER BY distance LIMIT 10)" in sql(statement)


def test_ivfflat_looks_at_a_tenth_of_its_lists_under_a_filter_where_reading_every_row_is_bounded():
    statement = nearest(select(Note).where(Note.id > 5), Note.lists, QUERY, k=10, max_exact_rows=1_000_000)
    first, scan = settings(statement)
    assert unset("ivfflat.iterative_scan") in first
    assert set_if_known("ivfflat.iterative_scan", "relaxed_order") in scan
    raised = [re.search(r"'ivfflat.probes'.*?, (\d+)\) AS TEXT", found)[1] for found in (first, scan)]
    assert raised == ["6", "48"]
    allowed = "CASE WHEN ({rows} <= CAST(1000000 AS FLOAT(53))) THEN 'exact' ELSE 'scan' END"
    assert f"WHEN (seen_1.passed >= 15) THEN 'scan' ELSE {allowed} END AS taken" in sql(statement)


def test_a_column_without_a_known_index_tells_both_methods():
    statement = nearest(Note, Note.none, QUERY, k=10)
    for of_scan in settings(statement):
        assert "hnsw.iterative_scan" in of_scan
        assert "ivfflat.iterative_scan" in of_scan
    text = sql(statement)
    assert "ORDER BY note.none <=> %(param_1)s::VECTOR(3) LIMIT" in text


@pytest.mark.parametrize(
    ("column", "candidates", "coarse"),
    [
        ("half", 20, "CAST(note.half AS HALFVEC(3)) <=> CAST(%(param_1)s::VECTOR(3) AS HALFVEC(3))"),
        (
            "bits",
            800,
            "CAST(binary_quantize(note.bits) AS BIT(3)) <~> binary_quantize(CAST(%(param_1)s::VECTOR(3) AS VECTOR(3)))",
        ),
        (
            "part",
            200,
            "CAST(subvector(note.part, %(subvector_1)s::INTEGER, %(subvector_2)s::INTEGER) AS VECTOR(2)) <=> "
            "subvector(CAST(%(param_1)s::VECTOR(3) AS VECTOR(3)), %(subvector_3)s::INTEGER, %(subvector_4)s::INTEGER)",
        ),
    ],
)
def test_a_quantised_column_is_searched_by_its_index_and_ranked_by_the_full_vectors(column, candidates, coarse):
    statement = nearest(select(Note.id), getattr(Note, column), QUERY, k=10)
    text = sql(statement)
    assert text.count(f"}} ORDER BY {coarse} LIMIT") == 2
    found = f"(note.{column} <=> %(param_1)s::VECTOR(3)) OPERATOR(pg_catalog.+) 0 AS distance"
    assert f"{found} FROM note ORDER BY distance LIMIT (SELECT" in text
    assert text.endswith("ORDER BY nearest_1.distance LIMIT 10")
    assert limits(statement)[0] == candidates


def test_oversampling_raises_the_candidates_and_ef_search():
    statement = nearest(select(Note.id), Note.bits, QUERY, k=10, oversample=70)
    assert limits(statement) == [700, 700, 700, 10, 10]
    assert ef_search_of(statement) == ["700", "700"]


def test_a_stored_row_is_read_by_a_scalar_sub_select_and_left_out():
    statement = nearest(select(Document.id), Document.embedding, embedding_of(Document, 42), k=10)
    stored = "(SELECT document_1.embedding FROM document AS document_1 WHERE document_1.id = %(id_1)s::INTEGER)"
    text = sql(statement)
    assert f"ORDER BY document.embedding <=> {stored} LIMIT" in text
    assert (
        f"WHERE document.id != %(id_2)s::INTEGER AND vector_norm({stored}) > CAST(0 AS DOUBLE PRECISION) AND {{settings LEFT OUTER JOIN before_1 ON true WHERE before_1.small IS NOT true}}"
        in text
    )


def test_aliases_and_core_tables_are_searched_alike():
    other = aliased(Document, name="other")
    assert "FROM document AS other WHERE {settings}" in sql(nearest(other, other.embedding, QUERY, k=1))
    table = Document.__table__
    assert sql(nearest(table, table.c.embedding, QUERY, k=1)) == sql(nearest(Document, Document.embedding, QUERY, k=1))
    alias = table.alias("a")
    assert "FROM document AS a WHERE {settings}" in sql(nearest(alias, alias.c.embedding, QUERY, k=1))


def test_another_value_is_the_same_statement_to_the_compiled_cache():
    def key(*where, **arguments):
        values = {"k": 10, **arguments}
        query = values.pop("query", QUERY)
        return nearest(select(Document).where(*where), Document.embedding, query, **values)._generate_cache_key().key

    assert key() == key(query=np.array([3, 2, 1], "f4")) == key(k=500)
    assert key(Document.lang == "en") == key(Document.lang == "fr", k=20)
    assert key(ef_search=50) == key(ef_search=60)


def test_another_metric_is_another_statement_to_the_compiled_cache():
    first = nearest(Document, Document.embedding, QUERY, k=1, exact=True)._generate_cache_key().key
    assert first != nearest(Document, Document.embedding, QUERY, k=1, exact=True, metric="l2")._generate_cache_key().key


def refused(error, *arguments, **options):
    with pytest.raises(error) as caught:
        nearest(*arguments, **{"k": 10, **options})
    return str(caught.value)


@pytest.mark.parametrize(
    ("query", "error", "message"),
    [
        (
            [1.0, 2.0],
            DimensionError,
            "The vector for 'document.embedding' does not fit: expected 3 dimensions, not 2. "
            "The declaration says 3, and pgvector refuses every other length. "
            "Pass the output of the model that the column was declared for, or declare the new length and migrate.",
        ),
        (
            [1.0, float("nan"), 2.0],
            VectorValueError,
            "The vector for 'document.embedding' holds nan at position 1. "
            "pgvector stores numbers that are finite in single precision, and nothing else. "
            "Find the input whose embedding came out this way, and leave its vector out.",
        ),
        (
            [],
            VectorValueError,
            "The vector for 'document.embedding' is empty. "
            "pgvector stores vectors of one dimension or more. "
            "Pass None where there is no embedding.",
        ),
        (
            np.ones((2, 3)),
            VectorValueError,
            "The vector for 'document.embedding' has the shape (2, 3): expected ndim to be 1. "
            "A vector has exactly one axis. "
            "Pass one row of it, such as value[0].",
        ),
        (
            "a text",
            VectorValueError,
            "The vector for 'document.embedding' is the str 'a text', which is not a vector. "
            "A vector is a row of numbers, and text is never parsed into one. "
            "Pass a list of floats or a numpy array; embed a text with your model first.",
        ),
    ],
)
def test_what_is_no_vector_of_the_column_is_refused_before_sql_is_sent(query, error, message):
    assert refused(error, Document, Document.embedding, query) == message


def test_an_unknown_metric_is_refused():
    assert refused(MetricError, Document, Document.embedding, QUERY, metric="dot").startswith(
        "There is no metric 'dot'."
    )


def test_a_metric_that_the_index_can_not_serve_says_which_it_can():
    assert refused(MetricError, Document, Document.embedding, QUERY, metric="l2") == (
        "The column 'document.embedding' can not be searched by 'l2': its index can serve 'cosine'. "
        "PostgreSQL would read and sort every row without a word. "
        "Search by 'cosine', add vector_index(..., metric='l2'), or accept the full scan: exact=True."
    )
    assert refused(MetricError, Note, Note.none, QUERY, metric="l2") == (
        "The column 'note.none' can not be searched by 'l2': it is declared for 'cosine'. "
        "PostgreSQL would read and sort every row without a word. "
        "Search by 'cosine', add vector_index(..., metric='l2'), or accept the full scan: exact=True."
    )


def test_a_column_without_a_declared_metric_says_how_to_declare_one():
    table = Table("t", MetaData(), CoreColumn("id", Integer, primary_key=True), CoreColumn("e", VECTOR(3)))
    assert refused(MetricError, table, table.c.e, QUERY) == (
        "The column 'e' declares no metric. It was not made by embedding_column(), and none of its indexes in the "
        "metadata is a vector index with a known operator class. "
        'Declare it with embedding_column(384, metric="cosine"), add a vector_index(), or pass metric="cosine".'
    )
    vector_index("one", table.c.e, metric="l2")
    assert "<->" in sql(nearest(table, table.c.e, QUERY, k=1))
    vector_index("two", table.c.e, metric="l1")
    assert refused(MetricError, table, table.c.e, QUERY) == (
        "The column 'e' has indexes for several metrics: l1, l2. Each of them orders rows in another way, and the "
        "search names none. Say which you mean: metric='l1'."
    )


def test_what_is_no_entity_is_refused():
    assert refused(SearchError, "document", Document.embedding, QUERY) == (
        "'document' can not be searched. A search starts from a mapped class, an alias of one, a table, or a Select "
        "of them, and this is none. Pass the class, such as Document, or select(Document).where(...)."
    )


def test_a_column_of_another_entity_is_refused():
    assert refused(SearchError, Note, Document.embedding, QUERY) == (
        "The column 'document.embedding' is not of what is searched. Its table would be joined to the statement "
        "without a condition, and every pair of rows compared. "
        "Pass a column of the searched class, or join its class to the statement first."
    )


def test_what_is_no_vector_column_is_refused():
    assert refused(SearchError, Document, Document.lang, QUERY) == (
        "The column 'lang' of type String() holds no vectors. A search compares the types vector, halfvec, sparsevec "
        "and bit. Pass the embedding column, such as Document.embedding."
    )
    assert refused(SearchError, Document, "embedding", QUERY) == (
        "'embedding' is no column that can be searched. A search orders by the distance to a vector column of a mapped "
        "class or a table, or to a cast of one to a vector type. Pass the column itself, such as Document.embedding."
    )


@pytest.mark.parametrize("k", [0, -1, 2.5, "10", True, 2**63])
def test_an_impossible_k_is_refused(k):
    assert refused(SearchError, Document, Document.embedding, QUERY, k=k) == (
        f"k={k!r} is not possible. It says how many rows to return, a whole number of 1 or more, and at most "
        "1,000,000,000. Pass such a number, k=10 for example."
    )


@pytest.mark.parametrize(
    ("within", "shown"),
    [
        (float("nan"), "nan"),
        (Decimal("sNaN"), "Decimal('sNaN')"),
        (Decimal("1e400"), "Decimal('1E+400')"),
        (Fraction(10**400), "Fraction(1" + "0" * 187 + "..."),
        (Fraction(10**5000), "<Fraction that can not be written>"),
        (10**400, "1" + "0" * 196 + "..."),
        (10**5000, "<int that can not be written>"),
        ("0.5", "'0.5'"),
        (0.5j, "0.5j"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_an_impossible_threshold_is_refused(within, shown):
    assert refused(SearchError, Document, Document.embedding, QUERY, within=within) == (
        f"within={shown} is no distance. It is the largest distance to return, a finite number. "
        "Choose one, or leave it out to return the k nearest rows whatever their distance."
    )


@pytest.mark.parametrize(
    ("name", "value", "range_"),
    [
        ("ef_search", 1001, "hnsw.ef_search from 1 to 1,000"),
        ("ef_search", 0, "hnsw.ef_search from 1 to 1,000"),
        ("probes", 0, "ivfflat.probes from 1 to 32,768"),
        ("max_scan_tuples", 0, "hnsw.max_scan_tuples from 1 to 2,147,483,647"),
    ],
)
def test_a_setting_out_of_range_is_refused(name, value, range_):
    assert refused(SettingsError, Document, Document.embedding, QUERY, **{name: value}) == (
        f"{name}={value} is out of range. pgvector accepts {range_}. Choose a whole number in that range, or leave it out."
    )


def test_a_number_that_python_does_not_write_out_is_refused_as_well():
    """``str`` of more than 4,300 digits is an error of Python's, which hid the one that says what to do."""
    assert "ef_search=<int that can not be written> is out of range" in refused(
        SettingsError, Document, Document.embedding, QUERY, ef_search=10**5000
    )
    assert "k=<int that can not be written> is not possible" in refused(
        SearchError, Document, Document.embedding, QUERY, k=10**5000
    )
    with pytest.raises(DeclarationError, match=r"^HNSW\(m=<int that can not be written>\) is out of range\."):
        HNSW(m=10**5000)
    with pytest.raises(
        DeclarationError, match=r"^An embedding can not have <int that can not be written> dimensions\."
    ):
        embedding_column(10**5000, metric="l2")


@pytest.mark.parametrize(
    ("change", "word", "remedy"),
    [
        (lambda s: s.limit(5), "a LIMIT", "Leave .limit() out: k is the limit."),
        (lambda s: s.fetch(5), "a FETCH", "Leave .fetch() out: k is the limit."),
        (lambda s: s.group_by(Document.lang), "a GROUP BY", "Group the rows of the search in an outer statement."),
        (lambda s: s.distinct(), "a DISTINCT", "Apply DISTINCT to the rows of the search in an outer statement."),
        (
            lambda s: s.add_columns(func.row_number().over(order_by=Document.id) + 1),
            "a window function",
            "Apply it to the rows of the search in an outer statement.",
        ),
        (
            lambda s: s.with_only_columns(func.count()),
            "an aggregate",
            "Aggregate the rows of the search in an outer statement.",
        ),
        (
            lambda s: s.with_only_columns(func.max(Document.id).filter(Document.lang == "en").label("last")),
            "an aggregate",
            "Aggregate the rows of the search in an outer statement.",
        ),
    ],
)
def test_what_would_hide_the_order_of_the_index_is_refused(change, word, remedy):
    assert refused(SearchError, change(select(Document)), Document.embedding, QUERY) == (
        f"The statement to search has {word}. At the level of the search it would hide the order that the index "
        f"serves, and every row would be read. {remedy}"
    )


def test_an_aggregate_in_a_sub_select_is_a_column_like_any_other():
    others = aliased(Document)
    count = select(func.count()).where(others.lang == Document.lang).correlate(Document).scalar_subquery()
    statement = nearest(select(Document, count.label("same")), Document.embedding, QUERY, k=5)
    assert [column["name"] for column in statement.column_descriptions] == ["Document", "same", "distance"]


def test_an_offset_must_be_a_number():
    for offset in (
        func.random(),
        bindparam("passed"),
        bindparam("passed", 0),
    ):  # that may have another value when it runs
        for options in ({}, {"exact": True}):
            assert refused(SearchError, select(Document).offset(offset), Document.embedding, QUERY, **options) == (
                "The OFFSET of the statement is an expression or a named parameter. A search must know how many candidates it "
                "needs while it is built. Pass a number to .offset(), and build the search anew for another page."
            )


def test_no_rows_before_the_first_are_asked_for():
    assert refused(SearchError, select(Document).offset(-1), Document.embedding, QUERY) == (
        "The OFFSET of the statement is -1. A search finds that many candidates and passes over them: at least none, and no "
        "index finds more than 1,000,000,000. Pass a number from 0 to 1,000,000,000 to .offset()."
    )


def test_a_join_with_something_keyless_is_refused():
    words = select(Author.name.label("word")).distinct().subquery()
    source = select(Document).join(words, words.c.word == Document.lang)
    assert refused(SearchError, source, Document.embedding, QUERY) == (
        "The statement that searches 'document.embedding' reads something without a primary key. "
        "The rows that the index finds are taken in a sub-select and found again by their keys, and a function, a "
        "keyless table or a sub-select that does not select the whole key of what it reads has none. "
        "Search first and join to the result, write the join as an EXISTS, declare the primary key of a table that has "
        "one, or pass exact=True."
    )


KEYLESS = Table(
    "keyless",
    MetaData(),
    CoreColumn("note", Integer),
    embedding_column(3, metric="cosine", index=HNSW(), name="e").column,
)
OF_DOCUMENTS = select(Document.lang, Document.embedding).where(Document.lang == "en").subquery()


@pytest.mark.parametrize(("source", "column"), [(KEYLESS, KEYLESS.c.e), (OF_DOCUMENTS, OF_DOCUMENTS.c.embedding)])
def test_what_has_no_key_itself_is_refused_but_by_the_exact_way(source, column):
    """A scan alone could not tell that rows are missing, and no other way can go on from it."""
    for options in ({}, {"strategy": Strategy.PLAIN}, {"metric": "cosine"}):
        assert "reads something without a primary key" in refused(SearchError, source, column, QUERY, **options)
    exact = sql(nearest(source, column, QUERY, k=10, metric="cosine", exact=True))
    assert "OPERATOR(pg_catalog.+) 0 LIMIT" in exact


REVIEWS = Table(
    "review",
    MetaData(),
    CoreColumn("document_id", Integer, primary_key=True),
    CoreColumn("reviewer", Integer, primary_key=True),
    CoreColumn("stars", Integer),
)
WHOLE_KEYS = {
    "of both columns": select(REVIEWS).where(REVIEWS.c.stars > 3),
    "of both, in another order": select(REVIEWS.c.reviewer, REVIEWS.c.document_id.label("id")),
    "within another": select(select(REVIEWS).where(REVIEWS.c.stars > 3).subquery()),
    "limited": select(REVIEWS).order_by(REVIEWS.c.stars).limit(5),
    "of a class": select(Author.id.label("document_id")),
    "of two tables": select(REVIEWS.c.document_id, REVIEWS.c.reviewer, Author.id).join(
        Author, REVIEWS.c.reviewer == Author.id
    ),
}
PARTS_OF_KEYS = {
    "of one column": select(REVIEWS.c.document_id),
    "within another": select(select(REVIEWS).subquery().c.document_id),
    "of one of joined tables": select(Author.id.label("document_id")).join(REVIEWS, REVIEWS.c.reviewer == Author.id),
    "of one of two tables": select(Author.id.label("document_id")).where(REVIEWS.c.reviewer == Author.id),
    "of two of which one may be missing": select(REVIEWS.c.document_id, REVIEWS.c.reviewer, Author.id).join(
        Author, REVIEWS.c.reviewer == Author.id, isouter=True
    ),
    "of a union": union_all(select(Author.id.label("document_id")), select(Author.id)),
}


def joined_with(inner):
    joined = inner.subquery()
    return select(Document).join(joined, list(joined.c)[-1] == Document.id)


@pytest.mark.parametrize("inner", WHOLE_KEYS.values(), ids=WHOLE_KEYS)
def test_a_sub_select_with_the_whole_key_of_what_it_reads_is_joined(inner):
    """Each of its rows with a document is a row of the result."""
    keys = len(inner.subquery().primary_key)
    text = sql(nearest(joined_with(inner), Document.embedding, QUERY, k=10))
    assert text.count(f"AS key_{keys}") == text.count("AS key_0")
    assert f"key_{keys + 1}" not in text


@pytest.mark.parametrize("inner", PARTS_OF_KEYS.values(), ids=PARTS_OF_KEYS)
def test_one_with_a_part_of_a_key_is_refused(inner):
    """SQLAlchemy takes the part for its primary key, and a row would be found again by that of others."""
    assert joined_with(inner).get_final_froms()[0].right.primary_key
    assert "reads something without a primary key" in refused(
        SearchError, joined_with(inner), Document.embedding, QUERY
    )


def test_rows_of_a_sub_select_itself_are_found_by_a_whole_key():
    documents = select(Document).where(Document.lang == "en").subquery()
    of_authors = select(Document.id, Document.embedding).join(Author, Document.author_id == Author.id).subquery()
    whole, twice = aliased(Document, documents), aliased(Document, of_authors)
    assert "AS key_0" in sql(nearest(whole, whole.embedding, QUERY, k=10))
    assert "AS key_0" in sql(nearest(documents, documents.c.embedding, QUERY, k=10, metric="cosine"))
    for source, column in ((twice, twice.embedding), (of_authors, of_authors.c.embedding)):
        assert "reads something without a primary key" in refused(SearchError, source, column, QUERY, metric="cosine")


def test_a_stored_row_of_another_table_is_refused():
    assert refused(SearchError, Document, Document.embedding, embedding_of(Note, 1)) == (
        "embedding_of('Note', ...) names a row of another table than document.embedding. The stored embedding is read "
        "from the column that is searched. "
        "Pass the class that is searched, or the other vector as select(...).scalar_subquery()."
    )


def test_a_stored_row_needs_its_whole_key():
    with pytest.raises(SearchError) as caught:
        embedding_of(Document, (1, 2))
    assert str(caught.value) == (
        "The key (1, 2) has 2 parts, and the primary key of 'Document' has 1. A stored row is found by its whole key. "
        "Pass a value for each of id."
    )


@pytest.mark.parametrize(
    ("column", "options", "rows"),
    [
        ("embedding", {}, 20_000),
        ("embedding", {"max_exact_rows": 9}, 9),
        ("bits", {}, 200_000),
        ("bits", {"max_exact_rows": 1_000_000}, 200_000),
    ],
)
def test_a_small_table_is_read_whole_under_a_filter_if_that_is_allowed(column, options, rows):
    entity = Document if column == "embedding" else Note
    statement = nearest(select(entity).where(entity.id > 5), getattr(entity, column), QUERY, k=10, **options)
    text = " ".join(str(compiled(statement)).split())
    known = "t.relkind = 'r' AND NOT t.relhassubclass"
    assert f"{known} AND t.reltuples <= CAST({rows} AS FLOAT(53)) AS small FROM pg_catalog.pg_class AS t" in text
    assert "CASE WHEN before_1.small THEN 'exact' WHEN" in text
    assert "LEFT OUTER JOIN before_1 ON true WHERE before_1.small IS NOT true) IS NOT NULL" in text
