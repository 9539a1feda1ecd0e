"""Which operation creates the extension, where those of other packages are in the revision, too."""

from alembic.operations.ops import MigrateOperation

from alembic_ops.autogenerate.extension import extension_first
from alembic_ops.operations import CreateVectorExtensionOp


class Foreign(MigrateOperation):
    """An operation of another package, which Alembic could not show in ``alembic check``."""

    target = "vector"


def test_an_operation_without_a_diff_tuple_stays_where_it_is():
    ours, theirs = CreateVectorExtensionOp(), Foreign()
    assert extension_first([ours], [theirs]) == ([ours], [theirs])
