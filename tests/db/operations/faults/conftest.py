"""Fixtures of the fault matrix."""

from __future__ import annotations

import pytest

from tests.db.operations.faults.scenes import Scene


@pytest.fixture
def make_scene(alembic_project):
    """Give a way to set a scene in the database of the test."""
    return lambda operation, layout: Scene(alembic_project, operation, layout)
