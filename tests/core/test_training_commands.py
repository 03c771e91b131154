"""What the journal says of a recorded training that failed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.events import TrainingFailed
from holdfast.core.training_commands import MOST_WHY, failure, training_failed


def test_a_failure_keeps_the_first_line_without_credentials() -> None:
    said = "\n  cannot reach postgres://ann:secret@db/x?sslpassword=y\nrow 3: Ann, 17\n"

    assert failure("OSError", said, 2.00049) == TrainingFailed(
        error="OSError", why="cannot reach postgres://db/x", took_s=2.0
    )


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("host=db user=ann password=hush port=1", "host=db user=ann password=… port=1"),
        ("{'api_key': 'hush', 'depth': 3}", "{'api_key': …, 'depth': 3}"),
        ('AWS_SECRET_ACCESS_KEY="hush hush"', "AWS_SECRET_ACCESS_KEY=…"),
        ("401 for Authorization: Bearer hushhush.hush", "401 for Authorization: Bearer …"),
        ("max_tokens=512 exceed 'password'", "max_tokens=512 exceed 'password'"),
    ],
)
def test_secrets_outside_addresses_are_not_kept_either(said: str, why: str) -> None:
    assert failure("OSError", said, 0).why == why


@given(st.text(), st.text(), st.floats(0, 1e9))
def test_whatever_an_exception_says_can_be_written(error: str, said: str, took_s: float) -> None:
    made = failure(f"E{error}", said, took_s)

    assert training_failed(made).why == made.why
    assert len(made.why) <= MOST_WHY


def test_long_texts_are_shortened() -> None:
    made = failure("E" * 1_000, "x" * 1_000_000, 0.0)

    assert (len(made.error), len(made.why)) == (100, MOST_WHY)
    assert made.why.endswith("…")


@pytest.mark.parametrize("error", ["", "E\nF", "E" * 101])
def test_a_failure_names_its_error(error: str) -> None:
    with pytest.raises(Exception, match="has no valid error"):
        training_failed(TrainingFailed(error=error))
