"""What an editor shows of the searches: their own parameters, and none that lets a type checker infer something."""

import inspect

import pytest

import sqlalchemy_vecsearch as package

SEARCHES = [
    "boosted",
    "count_within",
    "hybrid",
    "max_sim",
    "nearest",
    "nearest_each",
    "nearest_first",
    "nearest_per_group",
    "page",
    "recommend",
    "similar_pairs",
]


@pytest.mark.parametrize("name", SEARCHES)
def test_a_search_is_a_function_of_named_parameters(name):
    search = getattr(package, name)
    parameters = inspect.signature(search).parameters.values()
    assert inspect.isfunction(search)
    assert [one.name for one in parameters if one.name.startswith("_") or one.kind is one.VAR_KEYWORD] == []


def test_nearest_says_what_it_takes():
    names = list(inspect.signature(package.nearest).parameters)
    assert names[:4] == ["source", "column", "query", "k"]
    assert {"within", "ef_search"} <= set(names)
