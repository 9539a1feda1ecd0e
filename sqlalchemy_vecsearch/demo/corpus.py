"""The texts of the demo: the docstrings of the Python that runs it."""

from __future__ import annotations

import ast
import importlib
import inspect
import sys
import sysconfig
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from sqlalchemy_vecsearch.demo.errors import DemoError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import ModuleType

__all__ = ["Entry", "read_entries"]

Kind = Literal["class", "function", "method"]

# Sources are parsed and never imported, so that nothing of them runs. These are no library code.
_LEFT_OUT: Final = frozenset({"__main__", "idle_test", "idlelib", "lib2to3", "test", "tests", "turtledemo"})

# Private modules whose definitions people import from a public one.
_PRIVATE_SOURCES: Final = {
    "_collections_abc": "collections.abc",
    "_pydatetime": "datetime",
    "_pydecimal": "decimal",
    "_pyio": "io",
    "_weakrefset": "weakref",
}

# Modules written in C have no source here. These are safe to import; the value is the name under which people use them.
_COMPILED: Final = {
    "_bisect": "bisect",
    "_bz2": "bz2",
    "_codecs": "codecs",
    "_collections": "collections",
    "_csv": "csv",
    "_datetime": "datetime",
    "_decimal": "decimal",
    "_functools": "functools",
    "_heapq": "heapq",
    "_io": "io",
    "_json": "json",
    "_locale": "locale",
    "_lzma": "lzma",
    "_operator": "operator",
    "_pickle": "pickle",
    "_queue": "queue",
    "_random": "random",
    "_signal": "signal",
    "_socket": "socket",
    "_sqlite3": "sqlite3",
    "_ssl": "ssl",
    "_struct": "struct",
    "_thread": "threading",
    "_weakref": "weakref",
    "array": "array",
    "atexit": "atexit",
    "binascii": "binascii",
    "builtins": "builtins",
    "cmath": "cmath",
    "errno": "errno",
    "fcntl": "fcntl",
    "gc": "gc",
    "grp": "grp",
    "itertools": "itertools",
    "marshal": "marshal",
    "math": "math",
    "mmap": "mmap",
    "nt": "os",
    "posix": "os",
    "pwd": "pwd",
    "pyexpat": "xml.parsers.expat",
    "resource": "resource",
    "select": "select",
    "sys": "sys",
    "syslog": "syslog",
    "termios": "termios",
    "time": "time",
    "unicodedata": "unicodedata",
    "zlib": "zlib",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One documented class, function or method.

    Attributes:
        module: such as "os.path".
        kind: "class", "function" or "method".
        name: the qualified name with its module, such as "random.Random.choice".
        docstring: without its indentation.
    """

    module: str
    kind: Kind
    name: str
    docstring: str

    @property
    def text(self) -> str:
        """What is embedded: the name and the first paragraph of the docstring, which says what the thing is for.

        The mean of token vectors blurs with every further paragraph (measured: `os.walk` is the first answer to "walk
        a directory tree" by the first paragraph, the seventh by the whole docstring).
        """
        summary, _, _ = self.docstring.partition("\n\n")
        return f"{self.name}: {summary}"


def read_entries(library: Path | None = None) -> list[Entry]:
    """Read every documented public class, function and method of the standard library, sorted by name.

    Takes about two seconds.

    Args:
        library: the folder of the library's sources; None means that of the running Python.

    Raises:
        DemoError: the sources are not there, as in some Pythons made for embedding.
    """
    folder = library or Path(sysconfig.get_path("stdlib"))
    found: dict[str, Entry] = {}
    for module, path in _sources(folder):
        for entry in _entries_of_source(module, path.read_bytes()):
            found.setdefault(entry.name, entry)
    if not found:
        raise DemoError(
            f"The sources of Python's standard library are not in '{folder}'. "
            "The demo searches their docstrings, and this Python was installed without them. "
            "Run the demo with another Python 3.11 or newer."
        )
    for compiled, module in _COMPILED.items():
        for entry in _entries_of_compiled(compiled, module):
            found.setdefault(entry.name, entry)
    return sorted(found.values(), key=lambda entry: entry.name)


def _is_public(name: str) -> bool:
    return not name.startswith("_") and name not in _LEFT_OUT


def _sources(library: Path) -> Iterator[tuple[str, Path]]:
    for name in sorted({*filter(_is_public, sys.stdlib_module_names), *_PRIVATE_SOURCES}):
        yield from _sources_below(_PRIVATE_SOURCES.get(name, name), library / name)


def _sources_below(module: str, path: Path) -> Iterator[tuple[str, Path]]:
    if (source := path.with_name(path.name + ".py")).is_file():
        yield module, source
    elif (source := path / "__init__.py").is_file():
        yield module, source
        children = {child.stem for child in path.iterdir() if child.suffix in {"", ".py"}}
        for child in sorted(children - _LEFT_OUT):
            if _is_public(child):
                yield from _sources_below(f"{module}.{child}", path / child)
            elif not child.startswith("__"):  # people import from the package what its private modules define
                yield from _sources_below(module, path / child)


def _entries_of_source(module: str, source: bytes) -> Iterator[Entry]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # old sources hold escapes that newer Pythons warn of
        tree = ast.parse(source)
    yield from _defined(module, module, tree.body, within_class=False)
    yield from _bound_methods(module, tree)


def _defined(module: str, prefix: str, body: Sequence[ast.stmt], *, within_class: bool) -> Iterator[Entry]:
    for node in body:
        match node:
            case ast.ClassDef(name=name) if _is_public(name):
                yield from _documented(module, "class", f"{prefix}.{name}", node)
                yield from _defined(module, f"{prefix}.{name}", node.body, within_class=True)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) if _is_public(name):
                yield from _documented(module, "method" if within_class else "function", f"{prefix}.{name}", node)
            case ast.If(body=first, orelse=second) | ast.Try(body=first, orelse=second):
                yield from _defined(module, prefix, [*first, *second], within_class=within_class)


def _documented(
    module: str, kind: Kind, name: str, node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
) -> Iterator[Entry]:
    if docstring := ast.get_docstring(node):
        yield Entry(module, kind, name, docstring)


def _bound_methods(module: str, tree: ast.Module) -> Iterator[Entry]:
    """Find the functions that a module makes of the methods of an instance: `choice = _inst.choice` in random."""
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    instances: dict[str, ast.ClassDef] = {}
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call(func=ast.Name(id=made), args=[])) if (
                made in classes
            ):
                instances[name] = classes[made]
            case ast.Assign(
                targets=[ast.Name(id=name)], value=ast.Attribute(value=ast.Name(id=instance), attr=attribute)
            ) if instance in instances and _is_public(name):
                for method in instances[instance].body:
                    if isinstance(method, ast.FunctionDef) and method.name == attribute:
                        yield from _documented(module, "function", f"{module}.{name}", method)


def _entries_of_compiled(compiled: str, module: str) -> Iterator[Entry]:
    try:
        imported = importlib.import_module(compiled)
    except ImportError:  # of another platform, or left out of this Python
        return
    for name, value in sorted(_public_members(imported)):
        if inspect.isclass(value):
            yield from _described(module, "class", f"{module}.{name}", value)
            for method_name, method in sorted(_public_members(value)):
                if inspect.isroutine(method):
                    yield from _described(module, "method", f"{module}.{name}.{method_name}", method)
        elif inspect.isbuiltin(value):
            yield from _described(module, "function", f"{module}.{name}", value)


def _public_members(owner: ModuleType | type) -> Iterator[tuple[str, object]]:
    return ((name, value) for name, value in vars(owner).items() if _is_public(name))


def _described(module: str, kind: Kind, name: str, value: object) -> Iterator[Entry]:
    if docstring := inspect.getdoc(value):
        yield Entry(module, kind, name, docstring)
