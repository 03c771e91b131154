"""From entries to CloudEvents: which event each is, and what it says."""

import json
from typing import Any

import pytest

from holdfast.core import events
from holdfast.core.drift.drift_events import DriftFound
from holdfast.core.drift.drift_findings import DriftKind
from holdfast.core.entry import Entry
from holdfast.core.events import AnyEvent
from holdfast.core.rollout import rollout_events as rollouts
from holdfast.core.rollout.analysis import Analysis
from holdfast.core.rollout.plan import Plan
from holdfast.core.rollout.rollout_state import Baseline
from holdfast.core.rollout.step_verdict import Outcome, Reason, StepVerdict
from holdfast.notices import notice as notices

AT = "2026-03-03T14:00:00.000000Z"


def entry(event: AnyEvent) -> Entry:
    return Entry("iris", 42, "0" * 64, "c", AT, "ann", "because", None, event)


def kinds(event: AnyEvent, candidate: str | None = None) -> list[str]:
    return [
        notice.event
        for notice in notices.of_entry("urn:holdfast:x", entry(event), (40,), candidate)
    ]


def found(kind: DriftKind) -> DriftFound:
    return DriftFound(
        version="1.1.0",
        finding=f"{kind}-2026-03-03",
        kind=kind,
        since="2026-03-01",
        until="2026-03-03",
        log_evidence=4.5,
    )


def verdict(outcome: Outcome, *codes: str) -> StepVerdict:
    reasons = tuple(Reason(code, f"it is {code}") for code in codes)
    return StepVerdict(outcome, False, 0.05, reasons, (), None, None)  # noqa: FBT003


def judged(outcome: Outcome, *codes: str) -> rollouts.RolloutJudged:
    return rollouts.RolloutJudged(version="1.1.0", rollout=40, verdict=verdict(outcome, *codes))


@pytest.mark.parametrize(
    ("event", "expected_kinds"),
    [
        (events.Promoted(version="1.1.0", was="1.0.0"), ["version.promoted"]),
        (events.RolledBack(version="1.0.0", was="1.1.0", undoes=4), ["version.rolled_back"]),
        (events.Archived(version="1.0.0"), ["entry.archived"]),
        (events.Deleted(purged=()), ["entry.deleted"]),
        *(
            (
                events.Retrained(slot="2026-11-29T02:00:00Z", entry="m:f", outcome=outcome),  # type: ignore[arg-type]
                [kind],
            )
            for outcome, kind in (
                ("registered", "retrain.registered"),
                ("unchanged", "retrain.unchanged"),
                ("blocked", "retrain.blocked"),
                ("failed", "retrain.failed"),
                ("limit", "retrain.failed"),
                ("missed", "retrain.missed"),
                ("held", "retrain.held"),
            )
        ),
        (
            rollouts.RolloutStarted(version="1.1.0", was="1.0.0", plan=Plan(), analysis=Analysis()),
            ["rollout.started"],
        ),
        (
            rollouts.RolloutStepped(version="1.1.0", rollout=40, step=1, weight=0.25),
            ["rollout.advanced"],
        ),
        (rollouts.RolloutPaused(version="1.1.0", rollout=40), ["rollout.paused"]),
        (found("nulls"), ["drift.detected"]),
        (found("accuracy"), ["accuracy.degraded"]),
        (rollouts.RolloutResumed(version="1.1.0", rollout=40), ["rollout.resumed"]),
        (
            rollouts.RolloutEnded(version="1.1.0", rollout=40, outcome="passed"),
            ["rollout.passed"],
        ),
        (
            rollouts.RolloutEnded(
                version="1.1.0",
                rollout=40,
                outcome="halted",
                verdict=verdict("halt", "score_drift"),
            ),
            ["rollout.halted", "drift.detected"],
        ),
    ],
)
def test_each_entry_is_an_event(event: AnyEvent, expected_kinds: list[str]) -> None:
    assert kinds(event) == expected_kinds


