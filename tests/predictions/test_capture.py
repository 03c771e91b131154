"""What of a request is kept, and what is not."""

import hashlib
from typing import Any

import pytest
from msgspec.structs import replace
from tests.predictions.contract import FULL
from tests.predictions.rows import Rows

from holdfast.errors import InvalidInputError
from holdfast.predictions import CaptureOptions, Prediction, capture


def test_inputs_are_kept_whole_hashed_or_not_at_all(row: Rows) -> None:
    prediction = row(input=b"[1, 2]")

    assert capture.kept(prediction, "full", 1.0) is prediction
    assert capture.kept(prediction, "hash", 1.0).input == (
        f"sha256:{hashlib.sha256(b'[1, 2]').hexdigest()}"
    )
    assert capture.kept(prediction, "none", 1.0).input is None
    assert capture.kept(row(input=[1]), "hash", 1.0).input == (
        f"sha256:{hashlib.sha256(b'[1]').hexdigest()}"
    )


def test_the_share_is_kept_with_the_row(row: Rows) -> None:
    assert capture.kept(row(), "hash", 0.25).sampling == 0.25


def test_a_share_is_near_what_was_asked_for(row: Rows) -> None:
    sampled_count = sum(capture.is_sampled(row(), 0.1) for _ in range(5000))

    assert 400 < sampled_count < 600


def hide(row: Prediction) -> Prediction:
    return replace(row, input={**row.input, "name": "***"}, model="forged", error=None)


def fail(row: Prediction) -> Prediction:
    raise KeyError(row)


def test_redaction_sees_values_and_changes_only_what_people_wrote(row: Rows) -> None:
    prediction = row(**FULL | {"input": b'{"name": "Ana", "age": 3}', "output": b"[1]"})
    left = capture.redacted(prediction, capture.redaction(f"{__name__}:hide"))

    assert left is not None
    assert left.input == {"name": "***", "age": 3}
    assert (left.model, left.error, left.output) == ("iris", None, [1])


@pytest.mark.parametrize("payload", [b"no json", b"{}"])
def test_a_redaction_that_fails_keeps_nothing_people_wrote(row: Rows, payload: Any) -> None:
    prediction = row(**FULL | {"input": payload})

    assert capture.redacted(prediction, fail) is None
    bare = capture.bared(prediction)
    assert (bare.input, bare.output, bare.request_id, bare.trace_id) == (None, None, None, None)
    assert (bare.status, bare.error) == (500, "redaction failed")


@pytest.mark.parametrize(
    ("reference", "problem"),
    [
        ("hide", "does not name a function"),
        ("os:", "does not name a function"),
        ("os:no_such", "no_such"),
        ("os:sep", "is not a function"),
        ("no_such_module:hide", "No module"),
    ],
)
def test_a_redaction_that_is_no_function_is_refused(reference: str, problem: str) -> None:
    with pytest.raises(InvalidInputError, match=problem):
        capture.redaction(reference)


@pytest.mark.parametrize(
    "options",
    [
        {"sampling": 1.5},
        {"sampling": -0.1},
        {"inputs": "some"},
        {"when_full": "wait"},
        {"limit": 0},
        {"every_s": 0.0},
    ],
)
def test_a_way_of_recording_that_cannot_be_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError):
        capture.check(CaptureOptions(**options))
