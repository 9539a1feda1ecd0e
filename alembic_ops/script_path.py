"""The search path of a script of ``--sql``, which is led to the vector extension wherever that is when it is run."""

from __future__ import annotations

import re
from dataclasses import dataclass
from types import new_class
from typing import Final

from alembic.ddl.impl import DefaultImpl

from alembic_ops.quoting import DIALECT

__all__ = ["ScriptPath", "lead_scripts_to_vectors"]

# The schema goes to the end, where it hides nothing. Where the path leads to no schema at all, pg_catalog stands before
# it: a table without a schema is then refused, as it was, and not created among the objects of the extension.
_LOOK_UP: Final = """\
-- find pgvector where the search path does not lead to it
SELECT pg_catalog.set_config('search_path', pg_catalog.concat_ws(', ',
           NULLIF(pg_catalog.current_setting('search_path'), ''),
           CASE WHEN pg_catalog.current_schema() IS NULL THEN 'pg_catalog' END,
           pg_catalog.quote_ident(n.nspname)), {local})
  FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
 WHERE e.extname = 'vector' AND n.nspname <> ALL (pg_catalog.current_schemas(true));"""

_USES_VECTORS: Final = re.compile(
    r"\b(vector|halfvec|sparsevec|subvector|binary_quantize|l2_norm|bit_(hamming|jaccard)_ops|array_to_\w*vec"
    r"|(l1|l2|cosine|hamming|jaccard)_distance|(negative_)?inner_product)|<->|<=>|<#>|<\+>|<~>|<%>",
    re.IGNORECASE,
)
_ON_AN_EXTENSION: Final = re.compile(r"\bextension\b", re.IGNORECASE)
_ON_SETTINGS: Final = re.compile(r"\bsearch_path\b|^\s*(reset\s+all|discard\s+all)\b", re.IGNORECASE)
_BEGINS: Final = re.compile(r"\s*(begin|start\s+transaction)\b", re.IGNORECASE)
_GOES_BACK: Final = re.compile(r"\s*(commit|end|rollback|abort)\b(?P<not_to_the_end>.*\bto\b)?", re.IGNORECASE)


@dataclass(slots=True)
class ScriptPath:
    """What the statements of a script until now have made of its search path.

    In a transaction of the script the path is changed for that transaction, elsewhere for the session.
    """

    in_transaction: bool = False
    found: bool = False

    def look_up_before(self, sql: str) -> str | None:
        """Return what to write before a statement that names something of pgvector, None where nothing is needed.

        Where the path leads to the extension, or there is none, what it returns changes nothing when it is run.
        """
        if sql.startswith("--"):
            return None
        extension = _ON_AN_EXTENSION.search(sql) is not None
        needed = not self.found and not extension and _USES_VECTORS.search(sql) is not None
        look_up = _LOOK_UP.format(local=str(self.in_transaction).lower()) if needed else None
        back = _GOES_BACK.match(sql)
        self.found = (self.found or needed) and not (extension or back or _ON_SETTINGS.search(sql))
        if back is not None and back["not_to_the_end"] is None:
            self.in_transaction = False
        elif _BEGINS.match(sql):
            self.in_transaction = True
        return look_up


class _LedToVectors(DefaultImpl):
    """Alembic's writer of scripts, with a look at where the extension is before what needs it."""

    def static_output(self, text: str) -> None:
        path: ScriptPath = self.memo.setdefault("alembic_ops.script_path", ScriptPath())
        look_up = path.look_up_before(text)
        if look_up is not None:
            super().static_output(look_up)
        super().static_output(text)


def lead_scripts_to_vectors() -> None:
    """Let everything that ``--sql`` prints for PostgreSQL find the extension, by Alembic's registry of dialects.

    An implementation that was registered since the last call is extended, too.
    """
    stock = DefaultImpl.get_by_dialect(DIALECT)
    if issubclass(stock, _LedToVectors):
        return
    name = f"{stock.__name__}LedToVectors"
    new_class(name, (_LedToVectors, stock), exec_body=lambda body: body.update(__dialect__="postgresql"))
