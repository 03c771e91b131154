"""History: a sentence for each event, and what was live when."""

import typing
from collections.abc import Callable
from datetime import datetime

import pytest
from msgspec.structs import replace
from tests.core.conftest import drift_found

from holdfast.core import events
from holdfast.core.drift.drift_events import DriftAcknowledged
from holdfast.core.entry import Entry
from holdfast.core.events import AnyEvent, Origin, Past
from holdfast.core.history import Imported, past, periods, sentence, told, until
from holdfast.core.manifest import Scan
from holdfast.core.paired import Losses
from holdfast.core.period import Period
from holdfast.core.policy import Policy
from holdfast.core.rollout import rollout_events as rollouts
from holdfast.core.rollout.analysis import Analysis
from holdfast.core.rollout.plan import Plan
from holdfast.core.rollout.rollout_state import Baseline
from holdfast.core.rollout.step_verdict import Reason, StepVerdict
from holdfast.core.state import State

Play = Callable[..., State]
Written = Callable[..., list[tuple[Entry, str]]]

HOLD = StepVerdict(
    "hold",
    conclusive=False,
    weight=0.05,
    reasons=(Reason("dwell", "a"), Reason("uncertain", "b"), Reason("dwell", "c")),
    readings=(),
    canary=None,
    active=None,
)
ABC = ("register 1.0.0", "register 1.1.0", "register 1.2.0", "promote 1.0.0", "promote 1.1.0")
REGISTERED = events.Registered(
    version="1.0.0", number=3, manifest="a", size_bytes=1, metrics={}, why="minor"
)
IMPORTED = events.Registered(
    version="1.0.0",
    number=3,
    manifest="a",
    size_bytes=1,
    metrics={},
    why="minor",
    origin=Origin("elsewhere", "b"),
)
ROLLOUT: list[tuple[AnyEvent, str]] = [
    (
        rollouts.RolloutStarted(version="1.1.0", was="1.0.0", plan=Plan(), analysis=Analysis()),
        "rollout 3 of 1.1.0 starts: canary 5 → 25 → 50 → 100 %",
    ),
    (
        rollouts.RolloutStarted(
            version="1.1.0",
            was="1.0.0",
            plan=Plan("blue-green", (1.0,)),
            analysis=Analysis(),
            again=7,
        ),
        "rollout 3 of 1.1.0 starts: blue-green 100 %, repeats rollout 2",
    ),
    (
        rollouts.RolloutStepped(rollout=7, version="1.1.0", step=0, weight=0.05),
        "rollout 2 to 5 %",
    ),
    (
        rollouts.RolloutStepped(rollout=7, version="1.1.0", step=1, weight=0.25, verdict=HOLD),
        "rollout 2 to 25 % (dwell, uncertain)",
    ),
    (
        rollouts.RolloutCalibrated(rollout=7, version="1.1.0", baseline=Baseline(2_400)),
        "rollout 2: active version measured on 2,400 requests",
    ),
    (
        rollouts.RolloutJudged(rollout=7, version="1.1.0", verdict=HOLD),
        "rollout 2: hold (dwell, uncertain)",
    ),
    (rollouts.RolloutPaused(rollout=7, version="1.1.0"), "rollout 2 paused"),
    (rollouts.RolloutResumed(rollout=7, version="1.1.0"), "rollout 2 resumed"),
    (rollouts.RolloutEnded(rollout=7, version="1.1.0", outcome="aborted"), "rollout 2 aborted"),
    (
        rollouts.RolloutEnded(rollout=7, version="1.1.0", outcome="halted", verdict=HOLD),
        "rollout 2 halted (dwell, uncertain)",
    ),
]
SENTENCES: list[tuple[AnyEvent, str]] = [
    (REGISTERED, "register 1.0.0 (v3)"),
    (IMPORTED, "import 1.0.0 (v3)"),
    (events.Promoted(version="1.1.0", was="1.0.0"), "promote 1.0.0 → 1.1.0"),
    (events.Promoted(version="1.0.0", was=None), "promote 1.0.0"),
    (
        events.Promoted(version="1.1.0", was="1.0.0", forced=True),
        "promote 1.0.0 → 1.1.0 by force",
    ),
    (events.RolledBack(version="1.0.0", was="1.1.0", undoes=4), "rollback 1.1.0 → 1.0.0"),
    (events.Staged(version="1.0.0", was="0.9.0"), "stage 1.0.0"),
    (events.Archived(version="1.0.0"), "archive 1.0.0"),
    (events.AliasSet(alias="eu", version="1.0.0", was=None), "alias eu → 1.0.0"),
    (
        events.AliasSet(alias="eu", version="1.0.0", was=None, forced=True),
        "alias eu → 1.0.0 overriding its protection",
    ),
    (events.AliasRemoved(alias="eu", was="1.0.0"), "remove alias eu (was 1.0.0)"),
    (events.PolicySet(policy=Policy()), "set policy"),
    (events.PolicySet(policy=Policy(), was=Policy()), "set policy: no change"),
    (
        events.PolicySet(policy=Policy(approvals=1), was=Policy()),
        "set policy: approvals 0 → 1",
    ),
    (
        events.Signed(version="1.0.0", key="AAAA", signature="b" * 64),
        "sign 1.0.0 with the key f61b347fbb8e",
    ),
    (
        events.Attached(version="1.0.0", manifest="c" * 64, kind="application/spdx+json"),
        "attach application/spdx+json sha256:cccccccccccc to 1.0.0",
    ),
    (events.Purged(reasons={"1.0.0": "old"}), "purge 1.0.0"),
    (
        events.Purged(reasons=dict.fromkeys(("1.0.0", "1.1.0", "1.2.0"), "old")),
        "purge 1.0.0, 1.1.0, 1.2.0",
    ),
    (
        events.Purged(reasons={f"1.{minor}.0": "old" for minor in range(12)}),
        "purge 12 versions (1.0.0 … 1.11.0)",
    ),
    (events.Deleted(purged=("1.0.0",)), "delete the model with 1.0.0"),
    (events.Deleted(purged=()), "delete the model with no versions"),
    (events.Tagged(version="1.0.0", tags={"a": "1", "b": None}), "tag 1.0.0 a=1, -b"),
    (events.Noted(version="1.0.0", text="drifts"), "note on 1.0.0: drifts"),
    (
        events.Evaluated(version="1.0.0", metrics={"acc": 0.5, "auc": 0.75}, dataset="holdout"),
        "evaluate 1.0.0 on holdout: acc 0.5, auc 0.75",
    ),
    (events.Evaluated(version="1.0.0", metrics={"auc": 0.75}), "evaluate 1.0.0: auc 0.75"),
    (
        events.Evaluated(
            version="1.0.0",
            metrics={"mae": 0.5},
            losses=(Losses("mae", "6" * 64, 200, 0.5, "a" * 64),),
        ),
        "evaluate 1.0.0: mae 0.5, mae of 200 rows",
    ),
    (events.Approved(version="1.0.0"), "approve 1.0.0"),
    *(
        (
            events.Retrained(
                slot="2026-11-29T02:00:00Z",
                entry="m:train",
                outcome=outcome,  # type: ignore[arg-type]
                attempt=2,
                version="1.0.0",
                why="it stood still",
                registered=REGISTERED if outcome in ("registered", "blocked") else None,
            ),
            f"retrain 2026-11-29T02:00:00Z: {text}",
        )
        for outcome, text in (
            ("registered", "register 1.0.0 (v3) and stage it"),
            ("blocked", "register 1.0.0 (v3), which the gate refuses"),
            ("unchanged", "the same model as 1.0.0"),
            ("failed", "attempt 2 failed: it stood still"),
            ("limit", "attempt 2 failed: it stood still"),
            ("missed", "no run in time: it stood still"),
            ("held", "held: it stood still"),
        )
    ),
    (
        events.Trusted(
            version="1.0.0",
            scan={"model": Scan("pickle", unknown=("os.system", "a.b"), trusted="reviewed")},
        ),
        "trust 1.0.0 from another store: model names os.system, a.b (trusted: reviewed)",
    ),
    (events.Held(version="1.0.0"), "hold 1.0.0"),
    (events.Released(version="1.0.0"), "release 1.0.0"),
    (events.Described(version="1.0.0", texts={"a": "x", "b": None}), "describe 1.0.0: a, b"),
    (events.Described(texts={"a": "x"}), "describe the model: a"),
    (events.Described(texts={}), "create the model"),
    (
        events.Promoted(version="1.1.0", was="1.0.0", rollout=7),
        "promote 1.0.0 → 1.1.0, ends rollout 2",
    ),
    (
        events.Promoted(version="1.1.0", was="1.0.0", forced=True, rollout=7),
        "promote 1.0.0 → 1.1.0, ends rollout 2",
    ),
    (
        events.RolledBack(version="1.0.0", was="1.1.0", undoes=4, rollout=7),
        "rollback 1.1.0 → 1.0.0, ends rollout 2",
    ),
    *ROLLOUT,
    (
        drift_found("1.0.0", "nulls", "2026-03-09", *"abcde"),
        "find missing values in a, b, c and 2 more until 2026-03-09 (nulls-2026-03-09)",
    ),
    (
        drift_found("1.0.0", "accuracy", "2026-03-09"),
        "find worse answers until 2026-03-09 (accuracy-2026-03-09)",
    ),
    (
        drift_found("1.0.0", "refused", "2026-03-09", "refused requests"),
        "find refused requests until 2026-03-09 (refused-2026-03-09)",
    ),
    (
        DriftAcknowledged(version="1.0.0", finding="nulls-2026-03-09"),
        "acknowledge nulls-2026-03-09",
    ),
    (
        events.TrainingFailed(error="ValueError", why="no rows", took_s=185.4),
        "training failed after 3 m 5 s: ValueError: no rows",
    ),
    (
        events.TrainingFailed(error="KeyboardInterrupt", took_s=2.0),
        "training failed after 2 s: KeyboardInterrupt",
    ),
]


