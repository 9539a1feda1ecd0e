"""A search is built when it is compiled, and what differs from search to search is put into what is compiled."""

import pytest
from form_models import DIALECT, OTHER, Base, Chunk, Document, sql
from sqlalchemy import bindparam, select
from sqlalchemy.ext import serializer
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.sql.visitors import cloned_traverse

from sqlalchemy_vecsearch import (
    HNSW,
    RRF,
    Subvector,
    Weighted,
    dense,
    embedding_column,
    embedding_of,
    fulltext,
    hybrid,
    max_sim,
    nearest,
    nearest_each,
    nearest_per_group,
    recommend,
    similar_pairs,
    trigram,
)
from sqlalchemy_vecsearch.search.building.deferred import Deferred, Numbers

QUERY = [1.0, 2.0, 3.0]


def filtered(lang, k):
    return nearest(select(Document).where(Document.lang == lang), Document.embedding, QUERY, k=k)


def deferred_in(statement):
    found = statement.selected_columns["distance"].element.table.element
    assert isinstance(found, Deferred)
    return found


def executed(compiled, statement):
    """Return the SQL text and the parameters with which a cached statement is executed in place of another."""
    values = compiled.construct_params(extracted_parameters=statement._generate_cache_key().bindparams)
    state = compiled._process_parameters_for_postcompile(values)
    sent = {name: value for name, value in values.items() if name not in state.parameter_expansion}
    return state.statement, {name: as_sent(compiled, name, value) for name, value in sent.items()}


def as_sent(compiled, name, value):
    """Return a parameter as the driver gets it; vectors stay as they are."""
    process = compiled._bind_processors.get(name)
    return process(value) if process is not None and isinstance(value, dict) else value


def test_what_is_compiled_for_one_search_has_the_numbers_and_values_of_the_next():
    first, second = filtered("en", 3), filtered("de", 500)
    key = first._generate_cache_key()
    assert key.key == second._generate_cache_key().key
    text, values = executed(first.compile(dialect=DIALECT, cache_key=key), second)
    wanted = second.compile(dialect=DIALECT, compile_kwargs={"render_postcompile": True})
    assert text == str(wanted)
    assert "LIMIT 550" in text
    assert "LIMIT 3\n" not in text
    assert values["lang_1"] == "de"


def groups(lang, k):
    source = select(Chunk).where(Chunk.id > len(lang))
    return nearest_per_group(source, Chunk.embedding, QUERY, by=Chunk.document_id, k=k, per_group=k)


def best(lang, k):
    source = select(Document).where(Document.lang == lang)
    given = {"positive": [k, QUERY], "negative": [2], "strategy": "best_score"}
    return recommend(source, Document.embedding, k=k, **given)


def fused(fusion):
    def form(lang, k):
        source = select(Document).where(Document.lang == lang)
        legs = [dense(Document.embedding, [k, *QUERY[1:]]), fulltext(Document.fts, lang), trigram(Document.title, lang)]
        return hybrid(source, legs, k=k, fusion=fusion(k), pool=2 * k)

    return form


def pairs(lang, k):
    source = select(Document).where(Document.lang == lang)
    return similar_pairs(source, Document.embedding, within=1 / k, k=k, max_exact_rows=k)


def documents(lang, k):
    source = select(Chunk).where(Chunk.id > len(lang))
    return max_sim(source, Chunk.embedding, [QUERY, [k, k, 1]], by=Chunk.document_id, k=k, max_exact_rows=k)


def like_a_row(lang, k):
    return nearest(select(Document).where(Document.lang == lang), Document.embedding, embedding_of(Document, k), k=k)


class Part(Base):
    __tablename__ = "part"
    lang: Mapped[str] = mapped_column(primary_key=True)
    id: Mapped[int] = mapped_column(primary_key=True)
    embedding: Mapped[list[float]] = embedding_column(3, metric="cosine", index=HNSW())
    __table_args__ = {"postgresql_partition_by": "LIST (lang)"}  # noqa: RUF012  # as SQLAlchemy declares it


def of_a_partition(lang, k):
    return nearest(select(Part).where(Part.lang == lang), Part.embedding, QUERY, k=k)


def staged(lang, k):
    source = select(Document).where(Document.lang == lang)
    return nearest(source, Document.bits, QUERY, k=k, stages=[(Subvector(1, 2), 5 * k), ("halfvec", 2 * k)])


COMPOSED = {
    "like a stored row": like_a_row,
    "in stages": staged,
    "of a partition": of_a_partition,
    "groups": groups,
    "the best score": best,
    "hybrid, by ranks": fused(lambda k: RRF(k, {"dense": k / 7})),
    "hybrid, by scores": fused(lambda k: Weighted({"dense": k / 7})),
    "pairs": pairs,
    "late interaction": documents,
}


