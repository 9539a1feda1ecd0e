"""References to the user's code."""

from __future__ import annotations

import math
import sys

import pytest
import typer

from sqlalchemy_vecsearch.cli.references import load


def test_a_reference_names_an_attribute_of_any_depth():
    assert load("math:pi") == math.pi
    assert load("os:path.sep") == "/"


def test_modules_of_the_working_directory_are_found(tmp_path, monkeypatch):
    (tmp_path / "app_of_the_user.py").write_text("class A:\n    b = 1\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    assert load("app_of_the_user:A.b") == 1
    del sys.modules["app_of_the_user"]


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("math", "'math' is not of the form package.module:name."),
        (":pi", "':pi' is not of the form package.module:name."),
        (
            "no_such_module.models:A",
            "The module 'no_such_module' of 'no_such_module.models:A' was not found. "
            "Run the command where it can be imported.",
        ),
        ("math:tau.nothing", "'math:tau.nothing' names nothing: 'float' object has no attribute 'nothing'."),
    ],
)
def test_a_reference_to_nothing_is_refused(reference, message):
    with pytest.raises(typer.BadParameter) as refused:
        load(reference)
    assert refused.value.message == message


def test_a_module_that_lacks_something_itself_shows_what(tmp_path, monkeypatch):
    (tmp_path / "broken_app.py").write_text("import no_such_package\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    with pytest.raises(ModuleNotFoundError, match="No module named 'no_such_package'"):
        load("broken_app:A")
