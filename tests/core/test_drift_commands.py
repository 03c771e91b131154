"""Findings of drift: recorded once, latched, acknowledged, folded, told and replayed."""

import math
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace

from holdfast.core import drift_commands, replay
from holdfast.core.drift.drift_events import AnyDriftEvent, DriftAcknowledged, DriftFound
from holdfast.core.drift.drift_findings import DriftKind, FeatureFinding, finding_id
from holdfast.core.drift.drift_sentences import explained
from holdfast.core.drift_fold import MOST_FINDINGS, latched
from holdfast.core.entry import Entry, Stamp, digest, write
from holdfast.core.idempotency import Unchanged
from holdfast.core.state import State, fold
from holdfast.errors import ConflictError, DamagedError, InvalidInputError, NotFoundError

Play = Callable[..., State]
LIVE = ("register 1.0.0", "promote 1.0.0")


def feature(name: str, **facts: Any) -> FeatureFinding:
    usual = {"kind": "drift", "event": "over 12.5", "expected": 0.1, "share": 0.31}
    return FeatureFinding(name=name, **{"log_evidence": 7.5, **usual, **facts})


def found(
    kind: DriftKind = "drift", until: str = "2026-03-09", *names: str, **facts: Any
) -> DriftFound:
    return DriftFound(
        **{
            "version": "1.0.0",
            "finding": finding_id(kind, until),
            "kind": kind,
            "since": "2026-03-01",
            "until": until,
            "log_evidence": 8.0,
            "drifted": tuple(map(feature, names or ("age",))),
            **facts,
        }
    )


def entry_of(state: State, event: AnyDriftEvent) -> tuple[Entry, str]:
    at = f"2026-03-{10 + state.seq:02d}T12:00:00.000000Z"
    stamp = Stamp(datetime(2026, 3, 10, tzinfo=UTC), "on-call", "0" * 32)
    raw, entry = write("iris", state.seq + 1, state.head, at, stamp, event)
    return entry, digest(raw)


def after(state: State, *events: AnyDriftEvent) -> State:
    for event in events:
        state = fold(state, [entry_of(state, event)])
    return state


def test_a_finding_is_recorded_once(play: Play) -> None:
    state = play(*LIVE)
    event = drift_commands.find(state, found())
    assert isinstance(event, DriftFound)

    state = after(state, event)

    assert [finding.finding for finding in state.findings] == ["drift-2026-03-09"]
    assert state.findings[0].features == ("age",)
    assert isinstance(drift_commands.find(state, found()), Unchanged)


def test_texts_beyond_measure_are_refused(play: Play) -> None:
    named = found("drift", "2026-03-09", "a" * 1_001)

    with pytest.raises(InvalidInputError, match="more than 1,000 characters"):
        drift_commands.find(play(*LIVE), named)


def test_a_latched_feature_alarms_no_second_time_and_another_one_does(play: Play) -> None:
    state = after(play(*LIVE), found())

    again = drift_commands.find(state, found("drift", "2026-03-12"))
    other = drift_commands.find(state, found("nulls", "2026-03-12", "age", "income"))

    assert isinstance(again, Unchanged)
    assert "age is latched" in again.why
    assert isinstance(other, DriftFound)


def test_a_kind_without_features_is_latched_as_such(play: Play) -> None:
    state = after(play(*LIVE), found("accuracy", drifted=()))

    again = drift_commands.find(state, found("accuracy", "2026-03-19", drifted=()))
    other = drift_commands.find(state, found("silence", "2026-03-19", drifted=()))

    assert isinstance(again, Unchanged)
    assert isinstance(other, DriftFound)


def test_what_was_acknowledged_may_alarm_again(play: Play) -> None:
    state = after(play(*LIVE), found())
    event = drift_commands.acknowledge(state, "drift-2026-03-09")
    assert isinstance(event, DriftAcknowledged)
    assert latched(state.findings, "1.0.0") == state.findings

    state = after(state, event)

    assert latched(state.findings, "1.0.0") == ()
    assert state.findings[0].acknowledged_by == "on-call"
    assert isinstance(drift_commands.acknowledge(state, "drift-2026-03-09"), Unchanged)
    assert isinstance(drift_commands.find(state, found("drift", "2026-03-20")), DriftFound)


