"""What to do about the vector extension: the decisions and their SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from alembic_ops.errors import ExtensionError
from alembic_ops.operations import CreateVectorExtensionOp, DropVectorExtensionOp, UpdateVectorExtensionOp
from alembic_ops.statements import verbatim

if TYPE_CHECKING:
    from sqlalchemy import TextClause
    from sqlalchemy.sql.compiler import IdentifierPreparer

    from alembic_ops.catalog import InstalledExtension

__all__ = ["ExtensionOperation", "extension_statement", "version_number"]

ExtensionOperation: TypeAlias = CreateVectorExtensionOp | UpdateVectorExtensionOp | DropVectorExtensionOp


def extension_statement(
    preparer: IdentifierPreparer, operation: ExtensionOperation, found: InstalledExtension
) -> TextClause | None:
    """Return the SQL that makes an operation true, None where it is true already.

    Raises:
        ExtensionError: no SQL could.
    """
    if isinstance(operation, DropVectorExtensionOp):
        return None if found.version is None else verbatim("DROP EXTENSION vector")
    if isinstance(operation, UpdateVectorExtensionOp):
        return _update(found)
    if found.version is None:
        return _create(preparer, operation, found)
    _require_version(operation, found)
    if operation.schema not in (None, found.schema):
        raise ExtensionError(
            f"The vector extension is in the schema {found.schema!r}, not in {operation.schema!r}. "
            "A database has an extension once, and its columns and indexes refer to it where it is. "
            f"Write schema={found.schema!r}, or leave the schema out.",
            installed=found.version,
            available=found.available,
        )
    return None


def version_number(version: str) -> tuple[int, ...]:
    """Return a version such as "0.8.0" as numbers that can be compared."""
    return tuple(int(part) for part in version.split("-", maxsplit=1)[0].split(".") if part.isdigit())


def _create(preparer: IdentifierPreparer, operation: CreateVectorExtensionOp, found: InstalledExtension) -> TextClause:
    if found.available is None:
        raise ExtensionError(
            "The server has no vector extension. "
            "pgvector's files are not installed on the machine that PostgreSQL runs on. "
            "Install pgvector there (package postgresql-NN-pgvector, or image pgvector/pgvector), and run again.",
            installed=None,
            available=None,
        )
    if operation.minimum_version is not None and _is_older(found.available, operation.minimum_version):
        raise ExtensionError(
            f"The server has pgvector {found.available}; the revision asks for {operation.minimum_version} or newer. "
            "A database can have no newer version than the server's files. "
            "Install a newer pgvector on the server, or lower minimum_version.",
            installed=None,
            available=found.available,
        )
    where = "" if operation.schema is None else f" WITH SCHEMA {preparer.quote(operation.schema)}"
    return verbatim(f"CREATE EXTENSION vector{where}")


def _update(found: InstalledExtension) -> TextClause | None:
    if found.version is None:
        raise ExtensionError(
            "The database has no vector extension to update. "
            "It was never created here, or was dropped. "
            "Use op.create_vector_extension() first.",
            installed=None,
            available=found.available,
        )
    return None if found.version == found.available else verbatim("ALTER EXTENSION vector UPDATE")


def _require_version(operation: CreateVectorExtensionOp, found: InstalledExtension) -> None:
    assert found.version is not None, "the caller has made sure"
    if operation.minimum_version is None or not _is_older(found.version, operation.minimum_version):
        return
    remedy = "Install a newer pgvector on the server and then use op.update_vector_extension() before this operation."
    if found.available is not None and not _is_older(found.available, operation.minimum_version):
        remedy = f"Use op.update_vector_extension() before this operation: the server has {found.available}."
    raise ExtensionError(
        f"The database has pgvector {found.version}; the revision asks for {operation.minimum_version} or newer. "
        "Creating an extension never updates one that is there. "
        f"{remedy}",
        installed=found.version,
        available=found.available,
    )


def _is_older(version: str, than: str) -> bool:
    return version_number(version) < version_number(than)
