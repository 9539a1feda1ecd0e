import pytest
from pgvector.sqlalchemy import HALFVEC as PlainHalfvec
from sqlalchemy import (
    Column,
    ForeignKey,
    Integer,
    MetaData,
    Table,
    case,
    cast,
    desc,
    func,
    insert,
    literal_column,
    select,
    text,
    true,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import BIT as PostgresBit
from sqlalchemy.orm import DeclarativeBase, Mapped, aliased, mapped_column, relationship, with_loader_criteria

from sqlalchemy_vecsearch import (
    BIT,
    HALFVEC,
    HNSW,
    VECTOR,
    Finding,
    IVFFlat,
    SearchError,
    Subvector,
    boosted,
    count_within,
    dense,
    distance,
    embedding_column,
    embedding_of,
    hybrid,
    lint,
    max_sim,
    nearest,
    nearest_each,
    nearest_per_group,
    page,
    recommend,
    similar_pairs,
    similarity,
    trigram,
    vector_index,
)

QUERY = [1.0, 2.0, 3.0]


class Base(DeclarativeBase):
    pass


class Doc(Base):
    __tablename__ = "doc"
    id: Mapped[int] = mapped_column(primary_key=True)
    lang: Mapped[str]
    embedding: Mapped[list[float] | None] = embedding_column(3, metric="cosine", index=HNSW())
    lists: Mapped[list[float]] = embedding_column(3, metric="l2", index=IVFFlat(lists=10))
    half: Mapped[list[float]] = embedding_column(3, metric="cosine", index=HNSW(), quantize="halfvec")
    bits: Mapped[list[float]] = embedding_column(3, metric="cosine", index=HNSW(), quantize="binary")
    part: Mapped[list[float]] = embedding_column(3, metric="cosine", index=HNSW(), quantize=Subvector(1, 2))
    bare: Mapped[list[float]] = embedding_column(3, metric="cosine")
    english: Mapped[list[float]] = embedding_column(3, metric="cosine")
    question_id: Mapped[int] = mapped_column(ForeignKey("question.id"))
    question: Mapped["Question"] = relationship()
    folder_id: Mapped[int | None] = mapped_column(ForeignKey("folder.id"))
    folder: Mapped["Folder | None"] = relationship()
    notes: Mapped[list["Note"]] = relationship()


vector_index("ix_english", Doc.english, metric="cosine", where=Doc.lang == "en")


class Question(Base):
    __tablename__ = "question"
    id: Mapped[int] = mapped_column(primary_key=True)
    embedding: Mapped[list[float]] = embedding_column(3, metric="cosine")


class Folder(Base):
    __tablename__ = "folder"
    id: Mapped[int] = mapped_column(primary_key=True)


class Note(Base):
    __tablename__ = "note"
    id: Mapped[int] = mapped_column(primary_key=True)
    doc_id: Mapped[int] = mapped_column(ForeignKey("doc.id"))
    number: Mapped[int]


D = distance(Doc.embedding, QUERY)
FOUND = select(Doc.id).order_by(D).limit(10)
BINARY = func.binary_quantize(cast(QUERY, VECTOR(3)))


def rules(statement):
    return [finding.rule for finding in lint(statement)]


def distinct_on(statement, column):
    if hasattr(statement, "ext"):  # SQLAlchemy 2.1
        return statement.ext(postgresql.distinct_on(column))
    return statement.distinct(column)


CLEAN = {
    "the bare operator": FOUND,
    "a label": select(Doc.id, D.label("d")).order_by("d").limit(10),
    "the label itself": select(Doc.id, label := D.label("d")).order_by(label).limit(10),
    "the label as text": select(Doc.id, D.label("d")).order_by(text("d")).limit(10),
    "asc nulls last": select(Doc.id).order_by(D.asc().nulls_last()).limit(10),
    "operands swapped": select(Doc.id).order_by(func.v(type_=VECTOR(3)).op("<=>")(Doc.embedding)).limit(10),
    "pgvector's comparator": select(Doc.id).order_by(Doc.embedding.cosine_distance(QUERY)).limit(10),
    "an alias": select((other := aliased(Doc)).id).order_by(distance(other.embedding, QUERY)).limit(10),
    "a core table": select(Doc.__table__.c.id).order_by(distance(Doc.__table__.c.embedding, QUERY)).limit(10),
    "fetch": select(Doc.id).order_by(D).fetch(10),
    "not null": FOUND.where(Doc.embedding.is_not(None)),
    "a similarity in the select list": FOUND.add_columns(similarity(Doc.embedding, QUERY)),
    "an optional related row": FOUND.outerjoin(Doc.question),
    "an optional join": FOUND.outerjoin(Question, Question.id == Doc.id),
    "the exact form": select(Doc.id).order_by(D.op("+")(text("0"))),
    "the predicate of a partial index": select(Doc.id)
    .where(Doc.lang == "en")
    .order_by(distance(Doc.english, QUERY))
    .limit(5),
    "the cast to its own type": select(Doc.id).order_by(cast(Doc.embedding, VECTOR(3)).op("<=>")(QUERY)).limit(5),
    "halfvec": select(Doc.id).order_by(cast(Doc.half, HALFVEC(3)).op("<=>")(cast(QUERY, HALFVEC(3)))).limit(5),
    "bits": select(Doc.id).order_by(cast(func.binary_quantize(Doc.bits), BIT(3)).op("<~>")(BINARY)).limit(5),
    "a part": select(Doc.id)
    .order_by(cast(func.subvector(Doc.part, 1, 2), VECTOR(2)).op("<=>")(func.subvector(cast(QUERY, VECTOR(3)), 1, 2)))
    .limit(5),
    "a scalar sub-select": select(Doc.id)
    .order_by(distance(Doc.embedding, select(Question.embedding).where(Question.id == 1).scalar_subquery()))
    .limit(5),
    "a lateral sub-select": select(Question.id).join(
        select(Doc.id).order_by(distance(Doc.embedding, Question.embedding)).limit(3).lateral(), true()
    ),
    "re-ranking a limited sub-select": select(
        (limited := select(Doc.id, Doc.embedding).order_by(D).limit(20).subquery()).c.id
    )
    .order_by(limited.c.embedding.op("<=>")(QUERY))
    .limit(5),
    "ranking a limited sub-select": select(
        (near := select(Doc.id, D.label("d")).order_by(D).limit(20).cte()).c.id, func.rank().over(order_by=near.c.d)
    ),
    "a table without vectors": select(Doc.id).order_by(Doc.lang).distinct().limit(100).offset(5),
    "the <-> of another type": select(Doc.id).order_by(Doc.lang.op("<->")("word"), Doc.id),
    "a union of searches": FOUND.union_all(FOUND).order_by("id"),
}


@pytest.mark.parametrize("statement", CLEAN.values(), ids=CLEAN)
def test_a_form_that_an_index_serves_has_no_findings(statement):
    assert lint(statement) == []


SEARCHES = {
    "plain": nearest(Doc, Doc.embedding, QUERY, k=100),
    "offset": nearest(select(Doc).offset(30), Doc.embedding, QUERY, k=20),
    "filtered": nearest(select(Doc).where(Doc.lang == "en"), Doc.embedding, QUERY, k=10),
    "joined": nearest(select(Doc).join(Question, Question.id == Doc.id), Doc.embedding, QUERY, k=10),
    "within": nearest(Doc, Doc.embedding, QUERY, k=10, within=0.3),
    "many": nearest(Doc, Doc.embedding, QUERY, k=2000),
    "exact": nearest(select(Doc).where(Doc.lang == "en"), Doc.embedding, QUERY, k=10, within=0.5, exact=True),
    "ties": nearest(select(Doc).order_by(Doc.id), Doc.embedding, QUERY, k=10),
    "like a row": nearest(Doc, Doc.embedding, embedding_of(Doc, 7), k=10),
    "lists": nearest(select(Doc).where(Doc.lang == "en"), Doc.lists, QUERY, k=10),
    "halfvec": nearest(Doc, Doc.half, QUERY, k=10),
    "binary": nearest(select(Doc).where(Doc.lang == "en"), Doc.bits, QUERY, k=10),
    "subvector": nearest(Doc, Doc.part, QUERY, k=10),
    "partial": nearest(select(Doc).where(Doc.lang == "en"), Doc.english, QUERY, k=10),
    "grouped": nearest_per_group(Doc, Doc.embedding, QUERY, by=Doc.lang, k=5),
    "several of each group": nearest_per_group(Doc, Doc.embedding, QUERY, by=Doc.lang, k=5, per_group=3),
    "each": nearest_each(Doc, Doc.embedding, {1: QUERY, 2: QUERY}, k=5),
    "each of a select": nearest_each(Doc, Doc.embedding, select(Question.id, Question.embedding), k=5),
    "each quantised": nearest_each(Doc, Doc.bits, {1: QUERY}, k=5),
    "pairs": similar_pairs(Doc, Doc.embedding, within=0.2),
    "recommended": recommend(Doc, Doc.embedding, positive=[1, 2], negative=[7], k=10),
    "recommended by best score": recommend(
        Doc, Doc.embedding, positive=[1, QUERY], negative=[7], k=10, strategy="best_score"
    ),
    "boosted": boosted(Doc, Doc.embedding, QUERY, boost=func.ln(Doc.id), k=10),
    "of many vectors": max_sim(Doc, Doc.embedding, [QUERY, QUERY], by=Doc.lang, k=10),
    "hybrid": hybrid(
        select(Doc).where(Doc.lang == "en"),
        [dense(Doc.embedding, QUERY), dense(Doc.lists, QUERY, name="lists"), trigram(Doc.lang, "en")],
        k=10,
    ),
    "counted": count_within(Doc, Doc.embedding, QUERY, within=0.2, at_most=500),
}


@pytest.mark.parametrize("statement", SEARCHES.values(), ids=SEARCHES)
def test_the_searches_of_this_package_have_no_findings(statement):
    assert lint(statement) == []


WRONG = {
    "descending": (select(Doc.id).order_by(D.desc()).limit(5), ["descending"]),
    "descending by a label": (select(Doc.id, D.label("d")).order_by(desc("d")).limit(5), ["descending"]),
    "nulls first": (select(Doc.id).order_by(D.nulls_first()).limit(5), ["nulls_first"]),
    "one minus, descending": (select(Doc.id).order_by((1 - D).desc()).limit(5), ["similarity"]),
    "the similarity": (select(Doc.id).order_by(similarity(Doc.embedding, QUERY).desc()).limit(5), ["similarity"]),
    "one plus": (select(Doc.id).order_by(1 + D).limit(5), ["arithmetic"]),
    "negated": (select(Doc.id).order_by(-D).limit(5), ["arithmetic"]),
    "plus a bound zero": (select(Doc.id).order_by(D + 0).limit(5), ["arithmetic"]),
    "round": (select(Doc.id).order_by(func.round(D)).limit(5), ["wrapped"]),
    "coalesce": (select(Doc.id).order_by(func.coalesce(D, 1)).limit(5), ["wrapped"]),
    "cast": (select(Doc.id).order_by(cast(D, Integer)).limit(5), ["wrapped"]),
    "case": (select(Doc.id).order_by(case((Doc.lang == "en", D), else_=2)).limit(5), ["wrapped"]),
    "the function": (select(Doc.id).order_by(func.cosine_distance(Doc.embedding, QUERY)).limit(5), ["function_form"]),
    "no limit": (select(Doc.id).order_by(D), ["missing_limit"]),
    "a second key": (select(Doc.id).order_by(D, Doc.id).limit(5), ["tie_break"]),
    "a first key": (select(Doc.id).order_by(Doc.lang, D).limit(5), ["not_first"]),
    "a count over all": (FOUND.add_columns(func.count().over()), ["window"]),
    "a rank in the search": (
        FOUND.add_columns(func.rank().over(order_by=D)),
        ["flat_window"],
    ),
    "a rank without a search": (select(Doc.id, func.rank().over(order_by=D).label("r")), ["flat_window"]),
    "distinct": (FOUND.distinct(), ["distinct"]),
    "distinct on": (distinct_on(FOUND, Doc.lang), ["distinct"]),
    "group by": (
        select(Doc.lang).group_by(Doc.lang).order_by(func.min(D)).limit(5),
        ["wrapped", "group_by"],
    ),
    "a joined vector": (
        select(Doc.id)
        .join(Question, true())
        .where(Question.id == 1)
        .order_by(distance(Doc.embedding, Question.embedding))
        .limit(5),
        ["joined_query", "filter_loses_rows"],
    ),
    "a joined vector of the table itself": (
        select(Doc.id)
        .join(twin := aliased(Doc), twin.id == 1)
        .order_by(distance(Doc.embedding, twin.embedding))
        .limit(5),
        ["joined_query", "filter_loses_rows"],
    ),
    "a cross-joined CTE": (
        select(Doc.id, (given := select(Question.embedding).cte()).c.embedding)
        .order_by(distance(Doc.embedding, given.c.embedding))
        .limit(5),
        ["joined_query", "filter_loses_rows"],
    ),
    "a threshold": (FOUND.where(D < 0.3), ["threshold_in_where", "filter_loses_rows"]),
    "a threshold alone": (select(Doc.id).where(D < 0.3), ["threshold_without_order"]),
    "the wrong operator": (select(Doc.id).order_by(distance(Doc.embedding, QUERY, "l2")).limit(5), ["metric"]),
    "no index": (select(Doc.id).order_by(distance(Doc.bare, QUERY)).limit(5), ["no_index"]),
    "no cast": (select(Doc.id).order_by(distance(Doc.half, QUERY)).limit(5), ["missing_cast"]),
    "another cast": (
        select(Doc.id).order_by(cast(Doc.embedding, HALFVEC(3)).op("<=>")(cast(QUERY, HALFVEC(3)))).limit(5),
        ["wrong_cast"],
    ),
    "another part": (
        select(Doc.id).order_by(cast(func.subvector(Doc.part, 2, 2), VECTOR(2)).op("<=>")(QUERY)).limit(5),
        ["wrong_cast"],
    ),
    "a cast without length": (
        select(Doc.id).order_by(cast(Doc.half, HALFVEC).op("<=>")(cast(QUERY, HALFVEC(3)))).limit(5),
        ["missing_length"],
    ),
    "bits without a cast": (
        select(Doc.id).order_by(func.binary_quantize(Doc.bits).op("<~>")(BINARY)).limit(5),
        ["missing_length"],
    ),
    "a part without a cast": (
        select(Doc.id).order_by(func.subvector(Doc.part, 1, 2).op("<=>")(QUERY)).limit(5),
        ["missing_length"],
    ),
    "a cast of another length": (
        select(Doc.id).order_by(cast(func.binary_quantize(Doc.bits), PostgresBit(4)).op("<~>")(BINARY)).limit(5),
        ["wrong_length"],
    ),
    "a halfvec query": (
        select(Doc.id).order_by(Doc.embedding.op("<=>")(cast(QUERY, PlainHalfvec(3)))).limit(5),
        ["query_type"],
    ),
    "many rows": (select(Doc.id).order_by(D).limit(41), ["k_above_ef_search"]),
    "an offset": (FOUND.offset(20), ["offset"]),
    "a filter": (FOUND.where(Doc.lang == "en"), ["filter_loses_rows"]),
    "a join": (FOUND.join(Question, Question.id == Doc.id), ["filter_loses_rows"]),
    "loader criteria": (FOUND.options(with_loader_criteria(Doc, Doc.lang == "en")), ["filter_loses_rows"]),
    "an order by a rank": (
        select(Doc.id, func.row_number().over(order_by=D).label("n")).order_by("n").limit(5),
        ["flat_window"],
    ),
    "a related row": (
        FOUND.join(Doc.question),
        ["filter_loses_rows"],
    ),
    "a search in a CTE": (
        select((inner := select(Doc.id, D.label("d")).order_by(D.desc()).limit(5).cte()).c.id).order_by(inner.c.d),
        ["descending"],
    ),
    "a search in a branch": (FOUND.union_all(select(Doc.id).order_by(D.desc()).limit(5)), ["descending"]),
    "a union as a whole": (
        select(Doc.id, D.label("d"))
        .union_all(select(Question.id, distance(Question.embedding, QUERY).label("d")))
        .order_by("d")
        .limit(5),
        ["union_order"],
    ),
}


@pytest.mark.parametrize(("statement", "expected"), WRONG.values(), ids=WRONG)
def test_a_form_that_loses_the_index_or_rows_is_named(statement, expected):
    assert rules(statement) == expected


def test_a_search_over_lists_has_no_ef_search_to_exceed():
    assert lint(select(Doc.id).order_by(distance(Doc.lists, QUERY)).limit(100)) == []


def test_a_core_table_without_declarations_is_known_by_its_index():
    table = Table("plain", MetaData(), Column("id", Integer), Column("v", VECTOR(3)))
    statement = select(table.c.id).order_by(table.c.v.op("<->")(QUERY)).limit(5)
    assert rules(statement) == ["no_index"]
    vector_index("ix_plain", table.c.v, metric="l2")
    assert rules(statement) == []


def test_a_finding_has_three_sentences():
    (finding,) = lint(select(Doc.id).order_by(D.desc()).limit(5))
    assert finding == Finding(
        rule="descending",
        message="ORDER BY sorts by the distance of the column 'embedding', descending. That asks for the farthest "
        "rows, which no index returns, so every row is read and sorted.",
        fix="Leave DESC out: smaller distances are nearer, for inner_product too.",
    )
    assert str(finding) == f"{finding.message} {finding.fix}"


def test_the_metric_finding_names_operator_metric_and_remedy():
    (finding,) = lint(select(Doc.id).order_by(distance(Doc.embedding, QUERY, "l2")).limit(5))
    assert str(finding) == (
        "ORDER BY compares the column 'embedding' by <-> (l2), and its index serves cosine. An index serves the "
        "operator of its own operator class only, so every row is read and sorted. Search by cosine, or declare "
        "vector_index(..., metric='l2') too."
    )


@pytest.mark.parametrize("statement", [text("SELECT 1"), "SELECT 1"])
def test_text_is_refused(statement):
    with pytest.raises(SearchError) as caught:
        lint(statement)
    assert str(caught.value) == (
        "lint() can not read a statement that is text. It looks at the expressions that SQLAlchemy builds, and text "
        "has none. Write the statement with select(), or ask the server: explain(connection, text(...))."
    )


def test_what_is_no_select_is_refused():
    with pytest.raises(SearchError) as caught:
        lint(insert(Doc))
    assert str(caught.value) == (
        "lint() can not read Insert. It looks at the levels of a Select, and this is none. Pass the Select itself."
    )


ORDERS = {
    "embedding <=> :q": [],
    "doc.embedding <=> :q": [],
    '"embedding" <=> :q ASC NULLS LAST': [],
    "(embedding <=> '[1,2,3]')": [],
    "half::halfvec(3) <=> :q": [],
    "(embedding <=> :q) + 0": [],
    "lang DESC": [],
    "similarity(lang, 'a, b') DESC": [],
    "embedding <=> :q DESC": ["descending"],
    "1 - (embedding <=> :q) DESC": ["similarity"],
    "1 + (embedding <=> :q)": ["arithmetic"],
    "(embedding <=> :q) * 2": ["arithmetic"],
    "round(embedding <=> :q)": ["wrapped"],
    "coalesce(embedding <=> :q, 1)": ["wrapped"],
    "cosine_distance(embedding, :q)": ["function_form"],
    "embedding <=> :q NULLS FIRST": ["nulls_first"],
    "embedding <=> :q, id": ["tie_break"],
    "lang, embedding <=> :q": ["not_first"],
    "embedding <-> :q": ["metric"],
    "half <=> :q": ["missing_cast"],
    "half::halfvec <=> :q": ["missing_length"],
    # + binds closer than the operator, so this is no distance + 0
    "embedding <=> :q + 0": ["unreadable_order"],
    "embedding OPERATOR(public.<=>) :q": ["unreadable_order"],
    "CASE WHEN lang = 'en' THEN embedding <=> :q END": ["unreadable_order"],
    "binary_quantize(bits)::bit(3) <~> :q": ["unreadable_order"],
    "other <=> :q": ["unreadable_order"],
}


@pytest.mark.parametrize(("order", "expected"), ORDERS.items())
@pytest.mark.parametrize("written", [text, literal_column])
def test_text_in_order_by_is_read_where_its_meaning_is_certain(order, expected, written):
    assert rules(select(Doc.id).order_by(written(order)).limit(5)) == expected


def test_text_is_read_inside_of_what_sqlalchemy_builds_around_it():
    assert rules(select(Doc.id).order_by(text("embedding <=> :q"))) == ["missing_limit"]
    assert rules(select(Doc.id).order_by(desc(text("embedding <=> :q"))).limit(5)) == ["descending"]
    assert rules(select(Doc.id).order_by(1 - literal_column("embedding <=> '[1,2,3]'")).limit(5)) == [
        "unreadable_order"
    ]
    assert rules(select(Doc.id).distinct().order_by(text("embedding <=> :q")).limit(5)) == ["distinct"]


def test_a_name_that_is_no_label_is_no_distance():
    assert rules(select(Doc.id, distance(Doc.embedding, QUERY).label("near")).order_by("near").limit(3)) == []
    assert rules(select(Doc.id).order_by("somewhere else").limit(3)) == []


def test_a_name_that_two_tables_have_is_not_certain():
    both = select(Doc.id).join(Question, Question.id == Doc.question_id)
    assert rules(both.order_by(text("embedding <=> :q")).limit(5)) == ["unreadable_order"]
    assert rules(both.order_by(text("doc.embedding <=> :q")).limit(5)) == ["filter_loses_rows"]


def test_text_over_a_table_without_vectors_is_of_another_type():
    shapes = Table("shape", MetaData(), Column("id", Integer), Column("place", Integer))
    assert rules(select(shapes.c.id).order_by(text("place <-> :q DESC"))) == []


def test_the_finding_for_text_that_can_not_be_read_quotes_it():
    (finding,) = lint(select(Doc.id).order_by(text("other <=> :q")).limit(5))
    assert str(finding) == (
        "ORDER BY holds the text 'other <=> :q'. "
        "It compares vectors, in a form that lint() can not read, so an index may serve it or not. "
        "Write distance(column, query) instead, or ask the server: explain(connection, statement)."
    )


class Cast(Base):
    __tablename__ = "of_several_models"
    id: Mapped[int] = mapped_column(primary_key=True)
    model: Mapped[int]
    embedding: Mapped[list[float]] = mapped_column(VECTOR())


vector_index("ix_cast", cast(Cast.embedding, VECTOR(3)), metric="cosine", where=Cast.model == 1)


@pytest.mark.parametrize(
    ("compared", "expected"),
    [
        (cast(Cast.embedding, VECTOR(3)), []),
        (cast(Cast.embedding, VECTOR(4)), ["wrong_cast"]),
        (cast(Cast.embedding, HALFVEC(3)), ["wrong_cast"]),
        (Cast.embedding, ["missing_cast"]),
    ],
)
def test_a_column_without_dimensions_is_compared_in_the_cast_of_its_index(compared, expected):
    statement = (
        select(Cast.id).where(Cast.model == 1).order_by(compared.op("<=>")(literal_column("'[1,2,3]'"))).limit(3)
    )
    assert rules(statement) == expected


def test_the_finding_for_another_cast_names_both():
    compared = cast(Cast.embedding, VECTOR(4)).op("<=>")(literal_column("'[1,2,3,4]'"))
    (finding,) = lint(select(Cast.id).where(Cast.model == 1).order_by(compared).limit(3))
    assert finding.message == (
        "ORDER BY compares the cast to vector(4) of the column 'embedding', and its index holds the cast to vector(3). "
        "PostgreSQL compares expressions by structure, so the index is not found and every row is read."
    )


RESULTS = {
    "nearest": lambda source: nearest(source, Doc.embedding, QUERY, k=5, within=0.5),
    "page": lambda source: page(source, Doc.embedding, QUERY, number=1, size=5),
    "boosted": lambda source: boosted(source, Doc.embedding, QUERY, boost=Doc.id, k=5),
    "nearest_each": lambda source: nearest_each(source, Doc.embedding, {1: QUERY}, k=5),
    "nearest_per_group": lambda source: nearest_per_group(source, Doc.embedding, QUERY, by=Doc.lang, k=5),
    "recommend": lambda source: recommend(source, Doc.embedding, positive=[1], k=5),
    "best score": lambda source: recommend(source, Doc.embedding, positive=[1], k=5, strategy="best_score"),
    "hybrid": lambda source: hybrid(source, [dense(Doc.embedding, QUERY)], k=5),
}


@pytest.mark.parametrize("form", RESULTS)
def test_a_condition_on_the_result_of_a_search_drops_rows(form):
    search = RESULTS[form](select(Doc).where(Doc.lang == "en"))
    assert lint(search) == []
    (finding,) = lint(search.where(Doc.lang != "de"))
    assert (finding.rule, str(finding)) == (
        "filter_after_search",
        "The condition doc.lang != :lang_1 stands outside of the search. "
        "The rows were chosen before it, so it can only drop some of them, and fewer come than were asked for. "
        "Put it into what is searched: nearest(select(...).where(...), ...).",
    )


def test_a_condition_on_an_exact_search_drops_rows_as_on_any_other():
    (finding,) = lint(nearest(Doc, Doc.embedding, QUERY, k=5, exact=True).where(Doc.lang == "en"))
    assert finding.rule == "filter_after_search"


SEARCH = nearest(select(Doc).where(Doc.lang == "en"), Doc.embedding, QUERY, k=5)
OTHER = aliased(Doc)
OF_ALIAS = nearest(OTHER, OTHER.embedding, QUERY, k=5)
BEST = SEARCH.subquery()
WITH = SEARCH.cte()
BEST_DOC = aliased(Doc, BEST)
SCORED = max_sim(Doc, Doc.embedding, [QUERY], by=Doc.question_id, k=3).subquery()
DROPPING = {
    "children": SEARCH.join(Note),
    "children by a condition": SEARCH.join(Note, Note.doc_id == Doc.id),
    "children by a relationship": SEARCH.join(Doc.notes),
    "an alias of children": SEARCH.join(aliased(Note), Doc.notes),
    "children of an alias": OF_ALIAS.join(OTHER.notes),
    "a parent that may be missing": SEARCH.join(Folder),
    "the same by a relationship": SEARCH.join(Doc.folder),
    "children of groups": RESULTS["nearest_per_group"](Doc).join(Doc.notes),
    "children of fused rows": RESULTS["hybrid"](Doc).join(Doc.notes),
    "children of a sub-select": select(BEST, Note).join(Note, Note.doc_id == BEST.c.id),
    "a sub-select to children": select(Note, BEST.c.distance).join(BEST, Note.doc_id == BEST.c.id),
    "children of a class from a sub-select": select(BEST_DOC, Note).join(Note, Note.doc_id == BEST_DOC.id),
    "a folder of a sub-select": select(BEST, Folder).join(Folder, Folder.id == BEST.c.folder_id),
}
KEEPING = {
    "a parent": SEARCH.join(Question),
    "a parent by a relationship": SEARCH.join(Doc.question),
    "a parent of an alias": OF_ALIAS.join(OTHER.question),
    "an outer join": SEARCH.outerjoin(Doc.notes),
    "a join that was searched": nearest(select(Doc).join(Note).where(Note.number == 1), Doc.embedding, QUERY, k=5),
    "the same along a relationship": nearest(select(Doc).join(Doc.notes), Doc.embedding, QUERY, k=5),
    "a join without a foreign key": SEARCH.join(Note, Note.number == Doc.id),
    "a sub-select": select(BEST).order_by(BEST.c.distance),
    "a parent of a sub-select": select(BEST, Question).join(Question, Question.id == BEST.c.question_id),
    "the rows of a sub-select": select(Doc, BEST.c.distance).join(BEST, BEST.c.id == Doc.id),
    "documents by their score": select(Question, SCORED.c.score).join(SCORED, SCORED.c.question_id == Question.id),
    "children of a sub-select, outer": select(BEST, Note).outerjoin(Note, Note.doc_id == BEST.c.id),
    "rows without children": select(BEST).outerjoin(Note, Note.doc_id == BEST.c.id).where(Note.id.is_(None)),
    "a parent joined in WHERE": select(Question, BEST.c.distance).where(Question.id == BEST.c.question_id),
    "a distance": select(BEST).where(BEST.c.distance < 0.3),
    "a distance or a column": select(BEST).where((BEST.c.distance < 0.3) | (BEST.c.lang == "de")),
    "the condition that was searched by": select(Doc).join(BEST, BEST.c.id == Doc.id).where(Doc.lang == "en"),
    "some of more rows": select(BEST).where(BEST.c.lang == "de").limit(2),
    "a count": select(func.count()).select_from(BEST).where(BEST.c.lang == "de"),
    "counts": select(BEST.c.lang, func.count()).where(BEST.c.id > 3).group_by(BEST.c.lang),
    "in": select(Question).where(Question.id.in_(select(BEST.c.question_id))),
}
FILTERING = {
    "a sub-select": select(BEST).where(BEST.c.lang == "de"),
    "a WITH": select(WITH).where(WITH.c.lang == "de"),
    "a class from a sub-select": select(BEST_DOC).where(BEST_DOC.lang == "de"),
    "rows joined to a sub-select": select(Doc, BEST.c.distance).join(BEST, BEST.c.id == Doc.id).where(Doc.lang == "de"),
    "parents of a sub-select": select(BEST).join(Question, Question.id == BEST.c.question_id).where(Question.id > 3),
}


@pytest.mark.parametrize("form", DROPPING)
def test_an_inner_join_with_the_result_of_a_search_drops_rows(form):
    assert rules(DROPPING[form]) == ["join_after_search"]


@pytest.mark.parametrize("form", FILTERING)
def test_a_condition_around_a_search_drops_rows(form):
    assert rules(FILTERING[form]) == ["filter_after_search"]


@pytest.mark.parametrize("form", KEEPING)
def test_what_keeps_all_rows_of_a_search_or_is_meant_to_drop_some_is_no_finding(form):
    assert rules(KEEPING[form]) == []


def test_the_finding_of_a_join_says_what_to_write():
    assert str(*lint(SEARCH.join(Note))) == (
        "The inner join with 'note' stands outside of the search. "
        "The rows were chosen before it, and those without a row to join are dropped, so that fewer come than were "
        "asked for. "
        "Join by .outerjoin(), or put the condition into what is searched, as an EXISTS."
    )
