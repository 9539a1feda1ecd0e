import inspect

import pytest

from sqlalchemy_vecsearch import (
    boosted,
    count_within,
    max_sim,
    nearest,
    nearest_each,
    nearest_first,
    nearest_per_group,
    page,
    recommend,
    similar_pairs,
)
from sqlalchemy_vecsearch.search import options


@pytest.mark.parametrize(
    ("search", "named"),
    [
        (nearest, options.NearestOptions),
        (nearest_first, options.NearestFirstOptions),
        (nearest_per_group, options.GroupOptions),
        (nearest_each, options.BatchOptions),
        (recommend, options.RecommendOptions),
        (page, options.PageOptions),
        (boosted, options.BoostOptions),
        (similar_pairs, options.PairsOptions),
        (count_within, options.CountOptions),
        (max_sim, options.MaxSimOptions),
    ],
)
def test_the_overloads_name_the_arguments_that_a_search_takes(search, named):
    parameters = inspect.signature(search).parameters.values()
    taken = {parameter.name: parameter for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY}
    said = {name: hint.__forward_arg__ for name, hint in named.__annotations__.items()}
    assert said.keys() == taken.keys()
    for name, hint in said.items():
        assert hint.startswith("Required[") == (taken[name].default is inspect.Parameter.empty), name
        assert hint.removeprefix("Required[").removesuffix("]" if hint.startswith("Required[") else "") in {
            taken[name].annotation,
            "Any",
        }
