"""The access log: a line for each answer, and nothing of what was asked."""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.serving.facing import (
    NUMBERS,
    Does,
    Server,
    made,
    routing_table,
    running,
    served,
    sums,
    until,
)
from tests.serving.web.test_direct import Caller, post

from holdfast.http.access_log import AccessLog
from holdfast.serving.web.application import LOGGED

ROWS = {"instances": [[41.5, 2]]}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "access.log"


@pytest.fixture
def server(path: Path) -> Iterator[Server]:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with running(served(routing_table(sums()))) as server:
        server.app.access = AccessLog(descriptor, LOGGED)
        yield server
        server.app.access.close()
    os.close(descriptor)


def lines(path: Path, count: int) -> list[dict[str, Any]]:
    until(lambda: path.read_bytes().count(b"\n") >= count)
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_line_says_who_answered_what_path_how_and_how_fast(server: Server, path: Path) -> None:
    server.post("/predict", ROWS, x_request_id="mine")
    (line,) = lines(path, 1)

    assert line.pop("time").endswith("Z")
    assert line.pop("ms") > 0
    assert len(line.pop("prediction_id")) == 36
    assert line == {
        "method": "POST",
        "path": "/predict",
        "status": 200,
        "bytes": len(server.post("/predict", ROWS).content),
        "request_id": "mine",
        "version": "1.0.0",
        "role": "active",
    }


def test_every_way_of_an_answer_has_a_line_and_none_an_input(server: Server, path: Path) -> None:
    server.post("/predict?of=41.5", ROWS)
    server.get("/livez")
    server.get("/nothing")
    server.post("/predict", {"instances": [[41.5]]})
    caller = Caller(server.port)
    caller.send(b"GET / HTTP/1.1\r\n\r\n")
    caller.answer()
    caller.close()
    log_entries = lines(path, 5)

    assert [
        (log_entry["method"], log_entry["path"], log_entry["status"]) for log_entry in log_entries
    ] == [
        ("POST", "/predict", 200),
        ("GET", "/livez", 200),
        ("GET", "/nothing", 404),
        ("POST", "/predict", 422),
        (None, None, 400),
    ]
    assert "41.5" not in path.read_text()


def test_what_was_given_up_has_a_line(path: Path, tmp_path: Path) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    go = tmp_path / "go"

    def predict(rows: Any) -> Any:
        until(go.exists)
        return rows.sum(axis=1)

    with running(served(routing_table(made(Does(predict), input_schema=NUMBERS)))) as server:
        server.app.access = AccessLog(descriptor, LOGGED)
        first, gone = Caller(server.port), Caller(server.port)
        for number, caller in enumerate((first, gone), 1):
            caller.send(post())
            until(lambda number=number: server.app.handler.in_flight == number)  # type: ignore[misc]
        gone.close()
        until(lambda: server.app.handler.in_flight == 1)
        go.touch()
        first.answer()
        first.close()
        log_entries = lines(path, 2)
        server.app.access.close()
    os.close(descriptor)

    assert [log_entry["status"] for log_entry in log_entries] == [499, 200]


def test_a_reader_who_does_not_read_holds_nobody_up_and_is_told_what_was_left_out() -> None:
    reader, writer = os.pipe()
    log = AccessLog(writer, LOGGED)
    asked = "POST", "/predict"
    for _ in range(12_000):
        log.note(asked, 200, [(b"x-request-id", b"x" * 100)], 10, time.perf_counter_ns())
    output = b""
    while b"left_out" not in output:
        output += os.read(reader, 65_536)
        log.note(asked, 200, [], 10, time.perf_counter_ns())
    os.close(reader)
    log.note(asked, 200, [], 10, time.perf_counter_ns())  # nobody is there: nothing is raised
    log.close()
    os.close(writer)

    assert all(json.loads(line) for line in output.splitlines()[:-1])


def test_lines_of_a_block_are_whole(tmp_path: Path) -> None:
    path = tmp_path / "log"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    log = AccessLog(descriptor, LOGGED)
    for number in range(500):
        headers = [(b"x-request-id", b"%d" % number), (b"other", b"secret")]
        log.note(("POST", "/predict"), 200, headers, 10, time.perf_counter_ns())
    log.close()
    os.close(descriptor)
    request_ids = [json.loads(line)["request_id"] for line in path.read_text().splitlines()]

    assert request_ids == [str(number) for number in range(500)]
    assert "secret" not in path.read_text()


@pytest.mark.parametrize("sign", ["\x1b", "\x7f", "\x9b", "\u202e", "\U000e0041"])
def test_nothing_that_callers_choose_steers_the_terminal_of_who_reads_it(
    sign: str, path: Path
) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    log, chosen = AccessLog(descriptor, LOGGED), sign.encode("latin-1", "replace")

    log.note(("GET", f"/{sign}[31m"), 404, [(b"x-request-id", chosen)], 0, time.perf_counter_ns())
    log.close()
    os.close(descriptor)

    (line,) = path.read_text().splitlines()
    assert line.isprintable()
    assert json.loads(line)["path"] == f"/{sign}[31m"
    assert json.loads(line)["request_id"] == chosen.decode("latin-1")
