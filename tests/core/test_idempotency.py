"""A deed that is asked for again is done once."""

from collections.abc import Callable

import pytest

from holdfast.core import events, idempotency
from holdfast.core.idempotency import Unchanged
from holdfast.core.state import State
from holdfast.errors import ConflictError, InvalidInputError

Play = Callable[..., State]

THREE = ("register 1.0.0", "register 1.1.0", "register 1.2.0")


@pytest.mark.parametrize(("reason", "key"), [(None, None), ("", None), ("why", "run 7")])
def test_a_deed_may_be_signed_with_a_reason_and_a_key(reason: object, key: object) -> None:
    idempotency.check_signing(reason, key)


@pytest.mark.parametrize(
    ("reason", "key", "message"),
    [
        (5, None, "reason must be text, not 5"),
        (["a"], None, r"reason must be text, not \['a'\]"),
        (None, 5, "key must be text, not 5"),
        (None, "", "key is empty"),
        ("why", " ", "key is empty"),
    ],
)
def test_what_no_entry_could_hold_is_no_signature(
    reason: object, key: object, message: str
) -> None:
    with pytest.raises(InvalidInputError, match=message):
        idempotency.check_signing(reason, key)


def test_a_deed_under_its_key_again_is_a_repetition(play: Play) -> None:
    state = play(*THREE, "promote 1.0.0 key=k", "promote 1.1.0")
    done = Unchanged("entry 4 did this with the same key", "1.0.0")

    assert idempotency.repeated(state, "k", events.Promoted) == done
    assert idempotency.repeated(state, "k", events.Promoted, "1.0.0") == done
    assert idempotency.repeated(state, "another", events.Promoted) is None
    assert idempotency.repeated(state, None, events.Promoted) is None


@pytest.mark.parametrize(
    ("operation", "version"), [(events.Staged, None), (events.Promoted, "1.1.0")]
)
def test_another_deed_under_a_used_key_is_a_conflict(
    play: Play, operation: type[events.AnyEvent], version: str | None
) -> None:
    state = play(*THREE, "promote 1.0.0 key=k")

    with pytest.raises(ConflictError, match=r"'promoted' in entry 4 of 1\.0\.0; use another key"):
        idempotency.repeated(state, "k", operation, version)


def test_a_key_used_for_no_version_is_told_without_one(play: Play) -> None:
    state = play("policy '{}' key=k")

    with pytest.raises(ConflictError, match="'policy_set' in entry 1; use"):
        idempotency.repeated(state, "k", events.Promoted)
