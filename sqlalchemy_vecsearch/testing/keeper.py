"""The process that owns an embedded server, which it takes away once whoever asked for the server is gone.

Run as a script with the standard library alone. One JSON line on standard input says what to start, each further line
is a command, and the end of the input, which also comes when the parent is killed, stops the server.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

ATTEMPTS = 5  # another program can take the free port between our choice and the server's start
START_SECONDS = 60.0  # recovery after a crash comes before "ready"
STOP_SECONDS = 20.0
POLL_SECONDS = 0.01
PORT_IN_USE = "Address already in use"
STATUS_LINE = 7  # of postmaster.pid, counted from 0


@dataclass(frozen=True)
class Request:
    """What to start.

    Attributes:
        installation: the folder that holds bin/, lib/ and share/.
        directory: belongs to this server, and its user can reach it; holds data/ and log.
        password: of the role postgres, for a cluster that does not exist yet.
        initdb_arguments: besides the directory and the password file.
        settings: "name=value" given to the server at each start.
        port: the TCP port of 127.0.0.1, or None for a free one.
        remove: the directory to remove afterwards, or None to keep everything.
        user: user and group the server runs as, or None for our own.
    """

    installation: str
    directory: str
    password: str
    initdb_arguments: list[str]
    settings: list[str]
    port: int | None
    remove: str | None
    user: list[int] | None


class StartError(Exception):
    """A program failed; the text is what it said."""


class Keeper:
    """One cluster on disk, with the postgres process that serves it."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.directory = Path(request.directory)
        self.data = self.directory / "data"
        self.binaries = Path(request.installation) / "bin"
        self.process: subprocess.Popen[bytes] | None = None

    def prepare(self) -> None:
        """Make the programs reachable for the server's user, then the cluster if there is none."""
        if self.request.user is not None and not self._may_run():
            self.binaries = self._copied_installation() / "bin"
        if (self.data / "PG_VERSION").exists():
            return
        password_file = self.directory / "initial-password"
        password_file.touch(mode=0o600)
        password_file.write_text(self.request.password + "\n", encoding="utf-8")
        self._give_away(password_file)
        try:
            self._run("initdb", "-D", str(self.data), f"--pwfile={password_file}", *self.request.initdb_arguments)
        finally:
            password_file.unlink()

    def start(self, port: int | None = None) -> int:
        """Start the server and wait until it is ready; the answer is its port."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self._start(port or free_port())
            except StartError as error:
                if PORT_IN_USE not in str(error) or attempt == ATTEMPTS:
                    raise
        raise AssertionError

    def _start(self, port: int) -> int:
        settings = [argument for setting in self.request.settings for argument in ("-c", setting)]
        log = self.directory / "log"
        written = log.stat().st_size if log.exists() else 0
        with log.open("ab") as output:
            self.process = self._open("postgres", "-D", str(self.data), "-p", str(port), *settings, output=output)
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            if self._is_ready():
                return port
            time.sleep(POLL_SECONDS)
        self.stop(signal.SIGQUIT)
        raise StartError(log.read_bytes()[written:].decode(errors="replace").strip())

    def _is_ready(self) -> bool:
        try:
            lines = (self.data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        except (FileNotFoundError, UnicodeDecodeError):
            return False
        return (
            self.process is not None
            and len(lines) > STATUS_LINE
            and lines[0].strip() == str(self.process.pid)
            and lines[STATUS_LINE].strip() == "ready"
        )

    def stop(self, how: signal.Signals) -> None:
        """Stop the server: SIGINT writes a checkpoint first, SIGQUIT leaves a cluster that must recover."""
        if self.process is None:
            return
        self.process.send_signal(how)
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    def remove(self) -> None:
        """Remove what a temporary server leaves on disk."""
        if self.request.remove is not None:
            shutil.rmtree(self.request.remove, ignore_errors=True)

    def _may_run(self) -> bool:
        try:
            self._run("postgres", "--version")
        except (PermissionError, StartError):
            return False
        return True

    def _copied_installation(self) -> Path:
        """Copy the programs to where the server's user can read them; permissions of the original stay as they are."""
        original = Path(self.request.installation)
        programs = self.directory / "programs"
        copy = programs / original.parent.name / original.name
        shutil.rmtree(programs, ignore_errors=True)  # of another version, when the directory was kept
        shutil.copytree(original, copy, symlinks=True, ignore=shutil.ignore_patterns("include", "pgxs", "*.a"))
        libraries = original.parent.with_name(original.parent.name + ".libs")
        if libraries.exists():
            shutil.copytree(libraries, programs / libraries.name)
        return copy

    def _give_away(self, path: Path) -> None:
        if self.request.user is not None:
            os.chown(path, *self.request.user)

    def _run(self, program: str, *arguments: str) -> None:
        process = self._open(program, *arguments, output=subprocess.PIPE)
        output, _ = process.communicate()
        if process.returncode != 0:
            raise StartError(output.decode(errors="replace").strip())

    def _open(self, program: str, *arguments: str, output: IO[bytes] | int) -> subprocess.Popen[bytes]:
        user, group = self.request.user or (None, None)
        return subprocess.Popen(  # noqa: S603 - programs of the chosen installation
            [str(self.binaries / program), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd="/",
            env={"PATH": os.defpath, "LC_ALL": "C"},  # PGOPTIONS and the like are for the user's other servers
            user=user,
            group=group,
            extra_groups=None if user is None else [],
        )


def free_port() -> int:
    """Ask the system for a TCP port of 127.0.0.1 that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def serve(keeper: Keeper) -> None:
    """Start the server, then obey commands until the input ends."""
    keeper.prepare()
    port = keeper.start(keeper.request.port)
    _answer(port=port)
    for line in sys.stdin:
        if line.strip() == "restart":
            keeper.stop(signal.SIGQUIT)
            keeper.start(port)
            _answer(port=port)


def _answer(**values: object) -> None:
    sys.stdout.write(json.dumps(values) + "\n")
    sys.stdout.flush()


def _leave(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit


def main() -> None:
    """Serve one request, and leave nothing behind however it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, whose end is our end
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _leave)
    order = sys.stdin.readline()
    if not order:  # the parent was killed before it could ask
        return
    keeper = Keeper(Request(**json.loads(order)))
    try:
        serve(keeper)
    except (OSError, StartError) as error:
        with contextlib.suppress(OSError):  # the parent may be gone
            _answer(error=str(error))
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        keeper.stop(signal.SIGINT if keeper.request.remove is None else signal.SIGQUIT)
        keeper.remove()


if __name__ == "__main__":
    main()
