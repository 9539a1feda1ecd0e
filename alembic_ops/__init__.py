"""Alembic operations and autogenerate support for pgvector."""
