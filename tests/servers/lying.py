"""A small server of one folder that speaks the raw part of the API, and lies as a test says."""

import contextlib
import json
import re
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, unquote, urlsplit

import holdfast
from holdfast.core import entry as entries
from holdfast.store import layout

TOKEN: Final = "hft_p_of-a-test-that-nobody-else-may-see"
_API: Final = "/api/v1"
_NOT_MODIFIED: Final = 304


@dataclass(frozen=True)
class Asked:
    """A request as it came."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes = b""


@dataclass(frozen=True)
class Sent:
    """An answer as it goes.

    Attributes:
        body: Sent whole.
        endless: Sent again and again after it, until the reader hangs up.
        cut: Hang up after so many bytes of the body.
    """

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    endless: bytes = b""
    cut: int | None = None

    @property
    def lines(self) -> list[bytes]:
        """The entries of a journal's answer."""
        return self.body.splitlines(keepends=True)

    def with_entries(self, lines: list[bytes], last: int) -> "Sent":
        """Return the answer of a journal with other entries, its headers in agreement."""
        head = entries.digest(lines[-1]) if lines else ""
        headers = {"Holdfast-Last": str(last), "ETag": f'"{last}:{head}"'}
        return replace(self, body=b"".join(lines), headers=headers)


Lie = Callable[[Asked, Sent], Sent | None]


@dataclass
class LyingServer:
    """A server of one folder.

    Attributes:
        store: What it serves; another one may take its place.
        lie: Told a request and the honest answer, returns what is sent; None hangs up.
        asked: All requests, in their order.
        by: What it calls whoever asks.
    """

    store: Path
    lie: Lie = lambda _asked, sent: sent
    asked: list[Asked] = field(default_factory=list)
    by: str = "ana"
    url: str = ""

    def paths(self) -> list[str]:
        """Return the paths that were asked for."""
        return [asked.path for asked in self.asked]

    def answer(self, asked: Asked) -> Sent:
        """Return the honest answer."""
        if asked.headers.get("authorization") != f"Bearer {TOKEN}":
            return problem(401, "unauthenticated", "no token that is known")
        if asked.path == "/whoami":
            user = {"id": "u1", "name": self.by, "kind": "person", "groups": []}
            return document({"user": user, "how": "token", "local": False, "read_only": False})
        if asked.path == "/store":
            text = (self.store / layout.CONFIG).read_text()
            return document({"id": json.loads(text)["id"], "config": text})
        if asked.path == "/journals":
            firsts = self.store.glob(f"models/*/journal/{layout.name_of(1)}")
            names = sorted(json.loads(path.read_bytes())["model"] for path in firsts)
            return document({"items": [{"model": name} for name in names]})
        if asked.path == "/data":
            return document({"items": []})
        if match := re.fullmatch(r"/models/(.+):journal", asked.path):
            return self._journal(match[1], asked)
        if match := re.fullmatch(r"/models/(.+):blobs/([0-9a-f]{64})", asked.path):
            return self._blob(match[2], asked)
        return problem(404, "not_found", f"{asked.path} not found")

    def _journal(self, model: str, asked: Asked) -> Sent:
        folder = self.store / layout.model(model) / "journal"
        lines = [path.read_bytes() for path in sorted(folder.glob("0*.json"))]
        if not lines:
            return problem(404, "not_found", f"model {model} not found")
        headers = {
            "Holdfast-Last": str(len(lines)),
            "ETag": f'"{len(lines)}:{entries.digest(lines[-1])}"',
        }
        if asked.headers.get("if-none-match") == headers["ETag"]:
            return Sent(304, headers=headers)
        return Sent(200, b"".join(lines[int(asked.query.get("after", "0")) :]), headers)

    def _blob(self, sha256: str, asked: Asked) -> Sent:
        path = self.store / layout.blob(sha256)
        if not path.exists():
            return problem(404, "not_found", f"blob {sha256} not found")
        body, headers = path.read_bytes(), {"ETag": f'"{sha256}"'}
        start = re.fullmatch(r"bytes=(\d+)-", asked.headers.get("range", ""))
        if start is None:
            return Sent(200, body, headers)
        offset = int(start[1])
        headers["Content-Range"] = f"bytes {offset}-{len(body) - 1}/{len(body)}"
        return Sent(206, body[offset:], headers)


def document(value: Any, status: int = 200) -> Sent:
    """Return JSON as an answer."""
    return Sent(status, json.dumps(value).encode(), {"Content-Type": "application/json"})


def problem(status: int, code: str, detail: str, **facts: Any) -> Sent:
    """Return a refusal."""
    told = {"status": status, "code": code, "detail": detail, **facts}
    return replace(document(told, status), headers={"Content-Type": "application/problem+json"})


@contextlib.contextmanager
def lying(store: Path) -> Iterator[LyingServer]:
    """Run a server of a folder; it is honest until it is told a lie."""
    served = LyingServer(store)
    with running(served) as served.url:
        yield served


@contextlib.contextmanager
def running(served: LyingServer, context: ssl.SSLContext | None = None) -> Iterator[str]:
    """Answer for a server at an address of its own, by https where there is a context."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _handler(served)) as server:
        server.daemon_threads = True
        if context is not None:
            server.socket = context.wrap_socket(
                server.socket, server_side=True, do_handshake_on_connect=False
            )
        server.handle_error = lambda *_: None  # type: ignore[method-assign] # a client hung up
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            scheme = "http" if context is None else "https"
            yield f"{scheme}://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def _handler(served: LyingServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _handle(self) -> None:
            length = int(self.headers.get("content-length", "0"))
            parts = urlsplit(self.path)
            asked = Asked(
                self.command,
                unquote(parts.path.removeprefix(_API)),
                {name: values[0] for name, values in parse_qs(parts.query).items()},
                {name.lower(): text for name, text in self.headers.items()},
                self.rfile.read(length),
            )
            served.asked.append(asked)
            sent = served.lie(asked, served.answer(asked))
            if sent is None:
                self.close_connection = True
                return
            with contextlib.suppress(OSError):
                self._send(sent)

        def _send(self, sent: Sent) -> None:
            self.send_response(sent.status)
            for name, text in sent.headers.items():
                self.send_header(name, text)
            if not sent.endless and "Content-Length" not in sent.headers:
                self.send_header("Content-Length", str(len(sent.body)))
            if sent.endless or sent.cut is not None:
                self.close_connection = True
            self.end_headers()
            if self.command == "HEAD" or sent.status == _NOT_MODIFIED:
                return
            self.wfile.write(sent.body if sent.cut is None else sent.body[: sent.cut])
            while sent.endless:
                self.wfile.write(sent.endless)

        do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _handle  # noqa: N815 - theirs

        def log_message(self, *_: object) -> None:
            pass

    return Handler


def opened(served: LyingServer, **settings: Any) -> holdfast.Registry:
    """Open the registry behind a server as a new client would."""
    return holdfast.open(served.url, **settings)