def test_acknowledging_leaves_other_findings_latched(play: Play) -> None:
    state = after(play(*LIVE), found(), found("nulls", "2026-03-10", "income"))

    state = after(state, DriftAcknowledged(version="1.0.0", finding="nulls-2026-03-10"))

    assert [finding.finding for finding in latched(state.findings, "1.0.0")] == ["drift-2026-03-09"]


def test_a_new_live_version_has_no_latched_findings(play: Play) -> None:
    state = after(play(*LIVE), found())

    assert latched(state.findings, "1.1.0") == ()
    assert latched(state.findings, None) == ()


def test_an_unknown_finding_is_not_acknowledged(play: Play) -> None:
    with pytest.raises(NotFoundError, match="finding drift-2026-01-01 of iris"):
        drift_commands.acknowledge(play(*LIVE), "drift-2026-01-01")


def test_a_finding_about_another_version_than_the_live_one_is_refused(play: Play) -> None:
    with pytest.raises(ConflictError, match=r"has no version live, not 1\.0\.0"):
        drift_commands.find(play("register 1.0.0"), found())


@pytest.mark.parametrize(
    "facts",
    [
        {"until": "2026-02-30", "finding": "drift-2026-02-30"},
        {"since": "2026-03-10"},
        {"since": "yesterday"},
        {"finding": "drift-1"},
        {"log_evidence": math.inf},
        {"drifted": (feature("age", share=math.nan),)},
        {"drifted": tuple(feature(f"f{index}") for index in range(101))},
        {"period": 0},
    ],
)
def test_a_finding_that_contradicts_itself_is_refused(play: Play, facts: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError, match="finding"):
        drift_commands.find(play(*LIVE), found(**facts))


def test_folding_in_parts_equals_folding_at_once(play: Play) -> None:
    start, state, entries = play(*LIVE), play(*LIVE), []
    for event in (found(), DriftAcknowledged(version="1.0.0", finding="drift-2026-03-09")):
        entries.append(entry_of(state, event))
        state = fold(state, entries[-1:])

    assert fold(start, entries) == state
    assert start.findings == ()


def test_the_state_keeps_the_last_findings_alone(play: Play) -> None:
    state = play(*LIVE)
    entry, head = entry_of(state, found())
    for _ in range(MOST_FINDINGS + 5):
        state = fold(state, [(entry, head)])

    assert len(state.findings) == MOST_FINDINGS


def test_deleting_a_model_ends_its_findings(
    play: Play, written: Callable[..., list[tuple[Entry, str]]]
) -> None:
    state = after(play(*LIVE), found())
    deleted = written(*LIVE, "delete force")[-1]

    assert fold(state, [deleted]).findings == ()


def test_a_finding_explains_what_was_seen_of_a_feature() -> None:
    assert explained(feature("age")) == "over 12.5: 31 %, in training 10 %"


def test_an_imported_finding_is_what_the_commands_would_have_written(play: Play) -> None:
    state = play(*LIVE)
    for event in (found(), DriftAcknowledged(version="1.0.0", finding="drift-2026-03-09")):
        replay.check_entry(state, entry_of(state, event)[0], None)
        state = after(state, event)

    assert state.findings[0].acknowledged is not None


@pytest.mark.parametrize(
    "event",
    [
        found(finding="drift-2026-03-10"),
        found(version="2.0.0"),
        DriftAcknowledged(version="1.0.0", finding="drift-2026-03-09"),
    ],
)
def test_an_imported_finding_that_no_command_writes_is_refused(
    play: Play, event: AnyDriftEvent
) -> None:
    state = play(*LIVE)

    with pytest.raises(DamagedError):
        replay.check_entry(state, entry_of(state, event)[0], None)


def test_a_finding_without_a_last_day_is_a_damaged_entry(play: Play) -> None:
    state = play(*LIVE)

    with pytest.raises(ValueError, match="isoformat"):
        after(state, found(until="soon"))


def test_an_event_survives_the_wire(play: Play) -> None:
    event = found(leading=(feature("x"),), reference="a" * 64, period=1, sentence="x drifted")
    entry, _ = entry_of(play(*LIVE), event)

    assert entry.event == event
    assert entry.event != replace(event, period=7)
