"""Embeddings that stay true to their texts: embedders, pending rows, the worker."""
