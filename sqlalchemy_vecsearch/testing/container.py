"""A PostgreSQL server in a container, when a Docker engine answers."""

from __future__ import annotations

import gc
import warnings
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from testcontainers.core.docker_client import DockerClient

__all__ = ["IMAGE", "engine_answers", "start_container"]

IMAGE = "pgvector/pgvector:pg18"
PING_SECONDS = 2


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

    Takes about two seconds once the image is on the machine. testcontainers' reaper removes the container when this
    process is killed.
    """
    from testcontainers.postgres import PostgresContainer

    container = PostgresContainer(image, driver="psycopg")
    container.start()
    return str(container.get_connection_url()), container.stop