@pytest.mark.parametrize(("event", "text"), SENTENCES, ids=[said for _, said in SENTENCES])
def test_each_event_has_its_sentence(written: Written, event: AnyEvent, text: str) -> None:
    entry, _ = written("register 1.0.0")[-1]

    assert sentence(replace(entry, seq=30, event=event), (4, 7, 30)) == text


def test_a_rollout_whose_start_was_lost_is_named_by_its_entry(written: Written) -> None:
    entry, _ = written("register 1.0.0")[-1]
    paused = rollouts.RolloutPaused(rollout=9, version="1.1.0")

    assert sentence(replace(entry, event=paused), (4, 12)) == ("the rollout of entry 9 paused")


def test_no_event_is_without_a_sentence() -> None:
    assert {type(event) for event, _ in SENTENCES} == set(typing.get_args(AnyEvent))


def test_an_entry_becomes_a_line_of_history(written: Written) -> None:
    entry, _ = written("register 1.0.0", "promote 1.0.0 by=eve why='auc is up'")[-1]

    assert past(entry, ()) == Past(
        seq=2,
        at="2026-03-01T12:01:00.000000Z",
        by="eve",
        op="promoted",
        what="promote 1.0.0",
        reason="auc is up",
    )


def test_an_import_tells_what_happened_elsewhere(written: Written) -> None:
    before = Past(1, "2026-02-01T12:00:00.000000Z", "zoe", "registered", "register 1.0.0", None)
    entry, _ = written("register 1.0.0")[-1]
    imported = replace(IMPORTED, origin=Origin("elsewhere", "b", (before,)))
    line = told(replace(entry, event=imported), ())

    assert told(entry, ()) == past(entry, ())
    assert isinstance(line, Imported)
    assert (line.what, line.elsewhere) == ("import 1.0.0 (v3)", (before,))


