"""What the models need of the vector extension, and what the database lacks of it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from alembic.operations.ops import MigrateOperation

from alembic_ops.errors import ExtensionError
from alembic_ops.model.vector_types import is_embedding_type, vector_type_of
from alembic_ops.operations import CreateVectorExtensionOp, UpdateVectorExtensionOp
from sqlalchemy_vecsearch.metrics import Metric, Storage, metric_of_operator_class
from sqlalchemy_vecsearch.versions import version_number

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Table

    from alembic_ops.catalog.indexes import InstalledExtension
    from alembic_ops.model.index_state import IndexDefinition

__all__ = ["extension_first", "extension_operations", "needed_version"]

_OF_STORAGES: Final = {Storage.VECTOR: (0, 1, 0), Storage.HALFVEC: (0, 7, 0), Storage.SPARSEVEC: (0, 7, 0)}
_OF_METHODS: Final = {"ivfflat": (0, 1, 0), "hnsw": (0, 5, 0)}
"""The versions of pgvector, by its CHANGELOG, that brought types, methods, and the operator classes of l1 and bits."""
_OF_OTHER_OPERATOR_CLASSES: Final = (0, 7, 0)

_CREATED_BY_ALEMBIC_UTILS: Final = ("create_entity", "PGExtension: vector")
"""What ``alembic check`` shows of the operation that creates ``PGExtension(signature="vector")``."""


def needed_version(tables: Iterable[Table], definitions: Iterable[IndexDefinition]) -> tuple[int, ...] | None:
    """Return the oldest version of pgvector that has all of this, None where nothing of it is needed."""
    needs: list[tuple[int, ...]] = []
    for table in tables:
        for column in table.columns:
            held = vector_type_of(column.type)
            if held is not None and held.storage in _OF_STORAGES:
                needs.append(_OF_STORAGES[held.storage])
            elif is_embedding_type(column.type):
                needs.append(_OF_OTHER_OPERATOR_CLASSES)
    for definition in definitions:
        needs.append(_OF_METHODS[definition.method])
        known = metric_of_operator_class(definition.operator_class)
        if known is not None and (known[1] is Metric.L1 or known[0] is not Storage.VECTOR):
            needs.append(_OF_OTHER_OPERATOR_CLASSES)
    return max(needs, default=None)


def extension_operations(installed: InstalledExtension, needed: tuple[int, ...] | None) -> list[MigrateOperation]:
    """Return what must come first so that the models have the extension that they need.

    Raises:
        ExtensionError: the server has no extension, or an older one than the models need.
    """
    if needed is None or (installed.version is not None and version_number(installed.version) >= needed):
        return []
    wanted = ".".join(str(number) for number in needed)
    if installed.available is not None and version_number(installed.available) >= needed:
        return [CreateVectorExtensionOp() if installed.version is None else UpdateVectorExtensionOp()]
    has = "no pgvector" if installed.available is None else f"pgvector {installed.available}"
    raise ExtensionError(
        f"The models need pgvector {wanted} or newer, and the server has {has}. "
        "The types and operator classes that they use came with that version. "
        "Install a newer pgvector on the server, or use what the older one has.",
        installed=installed.version,
        available=installed.available,
    )


def extension_first(
    first: list[MigrateOperation], operations: Iterable[MigrateOperation]
) -> tuple[list[MigrateOperation], list[MigrateOperation]]:
    """Return what must come first, and the rest, where one operation creates the extension.

    alembic-utils proposes to create a registered ``PGExtension``, with SQL that fails where the extension is there
    already. Its operation takes the place of ours.
    """
    rest = list(operations)
    theirs = [operation for operation in rest if _creates_the_extension(operation)]
    if not theirs:
        return first, rest
    ours = [operation for operation in first if not isinstance(operation, CreateVectorExtensionOp)]
    return [*theirs, *ours], [operation for operation in rest if operation not in theirs]


def _creates_the_extension(operation: MigrateOperation) -> bool:
    if type(operation).to_diff_tuple is MigrateOperation.to_diff_tuple:  # which raises, in operations that have none
        return False
    return hasattr(operation, "target") and operation.to_diff_tuple()[:2] == _CREATED_BY_ALEMBIC_UTILS
