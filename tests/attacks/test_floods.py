"""Connections without end against a server with few descriptors: it goes on following its store."""

import contextlib
import itertools
import socket
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.serving.facing import until
from tests.serving.serving import MODEL, Serving, telling

import holdfast

DESCRIPTORS = 192
"""What the server may have open."""

AT_ONCE = 400
"""What the attacker holds open."""

BEGUN = (b"", b"POST /predict HTTP/1.1\r\nHost: localhost\r\nX-Long: ")
"""An idle connection, and one whose head never ends."""


class Flood:
    """A thread that opens connections without a pause, and holds the newest.

    Attributes:
        opened: How many there were.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._over = threading.Event()
        self._held: deque[socket.socket] = deque()
        self.opened = 0

    def pour(self) -> None:
        for begun in itertools.cycle(BEGUN):
            if self._over.is_set():
                break
            call = socket.socket()
            self._held.append(call)
            with contextlib.suppress(OSError):
                call.settimeout(0)
                call.connect_ex(("127.0.0.1", self._port))
                call.send(begun)
            self.opened += 1
            if len(self._held) > AT_ONCE:
                self._held.popleft().close()
        for call in self._held:
            call.close()

    def end(self) -> None:
        self._over.set()


@contextmanager
def flooded(port: int) -> Iterator[Flood]:
    flood = Flood(port)
    thread = threading.Thread(target=flood.pour)
    thread.start()
    try:
        yield flood
    finally:
        flood.end()
        thread.join(300)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_flood_of_connections_leaves_the_store_its_descriptors(
    tmp_path: Path, workers: str
) -> None:
    registry = holdfast.open(tmp_path / "store", by="ana")
    for number in (1, 2):
        telling(registry, number)
    registry.promote(f"{MODEL}@1.1.0")
    with Serving(
        tmp_path / "store", tmp_path, "--workers", workers, descriptors=DESCRIPTORS
    ) as server:
        until(lambda: len(registry.fleet.servers(MODEL)) == int(workers))
        with flooded(server.port) as flood:
            until(lambda: flood.opened > 5 * AT_ONCE)
            registry.promote(f"{MODEL}@1.2.0")
            until(lambda: {report.active for report in registry.fleet.servers(MODEL)} == {"1.2.0"})
            before = flood.opened
            until(lambda: flood.opened > before + AT_ONCE)
        server.wait_for(200, "/livez")
        answer = server.get("/ready")

    assert answer[0] == 200
    assert answer[1]["live"] == {MODEL: "1.2.0"}
    assert "Too many open files" not in server.log
