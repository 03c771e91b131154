"""What a rollout that goes on forbids the other verbs."""

from collections.abc import Callable

import pytest
from tests.core.test_rollout_commands import COMPLETED, LIVE, STARTED, rollout_of

from holdfast.core import commands, events, retention
from holdfast.core.entry import Entry
from holdfast.core.retention import KeepNewest, PurgeDecision, PurgePlan
from holdfast.core.state import State
from holdfast.errors import ConflictError

Play = Callable[..., State]
Written = Callable[..., list[tuple[Entry, str]]]


def test_promoting_the_candidate_finishes_its_rollout_early(play: Play) -> None:
    state = play(*STARTED, "promote 1.1.0")

    assert state.production == "1.1.0"
    assert rollout_of(state).outcome == "completed"


def test_promoting_another_version_is_refused_with_the_ways_out(play: Play) -> None:
    with pytest.raises(ConflictError, match=r"rollout 1 of 1.1.0 is running.*abort iris.*--force"):
        play(*STARTED, "promote 1.2.0")


def test_by_force_another_version_pushes_the_rollout_aside(written: Written, play: Play) -> None:
    steps = (*STARTED, "register 1.3.0 auc=0.95", "promote 1.3.0 force")
    entry, _ = written(*steps)[-1]

    assert entry.event == events.Promoted(version="1.3.0", was="1.0.0", forced=True, rollout=5)
    assert rollout_of(play(*steps)).outcome == "superseded"


def test_a_promotion_of_what_is_live_is_nothing_to_do_during_a_rollout(play: Play) -> None:
    assert play(*STARTED, "promote 1.0.0") == play(*STARTED)


def test_a_rollback_is_never_refused_and_ends_the_rollout(play: Play) -> None:
    state = play(*LIVE, "promote 1.2.0 force", "rollout start 1.1.0", "rollout step", "rollback")

    assert state.production == "1.0.0"
    assert rollout_of(state).outcome == "superseded"


def test_a_later_rollback_leaves_an_older_rollout_as_it_ended(written: Written) -> None:
    entry, _ = written(*COMPLETED, "promote 1.2.0 force", "rollback")[-1]

    assert entry.event == events.RolledBack(version="1.1.0", was="1.2.0", undoes=9)


def test_a_later_promotion_leaves_a_rollout_as_it_ended(play: Play) -> None:
    state = play(*STARTED, "rollout abort", "promote 1.2.0 force")

    assert rollout_of(state).outcome == "aborted"


def test_the_candidate_is_neither_archived_nor_purged(play: Play) -> None:
    archived = (*LIVE, "archive 1.1.0", "archive 1.2.0", "rollout start 1.1.0")
    state = play(*archived)
    planned = retention.plan(state, KeepNewest(0))

    assert planned.purged == ("1.2.0",)
    assert [row.reason for row in planned.rows if row.version == "1.1.0"] == ["in a rollout"]
    with pytest.raises(ConflictError, match="is in rollout 1; end it first"):
        play(*STARTED, "archive 1.1.0")
    chosen = PurgePlan(
        "iris", (PurgeDecision("1.1.0", purge=True, reason="chosen", size_bytes=1),), "spared"
    )
    with pytest.raises(ConflictError, match="cannot be purged: in a rollout"):
        commands.purge(state, chosen)


def test_another_version_is_archived_during_a_rollout(play: Play) -> None:
    assert play(*STARTED, "archive 1.2.0").versions["1.2.0"].status == "archived"


def test_the_candidate_can_be_staged(play: Play) -> None:
    assert play(*STARTED, "stage 1.1.0").staging == "1.1.0"


@pytest.mark.parametrize("steps", [(), ("rollout abort",)])
def test_a_deletion_ends_a_rollout_that_goes_on(play: Play, steps: tuple[str, ...]) -> None:
    state = play(*STARTED, *steps, "delete force")

    assert rollout_of(state).outcome == ("aborted" if steps else "superseded")
