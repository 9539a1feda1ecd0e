"""What the demo checks before it starts a server."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from sqlalchemy_vecsearch.demo.errors import DemoError
from sqlalchemy_vecsearch.demo.server import (
    default_directory,
    require_free,
    require_ours,
    require_space,
    require_usable,
    reset,
)


def test_the_data_is_kept_in_the_cache_folder_of_the_user(monkeypatch, tmp_path):
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_directory().parent == tmp_path / "sqlalchemy-vecsearch"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert default_directory().parent == Path.home() / ".cache" / "sqlalchemy-vecsearch"


def test_a_new_an_empty_and_an_own_directory_are_usable(tmp_path):
    require_usable(tmp_path / "deep" / "new")
    require_usable(tmp_path / "deep" / "new")
    (tmp_path / "deep" / "new" / "password").touch()
    (tmp_path / "deep" / "new" / "server").mkdir()
    require_usable(tmp_path / "deep" / "new")


@pytest.mark.parametrize("check", [require_ours, require_usable, reset])
def test_a_directory_with_files_of_the_user_is_left_alone(tmp_path, check, monkeypatch):
    monkeypatch.delenv("VECSEARCH_TEST_URL", raising=False)
    (tmp_path / "thesis.txt").touch()
    with pytest.raises(DemoError) as refused:
        check(tmp_path)
    assert str(refused.value) == (
        f"The directory '{tmp_path}' is not the demo's. "
        "It holds other files, which --reset would remove. "
        "Name an empty or new one with --directory."
    )
    assert (tmp_path / "thesis.txt").exists()


def test_a_file_is_no_directory(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DemoError) as refused:
        require_usable(tmp_path / "file")
    assert str(refused.value) == (
        f"The directory '{tmp_path / 'file'}' cannot be used. "
        "The system said: Not a directory. "
        "Name one that you may write to with --directory."
    )


def test_a_directory_that_cannot_be_made_is_named_with_the_reason():
    with pytest.raises(DemoError, match=r"The directory '/dev/null/x' cannot be used. The system said: Not a dir"):
        require_usable(Path("/dev/null/x"))


def test_a_full_disk_is_refused_with_both_sizes(tmp_path):
    with pytest.raises(DemoError) as refused:
        require_space(tmp_path, 5 * 2**20)
    assert str(refused.value) == (
        f"The disk of '{tmp_path}' has 5 MB free. "
        "The demo's server needs 300 MB for its data. "
        "Free some, or name a directory on another disk with --directory."
    )


def test_a_port_in_use_is_refused():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(DemoError) as refused:
            require_free(port)
    assert str(refused.value) == (
        f"The port {port} cannot be used. "
        "The system said: Address already in use. "
        "Name another one with --port, or leave it out for one that is free."
    )
    require_free(port)
