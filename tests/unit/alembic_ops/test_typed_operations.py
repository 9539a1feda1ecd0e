"""`from alembic_ops import op` is Alembic's own op, with the operations of this package known to type checkers."""

from __future__ import annotations

import ast
import inspect
import textwrap
from pathlib import Path

import alembic.op

import alembic_ops
from alembic_ops import op, operations


def test_it_is_the_same_object():
    assert op is alembic.op
    assert alembic_ops.op is alembic.op


def test_the_stub_has_each_operation_as_it_is():
    stub = ast.parse(Path(alembic_ops.__file__).with_name("op.pyi").read_text())
    written = {node.name: ast.unparse(node.args) for node in stub.body if isinstance(node, ast.FunctionDef)}
    assert written == {
        method: _arguments(function.__func__)
        for name in operations.__all__
        for method, function in vars(getattr(operations, name)).items()
        if isinstance(function, classmethod) and not method.startswith("_")
    }
    assert all(hasattr(alembic.op, name) for name in written)


def _arguments(function):
    node = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    node.args.args = node.args.args[2:]  # the class, and Alembic's Operations
    return ast.unparse(node.args)