@pytest.mark.parametrize("form", COMPOSED.values(), ids=COMPOSED)
def test_a_composed_search_takes_its_own_numbers_from_what_is_compiled_for_another(form):
    first, second = form("en", 3), form("de", 50)
    key = first._generate_cache_key()
    assert key.key == second._generate_cache_key().key
    text, values = executed(first.compile(dialect=DIALECT, cache_key=key), second)
    key = second._generate_cache_key()
    assert (text, values) == executed(second.compile(dialect=DIALECT, cache_key=key), second)
    assert values != executed(second.compile(dialect=DIALECT, cache_key=key), first)[1]


@pytest.mark.parametrize("form", COMPOSED.values(), ids=COMPOSED)
def test_a_composed_search_is_built_when_it_is_compiled(form, monkeypatch):
    built = []
    common = Deferred.__mro__[1]
    make = common.built.fget
    monkeypatch.setattr(common, "built", property(lambda self: built.append(self) or make(self)))
    statement = form("en", 3)
    statement._generate_cache_key()
    assert not built
    sql(statement)
    assert built


@pytest.mark.parametrize("form", COMPOSED.values(), ids=COMPOSED)
def test_a_composed_search_can_be_copied_and_kept_after_it_is_compiled(form):
    statement = form("en", 3)
    text = sql(statement)
    assert sql(cloned_traverse(statement, {}, {})) == text
    assert sql(serializer.loads(serializer.dumps(statement), Base.metadata)) == text
    assert sql(select(statement.subquery())).count("MATERIALIZED") == text.count("MATERIALIZED")
    assert sql(statement.where(Document.id == 1)) != text
    assert "MATERIALIZED" in str(statement)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (fused(lambda _: RRF()), fused(lambda _: Weighted())),
        (pairs, lambda lang, k: similar_pairs(select(Document).where(Document.lang == lang), Document.maybe, within=k)),
        (documents, lambda lang, k: max_sim(Chunk, Chunk.embedding, [QUERY], by=Chunk.maybe_id, k=k + len(lang))),
        (
            documents,
            lambda lang, k: max_sim(Chunk, Chunk.embedding, [OTHER] * 5, by=Chunk.document_id, k=k + len(lang)),
        ),
    ],
)
def test_composed_searches_of_other_shapes_have_other_keys(one, other):
    assert one("en", 3)._generate_cache_key().key != other("en", 3)._generate_cache_key().key


def test_building_and_keying_a_search_does_not_build_its_ways():
    statement = filtered("en", 3)
    key = statement._generate_cache_key()
    assert deferred_in(statement)._made is None
    assert [type(parameter.value).__name__ for parameter in key.bindparams].count("dict") == 1
    sql(statement)
    assert deferred_in(statement)._made is not None


def test_parameters_that_are_replaced_are_replaced_in_every_way():
    source = select(Document).where(Document.lang == bindparam("lang", "en"))
    statement = nearest(source, Document.embedding, QUERY, k=3)
    sql(statement)  # built before it is copied
    other = statement.params(lang="de")
    assert statement.compile(dialect=DIALECT).params["lang"] == "en"
    assert other.compile(dialect=DIALECT).params["lang"] == "de"
    assert sql(other) == sql(statement)


def test_a_copy_with_parameters_of_its_own_takes_the_numbers_of_the_next_search():
    copies = [cloned_traverse(filtered("en", k), {}, {}) for k in (3, 500)]
    keys = [copy._generate_cache_key() for copy in copies]
    assert keys[0].key == keys[1].key
    text, _ = executed(copies[0].compile(dialect=DIALECT, cache_key=keys[0]), copies[1])
    assert text == str(copies[1].compile(dialect=DIALECT, compile_kwargs={"render_postcompile": True}))


@pytest.mark.parametrize(
    "other",
    [
        lambda: nearest(Document, Document.embedding, QUERY, k=3, metric="l2", exact=True),
        lambda: nearest(Document, Document.embedding, QUERY, k=3, strict=True),
        lambda: nearest(Document, Document.embedding, QUERY, k=3, ef_search=100),
        lambda: nearest(Document, Document.embedding, QUERY, k=3, max_exact_rows=100),
        lambda: nearest(select(Document).with_for_update(), Document.embedding, QUERY, k=3),
        lambda: nearest(Document, Document.bits, QUERY, k=3),
        lambda: nearest_each(Document, Document.embedding, {1: QUERY}, k=3),
        lambda: recommend(Document, Document.embedding, positive=[QUERY], k=3),
    ],
)
def test_a_search_of_another_shape_has_another_key(other):
    search = nearest(Document, Document.embedding, QUERY, k=3)
    assert other()._generate_cache_key().key != search._generate_cache_key().key


def test_a_walk_through_a_statement_meets_what_will_be_compiled():
    deferred = deferred_in(filtered("en", 3))
    assert list(deferred.get_children()) == [deferred.built]
    assert deferred.built is deferred.built


def test_numbers_are_literals_of_one_parameter():
    numbers = Numbers(Numbers.parameter({"few": 2, "many": 40}))
    statement = select(numbers["few"].label("a"), numbers.double("many").label("b"), numbers["few"].label("c"))
    assert str(statement.compile(dialect=DIALECT, compile_kwargs={"render_postcompile": True})) == (
        "SELECT 2 AS a, CAST(40 AS FLOAT(53)) AS b, 2 AS c"
    )
