"""SQLAlchemy declarations and searches for pgvector."""
