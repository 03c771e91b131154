"""Journals played in memory: wishes written as lines of words, decided by the commands alone."""

import hashlib
import shlex
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from holdfast.core import (
    commands,
    descriptions,
    drift_commands,
    events,
    numbering,
    retention,
    retraining_commands,
    training_commands,
)
from holdfast.core import rollout_commands as rollouts
from holdfast.core import version as versions
from holdfast.core.approvals import Mover
from holdfast.core.drift.drift_events import DriftFound
from holdfast.core.drift.drift_findings import FeatureFinding, finding_id
from holdfast.core.entry import Entry, Stamp, digest, next_time, write
from holdfast.core.events import AnyEvent
from holdfast.core.gate import Candidate, judge
from holdfast.core.gate import Verdict as Passage
from holdfast.core.idempotency import Unchanged
from holdfast.core.manifest import Artifact, File, Manifest
from holdfast.core.policy import Policy
from holdfast.core.refs import parse_selector, resolve
from holdfast.core.retention import ByPolicy, Chosen, KeepNewest, Rule
from holdfast.core.retraining.slot_record import ChampionScores
from holdfast.core.rollout.rollout_state import Baseline, Terms
from holdfast.core.rollout.step_verdict import Outcome, Rate, Reason, StatisticalTest, StepVerdict
from holdfast.core.state import Record, State, empty, fold
from holdfast.core.version import Bump
from holdfast.errors import HoldfastError

MODEL = "iris"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
OPTIONS = ("at", "by", "key", "why")
NO = Passage((), (), ())


def verdict_of(outcome: str, *codes: str) -> StepVerdict:
    """Return a verdict with these kinds of reasons."""
    reasons = tuple(Reason(code, f"{code} it is") for code in codes or ("errors",))
    readings = (StatisticalTest("errors", 3, 31.25, 20.0),)
    rates = Rate(3, 120, 0.003, 0.081), Rate(5, 2_000, 0.0004, 0.006)
    word = msgspec.convert(outcome, Outcome)
    return StepVerdict(word, word == "halt", 0.05, reasons, readings, *rates)


def drift_found(version: str, kind: Any, until: str, *features: str) -> DriftFound:
    return DriftFound(
        version=version,
        finding=finding_id(kind, until),
        kind=kind,
        since="2026-02-01",
        until=until,
        log_evidence=8.0,
        drifted=tuple(
            FeatureFinding(
                name=name, kind=kind, event="over 1", expected=0.1, share=0.3, log_evidence=7.5
            )
            for name in features
        ),
    )


def _manifest(version: str = "1.0.0", **facts: Any) -> Manifest:
    """Return a manifest of one file whose bytes are those of no other version."""
    sha256 = hashlib.sha256(version.encode()).hexdigest()
    model = Artifact("model.joblib", "joblib", (File("model.joblib", sha256, 1000),))
    defaults: dict[str, Any] = {
        "name": MODEL,
        "number": 1,
        "registered_at": "2026-03-01T12:00:00.000000Z",
        "registered_by": "ada",
        "artifacts": {"model": model},
    }
    return Manifest(version=version, **(defaults | facts))


def _stamp(**given: Any) -> Stamp:
    usual: dict[str, Any] = {"at": NOON, "by": "ada", "commit": "0" * 32}
    return Stamp(**(usual | given))


