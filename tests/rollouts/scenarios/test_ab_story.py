"""An A/B test with a real server: sticky keys, feedback over HTTP, and a winner that goes live."""

import http.client
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec import UNSET
from tests.serving.facing import until
from tests.serving.serving import BODY, MODEL, PATIENCE_S, Serving, telling

import holdfast

KEYS = 160


@pytest.fixture
def registry(tmp_path: Path) -> holdfast.Registry:
    registry = holdfast.open(tmp_path / "store", by="ana")
    registry.promote(telling(registry, 1))
    telling(registry, 2)
    return registry


def command(registry: holdfast.Registry, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command as people do."""
    return subprocess.run(
        [sys.executable, "-m", "holdfast", "rollout", *words, "--store", str(registry.location)],
        env={**os.environ, "HOLDFAST_BY": "ana"},
        timeout=PATIENCE_S,
        check=False,
        capture_output=True,
        text=True,
    )


@contextmanager
def connected(port: int) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    try:
        yield connection
    finally:
        connection.close()


def post(
    connection: http.client.HTTPConnection, path: str, body: str, **headers: str
) -> http.client.HTTPResponse:
    connection.request("POST", path, body, {"content-type": "application/json", **headers})
    answer = connection.getresponse()
    answer.read()
    assert answer.status == 200
    return answer


def ask(connection: http.client.HTTPConnection, user: str) -> tuple[str, str]:
    """Return which version answered a user, and the id of the answer."""
    answer = post(connection, "/predict", BODY, **{"X-User": user})
    return answer.headers["x-model-version"], answer.headers["x-prediction-id"]


def test_the_version_that_users_like_better_goes_live(
    registry: holdfast.Registry, tmp_path: Path
) -> None:
    started = command(
        registry, "start", f"{MODEL}@1.2.0", "--strategy", "ab", "--share", "50", "--outcome",
        "feedback:liked", "--within", "3s", "--sticky", "header:X-User", "--no-latency",
        "--every", "1s", "--min-requests", "20", "--advance", "counted", "--deadline", "1h",
    )  # fmt: skip
    assert started.returncode == 0, started.stderr
    assert "feedback:liked of each key after 3 s" in started.stdout
    with Serving(Path(registry.location), tmp_path) as server:
        until(lambda: _weight(registry) == 0.5)
        with connected(server.port) as connection:
            until(lambda: _has_candidate(connection))
            sides = [use(connection, number) for number in range(KEYS)]
        done = command(
            registry, "run", MODEL, "--until-done", "--every", "0.5s", "--log",
            str(server.predictions),
        )  # fmt: skip
    rollout = registry.rollout(MODEL)

    assert set(map(len, sides)) == {1}, "a key keeps its side"
    assert set.union(*sides) == {"1.1.0", "1.2.0"}
    assert done.returncode == 0, done.stdout + done.stderr
    assert rollout is not None
    assert (rollout.outcome, rollout.step) == ("completed", 0)
    assert registry.resolve(f"{MODEL}@production").version == "1.2.0"
    assert rollout.verdict is not None
    assert [reason.code for reason in rollout.verdict.reasons] == ["winner"]
    found = rollout.verdict.comparison
    assert found is not UNSET
    assert found.difference > 0.3
    assert found.candidate.known + found.active.known <= KEYS
    assert found.crossed == 0


def use(connection: http.client.HTTPConnection, number: int) -> set[str]:
    """Ask twice as one user, who says of each answer whether they liked it."""
    answers = [ask(connection, f"user {number}") for _ in range(2)]
    likes: list[dict[str, Any]] = [
        {
            "prediction_id": made,
            "label": {"liked": number % 10 != 0 if version == "1.2.0" else number % 3 == 0},
        }
        for version, made in answers
    ]
    post(connection, "/feedback", json.dumps(likes))
    return {version for version, _ in answers}


def _weight(registry: holdfast.Registry) -> float | None:
    rollout = registry.rollout(MODEL)
    return rollout.weight if rollout else None


def _has_candidate(connection: http.client.HTTPConnection) -> bool:
    """Tell whether the server has come to the share: of 16 users some get the candidate."""
    return any(ask(connection, f"probe {number}")[0] == "1.2.0" for number in range(16))
