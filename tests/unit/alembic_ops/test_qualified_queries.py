from __future__ import annotations

import re

import pytest

from alembic_ops.catalog.columns import COLUMNS, PRIVILEGES
from alembic_ops.catalog.dependents import DEPENDENTS
from alembic_ops.catalog.relations import INDEXES

WORDS = {
    "ALL", "AND", "ANY", "ARRAY", "AS", "BY", "CASE", "CAST", "COALESCE", "ELSE", "EXISTS", "FROM", "LATERAL", "NOT", "OPERATOR",
    "OR", "OVER", "THEN", "VALUES", "WHEN",
}  # fmt: skip
NAMES_OF_COLUMNS = {"c", "q", "r", "s", "w", "coalesce"}
"""Names that stand before a list of columns, and a word of SQL in small letters."""


@pytest.mark.parametrize(
    "query", [COLUMNS, PRIVILEGES, INDEXES, DEPENDENTS], ids=["columns", "grants", "indexes", "dependents"]
)
def test_every_function_operator_and_type_of_the_catalog_is_named_with_its_schema(query):
    bare = re.sub(r"'[^']*'", "''", query.text)
    bare = re.sub(r"OPERATOR\(pg_catalog\.[^)]+\)", " ", bare)
    assert re.findall(r"[=<>|+~?-]+", re.sub(r"\\?:\w+|-1", "", bare)) == []
    calls = set(re.findall(r"(?<![\w.])([A-Za-z_]+) ?\(", bare)) - WORDS - NAMES_OF_COLUMNS
    assert {name for name in calls if not re.search(rf"\bAS {name} \(|{name} AS \(|, {name} AS \(", bare)} == set()
    assert set(re.findall(r"\bAS ((?:text|oid|int\d|name|regclass)\b)", bare)) <= {"oid", "name"}  # names of columns
