"""Alembic operations and autogenerate support for pgvector."""

from alembic_ops.build import Build
from alembic_ops.in_schema import InSchema
from alembic_ops.plugin import register

__all__ = ["Build", "InSchema", "register"]

register()
