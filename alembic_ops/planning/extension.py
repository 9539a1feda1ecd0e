"""The next step of an operation on the vector extension."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from alembic_ops.errors import ExtensionError
from alembic_ops.operations import CreateVectorExtensionOp, DropVectorExtensionOp, UpdateVectorExtensionOp
from alembic_ops.sql.steps import ChangeExtension, Finished, Step
from sqlalchemy_vecsearch.quoting import PREPARER
from sqlalchemy_vecsearch.versions import version_number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from alembic_ops.catalog.indexes import InstalledExtension

__all__ = ["ExtensionOperation", "extension_step"]

ExtensionOperation: TypeAlias = CreateVectorExtensionOp | UpdateVectorExtensionOp | DropVectorExtensionOp


def extension_step(operation: ExtensionOperation, found: InstalledExtension, done: Sequence[Step] = ()) -> Step:
    """Return what to do next about the extension, given what the database has and which steps this run has taken.

    Raises:
        ExtensionError: no SQL could make the operation true.
    """
    if isinstance(operation, DropVectorExtensionOp):
        sql = None if found.version is None else "DROP EXTENSION vector"
    elif isinstance(operation, UpdateVectorExtensionOp):
        sql = _update(found)
    else:
        sql = _create(operation, found)
    if sql is not None:
        return ChangeExtension(sql=sql)
    return Finished(remark=None if done else "it is so already")


def _create(operation: CreateVectorExtensionOp, found: InstalledExtension) -> str | None:
    if found.version is not None:
        _require_version(operation, found)
        _require_schema(operation, found)
        return None
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
    where = "" if operation.schema is None else f" WITH SCHEMA {PREPARER.quote(operation.schema)}"
    return f"CREATE EXTENSION vector{where}"


def _update(found: InstalledExtension) -> str | None:
    if found.version is None:
        raise ExtensionError(
            "The database has no vector extension to update. "
            "It was never created here, or was dropped. "
            "Use op.create_vector_extension() first.",
            installed=None,
            available=found.available,
        )
    return None if found.version == found.available else "ALTER EXTENSION vector UPDATE"


def _require_schema(operation: CreateVectorExtensionOp, found: InstalledExtension) -> None:
    if operation.schema in (None, found.schema):
        return
    raise ExtensionError(
        f"The vector extension is in the schema {found.schema!r}, not in {operation.schema!r}. "
        "A database has an extension once, and its columns and indexes refer to it where it is. "
        f"Write schema={found.schema!r}, or leave the schema out.",
        installed=found.version,
        available=found.available,
    )


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
