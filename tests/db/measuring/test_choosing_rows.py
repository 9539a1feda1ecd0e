import pytest
from measured_corpus import DIMENSIONS, Doc, Part
from sqlalchemy import select, true
from sqlalchemy.orm import aliased, with_loader_criteria

from sqlalchemy_vecsearch import SearchError, Strategy, choose_strategy, nearest


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (Doc, Strategy.PLAIN),
        (select(Doc).where(Doc.rank < 2), Strategy.EXACT),
        (select(Doc).where(Doc.rank < 50), Strategy.ITERATIVE),
        (select(Doc).where(Doc.rank < 98), Strategy.PLAIN),
        (select(Doc).options(with_loader_criteria(Doc, Doc.rank < 2)), Strategy.EXACT),
        (select(Doc.__table__).where(Doc.__table__.c.rank < 2), Strategy.EXACT),
        (select(aliased(Doc, name="other")), Strategy.PLAIN),
        (select(Part).where(Part.lang == "de"), Strategy.EXACT),
        (select(Part).where(Part.lang == "en"), Strategy.PLAIN),
        (select(Doc).join(Part, Part.id == Doc.id).where(Part.id < 50), Strategy.EXACT),
        (select(Doc).join(Part, true()).order_by(Doc.id).offset(3), Strategy.PLAIN),
    ],
)
def test_the_share_of_rows_that_pass_decides(session, source, expected):
    assert choose_strategy(session, source) is expected
    assert choose_strategy(session.connection(), source) is expected


def test_a_statement_that_can_not_be_searched_is_refused(session):
    with pytest.raises(SearchError, match="The statement to search has a LIMIT"):
        choose_strategy(session, select(Doc).limit(3))


@pytest.mark.needs_pgvector(0, 8)
def test_the_chosen_strategy_returns_as_many_rows_as_asked(session):
    for filtered in (
        select(Doc).where(Doc.rank < 2),
        select(Doc).where(Doc.rank < 50),
        select(Doc).where(Doc.rank < 99),
    ):
        strategy = choose_strategy(session, filtered)
        rows = session.execute(nearest(filtered, Doc.embedding, [0.5] * DIMENSIONS, k=10, strategy=strategy)).all()
        assert len(rows) == 10