def test_a_model_that_never_served_has_no_periods(play: Play) -> None:
    assert periods(play("register 1.0.0", "stage 1.0.0")) == ()


def test_a_period_tells_who_began_it_why_and_who_ended_it(play: Play) -> None:
    state = play(
        "register 1.0.0", "register 1.1.0", "promote 1.0.0 by=ada why=first", "promote 1.1.0 by=eve"
    )

    assert periods(state) == (
        Period(
            version="1.0.0",
            since="2026-03-01T12:02:00.000000Z",
            until="2026-03-01T12:03:00.000000Z",
            by="ada",
            reason="first",
            how="promoted",
            ended_by="eve",
            forced=False,
        ),
        Period(
            version="1.1.0",
            since="2026-03-01T12:03:00.000000Z",
            until=None,
            by="eve",
            reason=None,
            how="promoted",
            ended_by=None,
            forced=False,
        ),
    )


def test_periods_follow_each_other_without_gaps(play: Play) -> None:
    timeline = periods(play(*ABC, "promote 1.2.0", "rollback", "rollback", "promote 1.2.0 force"))

    assert [period.until for period in timeline[:-1]] == [period.since for period in timeline[1:]]
    assert [period.version for period in timeline] == [
        "1.0.0",
        "1.1.0",
        "1.2.0",
        "1.1.0",
        "1.0.0",
        "1.2.0",
    ]


