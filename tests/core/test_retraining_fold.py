"""What entries make of a slot: registered, staged and done by one of them, and never twice."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from holdfast.core import events
from holdfast.core.entry import Entry
from holdfast.core.paired import Losses
from holdfast.core.retraining.slot_record import ChampionScores
from holdfast.core.state import State, empty, fold

Play = Callable[..., State]
SLOT = "2026-11-29T02:00:00Z"
BASE = ("register 1.0.0 auc=0.9", "promote 1.0.0", "register 1.1.0", "stage 1.1.0")


def entry(state: State, event: events.AnyEvent) -> tuple[Entry, str]:
    at = "2026-12-01T00:00:00.000000Z"
    return Entry("iris", state.seq + 1, state.head, "0" * 32, at, "ann", None, None, event), "e"


def failed(attempt: int, slot: str = SLOT) -> events.Retrained:
    return events.Retrained(slot=slot, entry="m:train", outcome="failed", term=1, attempt=attempt)


def registered(number: int, outcome: str = "registered") -> events.Retrained:
    return events.Retrained(
        slot=SLOT,
        entry="m:train",
        outcome=outcome,  # type: ignore[arg-type]
        term=1,
        attempt=1,
        version=f"1.{number}.0",
        run="b" * 64,
        log="c" * 64,
        registered=events.Registered(
            version=f"1.{number}.0",
            number=number + 1,
            manifest="a" * 64,
            size_bytes=1,
            metrics={"log_loss": 0.25},
            why="minor",
        ),
        was="1.1.0" if outcome == "registered" else None,
        losses=(Losses("log_loss", "d" * 64, 40, 0.25, "e" * 64),),
        champion=ChampionScores(
            "1.0.0", {"log_loss": 0.5}, (Losses("log_loss", "d" * 64, 40, 0.5, "f" * 64),)
        ),
    )


def test_one_entry_registers_stages_and_does_the_slot(play: Play) -> None:
    state = play(*BASE)

    after = fold(state, [entry(state, registered(2))])

    assert after.staging == "1.2.0"
    assert after.record("1.2.0").status == "staging"
    assert after.record("1.2.0").losses[0].mean == 0.25
    assert after.record("1.2.0").attached == {
        "b" * 64: "retraining", "c" * 64: "retraining", "e" * 64: "losses log_loss"
    }  # fmt: skip
    assert after.record("1.1.0").status == "registered"
    assert after.record("1.0.0").metrics == {"auc": 0.9, "log_loss": 0.5}
    assert after.record("1.0.0").losses[0].sha256 == "f" * 64
    assert after.slots[f"{SLOT} m:train"].is_final
    assert list(after.runs) == []
    assert state.slots == {}


def test_what_the_gate_refuses_is_registered_and_not_staged(play: Play) -> None:
    state = play(*BASE)

    after = fold(state, [entry(state, registered(2, "blocked"))])

    assert after.staging == "1.1.0"
    assert after.record("1.2.0").status == "registered"
    assert after.slots[f"{SLOT} m:train"].is_final


def test_a_slot_is_done_once_whoever_comes_second(play: Play) -> None:
    state = play(*BASE)
    after = fold(state, [entry(state, registered(2))])

    for event in (registered(3), failed(2), failed(1)):
        with pytest.raises(ValueError, match="was done by entry 5"):
            fold(after, [entry(after, event)])


def test_a_failed_slot_is_tried_three_times(play: Play) -> None:
    state = play(*BASE)
    for attempt in (1, 2, 3):
        event = replace(failed(attempt), log=str(attempt) * 64)
        state = fold(state, [entry(state, event)])

    assert state.slots[f"{SLOT} m:train"].attempts == 3
    assert list(state.runs) == ["1" * 64, "2" * 64, "3" * 64]
    with pytest.raises(ValueError, match="has no attempt 4"):
        fold(state, [entry(state, failed(4))])


@pytest.mark.parametrize("attempt", [0, 1, 3])
def test_attempts_are_counted_without_a_gap(play: Play, attempt: int) -> None:
    state = play(*BASE)
    state = fold(state, [entry(state, failed(1))])

    with pytest.raises(ValueError, match=f"has no attempt {attempt}"):
        fold(state, [entry(state, failed(attempt))])


def test_a_slot_that_is_no_time_is_a_damaged_entry(play: Play) -> None:
    state = play(*BASE)

    with pytest.raises(ValueError, match="the slot 'tomorrow' is not a time"):
        fold(state, [entry(state, failed(1, "tomorrow"))])


def test_slots_and_entry_points_have_nothing_to_do_with_one_another(play: Play) -> None:
    state = play(*BASE)
    state = fold(state, [entry(state, registered(2))])

    other = fold(state, [entry(state, failed(1, "2026-11-30T02:00:00Z"))])
    other = fold(other, [entry(other, replace(failed(1), entry="m:other"))])

    assert sorted(other.slots) == [
        f"{SLOT} m:other", f"{SLOT} m:train", "2026-11-30T02:00:00Z m:train"
    ]  # fmt: skip


def test_a_missed_slot_may_be_done_later(play: Play) -> None:
    state = play(*BASE)
    missed = events.Retrained(slot=SLOT, entry="m:train", outcome="missed")
    state = fold(state, [entry(state, missed)])

    after = fold(state, [entry(state, registered(2))])

    assert after.slots[f"{SLOT} m:train"].marks == ("missed",)
    assert after.slots[f"{SLOT} m:train"].attempts == 1


def test_folding_in_parts_equals_folding_at_once(written: Callable[..., list[object]]) -> None:
    journal = written(
        *BASE,
        f"retrain {SLOT} missed",
        f"retrain {SLOT} failed",
        f"retrain {SLOT} registered auc=0.9",
        "retrain 2026-11-30T02:00:00Z blocked auc=0.1",
        "retrain 2026-12-01T02:00:00Z unchanged v1",
    )
    whole = fold(empty("iris"), journal)  # type: ignore[arg-type]

    for cut in range(len(journal)):
        first = fold(empty("iris"), journal[:cut])  # type: ignore[arg-type]
        assert fold(first, journal[cut:]) == whole  # type: ignore[arg-type]
