"""The container path, against a stand-in for the Docker engine whose "container" is an embedded server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

ROOT = Path(__file__).parents[2]
IDENTIFIER = "f" * 64

PROGRAM = """
from sqlalchemy_vecsearch.testing import start_server
from sqlalchemy_vecsearch.testing.server import plan_server_here
plan = plan_server_here()
server = start_server(plan)
print(plan.source, server.origin, server.pgvector_version, sep="|")
server.stop()
"""

ASK = "from sqlalchemy_vecsearch.testing.container import engine_answers; print(engine_answers())"


class Engine(BaseHTTPRequestHandler):
    """Answers what the Docker SDK asks when it creates, starts, inspects and removes one container."""

    def do_GET(self):
        path = self.path.split("?")[0]
        self.server.calls.append(("GET", path))
        if path.endswith("/version"):
            self.answer({"ApiVersion": "1.44", "Version": "27.0"})
        elif path.endswith(f"/containers/{IDENTIFIER}/json"):
            self.answer(self.inspection())
        elif path.endswith("/_ping"):
            self.answer("OK")
        else:
            self.answer({})

    def do_POST(self):
        path = self.path.split("?")[0]
        self.server.calls.append(("POST", path))
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if path.endswith("/containers/create"):
            self.create(json.loads(body))
            self.answer({"Id": IDENTIFIER}, 201)
        else:
            self.answer("", 204)

    def do_DELETE(self):
        self.server.calls.append(("DELETE", self.path.split("?")[0]))
        self.answer("", 204)

    def create(self, asked):
        self.server.asked = asked
        variables = dict(pair.split("=", 1) for pair in asked["Env"])
        url = self.server.embedded.url().replace("+psycopg", "")
        with psycopg.connect(url) as connection:
            connection.execute(
                sql.SQL("ALTER ROLE postgres PASSWORD {}").format(sql.Literal(variables["POSTGRES_PASSWORD"]))
            )

    def inspection(self):
        ports = {"5432/tcp": [{"HostIp": "0.0.0.0", "HostPort": str(self.server.embedded.port)}]}
        return {
            "Id": IDENTIFIER,
            "Name": "/vecsearch",
            "Config": {"Labels": {}, "Image": "pgvector/pgvector:pg18"},
            "State": {"Status": "running", "Running": True},
            "NetworkSettings": {"Ports": ports},
            "HostConfig": {"NetworkMode": "bridge"},
        }

    def answer(self, value, status=200):
        text = value if isinstance(value, str) else json.dumps(value)
        self.send_response(status)
        self.send_header("Content-Type", "text/plain" if isinstance(value, str) else "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_):
        pass


@pytest.fixture
def engine_of_docker(own_server):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Engine)
    server.embedded, server.calls, server.asked = own_server, [], None
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def run(program, address):
    ours = ("VECSEARCH_TEST_URL", "VECSEARCH_TEST_EMBEDDED")
    environment = {k: v for k, v in os.environ.items() if k not in ours} | {
        "DOCKER_HOST": f"tcp://127.0.0.1:{address[1]}",
        "TESTCONTAINERS_RYUK_DISABLED": "true",
        "TESTCONTAINERS_CONNECTION_MODE": "docker_host",
    }
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_an_engine_that_answers_gives_a_container_which_is_removed(engine_of_docker, own_server):
    printed = run(PROGRAM, engine_of_docker.server_address)
    assert printed == f"container|container pgvector/pgvector:pg18|{own_server.pgvector_version}"
    assert engine_of_docker.asked["Image"] == "pgvector/pgvector:pg18"
    assert engine_of_docker.asked["Cmd"] == ["postgres", "-c", "fsync=off", "-c", "full_page_writes=off"]
    assert list(engine_of_docker.asked["ExposedPorts"]) == ["5432/tcp"]
    changes = [(verb, path.split("/", 2)[2]) for verb, path in engine_of_docker.calls if verb != "GET"]
    assert changes == [
        ("POST", "containers/create"),
        ("POST", f"containers/{IDENTIFIER}/start"),
        ("DELETE", f"containers/{IDENTIFIER}"),
    ]


def test_an_engine_that_accepts_and_says_nothing_is_given_up():
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert run(ASK, silent.getsockname()) == "False"
