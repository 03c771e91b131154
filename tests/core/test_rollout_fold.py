"""What an entry makes of a rollout: what no writer of ours wrote is refused."""

from collections.abc import Callable

import pytest
from tests.core.test_rollout_commands import STARTED

from holdfast.core.entry import Entry, Stamp, digest, write
from holdfast.core.rollout import rollout_events
from holdfast.core.state import State, fold

Play = Callable[..., State]


def entry_behind(
    state: State, stamp: Stamp, event: rollout_events.AnyRolloutEvent
) -> tuple[Entry, str]:
    at = "2026-03-02T12:00:00.000000Z"
    raw, entry = write("iris", state.seq + 1, state.head, at, stamp, event)
    return entry, digest(raw)


@pytest.mark.parametrize("steps", [STARTED[:4], STARTED, (*STARTED, "rollout abort")])
def test_an_event_of_a_rollout_that_does_not_go_on_cannot_be_true(
    play: Play, make_stamp: Callable[..., Stamp], steps: tuple[str, ...]
) -> None:
    state = play(*steps)
    number = 5 if len(steps) != len(STARTED) else 4
    entry = entry_behind(
        state, make_stamp(), rollout_events.RolloutPaused(rollout=number, version="1.1.0")
    )

    with pytest.raises(
        ValueError, match=f"the rollout that began in entry {number} is not running"
    ):
        fold(state, [entry])
