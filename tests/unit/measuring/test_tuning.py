import pytest

from sqlalchemy_vecsearch.measuring.tuning import smallest


@pytest.mark.parametrize(
    ("needed", "low", "high"), [(11, 11, 1000), (12, 11, 1000), (87, 11, 1000), (1000, 11, 1000), (1, 1, 1)]
)
def test_the_smallest_value_is_found_and_no_value_asked_twice(needed, low, high):
    asked = []

    def reaches(value):
        asked.append(value)
        return value >= needed

    assert smallest(reaches, low, high) == needed
    assert len(asked) == len(set(asked))


def test_a_target_out_of_reach_gives_none():
    assert smallest(lambda _: False, 1, 100) is None
