"""Servers that are told to stop while somebody asks, that listen on a file, that end idle calls."""

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from tests.serving.facing import until
from tests.serving.serving import BODY, MODEL, PATIENCE_S, ROOT, Serving, telling

import holdfast


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stopping")
    registry = holdfast.open(folder / "store", by="ana")
    telling(registry, 1)
    registry.promote(f"{MODEL}@1.1.0")
    return folder / "store"


def predicted(connection: http.client.HTTPConnection) -> int:
    connection.request("POST", "/predict", BODY, {"content-type": "application/json"})
    answer = connection.getresponse()
    answer.read()
    return answer.status


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_server_that_drains_is_not_ready_and_still_answers(
    store: Path, tmp_path: Path, workers: str
) -> None:
    options = ["--drain", "3600", "--workers", workers]
    with Serving(store, tmp_path, *options) as server:
        server.process.send_signal(signal.SIGTERM)
        until(lambda: is_stopping(server))
        statuses: list[int] = []
        until(lambda: is_answered(server, statuses))
        server.process.send_signal(signal.SIGINT)
        ended = server.process.wait(PATIENCE_S)

    assert statuses == [200]
    assert ended == 0


def is_answered(server: Serving, statuses: list[int]) -> bool:
    """Ask, and keep the status; a worker that ends before it began to answer resets."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_S)
    with contextlib.closing(connection), contextlib.suppress(ConnectionResetError):
        statuses.append(predicted(connection))
    return bool(statuses)


def is_stopping(server: Serving) -> bool:
    """Tell whether a worker says so; one that ends before it began to answer resets."""
    with contextlib.suppress(ConnectionResetError):
        missing: object = server.get("/ready")[1].get("missing")
        return missing == {"server": "is stopping"}
    return False


def test_a_drain_ends_by_itself(store: Path, tmp_path: Path) -> None:
    with Serving(store, tmp_path, "--drain", "1") as server:
        server.process.send_signal(signal.SIGTERM)

        assert server.process.wait(PATIENCE_S) == 0


def test_a_second_ctrl_c_ends_the_drain(store: Path, tmp_path: Path) -> None:
    with Serving(store, tmp_path, "--drain", "3600") as server:
        server.process.send_signal(signal.SIGINT)
        server.wait_for(503)
        server.process.send_signal(signal.SIGTERM)
        server.wait_for(503)
        server.process.send_signal(signal.SIGINT)

        assert server.process.wait(PATIENCE_S) == 0


def test_a_worker_whose_supervisor_was_killed_does_not_drain(store: Path, tmp_path: Path) -> None:
    with Serving(store, tmp_path, "--drain", "3600") as server:
        (worker,) = server.workers()
        server.process.kill()
        server.process.wait(PATIENCE_S)
        until(lambda: not Path(f"/proc/{worker}").exists(), 60)

        assert server.process.returncode == -signal.SIGKILL


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_server_listens_on_a_unix_socket(store: Path, tmp_path: Path, workers: str) -> None:
    path = tmp_path / "s"
    command = [sys.executable, "-m", "holdfast", "serve", MODEL, "--store", str(store)]
    command += ["--uds", str(path), "--workers", workers, "--log", "none", "--sandbox", "off"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}  # the model's class is of the tests
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, env=environment) as process:
        try:
            until(lambda: answered(path) == 200)
            second = subprocess.run(
                command, capture_output=True, text=True, timeout=PATIENCE_S, check=False
            )
            mode = path.lstat().st_mode & 0o777
            process.terminate()
            ended = process.wait(PATIENCE_S)
        finally:
            process.kill()

    assert second.returncode == 2
    assert "another server listens there" in second.stderr
    assert (mode, ended) == (0o600, 0)
    assert not path.exists()


def answered(path: Path) -> int:
    """Ask for a prediction by a Unix socket; 0 where nobody answers."""
    connection = http.client.HTTPConnection("localhost", timeout=PATIENCE_S)
    connection.sock = socket.socket(socket.AF_UNIX)
    with contextlib.closing(connection), contextlib.suppress(OSError):
        connection.sock.connect(str(path))
        return predicted(connection)
    return 0


def test_a_unix_socket_and_a_port_are_refused_together(store: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "holdfast", "serve", MODEL, "--store", str(store)]
    command += ["--uds", str(tmp_path / "s"), "--port", "0"]
    refused = subprocess.run(
        command, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )

    assert refused.returncode == 2
    assert "cannot be combined with --port" in refused.stderr


def test_an_idle_connection_is_closed_after_the_keep_alive(store: Path, tmp_path: Path) -> None:
    with Serving(store, tmp_path, "--keep-alive", "1") as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
        status = predicted(connection)
        assert connection.sock is not None
        rest = connection.sock.recv(1)
        connection.close()

    assert (status, rest) == (200, b"")
