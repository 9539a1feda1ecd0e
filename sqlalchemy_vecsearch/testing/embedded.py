"""A PostgreSQL server from an installed wheel, for tests and demos, that ends with the process that started it."""

from __future__ import annotations

import atexit
import json
import os
import re
import secrets
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import URL

from sqlalchemy_vecsearch.errors import ServerError
from sqlalchemy_vecsearch.testing.directories import prepare_directories, temporary_place, unprivileged_user
from sqlalchemy_vecsearch.testing.installations import Installation, choose_installation, installations

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["EmbeddedServer", "start_embedded_server"]

# Nobody misses the data of a throw-away server after a crash of the machine, so it need not reach the disk. Commits
# still reach the operating system before they are answered: a restart() keeps them.
FAST_SETTINGS: Mapping[str, str] = {"fsync": "off", "full_page_writes": "off"}
COMMON_SETTINGS: Mapping[str, str] = {"listen_addresses": "127.0.0.1", "unix_socket_directories": ""}
SCRAM_ITERATIONS_SINCE = 16
BUILTIN_LOCALE_SINCE = 17
STAMP = re.compile(r"^.*? \[\d+\] (?=[A-Z]+:)")  # log_line_prefix is "%m [%p] "


@dataclass(frozen=True, kw_only=True)
class EmbeddedServer:
    """A running server; `stop()` or the end of this process takes it away.

    Attributes:
        installation: the programs it runs.
        directory: holds the cluster and the log.
        port: the TCP port on 127.0.0.1.
        password: of the role postgres.
    """

    installation: Installation
    directory: Path
    port: int
    password: str = field(repr=False)
    _keeper: _Keeper = field(repr=False)

    @property
    def postgres_version(self) -> str:
        """The server's version, such as "18.6"."""
        return self.installation.postgres_version

    @property
    def pgvector_version(self) -> str:
        """The version that CREATE EXTENSION vector installs, such as "0.8.6"."""
        return self.installation.pgvector_version

    def url(self, database: str = "postgres", *, driver: str = "psycopg") -> str:
        """Give the URL of a database for `sqlalchemy.create_engine`, password included.

        Args:
            database: its name; it need not exist yet.
            driver: "psycopg", "psycopg2", "pg8000", "asyncpg" or another driver of the postgresql dialect.
        """
        url = URL.create(f"postgresql+{driver}", "postgres", self.password, "127.0.0.1", self.port, database)
        return url.render_as_string(hide_password=False)

    def restart(self) -> None:
        """Kill the server as a power cut would, then start it again on the same port.

        Takes about half a second. Open connections break; committed rows of a server with fast settings survive too,
        because only the server dies and not the machine.

        Raises:
            ServerError: the server did not come back.
        """
        self._keeper.send("restart")

    def stop(self) -> None:
        """Stop the server, and remove its directory when it is temporary. A second call does nothing."""
        self._keeper.close()


