"""The demo on a server that the user gives."""

from __future__ import annotations

from sqlalchemy import NullPool, create_engine, text

from sqlalchemy_vecsearch.demo.server import DATABASE, reset, start


def databases(url):
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        return set(connection.scalars(text("SELECT datname FROM pg_database")))


def test_it_gets_a_database_of_its_own_that_stays_until_reset_and_no_directory(vecsearch_server, tmp_path, monkeypatch):
    monkeypatch.setenv("VECSEARCH_TEST_URL", vecsearch_server.url())
    for _ in range(2):
        started = start(tmp_path / "unused")
        assert started.origin == "given by VECSEARCH_TEST_URL"
        assert started.directory is None
        assert DATABASE in databases(started.url)
        started.stop()
    reset(tmp_path / "unused")
    assert DATABASE not in databases(vecsearch_server.url())
    reset(tmp_path / "unused")
    assert not (tmp_path / "unused").exists()
