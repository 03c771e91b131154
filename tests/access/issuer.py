"""An issuer of identity tokens on this machine, which can be made to misbehave."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

_RSA = RSAKey.generate_key(2048)
_EC = ECKey.generate_key("P-256")


@dataclass
class Issuer:
    """Serves its discovery document and keys, and signs tokens.

    Attributes:
        answers: By path: status, headers and body, which tests replace.
        asked: Paths that were asked for, in order.
    """

    url: str = ""
    answers: dict[str, tuple[int, dict[str, str], bytes]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def reset(self) -> None:
        self.answers.clear()
        self.asked.clear()
        self.discover()
        self.publish((RSA, {"kid": "1"}))

    def publish(self, *keys: tuple[Any, dict[str, str]]) -> None:
        """Show these keys, each with further members."""
        documents = [key.as_dict(private=False) | more for key, more in keys]
        self.answers["/jwks"] = (200, {}, json.dumps({"keys": documents}).encode())

    def discover(self, **more: str) -> None:
        document = {"issuer": self.url, "jwks_uri": f"{self.url}/jwks"} | more
        path = "/.well-known/openid-configuration"
        self.answers[path] = (200, {}, json.dumps(document).encode())

    def sign(self, claims: dict[str, Any], key: Any = _RSA, **header: Any) -> str:
        usual = {"alg": "ES256" if isinstance(key, ECKey) else "RS256"}
        algorithm = str((usual | header)["alg"])
        return jwt.encode(usual | header, claims, key, algorithms=[algorithm])


RSA, EC = _RSA, _EC


@contextmanager
def issuing() -> Iterator[Issuer]:
    issuer = Issuer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            issuer.asked.append(self.path)
            status, headers, body = issuer.answers.get(self.path, (404, {}, b""))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.do_GET()

        def log_message(self, *_args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    issuer.url = f"http://127.0.0.1:{server.server_port}"
    issuer.reset()
    try:
        yield issuer
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
