"""A real team's server, in a thread or a process, and a caller that spells paths as they are."""

import contextlib
import http.client
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import holdfast
from holdfast.http import addresses
from holdfast.web import web_server
from holdfast.web.guard import Guard, LocalGuard
from holdfast.web.web_application import WebApplication
from holdfast.web.web_settings import WebSettings

TOKEN = "a-token-of-a-server-for-one-user-alone"


@dataclass
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The code of a problem; a test that reads it asks for the form of a problem, too."""
        assert self.headers["content-type"] == "application/problem+json"
        document = self.json
        assert document["status"] == self.status
        assert document["request_id"] == self.headers["x-request-id"]
        return str(document["code"])


@dataclass
class Caller:
    """Asks one server."""

    port: int
    token: str | None = TOKEN
    headers: dict[str, str] = field(default_factory=dict)

    def ask(self, method: str, path: str, body: Any = None, /, **headers: str) -> Reply:
        """Send a request; header names are written with underscores."""
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        if self.token is not None:
            named = {"authorization": f"Bearer {self.token}"} | named
        if isinstance(body, dict | list):
            body = json.dumps(body).encode()
            named = {"content-type": "application/json"} | named
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        with contextlib.closing(connection):
            connection.request(method, path, body, self.headers | named)
            answer = connection.getresponse()
            told = {name.lower(): text for name, text in answer.getheaders()}
            return Reply(answer.status, told, answer.read())

    def get(self, path: str, **headers: str) -> Reply:
        return self.ask("GET", f"/api/v1{path}", **headers)

    def post(self, path: str, body: Any = None, /, **headers: str) -> Reply:
        return self.ask("POST", f"/api/v1{path}", {} if body is None else body, **headers)


@dataclass
class Served(Caller):
    """A server of this process."""

    app: WebApplication = None  # type: ignore[assignment]

    @property
    def registry(self) -> holdfast.Registry:
        return self.app.desk.registry


@contextlib.contextmanager
def running(store: Path, guard: Guard | None = None, **settings: Any) -> Iterator[Served]:
    """Run a server over a store in a thread."""
    named = WebSettings(lambda: holdfast.open(store), **settings)
    app = web_server.application(named, guard or LocalGuard("ana", TOKEN))
    with listening(app) as port:
        yield Served(port, app=app)


@contextlib.contextmanager
def listening(app: WebApplication) -> Iterator[int]:
    """Run an application in a thread; give its port."""
    with addresses.taken("127.0.0.1", 0) as bound:
        started: Any = web_server.made(app)
        addresses.listen(bound, 128)
        thread = threading.Thread(target=lambda: started.run(sockets=[bound]))
        thread.start()
        try:
            yield bound.getsockname()[1]
        finally:
            started.handle_exit(2, None)
            thread.join(30)
            app.desk.close()
            assert not thread.is_alive()


@dataclass
class Process(Caller):
    """A server in a process of its own."""

    process: subprocess.Popen[bytes] = None  # type: ignore[assignment]
    url: str = ""


@contextlib.contextmanager
def process(store: Path | str, *options: str, **environment: str) -> Iterator[Process]:
    """Run `holdfast web` in a process of its own."""
    command = [sys.executable, "-m", "holdfast", "web", "--store", str(store), "--port", "0"]
    started = subprocess.Popen(
        [*command, *options],
        stderr=subprocess.PIPE,
        env=os.environ | {"HOLDFAST_TOKEN": TOKEN} | environment,
    )
    try:
        assert started.stderr is not None
        lines = []
        for line in started.stderr:
            lines.append(line.decode())
            found = re.search(r"https?://\S+:(\d+)", lines[-1])
            if found:
                break
        else:
            raise AssertionError("".join(lines))
        yield Process(int(found[1]), process=started, url=found[0])
    finally:
        if started.poll() is None:
            started.terminate()
        started.wait(60)
        if started.stderr is not None:
            started.stderr.close()


def register(registry: holdfast.Registry, folder: Path, name: str = "iris", text: str = "1") -> str:
    """Register a version of a model whose file holds a text; return its ref."""
    file = folder / "model.txt"
    file.write_text(text)
    return registry.register(name, file, metrics={"recall": 0.9}).ref
