"""A receiver of webhooks: a real HTTP server on a thread, that fails as it is told."""

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PATIENCE_S = 30.0


@dataclass(frozen=True)
class Post:
    """One request that came in."""

    path: str
    headers: dict[str, str]
    body: bytes
    answered: int

    @property
    def event(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.body)
        return document


@dataclass
class Receiver:
    """What came in, and what the next requests are answered."""

    url: str = ""
    posts: list[Post] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    usual: int = 204
    location: str = ""

    @property
    def taken(self) -> list[str]:
        """The ids of what was answered 2xx, in order, repetitions too."""
        return [post.event["id"] for post in self.posts if 200 <= post.answered < 300]

    @property
    def kinds(self) -> list[str]:
        """The events of what was answered 2xx, in order, without their prefix."""
        posts = (post for post in self.posts if 200 <= post.answered < 300)
        return [post.event["type"].removeprefix("dev.holdfast.") for post in posts]

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Return once a condition is met; fail after a long time."""
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline, f"only {self.taken} came in"
            time.sleep(0.01)


@contextlib.contextmanager
def listening(port: int = 0) -> Iterator[Receiver]:
    """Run a receiver on a free port of this machine, or on one that was free."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            body = self.rfile.read(length)
            if len(body) < length:  # its sender was killed
                return
            status = receiver.answers.pop(0) if receiver.answers else receiver.usual
            receiver.posts.append(Post(self.path, dict(self.headers), body, status))
            self.send_response(status)
            if receiver.location:
                self.send_header("Location", receiver.location)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    receiver.url = f"http://127.0.0.1:{server.server_port}/hook?team=ml"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
