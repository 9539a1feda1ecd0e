"""Bulk loading at the speed of PostgreSQL's binary COPY."""

from __future__ import annotations

from sqlalchemy_vecsearch.loading.copy_rows import acopy_rows, copy_rows

__all__ = ["acopy_rows", "copy_rows"]
