"""What retraining decides: one final outcome a slot, three attempts, and no storms."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from holdfast.core import events, retraining_commands
from holdfast.core.events import Retrained
from holdfast.core.idempotency import Unchanged
from holdfast.core.retraining.retraining_terms import RetrainingTerms
from holdfast.core.retraining.slot_record import ChampionScores, SlotRecord
from holdfast.core.state import State, empty
from holdfast.errors import ConflictError, InvalidInputError

Play = Callable[..., State]
SLOT = "2026-11-29T02:00:00Z"
BASE = ("register 1.0.0 auc=0.9", "promote 1.0.0")
FAILED = Retrained(slot=SLOT, entry="m:train", outcome="failed", term=3, why="it fell over")


def test_the_attempt_is_numbered_here(play: Play) -> None:
    state = play(*BASE, f"retrain {SLOT} failed")

    assert retraining_commands.retrained(state, FAILED) == replace(FAILED, attempt=2)


def test_a_slot_that_is_done_is_left_as_it_is(play: Play) -> None:
    state = play(*BASE, f"retrain {SLOT} registered auc=0.9")

    done = retraining_commands.retrained(state, FAILED)

    assert done == Unchanged("entry 3 did this slot: registered", "1.1.0")
    assert retraining_commands.require_attempt(state, SLOT, "m:train").is_final


def test_a_fourth_attempt_is_refused(play: Play) -> None:
    state = play(*BASE, *[f"retrain {SLOT} failed"] * 3)

    for ask in (
        lambda: retraining_commands.retrained(state, FAILED),
        lambda: retraining_commands.require_attempt(state, SLOT, "m:train"),
    ):
        with pytest.raises(ConflictError, match="failed 3 times, the last time in entry 5"):
            ask()


def test_a_champion_that_moved_is_to_be_scored_anew(play: Play) -> None:
    state = play(*BASE, "register 1.1.0", "promote 1.1.0 force why=now")

    with pytest.raises(ConflictError, match=r"has 1\.1\.0 live now, not 1\.0\.0; score"):
        retraining_commands.retrained(
            state, replace(FAILED, champion=ChampionScores("1.0.0", {"auc": 0.5}))
        )


def test_a_slot_is_missed_once(play: Play) -> None:
    state = play(*BASE, f"retrain {SLOT} missed")
    missed = Retrained(slot=SLOT, entry="m:train", outcome="missed")

    again = retraining_commands.retrained(state, missed)

    assert again == Unchanged(f"the slot {SLOT} is already missed")
    assert retraining_commands.retrained(state, replace(missed, outcome="held")) != again


@pytest.mark.parametrize(
    "changed",
    [
        {"slot": "tomorrow"},
        {"entry": "a\nb"},
        {"run": "x"},
        {"log": "x"},
        {"term": 0},
        {"version": "1.0.0"},
        {"outcome": "registered"},
        {"outcome": "unchanged"},
        {"outcome": "unchanged", "version": "7.0.0"},
        {"outcome": "held"},
    ],
    ids=str,
)
def test_an_outcome_that_contradicts_itself_is_refused(
    play: Play, changed: dict[str, object]
) -> None:
    state = play(*BASE)

    with pytest.raises(InvalidInputError):
        retraining_commands.retrained(state, replace(FAILED, **changed))


def test_findings_wait_for_the_cooldown_even_after_a_failure() -> None:
    now = datetime(2026, 11, 29, tzinfo=UTC)
    terms = RetrainingTerms()
    state = tried(now - timedelta(days=6))

    assert "the cooldown is 7 days" in str(retraining_commands.keeps_back(state, terms, now))
    state = tried(now - timedelta(days=8))
    assert retraining_commands.keeps_back(state, terms, now) is None
    assert retraining_commands.keeps_back(tried(), terms, now) is None


def test_findings_start_no_storm() -> None:
    now = datetime(2026, 11, 29, tzinfo=UTC)
    state = tried(*(now - timedelta(days=days) for days in (8, 16, 24, 40)))

    kept_back = retraining_commands.keeps_back(state, RetrainingTerms(), now)

    assert kept_back == "there were 3 runs in 30 days, and at most 3 may be"
    assert retraining_commands.keeps_back(state, RetrainingTerms(most_runs=4), now) is None


def test_attempts_of_a_clock_far_ahead_neither_hide_others_nor_count_for_ever() -> None:
    now = datetime(2026, 11, 29, tzinfo=UTC)
    ahead = [now + timedelta(days=365 * years) for years in (1, 2, 3)]

    assert retraining_commands.keeps_back(tried(*ahead), RetrainingTerms(), now) is None
    kept_back = retraining_commands.keeps_back(
        tried(now - timedelta(days=6), *ahead), RetrainingTerms(), now
    )
    assert kept_back == "the last attempt was at 2026-11-23 00:00, the cooldown is 7 days, 0:00:00"


def tried(*moments: datetime) -> State:
    """Return a state in which slots were tried at these times, and one was missed."""
    state = empty("iris")
    state.slots = {
        str(moment): SlotRecord(str(moment), "m:train", began=moment.isoformat())
        for moment in moments
    } | {"missed": SlotRecord("missed", "m:train", marks=("missed",))}
    return state


def test_a_registration_is_found_in_either_event() -> None:
    made = events.Registered(
        version="1.0.0", number=1, manifest="a", size_bytes=1, metrics={}, why="first"
    )

    assert events.registration(made) is made
    assert events.registration(replace(FAILED, registered=made)) is made
    assert events.registration(FAILED) is None
    assert events.registration(events.Noted(version="1.0.0", text="x")) is None
