"""The anatomy of a Select: each test fails when SQLAlchemy names or keeps a part of it in another way."""

import pytest
import sqlalchemy.sql
from sqlalchemy import (
    ClauseElement,
    ForeignKey,
    Integer,
    bindparam,
    cast,
    func,
    literal,
    literal_column,
    select,
    text,
    union,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    aliased,
    mapped_column,
    relationship,
    selectinload,
    with_loader_criteria,
)
from sqlalchemy.sql.elements import UnaryExpression

from sqlalchemy_vecsearch import SearchError, selects


class Base(DeclarativeBase):
    pass


class Author(Base):
    __tablename__ = "author"
    id: Mapped[int] = mapped_column(primary_key=True)


class Doc(Base):
    __tablename__ = "doc"
    id: Mapped[int] = mapped_column(primary_key=True)
    rank: Mapped[int]
    author_id: Mapped[int] = mapped_column(ForeignKey(Author.id))
    author: Mapped[Author] = relationship()


DOC, AUTHOR = Doc.__table__, Author.__table__
PLAIN = select(Doc)


def written(statement):
    return " ".join(
        str(statement.compile(dialect=postgresql.dialect(), compile_kwargs={"literal_binds": True})).split()
    )


@pytest.mark.parametrize(
    "statement",
    [
        PLAIN.where(Doc.rank > 1),
        PLAIN.join(Doc.author),
        PLAIN.select_from(Doc),
        PLAIN.options(with_loader_criteria(Doc, Doc.rank > 1)),
        select(Doc, Author),
    ],
)
def test_whatever_can_drop_rows_is_a_filter(statement):
    assert selects.is_filtered(statement)
    assert not selects.is_filtered(PLAIN)


def test_clauses_are_told_apart_from_their_absence():
    full = PLAIN.limit(3).offset(2).distinct().group_by(Doc.id).with_for_update().options(selectinload(Doc.author))
    for asks in (
        selects.is_limited,
        selects.has_offset,
        selects.passes_over_rows,
        selects.is_distinct,
        selects.is_grouped,
        selects.is_locking,
        selects.has_loader_options,
    ):
        assert asks(full)
        assert not asks(PLAIN)
    assert selects.is_limited(PLAIN.fetch(3))
    assert selects.has_loader_criteria(PLAIN.options(with_loader_criteria(Doc, Doc.rank > 1)))
    assert not selects.has_loader_criteria(full)
    assert not selects.passes_over_rows(PLAIN.offset(0))


def test_numbers_of_limit_and_offset_are_read():
    assert (
        selects.limit_of(PLAIN.limit(3)),
        selects.limit_of(PLAIN),
        selects.limit_of(PLAIN.limit(literal_column("3"))),
    ) == (
        3,
        None,
        None,
    )
    assert (selects.offset_of(PLAIN.offset(2)), selects.offset_of(PLAIN)) == (2, 0)
    assert selects.offset_of(PLAIN.offset(literal(2))) == 2
    for offset in (literal_column("2"), bindparam("passed", 2), bindparam(None, 2)):
        with pytest.raises(SearchError, match="The OFFSET of the statement is an expression or a named parameter"):
            selects.offset_of(PLAIN.offset(offset))
    inside = PLAIN.limit(7).subquery()
    assert selects.rows_asked(select(inside).offset(2)) == 5
    assert selects.rows_asked(select(inside, PLAIN.limit(9).subquery())) is None


@pytest.mark.parametrize(
    ("statement", "word"),
    [
        (PLAIN.limit(1), "a LIMIT"),
        (PLAIN.fetch(1), "a FETCH"),
        (PLAIN.group_by(Doc.id), "a GROUP BY"),
        (PLAIN.having(func.count() > 1), "a HAVING"),
        (PLAIN.distinct(), "a DISTINCT"),
        (select(func.row_number().over()), "a window function"),
        (select(func.max(Doc.rank)), "an aggregate"),
    ],
)
def test_what_a_search_must_add_itself_is_refused(statement, word):
    with pytest.raises(SearchError, match=f"The statement to search has {word}\\."):
        selects.as_select(statement)


def test_where_is_read_and_taken_away():
    statement = PLAIN.where((Doc.rank > 1) & (Doc.id > 2), Doc.id < 9).order_by(Doc.rank).offset(1)
    assert [written(criterion) for criterion in selects.where_criteria(statement)] == [
        "doc.rank > 1",
        "doc.id > 2",
        "doc.id < 9",
    ]
    assert "WHERE" not in written(selects.without_filter(statement))
    assert written(selects.with_criteria(statement, (Doc.id == 5,))).partition("WHERE")[2] == (
        " doc.id = 5 ORDER BY doc.rank LIMIT ALL OFFSET 1"
    )
    assert "doc.rank > 1" in written(statement)


def test_options_and_locks_are_left_out_and_moved():
    statement = PLAIN.options(selectinload(Doc.author)).with_for_update()
    only = selects.only_columns(statement, Doc.id)
    assert written(only) == "SELECT doc.id FROM doc"
    assert not selects.has_loader_options(only)
    assert written(selects.locking_as(only, statement)) == "SELECT doc.id FROM doc FOR UPDATE"
    assert selects.is_locking(statement)


