"""The operations on the vector extension as SQL for later."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from alembic_ops.offline.gates import gate
from alembic_ops.operations import CreateVectorExtensionOp, UpdateVectorExtensionOp
from sqlalchemy_vecsearch.quoting import PREPARER, literal

if TYPE_CHECKING:
    from alembic_ops.planning.extension import ExtensionOperation

__all__ = ["extension_script"]

_INSTALLED_VERSION: Final = (
    "(SELECT CAST(pg_catalog.string_to_array(pg_catalog.split_part(e.extversion, '-', 1), '.') AS pg_catalog.int4[])"
    " FROM pg_catalog.pg_extension e WHERE e.extname OPERATOR(pg_catalog.=) 'vector')"
)
_INSTALLED_SCHEMA: Final = (
    "(SELECT n.nspname FROM pg_catalog.pg_extension e"
    " JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) e.extnamespace"
    " WHERE e.extname OPERATOR(pg_catalog.=) 'vector')"
)


def extension_script(operation: ExtensionOperation) -> list[str]:
    """Return the statements that make an operation on the extension true when they are run, also a second time."""
    if isinstance(operation, UpdateVectorExtensionOp):
        return ["ALTER EXTENSION vector UPDATE"]
    if not isinstance(operation, CreateVectorExtensionOp):
        return ["DROP EXTENSION IF EXISTS vector"]
    where = "" if operation.schema is None else f" WITH SCHEMA {PREPARER.quote(operation.schema)}"
    script = [f"CREATE EXTENSION IF NOT EXISTS vector{where}"]
    if operation.schema is not None:
        script.append(
            gate(
                f"{_INSTALLED_SCHEMA} OPERATOR(pg_catalog.<>) {literal(operation.schema)}",
                f"The vector extension is in another schema than {operation.schema!r}. "
                "A database has an extension once, and its columns and indexes refer to it where it is. "
                "Write that schema in op.create_vector_extension(), or leave it out.",
            )
        )
    if operation.minimum_version is not None:
        parts = ", ".join(operation.minimum_version.split("."))
        script.append(
            gate(
                f"{_INSTALLED_VERSION} OPERATOR(pg_catalog.<) CAST(ARRAY[{parts}] AS pg_catalog.int4[])",
                f"The vector extension is older than {operation.minimum_version}. "
                "Creating an extension never updates one that is there. "
                "Run ALTER EXTENSION vector UPDATE, and run this script again.",
            )
        )
    return script
