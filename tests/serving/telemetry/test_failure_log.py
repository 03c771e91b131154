"""Failures of versions in the server's log."""

import logging

import pytest
from msgspec.structs import replace
from tests.serving.facing import (
    NUMBERS,
    Does,
    Told,
    made,
    rollout,
    routing_table,
    running,
    served,
    sums,
)

from holdfast.serving.answering.finished import FinishedRequest
from holdfast.serving.telemetry.failure_log import Failures

CANARY = sums("1.1.0")
LINEUP = routing_table(sums(), rollout=rollout(), candidate=CANARY)


def failed(cause: str | None = "ValueError", **facts: object) -> FinishedRequest:
    finished_request = FinishedRequest(
        LINEUP,
        CANARY,
        "canary",
        counted=True,
        failed=True,
        status=500,
        latency_us=1,
        at_us=1,
        prediction_id="p",
        request_id="r",
        cause=cause,
        error="iris@1.1.0 failed: ValueError: secret 41.5",
    )
    return replace(finished_request, **facts)


def test_a_failure_is_logged_at_once_and_its_like_are_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    now = [0.0]
    log = Failures(lambda: now[0])
    for at in (0.0, 1.0, 2.0, 11.0, 12.0):
        now[0] = at
        log.finished(failed())
    log.finished(failed("KeyError"))
    log.finished(failed(None))
    log.finished(failed(failed=False))
    log.close()

    assert caplog.messages == [
        "iris@1.1.0 (canary) failed with 500: ValueError",
        "iris@1.1.0 (canary) failed with 500: ValueError, and 2 more since the last line",
        "iris@1.1.0 (canary) failed with 500: KeyError",
        "iris@1.1.0 (canary) failed with 500: an error",
        "iris@1.1.0 (canary) failed with 500: ValueError, 1 times since the last line",
    ]


def test_kinds_without_end_are_forgotten(caplog: pytest.LogCaptureFixture) -> None:
    log = Failures(lambda: 0.0)
    for number in range(1_001):
        log.finished(failed(f"Error{number}"))
    log.finished(failed("Error0"))

    assert caplog.messages.count("iris@1.1.0 (canary) failed with 500: Error0") == 2


class Odd(Exception):  # noqa: N818 - named by a model
    """Of a class whose name would steer a terminal."""


Odd.__name__ = "\x1b[2J"


@pytest.mark.parametrize(
    ("raised", "cause"), [(ValueError("41.5"), "ValueError"), (Odd(), "an error")]
)
def test_what_a_version_failed_by_is_told_without_its_input(
    raised: Exception, cause: str, caplog: pytest.LogCaptureFixture
) -> None:
    def predict(rows: object) -> object:  # noqa: ARG001 - a model's
        raise raised

    sink = Told()
    house = served(routing_table(made(Does(predict), input_schema=NUMBERS)))
    with caplog.at_level(logging.WARNING), running(house, sinks=[sink, Failures()]) as server:
        server.post("/predict", {"instances": [[41.5, 2]]})
        (finished_request,) = sink.wait(1)

    assert finished_request.cause == cause
    assert f"iris@1.0.0 (active) failed with 500: {cause}" in caplog.messages
