"""The docstrings of the standard library."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from sqlalchemy_vecsearch.demo.corpus import Entry, read_entries
from sqlalchemy_vecsearch.demo.errors import DemoError

ROOT = Path(__file__).parents[3]


SOURCES = (
    "_collections_abc.py", "antigravity.py", "collections", "concurrent", "datetime.py", "gzip.py", "os.py", "pathlib.py",
    "pathlib", "random.py", "subprocess.py", "this.py", "tkinter/__init__.py", "webbrowser.py", "xml/dom", "xml/__init__.py",
)  # fmt: skip
"""What these tests read of the running Python's own library; the demo's own test reads it whole."""


@pytest.fixture(scope="module")
def some_sources(tmp_path_factory):
    library, some = Path(sysconfig.get_path("stdlib")), tmp_path_factory.mktemp("library")
    for name in SOURCES:
        (some / name).parent.mkdir(parents=True, exist_ok=True)
        if (library / name).is_dir():
            shutil.copytree(library / name, some / name, ignore=shutil.ignore_patterns("__pycache__"))
        elif (library / name).is_file():  # pathlib and datetime are a module or a package, by version
            shutil.copy(library / name, some / name)
    return some


@pytest.fixture(scope="module")
def entries(some_sources):
    return {entry.name: entry for entry in read_entries(some_sources)}


@pytest.fixture
def library(tmp_path):
    def write(sources):
        for name, source in sources.items():
            path = tmp_path / f"{name.replace('.', '/')}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(source, encoding="utf-8")
        return {entry.name: entry for entry in read_entries(tmp_path)}

    return write


@pytest.mark.parametrize(
    ("name", "module", "kind"),
    [
        ("os.walk", "os", "function"),
        ("subprocess.run", "subprocess", "function"),
        ("random.choice", "random", "function"),
        ("random.Random.choice", "random", "method"),
        ("gzip.compress", "gzip", "function"),
        ("zlib.compress", "zlib", "function"),
        ("bz2.BZ2Compressor.compress", "bz2", "method"),
        ("datetime.datetime.strptime", "datetime", "method"),
        ("pathlib.Path.glob", "pathlib", "method"),
        ("concurrent.futures.Future.result", "concurrent.futures", "method"),
        ("collections.abc.MutableSequence.insert", "collections.abc", "method"),
        ("builtins.dict", "builtins", "class"),
        ("xml.dom.minidom.parseString", "xml.dom.minidom", "function"),
    ],
)
def test_sources_and_compiled_modules_are_read(entries, name, module, kind):
    assert (entries[name].module, entries[name].kind) == (module, kind)


def test_the_order_is_that_of_the_names(entries):
    assert list(entries) == sorted(entries)


def test_private_names_and_tests_are_left_out(entries):
    assert not [name for name in entries if any(part.startswith("_") for part in name.split("."))]
    assert not [entry for entry in entries.values() if {"test", "tests", "idlelib"} & set(entry.module.split("."))]


def test_texts_fit_into_postgresql(entries):
    for entry in entries.values():
        assert "\0" not in entry.docstring
        entry.docstring.encode()


def test_nothing_of_the_library_is_imported_for_its_source(some_sources):
    program = (
        "import pathlib, sys; from sqlalchemy_vecsearch.demo.corpus import read_entries; "
        f"names = {{entry.module for entry in read_entries(pathlib.Path({str(some_sources)!r}))}}; "
        "assert 'webbrowser' in names, names; "
        "print(sorted({'antigravity', 'this', 'tkinter', 'webbrowser'} & set(sys.modules)))"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True)
    assert (shown.stdout, shown.stderr) == ("[]\n", "")


def test_name_and_first_paragraph_are_embedded_together():
    entry = Entry("os", "function", "os.walk", "Walk a tree.\nTop down.\n\nFor each directory ...")
    assert entry.text == "os.walk: Walk a tree.\nTop down."


def test_definitions_below_conditions_are_found_and_the_first_one_counts(library):
    found = library(
        {
            "os": 'if True:\n    def run():\n        "First."\nelse:\n    def run():\n        "Second."\n'
            'try:\n    class A:\n        "A."\n        async def go(self):\n            "Go."\nexcept ImportError:\n    pass\n'
        }
    )
    assert found["os.run"].docstring == "First."
    assert (found["os.A"].kind, found["os.A.go"].kind) == ("class", "method")


def test_functions_that_are_methods_of_a_hidden_instance_are_found(library):
    found = library(
        {"random": 'class Random:\n    def choice(self):\n        "Choose."\n_inst = Random()\nchoice = _inst.choice\n'}
    )
    assert (found["random.choice"].kind, found["random.choice"].docstring) == ("function", "Choose.")


def test_packages_are_read_to_their_ends(library):
    found = library({"xml.__init__": "", "xml.dom.__init__": "", "xml.dom.minidom": 'def parse():\n    "Parse."\n'})
    assert found["xml.dom.minidom.parse"].module == "xml.dom.minidom"


def test_a_python_without_sources_is_refused(tmp_path):
    with pytest.raises(DemoError) as refused:
        read_entries(tmp_path)
    assert str(refused.value) == (
        f"The sources of Python's standard library are not in '{tmp_path}'. "
        "The demo searches their docstrings, and this Python was installed without them. "
        "Run the demo with another Python 3.11 or newer."
    )
