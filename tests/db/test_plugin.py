"""The fixtures that the plugin and conftest.py give."""

from __future__ import annotations

import psycopg
import pytest
from sqlalchemy import make_url, text

ASYNC_DRIVERS = ("asyncpg", "psycopg_async")


def test_a_fresh_database_has_the_extension(engine, vecsearch_server):
    with engine.connect() as connection:
        version = connection.scalar(text("SELECT extversion FROM pg_extension WHERE extname = 'vector'"))
    assert version == vecsearch_server.pgvector_version


def test_the_url_names_psycopg_and_holds_the_password(vecsearch_url):
    url = make_url(vecsearch_url)
    assert url.drivername == "postgresql+psycopg"
    assert url.password != "***"


def test_two_databases_of_a_test_are_different(vecsearch_url, bare_url):
    assert make_url(vecsearch_url).database != make_url(bare_url).database


def test_a_bare_database_lacks_the_extension(make_engine, bare_url):
    with make_engine("psycopg", url=bare_url).connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM pg_extension WHERE extname = 'vector'")) == 0


@pytest.mark.parametrize("driver", ["psycopg", "psycopg2", "pg8000"])
def test_every_driver_connects(make_engine, driver):
    with make_engine(driver).connect() as connection:
        assert connection.dialect.driver == driver
        assert connection.scalar(text("SELECT 1")) == 1


@pytest.mark.parametrize("driver", ASYNC_DRIVERS)
async def test_every_async_driver_connects(make_engine, driver):
    async with make_engine(driver).connect() as connection:
        assert await connection.scalar(text("SELECT 1")) == 1


def test_a_database_is_gone_after_its_drop_even_while_somebody_is_connected(vecsearch_databases):
    url = vecsearch_databases.create()
    plain = make_url(url).set(drivername="postgresql")
    with psycopg.connect(plain.render_as_string(hide_password=False)) as still_open:
        vecsearch_databases.drop(url)
        with pytest.raises(psycopg.OperationalError):
            still_open.execute("SELECT 1")


def test_databases_are_made_again_after_the_server_was_restarted(own_server):
    from sqlalchemy_vecsearch.testing.databases import Databases

    with Databases(own_server.url()) as databases:
        databases.create()
        own_server.restart()
        assert make_url(databases.create()).database