@dataclass(slots=True)
class _Journal:
    """Every entry goes over the wire: written, read back, folded."""

    state: State = field(default_factory=lambda: empty(MODEL))
    manifests: dict[str, Manifest] = field(default_factory=dict)
    entries: list[tuple[Entry, str]] = field(default_factory=list)

    def do(self, step: str) -> None:
        """Carry out one line: a verb, its words, and options such as `by=eve`."""
        verb, *words = shlex.split(step)
        options = dict(word.split("=", 1) for word in words if word.partition("=")[0] in OPTIONS)
        rest = [word for word in words if word.partition("=")[0] not in OPTIONS]
        now = NOON + timedelta(minutes=self.state.seq)
        stamp = Stamp(
            at=datetime.fromisoformat(options["at"]) if "at" in options else now,
            by=options.get("by", "ada"),
            commit=f"{self.state.seq:032x}",
            reason=options.get("why"),
            key=options.get("key"),
        )
        event = _VERBS[verb](self, rest, stamp)
        if not isinstance(event, Unchanged):
            self._append(event, stamp)

    def _append(self, event: AnyEvent, stamp: Stamp) -> None:
        seq, head = self.state.seq + 1, self.state.head
        at = next_time(stamp.at, self.state.at)
        raw, entry = write(MODEL, seq, head, at, stamp, event)
        self.entries.append((entry, digest(raw)))
        self.state = fold(self.state, self.entries[-1:])

    def find(self, words: list[str]) -> Record:
        return resolve(self.state, parse_selector(words[0]))

    def describe(self, words: list[str]) -> AnyEvent | Unchanged:
        version = None if words[0] == "model" else self.find(words).version
        pairs = (word.partition("=") for word in words[1:])
        return descriptions.describe(
            self.state, version, {key: text or None for key, _, text in pairs}
        )

    def register(self, words: list[str], stamp: Stamp) -> AnyEvent | Unchanged:
        asked = _asked(words[0])
        draft = _manifest("", metrics=_figures(words[1:]), registered_by=stamp.by)
        taken = numbering.taken_by(self.state, asked)
        if taken is not None:
            return numbering.again(self.state, taken, self.manifests[taken.version], draft)
        bases = numbering.bases_of(self.state, asked)
        before = self.manifests[bases[0].version] if bases else None
        at = next_time(stamp.at, self.state.at)
        planned = numbering.register(self.state, draft, asked, before, at)
        self.manifests[planned.manifest.version] = planned.manifest
        return planned.event

    def retrain(self, words: list[str], stamp: Stamp) -> AnyEvent | Unchanged:
        slot, outcome, *rest = words
        ran = 0 if outcome in ("missed", "held") else 1
        event = events.Retrained(slot=slot, entry="m:train", outcome=outcome, term=ran)  # type: ignore[arg-type]
        if outcome == "unchanged":
            event = replace(event, version=self.find(rest).version)
        if outcome in ("registered", "blocked"):
            made = self.register(["minor", *rest], stamp)
            assert isinstance(made, events.Registered)
            live = self.state.production
            champion = ChampionScores(live, {"auc": 0.8}) if live else None
            event = replace(event, version=made.version, registered=made, champion=champion)
        return retraining_commands.retrained(self.state, event)

    def train(self, words: list[str], _stamp: Stamp) -> AnyEvent:
        failure = training_commands.failure(words[0], words[1], took_s=1.0)
        return training_commands.training_failed(failure)

    def promote(self, words: list[str], stamp: Stamp) -> AnyEvent | Unchanged:
        record = self.find(words)
        verdict = self._judged(record, stamp.by)
        return commands.promote(self.state, record, verdict, by_force="force" in words)

    def _judged(self, record: Record, by: str) -> Passage:
        champion = self.state.production
        against = self.state.versions[champion] if champion else None
        return judge(
            self.state.policy,
            self._candidate(record, by),
            self._candidate(against, by) if against else None,
        )

    def rollout(self, words: list[str], stamp: Stamp) -> AnyEvent | Unchanged:
        match words:
            case ["start", version, *terms]:
                rollout_terms = msgspec.json.decode(terms[0], type=Terms) if terms else Terms()
                return rollouts.start(self.state, self.find([version]), rollout_terms)
            case ["pause"]:
                return rollouts.pause(self.state)
            case ["resume"]:
                return rollouts.resume(self.state)
            case ["abort"]:
                return rollouts.abort(self.state)
            case ["retry"]:
                return rollouts.retry(self.state)
            case _:
                return self._driven(words, stamp)

    def _driven(self, words: list[str], stamp: Stamp) -> AnyEvent | Unchanged:
        rollout = self.state.rollout
        position = rollouts.place_of(rollout) if rollout else rollouts.StepPosition(0, 0)
        match words:
            case ["step"]:
                return rollouts.step(self.state, position, None)
            case ["step", *codes]:
                return rollouts.step(self.state, position, verdict_of("advance", *codes))
            case ["calibrate", requests]:
                return rollouts.calibrate(self.state, position.rollout, Baseline(int(requests)))
            case ["judge", outcome, *codes]:
                return rollouts.judge(self.state, position, verdict_of(outcome, *codes))
            case ["halt", *codes]:
                return rollouts.halt(self.state, position, verdict_of("halt", *codes))
            case ["conclude", code]:
                ended = replace(verdict_of("end", code), conclusive=code == "no_difference")
                return rollouts.conclude(self.state, position, ended)
            case ["pass"]:
                return rollouts.pass_(self.state, position, verdict_of("advance", "certified"))
            case _:
                judged = (
                    self._judged(self.state.versions[rollout.version], stamp.by) if rollout else NO
                )
                return rollouts.finish(self.state, position, judged)

    def _candidate(self, record: Record, by: str) -> Candidate:
        approvals = frozenset(record.approvals) - {by}
        return Candidate(self.manifests[record.version], record.metrics, approvals)

    def rollback(self, words: list[str], _stamp: Stamp) -> AnyEvent | Unchanged:
        return commands.rollback(self.state, self.find(words) if words else None, None)

    def alias(self, words: list[str], stamp: Stamp) -> AnyEvent | Unchanged:
        record, force = self.find(words[1:]), "force" in words
        return commands.set_alias(self.state, words[0], record, Mover(stamp.by), by_force=force)

    def purge(self, words: list[str], stamp: Stamp) -> AnyEvent | Unchanged:
        return commands.purge(self.state, retention.plan(self.state, self._rule(words, stamp)))

    def _rule(self, words: list[str], stamp: Stamp) -> Rule:
        match words:
            case ["keep", count]:
                return KeepNewest(int(count))
            case ["keep", count, "target"]:
                return KeepNewest(int(count), target="purged")
            case ["policy"]:
                return ByPolicy(self.state.policy.retention, stamp.at)
            case _:
                return Chosen(tuple(self.find([word]).version for word in words))