def test_a_period_tells_how_it_began(play: Play) -> None:
    timeline = periods(play(*ABC, "rollback"))

    assert [period.how for period in timeline] == ["promoted", "promoted", "rolled_back"]


def test_a_period_begun_by_force_is_marked(play: Play) -> None:
    script = ("register 1.0.0 auc=0.9", "register 1.1.0 auc=0.1", "promote 1.0.0")
    timeline = periods(play(*script, "promote 1.1.0 force"))

    assert [period.forced for period in timeline] == [False, True]


def test_a_deletion_ends_the_last_period(play: Play) -> None:
    (period,) = periods(play("register 1.0.0", "promote 1.0.0", "delete force by=eve"))

    assert (period.until, period.ended_by) == ("2026-03-01T12:02:00.000000Z", "eve")


def test_between_a_deletion_and_the_next_promotion_nothing_was_live(play: Play) -> None:
    script = ("register 1.0.0", "promote 1.0.0", "delete force", "register 1.1.0", "promote 1.1.0")
    before, after = periods(play(*script))

    assert before.until is not None
    assert datetime.fromisoformat(before.until) < datetime.fromisoformat(after.since)


def test_a_moment_takes_the_entries_up_to_it(written: Written) -> None:
    entries = [entry for entry, _ in written(*ABC)]

    assert [entry.seq for entry in until(entries, entries[2].at)] == [1, 2, 3]


def test_before_the_first_entry_there_was_nothing(written: Written) -> None:
    entries = [entry for entry, _ in written(*ABC)]

    assert list(until(entries, "2025-12-31T23:59:59.999999Z")) == []


def test_after_the_last_entry_all_is_there(written: Written) -> None:
    entries = [entry for entry, _ in written(*ABC)]

    assert list(until(entries, "2027-01-01T00:00:00.000000Z")) == entries


def test_an_entry_was_written_before_those_behind_it_whatever_its_clock_said(
    written: Written,
) -> None:
    entries = [entry for entry, _ in written(*ABC)]
    entries[2] = replace(entries[2], at="9999-12-31T23:59:59.999999Z")

    assert [entry.seq for entry in until(entries, entries[3].at)] == [1, 2, 3, 4]
    assert [entry.seq for entry in until(entries, entries[1].at)] == [1, 2]


def test_a_retraining_tells_why_the_gate_refused(written: Written) -> None:
    (entry, _) = written("register 1.0.0")[0]
    event = events.Retrained(
        slot="2026-11-29T02:00:00Z",
        entry="m:train",
        outcome="blocked",
        refused=("auc fell",),
        remarks=("noted",),
    )

    assert past(replace(entry, event=event), ()).gate == ("refused: auc fell", "noted")
