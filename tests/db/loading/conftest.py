"""A database with a table for every column type, which the tests of one process share and leave empty."""

from __future__ import annotations

import asyncio

import pytest
from any_values import create_tables
from sqlalchemy import create_engine


@pytest.fixture(scope="session")
def typed_url(vecsearch_databases):
    url = vecsearch_databases.create()
    engine = create_engine(url)
    with engine.begin() as connection:
        create_tables(connection)
    engine.dispose()
    return url


@pytest.fixture
def undone(make_engine, typed_url):
    """Give `undone(driver, function)`: it is called with a connection of the driver, and what it did is undone."""

    def call(driver, function):
        engine = make_engine(driver, url=typed_url)
        if driver != "asyncpg":
            with engine.connect() as connection:
                function(connection)
            return

        async def connected():
            async with engine.connect() as connection:
                await connection.run_sync(function)

        asyncio.run(connected())

    return call
