"""The directories of an embedded server, where the user that the server runs as can reach them."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from pathlib import Path

__all__ = [
    "DIRECTORY_VARIABLE",
    "prepare_directories",
    "remove_server_directory",
    "temporary_place",
    "unprivileged_user",
]

DIRECTORY_VARIABLE = "VECSEARCH_TEST_DIRECTORY"
PLACE = "server"  # inside the directory: the server's files, or a link to them
SHARED_FOLDERS = (Path("/tmp"), Path("/var/tmp"))  # noqa: S108 - mkdtemp makes unpredictable names in them


def unprivileged_user() -> list[int] | None:
    """Give user and group for a server started by root, which PostgreSQL refuses to run as; None means our own."""
    if os.geteuid() != 0:
        return None
    import pwd

    nobody = pwd.getpwnam("nobody")
    return [nobody.pw_uid, nobody.pw_gid]


def prepare_directories(directory: Path | None, user: list[int] | None) -> tuple[Path, Path]:
    """Make the directory of a server, and inside of it the place for the server's files.

    Args:
        directory: kept from run to run; None makes a temporary one.
        user: who runs the server. Where it cannot reach the directory, say below root's home, the place is a link to a
            folder under /var/tmp: no permission of an existing directory is changed.

    Returns:
        The directory, and the place with its links resolved.

    Raises:
        OSError: the directory cannot be made.
    """
    home = _temporary_directory(user) if directory is None else directory.absolute()
    home.mkdir(parents=True, exist_ok=True)
    link = home / PLACE
    if link.is_symlink() and not link.exists():
        link.unlink()
    if not link.exists():
        if user is None or is_reachable(link):
            link.mkdir(mode=0o700)
        else:
            link.symlink_to(tempfile.mkdtemp(prefix="vecsearch-", dir=SHARED_FOLDERS[-1]))
    place = link.resolve()
    if user is not None:
        os.chown(place, *user)
    return home, place


def remove_server_directory(directory: Path) -> None:
    """Remove the directory of a server that is stopped, with the server's files wherever they are.

    Args:
        directory: as given to `start_embedded_server`; it need not exist.
    """
    place = (directory / PLACE).resolve()
    if place.exists():
        shutil.rmtree(place)
    if directory.exists():
        shutil.rmtree(directory)


def temporary_place() -> Path:
    """Give the folder of temporary directories: the one of VECSEARCH_TEST_DIRECTORY, else the system's."""
    return Path(os.environ.get(DIRECTORY_VARIABLE) or tempfile.gettempdir()).absolute()


def is_reachable(path: Path) -> bool:
    """Tell whether users other than the owners may pass through every folder above a path."""
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in path.resolve().parents)


def _temporary_directory(user: list[int] | None) -> Path:
    usual = temporary_place()
    if user is None or is_reachable(usual / PLACE):
        return _passable(Path(tempfile.mkdtemp(prefix="vecsearch-", dir=usual)), user)
    base = next(folder for folder in SHARED_FOLDERS if folder.is_dir())
    return _passable(Path(tempfile.mkdtemp(prefix="vecsearch-", dir=base)), user)


def _passable(folder: Path, user: list[int] | None) -> Path:
    """Let the server's user pass through our own new folder, but not list it."""
    if user is not None:
        folder.chmod(0o711)
    return folder
