"""Lineage for other tools: files that are whole, and events that only whom they are for may see."""

import http.server
import json
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from holdfast.cli import lineage_files
from holdfast.errors import InvalidInputError, StoreError

Holdfast = Callable[..., Any]
EVENTS: list[dict[str, Any]] = [{"eventType": "START"}, {"eventType": "COMPLETE"}]


@pytest.fixture
def collector() -> Iterator[tuple[str, list[Any], list[int]]]:
    """Return the address of one that collects events, what came, and what it answers next."""
    came: list[Any] = []
    answers: list[int] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            came.append((self.path, self.headers.get("authorization"), body))
            self.send_response(answers.pop() if answers else 201)
            self.end_headers()

        def log_message(self, *_words: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", came, answers
    server.shutdown()
    thread.join()
    server.server_close()


def test_events_are_posted_in_order_with_the_token(
    collector: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, came, _ = collector
    lineage_files.deliver(address, EVENTS)
    monkeypatch.setitem(os.environ, "OPENLINEAGE_API_KEY", "token")
    lineage_files.deliver(f"{address}/own/path", EVENTS[:1])

    assert came == [
        ("/api/v1/lineage", None, EVENTS[0]),
        ("/api/v1/lineage", None, EVENTS[1]),
        ("/own/path", "Bearer token", EVENTS[0]),
    ]


def test_what_is_not_taken_is_an_error_and_a_redirect_is_not_followed(collector: Any) -> None:
    address, came, answers = collector
    answers += [302]
    with pytest.raises(StoreError, match="it answers 302"):
        lineage_files.deliver(address, EVENTS)
    assert len(came) == 1
    with pytest.raises(StoreError, match="does not answer"):
        lineage_files.deliver("http://127.0.0.1:9", EVENTS)


def test_a_token_does_not_go_over_the_network_in_the_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "OPENLINEAGE_API_KEY", "token")

    with pytest.raises(InvalidInputError, match="would show the token"):
        lineage_files.deliver("http://lineage.example", EVENTS)


@pytest.mark.parametrize("address", ["ftp://x", "https://ann:pw@x", "http://", "http://x:y"])
def test_a_malformed_address_is_refused_without_being_told(address: str) -> None:
    with pytest.raises(InvalidInputError, match="has no valid address") as caught:
        lineage_files.deliver(address, EVENTS)
    assert "pw" not in str(caught.value)


def test_files_are_written_whole(tmp_path: Path) -> None:
    lineage_files.deliver(str(tmp_path / "events.jsonl"), EVENTS)
    lines = (tmp_path / "events.jsonl").read_text().splitlines()

    assert [json.loads(line) for line in lines] == EVENTS
    with pytest.raises(InvalidInputError, match="cannot be written"):
        lineage_files.write("--slsa", str(tmp_path / "none" / "x"), b"")
    assert [path.name for path in tmp_path.iterdir()] == ["events.jsonl"]


def test_a_version_is_exported_by_the_command(holdfast: Holdfast, tmp_path: Path) -> None:
    (tmp_path / "m.txt").write_text("m")
    holdfast("register", "iris", "m.txt", "--lineage", "entry=jobs:train")
    words = ("--openlineage", "events.jsonl", "--slsa", "slsa.json")
    assert holdfast("lineage", "iris@1.0.0", *words).status == 0

    assert json.loads((tmp_path / "slsa.json").read_text())["predicateType"].endswith("/v1")
    assert len((tmp_path / "events.jsonl").read_text().splitlines()) == 2
