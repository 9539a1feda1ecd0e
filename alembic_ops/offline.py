"""Operations as SQL for later, with gates that raise when the script is run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alembic_ops.errors import OperationArgumentError
from alembic_ops.operations import (
    CreateVectorExtensionOp,
    CreateVectorIndexOp,
    DropVectorIndexOp,
    SwapVectorIndexOp,
    UpdateVectorExtensionOp,
)
from alembic_ops.plan import IndexOperation, replacement_name
from alembic_ops.quoting import dollar_quoted
from alembic_ops.statements import qualified_name, statement
from alembic_ops.steps import BuildIndex, DropIndex, ReindexIndex, RenameIndex

if TYPE_CHECKING:
    from alembic.runtime.migration import MigrationContext
    from sqlalchemy.sql.compiler import IdentifierPreparer

    from alembic_ops.extension import ExtensionOperation
    from alembic_ops.operations import RebuildVectorIndexOp
    from alembic_ops.state import IndexDefinition

__all__ = ["extension_script", "gate", "index_script", "literal", "write"]

_PATIENT = ("SET statement_timeout = 0", "SET lock_timeout = 0")
_INSTALLED_VERSION = (
    "(SELECT CAST(string_to_array(split_part(extversion, '-', 1), '.') AS int[])"
    " FROM pg_catalog.pg_extension WHERE extname = 'vector')"
)
_IMPATIENT = ("RESET statement_timeout", "RESET lock_timeout")


def write(context: MigrationContext, script: list[str]) -> None:
    """Write statements to the output of ``--sql``."""
    for sql in script:
        context.impl.static_output(f"{sql};\n")


def extension_script(preparer: IdentifierPreparer, operation: ExtensionOperation) -> list[str]:
    """Return the statements that make an operation on the extension true when they are run."""
    if isinstance(operation, UpdateVectorExtensionOp):
        return ["ALTER EXTENSION vector UPDATE"]
    if not isinstance(operation, CreateVectorExtensionOp):
        return ["DROP EXTENSION IF EXISTS vector"]
    where = "" if operation.schema is None else f" WITH SCHEMA {preparer.quote(operation.schema)}"
    script = [f"CREATE EXTENSION IF NOT EXISTS vector{where}"]
    if operation.minimum_version is not None:
        parts = ", ".join(operation.minimum_version.split("."))
        script.append(
            gate(
                f"{_INSTALLED_VERSION} < ARRAY[{parts}]",
                f"The vector extension is older than {operation.minimum_version}. "
                "Creating an extension never updates one that is there. "
                "Run ALTER EXTENSION vector UPDATE, and run this script again.",
            )
        )
    return script


def index_script(preparer: IdentifierPreparer, operation: IndexOperation) -> list[str]:
    """Return the statements and gates that make an operation on an index true when they are run.

    They take the way that an undisturbed run takes online; what an interrupted run has left stops them at a gate.

    Raises:
        OperationArgumentError: the operation depends on the rows, which only a connection can tell.
    """
    if isinstance(operation, CreateVectorIndexOp):
        steps = _create(preparer, operation)
    elif isinstance(operation, DropVectorIndexOp):
        drop = DropIndex(name=operation.name, schema=operation.schema, concurrently=operation.concurrently)
        steps = [str(statement(preparer, drop).compile())]
    elif isinstance(operation, SwapVectorIndexOp):
        steps = _swap(preparer, operation)
    else:
        steps = _rebuild(preparer, operation)
    return [*_PATIENT, *steps, *_IMPATIENT] if operation.concurrently else steps


def _create(preparer: IdentifierPreparer, operation: CreateVectorIndexOp) -> list[str]:
    if operation.automatic_lists:
        raise OperationArgumentError(
            f'op.create_vector_index({operation.name!r}, with_={{"lists": "auto"}}) cannot become SQL for later. '
            "The number of lists follows from the rows of the table, which only a connection can count. "
            'Write the number, with_={"lists": 1000} for a million rows, or run the upgrade online.',
            operation="create_vector_index",
            argument="with_",
        )
    return _build(preparer, operation, operation.name, operation.definition)


def _rebuild(preparer: IdentifierPreparer, operation: RebuildVectorIndexOp) -> list[str]:
    if operation.definition is None:
        reindex = ReindexIndex(name=operation.name, schema=operation.schema, concurrently=operation.concurrently)
        return [_sql(preparer, reindex), _valid_gate(preparer, operation.schema, operation.name)]
    beside = replacement_name(operation.name)
    return [
        *_build(preparer, operation, beside, operation.definition),
        _sql(preparer, DropIndex(name=operation.name, schema=operation.schema, concurrently=operation.concurrently)),
        _sql(preparer, RenameIndex(name=beside, new_name=operation.name, schema=operation.schema)),
    ]


def _swap(preparer: IdentifierPreparer, operation: SwapVectorIndexOp) -> list[str]:
    return [
        _valid_gate(preparer, operation.schema, operation.replacement),
        _sql(preparer, DropIndex(name=operation.name, schema=operation.schema, concurrently=operation.concurrently)),
        _sql(preparer, RenameIndex(name=operation.replacement, new_name=operation.name, schema=operation.schema)),
    ]


def _build(
    preparer: IdentifierPreparer,
    operation: CreateVectorIndexOp | RebuildVectorIndexOp,
    name: str,
    definition: IndexDefinition,
) -> list[str]:
    build = BuildIndex(
        name=name,
        table_name=operation.table_name,
        schema=operation.schema,
        definition=definition,
        concurrently=operation.concurrently,
    )
    return [
        _leftover_gate(preparer, operation.schema, name),
        _sql(preparer, build),
        _valid_gate(preparer, operation.schema, name),
    ]


def _sql(preparer: IdentifierPreparer, step: BuildIndex | ReindexIndex | DropIndex | RenameIndex) -> str:
    return str(statement(preparer, step).compile())


def _leftover_gate(preparer: IdentifierPreparer, schema: str | None, name: str) -> str:
    quoted = qualified_name(preparer, schema, name)
    return gate(
        f"EXISTS (SELECT FROM pg_catalog.pg_index WHERE indexrelid = to_regclass({literal(quoted)}) "
        "AND NOT indisvalid)",
        f"There is an INVALID index {quoted}. "
        "An interrupted build has left it, or another session is building it now. "
        f"When no session is, run DROP INDEX CONCURRENTLY {quoted}, and run this script again.",
    )


def _valid_gate(preparer: IdentifierPreparer, schema: str | None, name: str) -> str:
    quoted = qualified_name(preparer, schema, name)
    return gate(
        f"NOT EXISTS (SELECT FROM pg_catalog.pg_index WHERE indexrelid = to_regclass({literal(quoted)}) "
        "AND indisvalid AND indisready AND indislive)",
        f"The index {quoted} is not valid. "
        "Its build was interrupted, so that no query uses it. "
        f"Run DROP INDEX CONCURRENTLY {quoted}, and run this script again.",
    )


def gate(condition: str, message: str) -> str:
    """Return a block that raises a message where a condition holds when it is run."""
    body = f"BEGIN IF {condition} THEN RAISE EXCEPTION USING MESSAGE = {literal(message)}; END IF; END"
    return f"DO {dollar_quoted(body, tag='gate')}"


def literal(value: str) -> str:
    """Return a string as SQL."""
    return "'" + value.replace("'", "''") + "'"
