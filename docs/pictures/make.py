"""Photograph the pages of the demo for the README and the guides: `make pictures`.

Fills a store with `examples/web.py`, serves it, signs in by the link that the server prints, and has
Chromium take pictures. The browser goes through a forwarder here, which brings the session and the
theme, for a browser without a head has nobody who presses the button.
"""

import contextlib
import getpass
import http.client
import http.server
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import urlencode

HERE: Final = Path(__file__).parent
DEMO: Final = HERE.parents[1] / "examples" / "web.py"
BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome")
PICTURES: Final = (
    ("front-light", "/", "light", 1280, 670),
    ("front-dark", "/", "dark", 1280, 670),
    ("model", "/models/risk/fraud", "light", 1280, 950),
    ("promote", "/models/risk/fraud:promote?version=1.12.0", "light", 1280, 900),
    ("history", "/models/risk/fraud:history", "light", 1280, 860),
    ("rollout", "/models/risk/fraud:rollout", "light", 1280, 860),
)
"""Name, address, theme, width and height in pixels."""
LONGEST: Final = 150_000
_ANSWER_S: Final = 60.0


def main() -> int:
    """Take all pictures, or say why not."""
    browser = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if browser is None:
        print(f"no browser here ({', '.join(BROWSERS)}): no picture was taken")
        return 0
    with filled() as folder, served(folder) as (port, cookie), Forwarder(port, cookie) as forwarder:
        for name, address, theme, wide, high in PICTURES:
            forwarder.theme = theme
            target = HERE / f"{name}.png"
            photograph(browser, f"{forwarder.root}{address}", target, (wide, high))
            size = target.stat().st_size
            print(f"{target.name}  {size / 1000:.0f} kB")
            if size > LONGEST:
                print(f"{target.name} is too large for a page of documentation")
                return 1
    return 0


@contextlib.contextmanager
def filled() -> Iterator[Path]:
    """Give a folder with the store of the demo; its name, which pages show, is the same each time.

    Raises:
        FileExistsError: If it is there already; it may be somebody's.
    """
    folder = Path(tempfile.gettempdir()) / "models"
    folder.mkdir(mode=0o700)
    try:
        subprocess.run([sys.executable, DEMO, "--fill-only", "--folder", folder], check=True)
        yield folder
    finally:
        shutil.rmtree(folder)


@contextlib.contextmanager
def served(folder: Path) -> Iterator[tuple[int, str]]:
    """Serve the store below *folder*; give the port and the cookie of somebody who signed in."""
    command = [sys.executable, "-m", "holdfast", "web", "--port", "0", "--store", "store",
               "--log", "predictions"]  # fmt: skip
    person = {"LOGNAME": "ana", "USER": "ana"}  # no name of this machine is to be in a picture
    server = subprocess.Popen(
        command, cwd=folder, env=os.environ | person, stderr=subprocess.PIPE, text=True
    )
    assert server.stderr is not None  # noqa: S101 - a pipe was asked for
    try:
        link = next(line for line in server.stderr if "sign in once" in line)
        threading.Thread(target=server.stderr.read, daemon=True).start()
        found = re.search(r":(\d+)/login/(\S+)", link)
        assert found is not None  # noqa: S101 - the line was looked for
        yield int(found[1]), _signed_in(int(found[1]), found[2])
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(_ANSWER_S)


def _signed_in(port: int, link: str) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_ANSWER_S)
    head = {"Content-Type": "application/x-www-form-urlencoded"}
    connection.request("POST", "/login/link", urlencode({"link": link}), head)
    answer = connection.getresponse()
    answer.read()
    return str(answer.headers["Set-Cookie"]).partition(";")[0]


class Forwarder:
    """Passes on what a browser asks for, as somebody who signed in.

    Attributes:
        theme: Which the pages are to have.
        root: Where it listens.
    """

    def __init__(self, port: int, cookie: str) -> None:
        self.theme = "light"
        forwarder = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                _forward(self, port, f"{cookie}; theme={forwarder.theme}")

            def log_message(self, *_words: Any) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.root = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        """Begin."""
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()


def _forward(handler: http.server.BaseHTTPRequestHandler, port: int, cookie: str) -> None:
    if handler.path.partition("?")[0].endswith(":events"):  # a picture waits for no event
        handler.send_error(http.HTTPStatus.NO_CONTENT)
        return
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_ANSWER_S)
    connection.request("GET", handler.path, headers={"Cookie": cookie, "Accept": "text/html"})
    answer = connection.getresponse()
    body = answer.read()
    handler.send_response(answer.status)
    for name in ("content-type", "content-security-policy", "location"):
        if answer.headers[name]:
            handler.send_header(name, answer.headers[name])
    handler.send_header("content-length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def photograph(browser: str, address: str, target: Path, size: tuple[int, int]) -> None:
    """Have a browser without a head take a picture."""
    with tempfile.TemporaryDirectory() as profile:
        options = [
            "--headless", "--disable-gpu", "--hide-scrollbars", "--no-first-run", "--disable-sync",
            "--disable-background-networking", f"--user-data-dir={profile}",
            f"--window-size={size[0]},{size[1]}", f"--screenshot={target}",
        ]  # fmt: skip
        if getpass.getuser() == "root":  # in containers; Chromium's own sandbox refuses root
            options.append("--no-sandbox")
        subprocess.run([browser, *options, address], check=True, capture_output=True, timeout=120)


if __name__ == "__main__":
    sys.exit(main())
