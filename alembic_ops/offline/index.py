"""The operations on vector indexes as SQL for later."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from alembic_ops.errors import OperationArgumentError
from alembic_ops.model.index_state import canonical, with_defaults
from alembic_ops.offline.gates import gate, leftover_gate, valid_gate
from alembic_ops.operations import CreateVectorIndexOp, DropVectorIndexOp, RenameVectorIndexOp, SwapVectorIndexOp
from alembic_ops.planning.next_step import IndexOperation, replacement_name
from alembic_ops.sql.statements import RESET_TIMEOUTS, WITHOUT_TIMEOUTS, statement
from alembic_ops.sql.steps import BuildIndex, DropIndex, ReindexIndex, RenameIndex
from sqlalchemy_vecsearch.quoting import literal, qualified_name

if TYPE_CHECKING:
    from alembic_ops.model.index_state import IndexDefinition
    from alembic_ops.operations import RebuildVectorIndexOp

__all__ = ["index_script"]


def index_script(operation: IndexOperation) -> list[str]:
    """Return the statements and gates that make an operation on an index true when they are run.

    They take the way that an undisturbed run takes online; what an interrupted run has left stops them at a gate, and
    what a whole one has done already they pass over.

    Raises:
        OperationArgumentError: the operation depends on the rows, which only a connection can tell.
    """
    if isinstance(operation, CreateVectorIndexOp):
        steps = _create(operation)
    elif isinstance(operation, DropVectorIndexOp):
        steps = [_drop(operation)]
    elif isinstance(operation, SwapVectorIndexOp):
        steps = _swap(operation)
    elif isinstance(operation, RenameVectorIndexOp):
        steps = _rename(operation)
    else:
        steps = _rebuild(operation)
    return [*WITHOUT_TIMEOUTS, *steps, *RESET_TIMEOUTS] if operation.concurrently else steps


def _create(operation: CreateVectorIndexOp) -> list[str]:
    if operation.automatic_lists:
        raise OperationArgumentError(
            f'op.create_vector_index({operation.name!r}, with_={{"lists": "auto"}}) cannot become SQL for later. '
            "The number of lists follows from the rows of the table, which only a connection can count. "
            'Write the number, with_={"lists": 1000} for a million rows, or run the upgrade online.',
            operation="create_vector_index",
            argument="with_",
        )
    return _build(operation, operation.name, operation.definition)


def _drop(operation: DropVectorIndexOp | RebuildVectorIndexOp | SwapVectorIndexOp) -> str:
    drop = DropIndex(name=operation.name, schema=operation.schema, concurrently=operation.concurrently, if_exists=True)
    return _sql(drop)


def _rebuild(operation: RebuildVectorIndexOp) -> list[str]:
    if operation.definition is None:
        reindex = ReindexIndex(name=operation.name, schema=operation.schema, concurrently=operation.concurrently)
        return [_sql(reindex), valid_gate(operation.schema, operation.name)]
    beside = replacement_name(operation.name)
    return [
        *_build(operation, beside, operation.definition),
        _drop(operation),
        _sql(RenameIndex(name=beside, new_name=operation.name, schema=operation.schema)),
    ]


def _swap(operation: SwapVectorIndexOp) -> list[str]:
    name = qualified_name(operation.schema, operation.name)
    replacement = qualified_name(operation.schema, operation.replacement)
    return [
        gate(
            f"pg_catalog.to_regclass({literal(replacement)}) IS NULL",
            f"There is no index {replacement} to put in the place of {name}. "
            f"An earlier run of this script has swapped the two, or it was never built: {name} is left as it is. "
            "Take these statements out of the script where they are done, or build the index.",
        ),
        valid_gate(operation.schema, operation.replacement),
        _drop(operation),
        _sql(RenameIndex(name=operation.replacement, new_name=operation.name, schema=operation.schema)),
    ]


def _rename(operation: RenameVectorIndexOp) -> list[str]:
    old = qualified_name(operation.schema, operation.name)
    new = qualified_name(operation.schema, operation.new_name)
    rename = RenameIndex(name=operation.name, new_name=operation.new_name, schema=operation.schema, if_exists=True)
    return [
        gate(
            f"pg_catalog.to_regclass({literal(old)}) IS NULL AND pg_catalog.to_regclass({literal(new)}) IS NULL",
            f"There is no index {old} to rename, and none that is called {new} either. "
            "It was dropped, or has yet another name. "
            "Correct the name, or create the index with op.create_vector_index().",
        ),
        _sql(rename),
    ]


def _build(operation: CreateVectorIndexOp | RebuildVectorIndexOp, name: str, definition: IndexDefinition) -> list[str]:
    build = BuildIndex(
        name=name,
        table_name=operation.table_name,
        schema=operation.schema,
        definition=definition,
        concurrently=operation.concurrently,
        if_not_exists=True,
    )
    return [
        leftover_gate(operation.schema, name),
        _other_gate(operation, name, definition),
        _sql(build),
        valid_gate(operation.schema, name),
    ]


def _sql(step: BuildIndex | ReindexIndex | DropIndex | RenameIndex) -> str:
    return str(statement(step).compile())


def _other_gate(operation: CreateVectorIndexOp | RebuildVectorIndexOp, name: str, definition: IndexDefinition) -> str:
    """Return what stops at an index of the name that is another one; expressions are not compared."""
    quoted = qualified_name(operation.schema, name)
    table = qualified_name(operation.schema, operation.table_name)
    wished = canonical(definition)
    same = [
        f"x.indrelid OPERATOR(pg_catalog.=) pg_catalog.to_regclass({literal(table)})",
        f"m.amname OPERATOR(pg_catalog.=) {literal(wished.method)}",
        f"o.opcname OPERATOR(pg_catalog.=) {literal(wished.operator_class)}",
        f"(x.indpred IS NULL) OPERATOR(pg_catalog.=) {str(wished.predicate is None).lower()}",
        "a.attname IS NULL" if wished.column is None else f"a.attname OPERATOR(pg_catalog.=) {literal(wished.column)}",
    ]
    defaults = dict(with_defaults(replace(definition, parameters=())).parameters)
    same += [
        "COALESCE((SELECT p.option_value FROM pg_catalog.pg_options_to_table(i.reloptions) AS p"  # noqa: S608  # literals
        f" WHERE p.option_name OPERATOR(pg_catalog.=) {literal(parameter)}), {literal(str(defaults[parameter]))})"
        f" OPERATOR(pg_catalog.=) {literal(str(value))}"
        for parameter, value in wished.parameters
    ]
    return gate(
        "EXISTS (SELECT FROM pg_catalog.pg_index x"
        " JOIN pg_catalog.pg_class i ON i.oid OPERATOR(pg_catalog.=) x.indexrelid"
        " JOIN pg_catalog.pg_am m ON m.oid OPERATOR(pg_catalog.=) i.relam"
        " JOIN pg_catalog.pg_opclass o ON o.oid OPERATOR(pg_catalog.=) x.indclass[0]"
        " LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) x.indrelid"
        " AND a.attnum OPERATOR(pg_catalog.=) x.indkey[0] AND a.attnum OPERATOR(pg_catalog.>) 0"
        f" WHERE x.indexrelid OPERATOR(pg_catalog.=) pg_catalog.to_regclass({literal(quoted)})"
        f" AND (({' AND '.join(same)}) IS NOT TRUE))",
        f"There is an index {quoted} already, and it is another one than this script creates. "
        "It may be in use, so that nothing was changed. "
        "Give it the new definition by op.rebuild_vector_index(), or drop it.",
    )
