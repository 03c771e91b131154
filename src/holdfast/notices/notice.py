"""From an entry of the journal, or a server's report, to a notice: a CloudEvent 1.0."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from holdfast.core import history
from holdfast.core.drift.drift_events import DriftFound
from holdfast.core.entry import Entry
from holdfast.core.events import WORDS, Promoted, Retrained, RolledBack
from holdfast.core.fleet import LoadedVersion, Report
from holdfast.core.rollout import sentences
from holdfast.core.rollout.rollout_events import (
    RolloutEnded,
    RolloutEvent,
    RolloutJudged,
    RolloutStarted,
    RolloutStepped,
)
from holdfast.core.rollout.step_verdict import StepVerdict

PREFIX: Final = "dev.holdfast."
"""Before the name of each event in the `type` of a CloudEvent."""

TEST: Final = "notify.test"
FAILED: Final = "serving.failed"
DRIFT: Final = "drift.detected"
ACCURACY: Final = "accuracy.degraded"

_ROLLOUT: Final = {
    "rollout_started": "rollout.started",
    "rollout_stepped": "rollout.advanced",
    "rollout_paused": "rollout.paused",
    "rollout_resumed": "rollout.resumed",
}
_PATIENT: Final = frozenset(
    ("dwell", "few_requests", "uncertain", "open", "few_keys", "no_outcome_yet", "winner")
)
"""Reasons to hold that pass with time alone."""
_AT_ONCE: Final = frozenset(("sample_ratio", "score_drift", "overdue"))
"""Reasons that are told however young the step is."""


class Notice(Struct, frozen=True):
    """A CloudEvent, as it is sent: `application/cloudevents+json`.

    Attributes:
        id: The same however often it is sent, and of no other notice of this *source*.
        source: The registry, `urn:holdfast:<its id>`.
        type: `dev.holdfast.version.promoted`, …
        subject: The model, or the version: `iris@1.2.0`.
        time: When it happened, RFC 3339.
        data: Facts for programs, and a `sentence` for people.
    """

    id: str
    source: str
    type: str
    subject: str
    time: str
    data: dict[str, Any]
    specversion: str = "1.0"
    datacontenttype: str = "application/json"

    @property
    def event(self) -> str:
        """The name that targets choose by: `version.promoted`."""
        return self.type.removeprefix(PREFIX)

    @property
    def model(self) -> str:
        """The registered model it is about, empty if it is about none."""
        return str(self.data.get("model", ""))

    @property
    def sentence(self) -> str:
        """What happened, for people."""
        return str(self.data.get("sentence", self.event))


def of_entry(
    source: str, entry: Entry, started: Sequence[int], candidate: str | None
) -> Iterator[Notice]:
    """Say what an entry tells: nothing, one event or several.

    Args:
        source: The registry, `urn:holdfast:<its id>`.
        started: The entries that started the model's rollouts, which number them.
        candidate: The version of the rollout that the entry ends by moving production.
    """
    version = next(iter(entry.event.versions()), None)
    data: dict[str, Any] = {
        "model": entry.model,
        "version": version,
        "was": getattr(entry.event, "was", None),
        "rollout": sentences.number_of(_rollout_of(entry), started),
        "entry": entry.seq,
        "by": entry.by,
        "reason": entry.reason,
        "sentence": f"{entry.model}: {history.past(entry, started).what}",
    }
    verdict = getattr(entry.event, "verdict", None)
    if isinstance(verdict, StepVerdict):
        data["verdict"] = msgspec.to_builtins(verdict)
        data["sentence"] += f": {verdict.sentence}"
    subject = f"{entry.model}@{version}" if version else entry.model
    for event in _events(entry, candidate):
        identity = f"{entry.model}/{entry.seq}/{event}"
        yield Notice(identity, source, PREFIX + event, subject, entry.at, data)


def _rollout_of(entry: Entry) -> int | None:
    """Return the entry that started the rollout which an entry is about."""
    started = isinstance(entry.event, RolloutStarted)
    return entry.seq if started else getattr(entry.event, "rollout", None)


def _events(entry: Entry, candidate: str | None) -> Iterator[str]:
    event = entry.event
    match event:
        case Promoted():
            yield "version.promoted"
            if event.rollout is not None:
                done = event.version == candidate
                yield "rollout.completed" if done else "rollout.superseded"
        case RolledBack():
            yield "version.rolled_back"
            if event.rollout is not None and event.was != candidate:
                yield "rollout.superseded"
        case RolloutEnded():
            yield f"rollout.{event.outcome}"
            yield from _drift(event.verdict)
        case RolloutJudged():
            if _is_stuck(event.verdict):
                yield "rollout.held"
            yield from _drift(event.verdict)
        case Retrained():
            yield f"retrain.{'failed' if event.outcome == 'limit' else event.outcome}"
        case RolloutStepped():
            yield "rollout.advanced"
        case DriftFound():
            yield ACCURACY if event.kind == "accuracy" else DRIFT
        case RolloutEvent():
            word = WORDS[type(event)]
            yield _ROLLOUT.get(word, f"entry.{word}")
        case _:
            yield f"entry.{WORDS[type(event)]}"


def _is_stuck(verdict: StepVerdict) -> bool:
    """Tell whether a rollout holds for a reason that does not pass with time alone."""
    codes = {reason.code for reason in verdict.reasons}
    waiting = "dwell" in codes and not codes & _AT_ONCE
    return verdict.outcome == "hold" and not waiting and bool(codes - _PATIENT)


def _drift(verdict: StepVerdict | None) -> Iterator[str]:
    if verdict is not None and any(reason.code == "score_drift" for reason in verdict.reasons):
        yield DRIFT


def of_failure(source: str, report: Report, version_status: LoadedVersion, at: str) -> Notice:
    """Say that a server could not load a version; *at* is when that was first seen."""
    problem = version_status.problem or "failed"
    subject = f"{report.model}@{version_status.version}"
    data = {
        "model": report.model,
        "version": version_status.version,
        "worker": report.worker,
        "problem": problem,
        "sentence": f"{subject} does not load in {report.worker}: {problem}",
    }
    return Notice(f"{subject}/{at}/{FAILED}", source, PREFIX + FAILED, subject, at, data)


def of_test(source: str, at: str) -> Notice:
    """Say nothing but that notices arrive."""
    data = {"sentence": "Holdfast: a test; nothing happened"}
    return Notice(f"{TEST}/{at}", source, PREFIX + TEST, TEST, at, data)


def encode(notice: Notice) -> bytes:
    """Return the bytes that are sent, equal for equal notices."""
    return msgspec.json.encode(notice, order="sorted")
