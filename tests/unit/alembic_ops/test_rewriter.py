"""Operations in the hands of a user's `process_revision_directives`."""

from dataclasses import replace

from alembic.autogenerate.rewriter import Rewriter
from alembic.operations.ops import DowngradeOps, MigrationScript, UpgradeOps

from alembic_ops import Build
from alembic_ops.model.index_state import IndexDefinition
from alembic_ops.operations import CreateVectorIndexOp


def test_a_rewriter_can_change_an_operation():
    writer = Rewriter()

    @writer.rewrites(CreateVectorIndexOp)
    def with_more_memory(context, revision, operation):
        return replace(operation, build=Build(memory="1GB"))

    definition = IndexDefinition(method="hnsw", operator_class="vector_l2_ops", column="embedding")
    operation = CreateVectorIndexOp(name="ix", table_name="items", definition=definition)
    script = MigrationScript("1", UpgradeOps([operation]), DowngradeOps([]))
    writer(None, "head", [script])
    assert script.upgrade_ops.ops == [replace(operation, build=Build(memory="1GB"))]