def _asked(word: str) -> versions.Version | Bump:
    match word:
        case "auto" | "major" | "minor" | "patch":
            return word
        case _:
            return versions.parse(word)


def _figures(words: list[str]) -> dict[str, float]:
    return {name: float(value) for name, value in (word.split("=") for word in words)}


def _tags(words: list[str]) -> dict[str, str | None]:
    return {key: value or None for key, value in (word.split("=") for word in words)}


_Verb = Callable[[_Journal, list[str], Stamp], AnyEvent | Unchanged]
_VERBS: dict[str, _Verb] = {
    "register": _Journal.register,
    "promote": _Journal.promote,
    "retrain": _Journal.retrain,
    "train": _Journal.train,
    "rollback": _Journal.rollback,
    "alias": _Journal.alias,
    "purge": _Journal.purge,
    "rollout": _Journal.rollout,
    "stage": lambda one, words, _: commands.stage(one.state, one.find(words)),
    "archive": lambda one, words, _: commands.archive(one.state, one.find(words)),
    "unalias": lambda one, words, _: commands.remove_alias(one.state, words[0], by_force=True),
    "tag": lambda one, words, _: commands.tag(one.state, one.find(words), _tags(words[1:])),
    "describe": lambda one, words, _: one.describe(words),
    "note": lambda one, words, _: commands.note(one.find(words), words[1]),
    "evaluate": lambda one, words, _: commands.evaluate(
        one.find(words), _figures(words[1:]), "holdout"
    ),
    "approve": lambda one, words, stamp: commands.approve(
        one.state, one.find(words), Mover(stamp.by)
    ),
    "hold": lambda one, words, _: commands.hold(one.state, one.find(words)),
    "release": lambda one, words, _: commands.release(one.find(words)),
    "policy": lambda one, words, _: commands.set_policy(
        one.state, msgspec.json.decode(words[0], type=Policy)
    ),
    "find": lambda one, words, _: drift_commands.find(one.state, drift_found(*words)),
    "acknowledge": lambda one, words, _: drift_commands.acknowledge(one.state, words[0]),
    "delete": lambda one, words, _: commands.delete(one.state, by_force="force" in words),
}


def _played(steps: Iterable[str]) -> _Journal:
    journal = _Journal()
    for step in steps:
        journal.do(step)
    return journal


@pytest.fixture(scope="session")
def make_manifest() -> Callable[..., Manifest]:
    """Return a factory of manifests: a version, and whatever facts matter."""
    return _manifest


@pytest.fixture(scope="session")
def make_stamp() -> Callable[..., Stamp]:
    """Return a factory of stamps, by ada at noon of 1 March 2026."""
    return _stamp


@pytest.fixture(scope="session")
def play() -> Callable[..., State]:
    """Return a function that carries out steps and returns the state after the last."""
    return lambda *steps: _played(steps).state


@pytest.fixture(scope="session")
def written() -> Callable[..., list[tuple[Entry, str]]]:
    """Return a function that carries out steps and returns the entries, each with its digest."""
    return lambda *steps: _played(steps).entries


@pytest.fixture(scope="session")
def attempt() -> Callable[[Iterable[str]], list[tuple[Entry, str]]]:
    """Return a function that tries steps, leaves out what is refused, and returns the entries."""

    def attempted(steps: Iterable[str]) -> list[tuple[Entry, str]]:
        journal = _Journal()
        for step in steps:
            try:
                journal.do(step)
            except HoldfastError:
                continue
        return journal.entries

    return attempted
