"""Real texts with their embeddings: the docstrings of the Python that runs, its library and what is installed."""

from __future__ import annotations

import ast
import sysconfig
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sqlalchemy_vecsearch.demo.embedder import Embedder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Texts:
    """Docstrings, no two with the same vector, in an order that chance has made.

    Attributes:
        packages: the top-level package of each, such as "asyncio".
        modules: the file of each, as a number.
        vectors: float32 of shape (texts, 256), of length 1.
    """

    packages: NDArray[np.str_]
    modules: NDArray[np.int64]
    vectors: NDArray[np.float32]


def read_texts(most: int) -> Texts:
    """Return at most so many docstrings."""
    found = list(dict.fromkeys(_docstrings()))
    files = {file: number for number, file in enumerate(sorted({file for _, file, _ in found}))}
    vectors = Embedder().embed([text for _, _, text in found])
    _, first = np.unique(vectors.round(5), axis=0, return_index=True)
    first = first[np.linalg.norm(vectors[first], axis=1) > 0]  # a text without a known word has no direction
    chosen = np.random.default_rng(7).permutation(first)[:most]
    packages = np.array([package for package, _, _ in found])
    modules = np.array([files[file] for _, file, _ in found])
    return Texts(packages[chosen], modules[chosen], vectors[chosen])


def _docstrings() -> Iterator[tuple[str, str, str]]:
    """Yield the package, the file and the text of every documented module, class and function."""
    library, installed = (Path(sysconfig.get_path(name)) for name in ("stdlib", "purelib"))
    for folder in (library, installed):
        for path in sorted(folder.rglob("*.py")):
            name = path.relative_to(folder).as_posix()
            if name.startswith("site-packages/"):  # of the Python that made the environment
                continue
            for node in ast.walk(_parsed(path)):
                if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                    summary = (ast.get_docstring(node) or "").partition("\n\n")[0]
                    if summary:
                        title = getattr(node, "name", path.stem)
                        yield name.partition("/")[0].removesuffix(".py"), name, f"{title}: {summary}"


def _parsed(path: Path) -> ast.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # old sources hold escapes that newer Pythons warn of
        try:
            return ast.parse(path.read_bytes())
        except (SyntaxError, ValueError):  # the library's tests hold files that are wrong on purpose
            return ast.Module(body=[], type_ignores=[])
