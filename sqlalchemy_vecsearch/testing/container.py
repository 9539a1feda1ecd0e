"""A PostgreSQL server in a container, when a Docker engine answers."""

from __future__ import annotations

import gc
import secrets
import time
import warnings
from contextlib import suppress
from typing import TYPE_CHECKING

from sqlalchemy import URL

from sqlalchemy_vecsearch.errors import ServerError
from sqlalchemy_vecsearch.testing.databases import connect
from sqlalchemy_vecsearch.testing.embedded import FAST_SETTINGS

if TYPE_CHECKING:
    from collections.abc import Callable

    from testcontainers.core.docker_client import DockerClient

__all__ = ["IMAGE", "engine_answers", "start_container"]

IMAGE = "pgvector/pgvector:pg18"
POSTGRES_PORT = 5432
PING_SECONDS = 2
READY_SECONDS = 60.0
POLL_SECONDS = 0.1


def engine_answers() -> bool:
    """Tell whether a Docker engine, found the way testcontainers finds it, answers within two seconds."""
    try:
        from testcontainers.core.docker_client import DockerClient
    except ImportError:
        return False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # the SDK leaves its socket open when the engine is silent
        answers = _ping(DockerClient)
        gc.collect()
    return answers


def _ping(docker_client: type[DockerClient]) -> bool:
    with suppress(Exception):  # each transport has errors of its own, and all of them mean that no engine answers
        client = docker_client(timeout=PING_SECONDS).client
        try:
            return bool(client.ping())
        finally:
            client.close()
    return False


def start_container(image: str = IMAGE) -> tuple[str, Callable[[], None]]:
    """Start a container with pgvector's image, and give its URL with the function that removes it.

    Takes a few seconds once the image is on the machine. testcontainers' reaper removes the container when this
    process is killed.

    Raises:
        ServerError: the server in the container did not accept connections within a minute.
        Exception: whatever the Docker SDK raises, for instance when the image cannot be pulled.
    """
    from testcontainers.core.container import DockerContainer

    password = secrets.token_hex(16)
    command = " ".join(["postgres", *(f"-c {name}={value}" for name, value in FAST_SETTINGS.items())])
    started = (
        DockerContainer(image, command=command)
        .with_env("POSTGRES_PASSWORD", password)
        .with_exposed_ports(POSTGRES_PORT)
        .start()
    )
    try:
        host, port = started.get_container_host_ip(), int(started.get_exposed_port(POSTGRES_PORT))
        url = URL.create("postgresql+psycopg", "postgres", password, host, port, "postgres")
        _wait_until_ready(url)
    except BaseException:
        started.stop()
        raise
    return url.render_as_string(hide_password=False), started.stop


def _wait_until_ready(url: URL) -> None:
    """Wait for the published port; the image's first, preparing server does not listen on it."""
    deadline = time.monotonic() + READY_SECONDS
    while True:
        try:
            connect(url).close()
        except ServerError:
            if time.monotonic() > deadline:
                raise
            time.sleep(POLL_SECONDS)
        else:
            return
