"""Servers that are killed while they write: every answer was true, and nothing is double."""

import hashlib
import http.client
import itertools
import os
import signal
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.web.facing import TOKEN, Process, process, register

import holdfast
from holdfast.store import remote_uploads
from holdfast.store.remote.http_client import HttpClient
from holdfast.store.remote.server_address import parse
from holdfast.store.remote_uploads import Uploads

VERSIONS = ("1.0.0", "1.1.0", "1.2.0")


def promoted(server: Process, number: int) -> Any:
    body = {"version": VERSIONS[number % 3], "reason": f"number {number}"}
    return server.post("/models/iris:promote", body, idempotency_key=f"key-{number}")


@pytest.mark.long
@pytest.mark.parametrize("answers", [1, 7, 20])
def test_a_server_killed_among_promotions_loses_none_and_doubles_none(
    tmp_path: Path, answers: int
) -> None:
    registry = holdfast.open(tmp_path / "store")
    for number in range(3):
        register(registry, tmp_path, text=str(number))
    numbers, given = itertools.count(), {}
    enough = threading.Event()
    with process(tmp_path / "store") as server, ThreadPoolExecutor(8) as threads:

        def promote() -> list[int]:
            """Promote until the server is gone; return what was asked for."""
            asked = []
            while True:
                asked.append(next(numbers))
                try:
                    given[asked[-1]] = promoted(server, asked[-1]).json
                except (OSError, http.client.HTTPException):
                    return asked
                if len(given) >= answers:
                    enough.set()

        running = [threads.submit(promote) for _ in range(8)]
        assert enough.wait(60)
        server.process.send_signal(signal.SIGKILL)
        server.process.wait(60)
        asked = sorted(number for future in running for number in future.result())

    assert registry.verify().whole
    with process(tmp_path / "store") as server:  # who had no answer asks again, under the same key
        again = {number: promoted(server, number).json for number in asked}
    assert registry.verify().whole
    reasons = Counter(entry.reason for entry in registry.entries("iris") if entry.key)
    assert set(reasons.values()) == {1}
    for number, answer in given.items():
        if answer["entry"] is not None:
            assert reasons[f"number {number}"] == 1
            assert again[number]["entry"] == answer["entry"]


@pytest.mark.long
def test_an_upload_outlasts_its_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote_uploads, "RESUMABLE", 1 << 20)
    monkeypatch.setattr(remote_uploads, "_PART", 1 << 20)
    registry = holdfast.open(tmp_path / "store")
    register(registry, tmp_path)
    content = os.urandom(8 << 20)
    path, sha256 = tmp_path / "large", hashlib.sha256(content).hexdigest()
    path.write_bytes(content)
    half = threading.Event()

    def come(length: int) -> None:
        came.append(length)
        if sum(came) >= 4 << 20:
            half.set()

    came: list[int] = []
    with process(tmp_path / "store") as server, ThreadPoolExecutor(1) as threads:
        uploads = Uploads(HttpClient(parse(server.url), lambda: TOKEN))
        sending = threads.submit(uploads.send, path, sha256, len(content), come)
        assert half.wait(60)
        server.process.send_signal(signal.SIGKILL)
        server.process.wait(60)
        with process(tmp_path / "store", "--port", str(server.port)):
            sending.result(120)

    assert (tmp_path / "store/blobs/sha256" / sha256).read_bytes() == content
