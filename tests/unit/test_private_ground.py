"""What a library keeps to itself is used only where the table of the architecture page says so, with its test."""

import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = (ROOT / "sqlalchemy_vecsearch", ROOT / "alembic_ops")
OURS = {package.name for package in PACKAGES}
PUBLIC = {"_asdict", "_fields", "_mapping"}
"""Names of named tuples and of rows, which have the underscore so that they can not clash with columns."""
ROW = re.compile(r"^\| (?P<modules>`[^|]+) \| (?P<names>[^|]+) \| [^|]+ \| `(?P<test>[\w/.]+)` \|$", re.MULTILINE)


def private_names(tree):
    """Yield the names that a module takes from objects other than its own, or imports from elsewhere."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and not (
            isinstance(node.value, ast.Name) and node.value.id in {"self", "cls"}
        ):
            yield node.attr
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.partition(".")[0] not in OURS:
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in {"getattr", "hasattr", "attrgetter"}:
            yield from (part.value for part in node.args[:2] if isinstance(part, ast.Constant))


def own_names(tree):
    """Return the names that the classes of a module have by themselves."""
    return {
        node.target.id
        for node in ast.walk(tree)
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }


def is_private(name):
    return isinstance(name, str) and name.startswith("_") and not name.startswith("__") and name not in PUBLIC


@cache
def used():
    """Return the private names of libraries that each module uses, for those that use any."""
    found = {}
    for package in PACKAGES:
        for path in package.rglob("*.py"):
            source = path.read_text(encoding="utf-8")
            if not re.search(r"\b_[a-z]", source):
                continue
            tree = ast.parse(source)
            names = {name for name in private_names(tree) if is_private(name)} - own_names(tree)
            if names:
                found[str(path.relative_to(package if package is PACKAGES[0] else ROOT))] = names
    return found


def rows():
    page = (ROOT / "docs" / "explanation" / "architecture.md").read_text(encoding="utf-8")
    return list(ROW.finditer(page.partition("## Private ground")[2].partition("\n## ")[0]))


def listed():
    """Return the names of the table by the module, or by the package whose modules share a row, such as `selects/`."""
    found = {}
    for row in rows():
        for module in re.findall(r"`([\w/.]+)`", row["modules"]):
            found.setdefault(module, set()).update(re.findall(r"`(\w+)`", row["names"]))
    return found


def text_of(module):
    """Return the text of a module, or of all modules of a package."""
    path = (ROOT if module.startswith("alembic_ops/") else PACKAGES[0]) / module
    modules = sorted(path.glob("*.py")) if path.is_dir() else [path]
    return "\n".join(each.read_text(encoding="utf-8") for each in modules)


def test_each_private_name_that_a_module_uses_is_in_the_table():
    table = listed()

    def allowed(module):
        return table.get(module, set()) | table.get(f"{module.rpartition('/')[0]}/", set())

    assert [(module, name) for module, names in used().items() for name in names - allowed(module)] == []


def test_selects_alone_reads_the_clauses_of_a_select():
    clauses = re.compile(r"_\w+_(?:clauses?|criteria|columns|joins)|_distinct(?:_on)?|_from_obj")
    reading = {module for module, names in used().items() if any(map(clauses.fullmatch, names))}
    assert {module.partition("/")[0] for module in reading} == {"selects"}


def test_each_private_name_of_the_table_is_in_its_module():
    table = listed().items()
    assert [(module, name) for module, names in table for name in names if name not in text_of(module)] == []


def test_each_row_names_a_test_that_is_there():
    assert rows()
    assert [row["test"] for row in rows() if not (ROOT / row["test"]).exists()] == []
