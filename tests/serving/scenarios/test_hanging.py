"""Rows that never end, or end the process, on the default path of a real server."""

import contextlib
import http.client
import json
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.serving.facing import until
from tests.serving.serving import MODEL, Serving

import holdfast

MOODY = """
import os, re, time

class Moody:
    def __init__(self, shift, tame=False):
        self.shift = shift
        self.tame = tame

    def predict(self, rows):
        for row in rows:
            if row[0] >= 0 or self.tame:
                continue
            if row[0] == -1:
                while True:
                    pass
            if row[0] == -2:
                re.match("(a+)+$", "a" * 64 + "b")  # keeps the interpreter for years
            if row[0] == -3:
                os.abort()
            if row[0] == -4:
                time.sleep(3600)
        return [float(row[0]) + self.shift for row in rows]
"""


@contextmanager
def moody(folder: Path, *versions: tuple[float, bool]) -> Iterator[holdfast.Registry]:
    """Register versions of a model in a module that the server finds too; the first is live."""
    code = folder / "code"
    code.mkdir()
    (code / "moody.py").write_text(MOODY)
    sys.path.insert(0, str(code))
    try:
        import moody as module  # type: ignore[import-not-found]

        registry = holdfast.open(folder / "store", by="ana")
        for number, (shift, tame) in enumerate(versions, 1):
            registry.register(
                MODEL,
                module.Moody(shift, tame),
                version=f"1.{number}.0",
                input_example=[[1.0], [2.0]],
                trust="it is ours",
            )
            holdfast.open(folder / "store", by="ben").approve(f"{MODEL}@1.{number}.0")
        registry.promote(f"{MODEL}@1.1.0")
        yield registry
    finally:
        sys.path.remove(str(code))
        sys.modules.pop("moody", None)


def server_of(folder: Path, *options: str) -> Serving:
    environment = {"PYTHONPATH": str(folder / "code"), "OMP_NUM_THREADS": "1"}
    return Serving(folder / "store", folder, *options, environment=environment)


@contextmanager
def caller(port: int) -> Iterator[Callable[[float], tuple[int, Any]]]:
    """Ask on one connection."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

    def ask(value: float) -> tuple[int, Any]:
        body = json.dumps({"instances": [[value]]})
        connection.request("POST", "/predict", body, {"content-type": "application/json"})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())

    with contextlib.closing(connection):
        yield ask


@contextmanager
def asked_apart(port: int, value: float) -> Iterator[list[int]]:
    """Send a row that is not answered soon, if ever; what becomes of it is put into the list."""
    statuses: list[int] = []

    def call() -> None:
        with contextlib.suppress(OSError, http.client.HTTPException), caller(port) as ask:
            statuses.append(ask(value)[0])

    thread = threading.Thread(target=call)
    thread.start()
    try:
        yield statuses
    finally:
        thread.join(30)


def test_rows_that_never_end_stop_neither_health_nor_others(tmp_path: Path) -> None:
    with (
        moody(tmp_path, (0.5, False)),
        server_of(tmp_path, "--timeout", "4s") as server,
        caller(server.port) as ask,
    ):
        for _ in range(30):  # called on the event loop by now
            assert ask(3)[0] == 200
        workers = server.workers()
        with asked_apart(server.port, -1) as first, asked_apart(server.port, -4) as second:
            alive = [server.get("/livez")[0] for _ in range(5)]
            others = [ask(turn)[1]["predictions"] for turn in range(5)]
            assert first == second == []
        after = server.workers()

    assert alive == [200] * 5
    assert others == [[turn + 0.5] for turn in range(5)]
    assert first == second == [504]
    assert after == workers


def test_a_worker_that_cannot_be_helped_is_replaced_and_its_version_blamed(tmp_path: Path) -> None:
    with moody(tmp_path, (0.5, False)), server_of(tmp_path, "--hang", "1s") as server:
        for value in (-2, -3):
            with caller(server.port) as ask:
                for _ in range(25):
                    assert ask(3)[0] == 200
            (worker,) = server.workers()
            with asked_apart(server.port, value) as lost:
                until(lambda worker=worker: worker not in server.workers())  # type: ignore[misc]
            server.wait_for(200)
            assert lost == []
        page = server.get("/metrics")[1]

    assert f'code="500",model="{MODEL}",role="active",version="1.1.0"}} 2.0' in page
    assert f"hangs in a call of {MODEL}@1.1.0" in server.log
    assert f"ended in a call of {MODEL}@1.1.0 for 1 requests" in server.log
    assert server.log.count("moody.py") >= 2  # where it hung, and where it crashed


@pytest.mark.sweep
def test_a_version_with_which_three_workers_died_is_set_aside_for_the_one_before(
    tmp_path: Path,
) -> None:
    def answer(port: int, value: float) -> Any:
        with contextlib.suppress(OSError, http.client.HTTPException), caller(port) as ask:
            return ask(value)[1].get("predictions")
        return None

    with moody(tmp_path, (0.5, True), (1.5, False)) as registry:
        registry.promote(f"{MODEL}@1.2.0")
        with server_of(tmp_path) as server:
            for _ in range(3):  # the one before is being loaded meanwhile, and is not blamed
                until(lambda: answer(server.port, 1.0) == [2.5])
                assert answer(server.port, -3.0) is None
            until(lambda: answer(server.port, 1.0) == [1.5])
            failed = server.get("/ready")[1]["failed"]

    assert "set aside" in json.dumps(failed)
    assert registry.resolve(f"{MODEL}@production").version == "1.2.0"