class _Keeper:
    """Our end of the two pipes to the keeper process."""

    def __init__(self, installation: Installation, directory: Path) -> None:
        self.installation = installation
        self.directory = directory
        self.process = subprocess.Popen(  # noqa: S603 - our own script
            [sys.executable, "-I", "-S", str(Path(__file__).with_name("keeper.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd="/",
            start_new_session=True,
        )
        self._owner = os.getpid()
        self._lock = threading.Lock()
        atexit.register(self.close)
        os.register_at_fork(after_in_child=self._let_go)

    def send(self, line: str) -> int:
        """Send a command; the answer is the server's port."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with self._lock:
            try:
                self.process.stdin.write(line + "\n")
                self.process.stdin.flush()
                reply = self.process.stdout.readline()
            except (BrokenPipeError, ValueError):  # ended, or closed by us
                reply = ""
        answer = json.loads(reply) if reply else {"error": "The process that keeps it is gone."}
        if "port" in answer:
            return int(answer["port"])
        self.close()
        raise ServerError(
            f"PostgreSQL {self.installation.postgres_version} from {self.installation.name} did not start in "
            f"'{self.directory}'. {_reason(answer['error'])} "
            "Remove the reason, choose another directory, or give the URL of a running server in VECSEARCH_TEST_URL."
        )

    def close(self) -> None:
        """End the keeper, which stops the server, and wait for it."""
        if os.getpid() != self._owner:
            return
        atexit.unregister(self.close)
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with self._lock:
            self.process.stdin.close()
            self.process.wait()
            self.process.stdout.close()

    def _let_go(self) -> None:
        """Close a forked child's copy of the pipe, which would keep the server alive without its parent."""
        if self.process.stdin is not None and not self.process.stdin.closed:
            os.close(self.process.stdin.fileno())


def start_embedded_server(
    installation: Installation | None = None,
    *,
    directory: Path | None = None,
    settings: Mapping[str, str | float] | None = None,
    durable: bool | None = None,
    port: int | None = None,
) -> EmbeddedServer:
    """Start a PostgreSQL with pgvector on 127.0.0.1; it is ready when this returns.

    Takes about a second for a new cluster, a tenth of that for an existing one. The server ends with this process,
    also when that is killed. As root it runs as the user nobody, because PostgreSQL refuses to run as root.

    Args:
        installation: which of `installations()`; None takes the one that VECSEARCH_TEST_EMBEDDED names, else the first.
        directory: where the cluster is made, or found from last time, and kept. None uses a new directory that is
            removed with the server, in the folder that VECSEARCH_TEST_DIRECTORY names, else the system's for temporary
            files.
        settings: server settings besides the defaults, such as {"shared_preload_libraries": "pg_stat_statements"}.
        durable: whether commits reach the disk, as in production; None means only with a directory of your own.
        port: the TCP port; None takes one that is free.

    Raises:
        ServerError: no wheel with a server is installed, the directory or the port is in use or cannot be used, or the
            server does not start.

    Example:
        >>> server = start_embedded_server()
        >>> engine = sqlalchemy.create_engine(server.url())
        >>> server.stop()
    """
    chosen = installation or choose_installation(os.environ, installations())
    user = unprivileged_user()
    home, place = _prepared(directory, user)
    password = _kept_password(home)
    keeper = _Keeper(chosen, home)
    is_durable = directory is not None if durable is None else durable
    wished = {**COMMON_SETTINGS, **({} if is_durable else FAST_SETTINGS), **(settings or {})}
    request = {
        "installation": str(chosen.folder),
        "directory": str(place),
        "password": password,
        "initdb_arguments": initdb_arguments(chosen.postgres_major),
        "settings": [f"{name}={value}" for name, value in wished.items()],
        "port": port,
        "remove": str(home) if directory is None else None,
        "user": user,
    }
    answered_port = keeper.send(json.dumps(request))
    return EmbeddedServer(installation=chosen, directory=home, port=answered_port, password=password, _keeper=keeper)


def initdb_arguments(postgres_major: int) -> list[str]:
    """Choose a cluster that is the same on every machine, whatever its locale, and quick to log in to."""
    arguments = ["--username=postgres", "--auth=password", "--encoding=UTF8", "--locale=C", "--no-sync"]
    if postgres_major >= SCRAM_ITERATIONS_SINCE:
        arguments.append("--set=scram_iterations=1")  # a random password of 128 bits needs no stretching
    if postgres_major >= BUILTIN_LOCALE_SINCE:
        arguments += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    return arguments


def _prepared(directory: Path | None, user: list[int] | None) -> tuple[Path, Path]:
    try:
        return prepare_directories(directory, user)
    except OSError as error:
        raise ServerError(
            f"The directory '{directory or temporary_place()}' cannot hold a PostgreSQL server. "
            f"The system said: {error.strerror}. "
            "Choose a directory on a disk with free space that you may write to."
        ) from error


def _kept_password(home: Path) -> str:
    """Read the password that an existing cluster was made with, or make one."""
    file = home / "password"
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(secrets.token_hex(16), encoding="utf-8")
    return file.read_text(encoding="utf-8")


def _reason(text: str) -> str:
    """Take the last line that a failed program wrote, as a sentence without the time it was written at."""
    line = text.splitlines()[-1] if text else "It wrote nothing to its log"
    return STAMP.sub("", line).rstrip("?.") + "."
