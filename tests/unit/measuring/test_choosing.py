import pytest

from sqlalchemy_vecsearch import Strategy
from sqlalchemy_vecsearch.measuring.choosing import strategy_for


@pytest.mark.parametrize(
    ("passing", "rows", "by_index", "expected"),
    [
        (0, 60_000, False, Strategy.EXACT),
        (1_080, 60_000, False, Strategy.EXACT),  # 1.8%
        (4_140, 60_000, False, Strategy.ITERATIVE),  # 6.9%
        (2_400, 60_000, True, Strategy.EXACT),
        (6_000, 60_000, True, Strategy.ITERATIVE),
        (54_000, 60_000, False, Strategy.PLAIN),
        (300_000, 60_000, False, Strategy.PLAIN),  # a join that multiplies rows
        (300_000, 10_000_000, True, Strategy.ITERATIVE),
        (10_000, 10_000_000, True, Strategy.EXACT),
        (100_000, 10_000_000, False, Strategy.ITERATIVE),
        (1_000, 2_000, False, Strategy.ITERATIVE),
        (200, 2_000, False, Strategy.EXACT),
        (0, 0, False, Strategy.EXACT),
    ],
)
def test_the_faster_way_by_the_estimates_is_taken(passing, rows, by_index, expected):
    assert strategy_for(passing, rows, by_index=by_index, k=10) is expected


def test_a_search_for_more_rows_is_rather_exact():
    assert strategy_for(4_140, 60_000, by_index=False, k=10) is Strategy.ITERATIVE
    assert strategy_for(4_140, 60_000, by_index=False, k=100) is Strategy.EXACT
