"""A revision as autogenerate writes it, with the documented line of script.py.mako, for type checkers to read."""

from __future__ import annotations

from pathlib import Path

import alembic
import sqlalchemy as sa
from alembic.autogenerate.api import AutogenContext
from alembic.autogenerate.render import _render_python_into_templatevars
from alembic.migration import MigrationContext
from alembic.operations.ops import AddColumnOp, CreateTableOp, DowngradeOps, MigrationScript, UpgradeOps
from mako.template import Template
from pgvector.sqlalchemy import HALFVEC, VECTOR

import alembic_ops
from alembic_ops.autogenerate.type_rendering import render_types_with_imports
from alembic_ops.model.index_state import IndexDefinition
from alembic_ops.operations import (
    AddEmbeddingColumnOp,
    AlterEmbeddingTypeOp,
    BeginReembeddingOp,
    CreateVectorExtensionOp,
    CreateVectorIndexOp,
    RebuildVectorIndexOp,
    RenameVectorIndexOp,
    SwapEmbeddingOp,
)

STOCK = Path(alembic.__file__).parent / "templates" / "generic" / "script.py.mako"
OP, TYPED_OP = "from alembic import op\n", "from alembic_ops import op\n"
HALVES = IndexDefinition(
    method="hnsw", operator_class="halfvec_l2_ops", expression="(embedding::halfvec(3))", parameters=(("m", 24),)
)


def operations():
    """Return operations of Alembic and of ours, as autogenerate mixes them."""
    index = {"name": "ix", "table_name": "items"}
    return [
        CreateVectorExtensionOp(),
        CreateTableOp("items", [sa.Column("id", sa.Integer(), primary_key=True), sa.Column("embedding", VECTOR(3))]),
        AddColumnOp("items", sa.Column("kind", sa.String())),
        AddEmbeddingColumnOp(table_name="items", column=sa.Column("second", HALFVEC(3))),
        CreateVectorIndexOp(**index, definition=HALVES, build=alembic_ops.Build(memory="1GB")),
        RebuildVectorIndexOp(**index, definition=HALVES),
        RenameVectorIndexOp(**index, new_name="ix_items"),
        AlterEmbeddingTypeOp(table_name="items", column="embedding", existing_type=VECTOR(3), type_=HALFVEC(3)),
        BeginReembeddingOp(
            job="next",
            table_name="items",
            source=["kind"],
            live="embedding",
            column=sa.Column("new", VECTOR(4)),
            model="m",
        ),
        SwapEmbeddingOp(job="next"),
    ]


def revision():
    """Return the text of the whole file."""
    context = AutogenContext(
        MigrationContext.configure(dialect_name="postgresql"),
        opts={"sqlalchemy_module_prefix": "sa.", "alembic_module_prefix": "op.", "user_module_prefix": None},
    )
    render_types_with_imports(context, schema=None)
    up, down = UpgradeOps(ops=operations()), DowngradeOps(ops=[CreateVectorExtensionOp().reverse()])
    script = MigrationScript("1", upgrade_ops=up, downgrade_ops=down, message="vectors")
    arguments = {"message": "vectors", "up_revision": "1", "down_revision": None, "create_date": "2026-01-01"}
    arguments |= {"branch_labels": None, "depends_on": None, "comma": lambda value: value or ""}
    _render_python_into_templatevars(context, script, arguments)
    template = STOCK.read_text(encoding="utf-8")
    assert template.count(OP) == 1
    return Template(template.replace(OP, TYPED_OP)).render(**arguments)


def write_revision(folder):
    """Write the revision as a module; return its path."""
    path = folder / "documented__revision.py"
    path.write_text(revision(), encoding="utf-8")
    return path
