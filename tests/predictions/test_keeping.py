"""What of a request is kept, and what is not."""

import hashlib
from typing import Any

import pytest
from msgspec.structs import replace
from tests.predictions.contract import FULL
from tests.predictions.rows import Rows

from holdfast.errors import InvalidInputError
from holdfast.predictions import Prediction, Recording, keeping


def test_inputs_are_kept_whole_hashed_or_not_at_all(row: Rows) -> None:
    one = row(input=b"[1, 2]")

    assert keeping.kept(one, "full", 1.0) is one
    assert keeping.kept(one, "hash", 1.0).input == (
        f"sha256:{hashlib.sha256(b'[1, 2]').hexdigest()}"
    )
    assert keeping.kept(one, "none", 1.0).input is None
    assert keeping.kept(row(input=[1]), "hash", 1.0).input == (
        f"sha256:{hashlib.sha256(b'[1]').hexdigest()}"
    )


def test_the_share_is_kept_with_the_row(row: Rows) -> None:
    assert keeping.kept(row(), "hash", 0.25).sampling == 0.25


def test_a_share_is_near_what_was_asked_for(row: Rows) -> None:
    kept = sum(keeping.is_sampled(row(), 0.1) for _ in range(5000))

    assert 400 < kept < 600


def hide(row: Prediction) -> Prediction:
    return replace(row, input={**row.input, "name": "***"}, model="forged", error=None)


def fail(row: Prediction) -> Prediction:
    raise KeyError(row)


def test_redaction_sees_values_and_changes_only_what_people_wrote(row: Rows) -> None:
    one = row(**FULL | {"input": b'{"name": "Ana", "age": 3}', "output": b"[1]"})
    left = keeping.redacted(one, keeping.redaction(f"{__name__}:hide"))

    assert left is not None
    assert left.input == {"name": "***", "age": 3}
    assert (left.model, left.error, left.output) == ("iris", None, [1])


@pytest.mark.parametrize("given", [b"no json", b"{}"])
def test_a_redaction_that_fails_keeps_nothing_people_wrote(row: Rows, given: Any) -> None:
    one = row(**FULL | {"input": given})

    assert keeping.redacted(one, fail) is None
    bare = keeping.bared(one)
    assert (bare.input, bare.output, bare.request_id, bare.trace_id) == (None, None, None, None)
    assert (bare.status, bare.error) == (500, "redaction failed")


@pytest.mark.parametrize(
    ("reference", "problem"),
    [
        ("hide", "names no function"),
        ("os:", "names no function"),
        ("os:no_such", "no_such"),
        ("os:sep", "is no function"),
        ("no_such_module:hide", "No module"),
    ],
)
def test_a_redaction_that_is_no_function_is_refused(reference: str, problem: str) -> None:
    with pytest.raises(InvalidInputError, match=problem):
        keeping.redaction(reference)


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
        keeping.check(Recording(**options))
