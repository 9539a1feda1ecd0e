"""Embedded servers: kept data, restarts, drivers, settings, and what they say when they cannot start."""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from sqlalchemy_vecsearch.errors import ServerError
from sqlalchemy_vecsearch.testing import remove_server_directory, server, start_embedded_server
from sqlalchemy_vecsearch.testing.databases import Databases
from sqlalchemy_vecsearch.testing.installations import choose_installation, installations
from sqlalchemy_vecsearch.testing.server import Plan, Source, start_server


def scalar(url, statement):
    engine = create_engine(url)
    try:
        with engine.begin() as connection:
            result = connection.execute(text(statement))
            return result.scalar() if result.returns_rows else None
    finally:
        engine.dispose()


@pytest.fixture
def kept(tmp_path):
    directory = tmp_path / "kept"
    yield directory
    remove_server_directory(directory)


def test_the_versions_read_from_files_are_those_of_the_running_server(own_server):
    assert scalar(own_server.url(), "SHOW server_version") == own_server.postgres_version
    asked = scalar(own_server.url(), "SELECT default_version FROM pg_available_extensions WHERE name = 'vector'")
    assert asked == own_server.pgvector_version


def test_the_wheel_that_is_taken_first_has_the_extensions_that_some_tests_make_do_without():
    controls = installations()[0].folder.glob("share/**/extension/*.control")
    assert {one.stem for one in controls} >= {"citext", "pageinspect"}


def test_a_throw_away_server_does_not_wait_for_the_disk_and_hears_only_this_machine(own_server):
    assert scalar(own_server.url(), "SHOW fsync") == "off"
    assert scalar(own_server.url(), "SHOW listen_addresses") == "127.0.0.1"


def test_the_server_asks_for_the_password(own_server):
    url = own_server.url().replace(own_server.password, "wrong")
    with pytest.raises(Exception, match="password authentication failed"):
        scalar(url, "SELECT 1")


def test_lower_case_knows_more_than_ascii_on_every_machine(own_server, postgres_major):
    expected = "é" if postgres_major >= 17 else "É"
    assert scalar(own_server.url(), "SELECT lower('É')") == expected


def test_a_restart_breaks_connections_and_keeps_rows_and_port(own_server):
    engine = create_engine(own_server.url())
    with engine.connect() as connection:
        connection.execute(text("CREATE TABLE survivor AS SELECT 7 AS number"))
        connection.commit()
        own_server.restart()
        with pytest.raises(Exception, match=r"terminating connection|server closed the connection"):
            connection.execute(text("SELECT 1"))
    engine.dispose()
    assert scalar(own_server.url(), "SELECT number FROM survivor") == 7


def test_settings_reach_the_server():
    custom = start_embedded_server(settings={"work_mem": "7MB", "max_connections": 17})
    try:
        assert scalar(custom.url(), "SHOW work_mem") == "7MB"
        assert scalar(custom.url(), "SHOW max_connections") == "17"
    finally:
        custom.stop()


def test_databases_are_copied_as_files_only_where_no_commit_waits_for_the_disk(own_server, kept, postgres_major):
    durable = start_embedded_server(directory=kept)
    strategies = []
    for each in (own_server, durable):
        with Databases(each.url()) as databases:
            assert scalar(databases.create(), "SELECT count(*) FROM pg_extension WHERE extname = 'vector'") == 1
            strategies.append(databases._strategy.as_string(None))
    durable.stop()
    assert strategies == [" STRATEGY FILE_COPY" if postgres_major >= 15 else "", ""]


def test_a_directory_of_our_own_keeps_the_data_and_writes_it_to_disk(kept):
    first = start_embedded_server(directory=kept)
    assert scalar(first.url(), "SHOW fsync") == "on"
    scalar(first.url(), "CREATE TABLE kept AS SELECT 1 AS number")
    first.stop()
    second = start_embedded_server(directory=kept)
    assert scalar(second.url(), "SELECT number FROM kept") == 1
    second.stop()
    place = (kept / "server").resolve()
    assert place.exists()
    remove_server_directory(kept)
    assert not kept.exists()
    assert not place.exists()


