"""A browser without a window: cookies, and the forms of pages."""

import re
from urllib.parse import urlencode

from tests.web.facing import Caller, Reply

FORM = {"content_type": "application/x-www-form-urlencoded"}


class Browser:
    """Keeps cookies, sends what forms of pages have."""

    def __init__(self, port: int) -> None:
        self._caller = Caller(port, None)
        self.cookies: dict[str, str] = {}

    def get(self, path: str, method: str = "GET") -> Reply:
        return self._kept(self._caller.ask(method, path, cookie=self._cookie()))

    def send(self, path: str, fields: dict[str, str], **headers: str) -> Reply:
        body = urlencode(fields).encode()
        named = {"cookie": self._cookie(), **FORM, **headers}
        return self._kept(self._caller.ask("POST", path, body, **named))

    def form(self, page: Reply, **fields: str) -> dict[str, str]:
        """Return what the last form of a page sends, with more filled in."""
        text = page.body.decode().rpartition("<form method")[2]
        hidden = re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', text)
        return {**dict(hidden), **fields}

    def _cookie(self) -> str:
        return "; ".join(f"{name}={value}" for name, value in self.cookies.items())

    def _kept(self, answer: Reply) -> Reply:
        name, _, value = answer.headers.get("set-cookie", "").partition(";")[0].partition("=")
        if name:
            self.cookies[name] = value
        return answer
