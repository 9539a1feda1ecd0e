"""Searches: Select in, Select out, one capability a module."""