@pytest.fixture
def open_folder():
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def test_a_temporary_server_is_made_in_the_folder_of_the_variable(open_folder, monkeypatch):
    monkeypatch.setenv("VECSEARCH_TEST_DIRECTORY", str(open_folder))
    started = start_embedded_server()
    try:
        assert started.directory.parent == open_folder
        assert scalar(started.url(), "SHOW data_directory") == str(started.directory / "server" / "data")
    finally:
        started.stop()
    assert list(open_folder.iterdir()) == []


def test_a_folder_of_the_variable_that_is_not_there_is_an_error_that_names_it(open_folder, monkeypatch):
    monkeypatch.setenv("VECSEARCH_TEST_DIRECTORY", f"{open_folder}/gone")
    with pytest.raises(ServerError) as raised:
        start_embedded_server()
    assert str(raised.value) == (
        f"The directory '{open_folder}/gone' cannot hold a PostgreSQL server. The system said: No such file or "
        "directory. Choose a directory on a disk with free space that you may write to."
    )


def test_no_folder_above_the_directory_is_opened_for_others(kept):
    before = [folder.stat().st_mode for folder in kept.parents]
    start_embedded_server(directory=kept).stop()
    assert [folder.stat().st_mode for folder in kept.parents] == before


def test_a_directory_in_use_is_an_error_that_names_the_process(kept):
    first = start_embedded_server(directory=kept)
    postmaster = (kept / "server" / "data" / "postmaster.pid").read_text(encoding="utf-8").split()[0]
    place = (kept / "server").resolve()
    with pytest.raises(ServerError) as raised:
        start_embedded_server(directory=kept)
    assert scalar(first.url(), "SELECT 1") == 1
    first.stop()
    chosen = choose_installation(os.environ, installations())
    assert str(raised.value) == (
        f"PostgreSQL {chosen.postgres_version} from {chosen.name} did not start in '{kept}'. "
        f'HINT:  Is another postmaster (PID {postmaster}) running in data directory "{place}/data". '
        "Remove the reason, choose another directory, or give the URL of a running server in VECSEARCH_TEST_URL."
    )


def test_a_path_that_is_a_file_is_an_error(tmp_path):
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(ServerError) as raised:
        start_embedded_server(directory=file)
    assert str(raised.value) == (
        f"The directory '{file}' cannot hold a PostgreSQL server. The system said: File exists. "
        "Choose a directory on a disk with free space that you may write to."
    )


def test_a_setting_that_the_server_refuses_is_an_error_with_its_words():
    with pytest.raises(ServerError, match='unrecognized configuration parameter "no_such_setting"'):
        start_embedded_server(settings={"no_such_setting": "1"})


def test_programs_below_a_private_folder_are_copied_when_root_starts_them(tmp_path):
    """A virtual environment below /root is the usual case; `tmp_path` is as private."""
    original = choose_installation(os.environ, installations())
    package = tmp_path / original.folder.parent.name
    shutil.copytree(original.folder, package / original.folder.name, symlinks=True)
    libraries = Path(f"{original.folder.parent}.libs")
    if libraries.exists():
        shutil.copytree(libraries, tmp_path / libraries.name)
    started = start_embedded_server(replace(original, folder=package / original.folder.name))
    try:
        copied = (started.directory / "server" / "programs").exists()
        assert copied == (os.geteuid() == 0)
        assert scalar(started.url(), "SELECT 1") == 1
    finally:
        started.stop()


def test_a_container_that_does_not_start_is_replaced_and_the_header_says_so(monkeypatch):
    def refuse():
        raise RuntimeError("pull access denied")

    monkeypatch.setattr(server.container, "start_container", refuse)
    started = start_server(Plan(Source.CONTAINER))
    chosen = choose_installation(os.environ, installations())
    try:
        assert started.origin == (
            f"embedded {chosen.name} {chosen.package_version}, because the container pgvector/pgvector:pg18 did not "
            "start: pull access denied"
        )
    finally:
        started.stop()