def test_what_is_read_is_taken_apart_without_compiling_it():
    joined = PLAIN.outerjoin(Doc.author).where(AUTHOR.c.id > 1)
    assert dict(selects.sources(joined)) == {DOC: False, AUTHOR: True}
    assert dict(selects.leaves(joined)) == {DOC: False, AUTHOR: True}
    assert dict(selects.sources(select(Doc.id).where(Author.id == 1))) == {DOC: False, AUTHOR: False}
    assert selects.reads_one_entity(PLAIN)
    assert not selects.reads_one_entity(joined)
    assert selects.reads(PLAIN, Doc.__mapper__)
    assert not selects.reads(PLAIN, Author.__mapper__)


def test_a_comma_becomes_a_join():
    assert " JOIN " in written(selects.cross_joined(select(Doc, Author)))
    assert written(selects.cross_joined(PLAIN)) == written(PLAIN)


def test_a_column_leads_back_to_its_attribute():
    other = aliased(Doc)
    assert selects.stored_element(cast(Doc.rank, Integer)) is Doc.rank
    assert selects.stored_element(cast(other.rank, Integer)).parent is other.rank.parent
    assert selects.stored_element(cast(DOC.c.rank, Integer)) is DOC.c.rank
    assert selects.stored_element(Doc.rank) is Doc.rank


@pytest.mark.parametrize(
    ("element", "is_stored"),
    [
        (Doc.rank, True),
        (aliased(Doc).rank, True),
        (DOC.c.rank.label("place"), True),
        (select(DOC.c.rank).subquery().c.rank, True),
        (cast(Doc.rank, Integer), False),
        (cast(DOC.c.rank, Integer).label("place"), False),
        (select(cast(DOC.c.rank, Integer).label("place")).subquery().c.place, False),
        (DOC.c.rank + 1, False),
    ],
)
def test_a_column_is_told_from_what_is_worked_out_from_one(element, is_stored):
    assert selects.is_stored(element) is is_stored


def test_names_in_order_by_lead_to_the_select_list():
    label = (Doc.rank + 1).label("next")
    statement = select(label).order_by(label, "next", "nothing", text("next"), text("now()"))
    by_label, by_name, unknown, by_text, other = selects.tie_breaks(statement)
    named = {"next": label}
    assert [selects.named_by(term, named) for term in (by_label, by_name, by_text)] == [label, label, label]
    assert selects.named_by(unknown, named) is None
    assert selects.named_by(other, named) is other
    descending = select(label).order_by(label.desc())
    assert isinstance(selects.named_by(*selects.tie_breaks(descending), named), UnaryExpression)


def test_the_select_list_is_as_it_was_written():
    assert selects.select_list(select(Doc, Author.id))[0].name == "doc"
    assert len(selects.select_list(select(Doc, Author.id))) == 2
    assert written(selects.prepended(select(Doc.rank), Doc.id)) == "SELECT doc.id, doc.rank FROM doc"


def test_a_union_has_an_order_and_a_limit_too():
    both = union(select(Doc.id), select(Author.id)).order_by("id").limit(3)
    assert len(selects.tie_breaks(both)) == 1
    assert selects.limit_of(both) == 3


def test_a_numbered_name_is_told_apart_from_another_of_its_kind():
    one, other = PLAIN.where(Doc.id > 1), PLAIN.where(Doc.id > 2)
    named = [inner.subquery(selects.numbered(inner, "rows")) for inner in (one, other)]
    statement = select(named[0].c.id, named[1].c.id)
    assert "AS rows_1" in written(statement)
    assert "AS rows_2" in written(statement)


def test_distinct_on_of_the_dialect_is_a_distinct():
    distinct_on = getattr(postgresql, "distinct_on", None)
    statement = PLAIN.distinct(Doc.id) if distinct_on is None else PLAIN.ext(distinct_on(Doc.id))
    assert selects.is_distinct(statement)
    assert [type(found) for found in selects.output_types_named(statement)] == [Integer, Integer, Integer]


@pytest.mark.parametrize("statement", [PLAIN.prefix_with("ALL"), PLAIN.suffix_with("WITH TIES")])
def test_text_beside_the_select_list_may_read_it(statement):
    assert [type(found) for found in selects.output_types_named(statement)] == [Integer, Integer, Integer]
    assert list(selects.output_types_named(PLAIN)) == []


@pytest.mark.parametrize("point", ["post_select", "pre_columns", "post_criteria", "post_body"])
def test_sql_of_a_syntax_extension_may_read_the_select_list(point):
    if not hasattr(sqlalchemy.sql, "SyntaxExtension"):  # SQLAlchemy 2.0 has none, nor a place for one
        assert not hasattr(PLAIN, f"_{point}_clause")
        return

    class Extension(sqlalchemy.sql.SyntaxExtension, ClauseElement):
        def apply_to_select(self, select):
            select.apply_syntax_extension_point(lambda _: [self], point)

    statement = PLAIN.ext(Extension())
    assert [type(found) for found in selects.output_types_named(statement)] == [Integer, Integer, Integer]
    assert selects.is_distinct(statement) == (point == "pre_columns")
