"""The search path of a script of ``--sql``, which is led to the vector extension wherever that is when it is run."""

from __future__ import annotations

from typing import Final

from alembic.ddl.impl import DefaultImpl

__all__ = ["FindsVectors"]

# The schema goes to the end, where it hides nothing. Where the path leads to no schema at all, pg_catalog stands before
# it: a table without a schema is then refused, as it was, and not created among the objects of the extension.
_LOOK_UP: Final = """\
-- find pgvector where the search path does not lead to it
SELECT pg_catalog.set_config('search_path', pg_catalog.concat_ws(', ',
           CASE WHEN pg_catalog.current_setting('search_path') OPERATOR(pg_catalog.<>) ''
                THEN pg_catalog.current_setting('search_path') END,
           CASE WHEN pg_catalog.current_schema() IS NULL THEN 'pg_catalog' END,
           pg_catalog.quote_ident(n.nspname)), {local})
  FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) e.extnamespace
 WHERE e.extname OPERATOR(pg_catalog.=) 'vector'
   AND n.nspname OPERATOR(pg_catalog.<>) ALL (pg_catalog.current_schemas(true));"""

_PLACE: Final = "alembic_ops.offline.search_path"
"""Where the memo of an implementation keeps what the path was changed for: "transaction", "session", or nothing."""


class FindsVectors(DefaultImpl):
    """Alembic's writer of scripts, with a look at where the extension is at the head of each transaction.

    There the path is changed for the transaction. What a script does outside of one, in an ``autocommit_block()`` or
    without transactional DDL, is led by a change for the session.
    """

    def emit_begin(self) -> None:
        """Write the beginning of a transaction, and the look."""
        self.memo[_PLACE] = "transaction"
        super().emit_begin()
        self.find_vectors()

    def emit_commit(self) -> None:
        """Write the end of a transaction, and with it that of its search path."""
        super().emit_commit()
        self.memo[_PLACE] = None

    def static_output(self, text: str) -> None:
        """Write a statement, with the look before the first one outside of a transaction."""
        if self.memo.get(_PLACE) is None and not text.startswith("--"):
            self.memo[_PLACE] = "session"
            self.find_vectors()
        super().static_output(text)

    def find_vectors(self) -> None:
        """Write the look, which changes nothing where the path leads to the extension, or there is none."""
        super().static_output(_LOOK_UP.format(local=str(self.memo[_PLACE] == "transaction").lower()))