def test_a_calibration_is_told_by_its_own_word() -> None:
    measured = rollouts.RolloutCalibrated(version="1.1.0", rollout=40, baseline=Baseline(2000))

    assert kinds(measured) == ["entry.rollout_calibrated"]


@pytest.mark.parametrize(
    ("event", "candidate", "expected_kind"),
    [
        (events.Promoted(version="1.1.0", was="1.0.0", rollout=40), "1.1.0", "rollout.completed"),
        (events.Promoted(version="1.2.0", was="1.0.0", rollout=40), "1.1.0", "rollout.superseded"),
        (
            events.RolledBack(version="0.9.0", was="1.0.0", undoes=4, rollout=40),
            "1.1.0",
            "rollout.superseded",
        ),
    ],
)
def test_a_move_of_production_says_what_became_of_the_rollout(
    event: AnyEvent, candidate: str, expected_kind: str
) -> None:
    assert kinds(event, candidate)[1:] == [expected_kind]


def test_a_rollback_from_what_a_completed_rollout_brought_aborts_no_rollout() -> None:
    event = events.RolledBack(version="1.0.0", was="1.1.0", undoes=4, rollout=40)

    assert kinds(event, "1.1.0") == ["version.rolled_back"]


@pytest.mark.parametrize(
    ("event", "expected_kinds"),
    [
        (judged("hold", "dwell", "few_requests"), []),
        (judged("hold", "few_requests", "uncertain"), []),
        (judged("hold", "dwell", "absent"), []),
        (judged("hold", "absent"), ["rollout.held"]),
        (judged("hold", "no_traffic"), ["rollout.held"]),
        (judged("hold", "overdue", "uncertain"), ["rollout.held"]),
        (judged("hold", "dwell", "sample_ratio"), ["rollout.held"]),
        (judged("hold", "dwell", "score_drift"), ["rollout.held", "drift.detected"]),
        (judged("advance", "certified"), []),
    ],
)
def test_a_hold_is_told_where_time_alone_does_not_mend_it(
    event: AnyEvent, expected_kinds: list[str]
) -> None:
    assert kinds(event) == expected_kinds


def test_a_notice_is_a_cloud_event_with_facts_and_a_sentence() -> None:
    event = events.Promoted(version="1.1.0", was="1.0.0")

    (notice,) = notices.of_entry("urn:holdfast:x", entry(event), (), None)
    sent: dict[str, Any] = json.loads(notices.encode(notice))

    assert sent == {
        "specversion": "1.0",
        "id": "iris/42/version.promoted",
        "source": "urn:holdfast:x",
        "type": "dev.holdfast.version.promoted",
        "subject": "iris@1.1.0",
        "time": AT,
        "datacontenttype": "application/json",
        "data": {
            "model": "iris",
            "version": "1.1.0",
            "was": "1.0.0",
            "rollout": None,
            "entry": 42,
            "by": "ann",
            "reason": "because",
            "sentence": "iris: promote 1.0.0 → 1.1.0",
        },
    }


def test_a_verdict_goes_with_its_numbers() -> None:
    (notice,) = notices.of_entry("urn:holdfast:x", entry(judged("hold", "absent")), (40,), None)

    assert notice.data["verdict"]["reasons"] == ({"code": "absent", "sentence": "it is absent"},)
    assert notice.sentence.endswith("hold at 5 %: it is absent")


def test_an_entry_about_no_version_is_about_its_model() -> None:
    (notice,) = notices.of_entry("urn:holdfast:x", entry(events.Deleted(purged=())), (), None)

    assert (notice.subject, notice.model) == ("iris", "iris")


def test_a_test_says_that_nothing_happened() -> None:
    notice = notices.of_test("urn:holdfast:x", AT)

    assert (notice.event, notice.model) == ("notify.test", "")
    assert "nothing happened" in notice.sentence
