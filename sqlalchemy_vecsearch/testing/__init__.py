"""The pytest plugin that gives each test a real database: `pytest_plugins = "sqlalchemy_vecsearch.testing"`.

PYTEST_DONT_REWRITE: nothing here asserts, so a conftest.py may import it before pytest does.
"""

from sqlalchemy_vecsearch.testing.directories import remove_server_directory
from sqlalchemy_vecsearch.testing.embedded import EmbeddedServer, start_embedded_server
from sqlalchemy_vecsearch.testing.server import Server, start_server

__all__ = ["EmbeddedServer", "Server", "remove_server_directory", "start_embedded_server", "start_server"]

pytest_plugins = ("sqlalchemy_vecsearch.testing.plugin",)  # loaded by pytest alone, so that a demo needs no pytest
