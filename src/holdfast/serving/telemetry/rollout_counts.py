"""Counts what a worker answers: of a rollout for its tests, of the live version for its baseline.

Everything is counted on the event loop, by a few additions a request, and read from the thread
that reports: what is read is copied by single steps of the interpreter, so no lock is needed, and
a request that is just being counted may show in one figure and not yet in another.
"""

import hashlib
import math
import random
import secrets
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from holdfast.core.fleet import Counts, Keys, Sides, StepCounts
from holdfast.core.rollout.blocks import Blocking
from holdfast.core.rollout.key_sample import ACTIVE, CANARY, KeySample, met, told
from holdfast.core.rollout.rollout_state import Rollout
from holdfast.serving.answering.finished import FinishedRequest
from holdfast.serving.answering.routing import RoutingDecision
from holdfast.serving.routing_table import RoutingTable
from holdfast.serving.vitals import CallInProgress

__all__ = ["RolloutCountsSink"]

_FINENESS: Final = math.log(1.05)
"""Logarithm of the ratio of two bounds of the latency histogram."""
_SCORES: Final = 1_000
_MOST_KEYS: Final = 4_096
_KEPT: Final = 2
_WARM_CALLS: Final = 20
"""Calls of a candidate in a worker before its calls are compared: first ones are slow."""

_HOUR_US: Final = 3_600_000_000
_CANARY, _ACTIVE = 0, 1


def _keys() -> KeySample[int]:
    return KeySample(_MOST_KEYS)


@dataclass(slots=True)
class _Step:
    """One step of a rollout, counted; lists are of the canary and the active version."""

    weight: float
    requests: list[int] = field(default_factory=lambda: [0, 0])
    assigned: list[int] = field(default_factory=lambda: [0, 0])
    failures: list[int] = field(default_factory=lambda: [0, 0])
    failed_keys: dict[int, KeySample[int]] = field(default_factory=dict)
    first_seen: KeySample[int] = field(default_factory=_keys)
    slower: dict[float, list[int]] = field(default_factory=dict)
    pairs: list[int] = field(default_factory=lambda: [0, 0, 0])
    slower_pairs: dict[float, list[int]] = field(default_factory=dict)
    blocks: Blocking | None = None
    scores: tuple[list[int], list[int]] = field(default_factory=lambda: ([], []))


class _Evidence:
    """What was counted of one rollout."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.news = 0
        self._steps: dict[int, _Step] = {}
        self._met = _keys()
        self._cold = _WARM_CALLS

    def routed(self, choice: RoutingDecision, prediction_id: str, rollout: Rollout) -> None:
        step = self._step(rollout)
        side = _ACTIVE if choice.role == "active" else _CANARY
        step.assigned[side] += 1
        if rollout.sticky is not None:
            self._meet(step, side, choice.key, prediction_id)
        self.news += 1

    def _step(self, rollout: Rollout) -> _Step:
        return self._step_at(rollout.step, rollout.weight)

    def _step_at(self, index: int, weight: float) -> _Step:
        step = self._steps.get(index)
        if step is None:
            step = self._steps[index] = _Step(weight)
        return step

    def lost(self, call: CallInProgress, hour: int) -> None:
        """Count the requests of a call in which a worker died; whose keys they had is not known."""
        step = self._step_at(call.step, call.weight)
        side = _ACTIVE if call.role == "active" else _CANARY
        step.requests[side] += call.counted
        step.failures[side] += call.counted
        if call.role == "shadow":
            step.pairs[0] += call.counted
        keys = step.failed_keys.setdefault(hour, _keys())
        for _ in range(call.counted):
            met(keys, secrets.randbits(64), CANARY if side == _CANARY else ACTIVE)
        self.news += call.counted

    def note(self, request: FinishedRequest, rollout: Rollout) -> None:
        step = self._step(rollout)
        side = _ACTIVE if request.role == "active" else _CANARY
        step.requests[side] += 1
        step.failures[side] += request.failed
        if rollout.sticky is not None:
            self._note_key(step, side, request)
        if rollout.baseline is not None:
            bounds = rollout.slow_from_us(of_canary=side == _CANARY)
            slow = {at: request.late or request.call_us > bound for at, bound in bounds}
            if request.mirrored is None:
                for at, is_slow in slow.items():
                    step.slower.setdefault(at, [0, 0])[side] += is_slow
            _note_score(step, side, request.score, rollout.baseline.score_edges)
            self._note_call(rollout, step, side, request, slow)
        if request.mirrored is not None:
            _add_pair(step.pairs, request.failed, request.mirrored.failed)
        self.news += 1

    def _note_call(
        self,
        rollout: Rollout,
        step: _Step,
        side: int,
        request: FinishedRequest,
        slow: dict[float, bool],
    ) -> None:
        """Count whether a call was slow, but for the first ones of the candidate here."""
        asked, baseline = rollout.analysis.latency, rollout.baseline
        if not request.leads or asked is None or baseline is None:
            return
        if side == _CANARY and self._cold:
            self._cold -= 1
            return
        if request.mirrored is not None:
            for at, bound in baseline.slower_than_us:
                pairs = step.slower_pairs.setdefault(at, [0, 0, 0])
                _add_pair(pairs, slow[at], request.mirrored.call_us > bound)
            return
        if step.blocks is None:
            step.blocks = Blocking(asked.ratios, step.weight, slow)
        step.blocks.note(of_canary=side == _CANARY, requests=request.batch, slow=slow)

    def _note_key(self, step: _Step, side: int, request: FinishedRequest) -> None:
        key = self._meet(step, side, request.key, request.prediction_id)
        if request.failed:
            where = CANARY if side == _CANARY else ACTIVE
            hour = request.at_us // _HOUR_US
            keys = step.failed_keys.get(hour)
            if keys is None:
                keys = step.failed_keys[hour] = _keys()
            met(keys, key, where)

    def _meet(self, step: _Step, side: int, key: int | None, prediction_id: str) -> int:
        key = _own_key(prediction_id) if key is None else key
        if self._met.admits(key) and key not in self._met.known:
            where = CANARY if side == _CANARY else ACTIVE
            self._met.put(key, where)
            step.first_seen.put(key, where)
        return key

    def told(self) -> tuple[StepCounts, ...]:
        return tuple(self._told(step, counts) for step, counts in sorted([*self._steps.items()]))

    def _told(self, step: int, counts: _Step) -> StepCounts:
        return StepCounts(
            step=step,
            weight=counts.weight,
            requests=Sides(*counts.requests),
            assigned=Sides(*counts.assigned),
            failures=Sides(*counts.failures),
            failed_keys=tuple(
                (hour, _as_told(keys)) for hour, keys in sorted([*counts.failed_keys.items()])
            ),
            first_seen=_as_told(counts.first_seen, self._met),
            slower=tuple((at, Sides(*numbers)) for at, numbers in sorted([*counts.slower.items()])),
            pairs=_three(counts.pairs),
            slower_pairs=tuple(
                (at, _three(numbers)) for at, numbers in sorted([*counts.slower_pairs.items()])
            ),
            scores=(tuple(counts.scores[0]), tuple(counts.scores[1])),
            blocks=tuple(
                (at, full.logs, full.events)
                for at, full in (counts.blocks.full() if counts.blocks else ())
            ),
        )


def _as_told(keys: KeySample[int], within: KeySample[int] | None = None) -> Keys:
    """Copy keys, thinned to their own share and that of *within*."""
    known = keys.known.copy()  # first: a share that is halved meanwhile thins what is copied
    return told(max(keys.level, within.level if within else 0), known)


def _three(numbers: list[int]) -> tuple[int, int, int]:
    return numbers[0], numbers[1], numbers[2]


def _own_key(prediction_id: str) -> int:
    """Give a request that came without a key one of its own: it is like no other."""
    return int.from_bytes(hashlib.blake2b(prediction_id.encode(), digest_size=8).digest())


def _note_score(step: _Step, side: int, score: float | None, edges: Sequence[float]) -> None:
    """Count a score into its bin."""
    if edges and score is not None:
        if not step.scores[side]:
            for bins in step.scores:
                bins.extend([0] * (len(edges) + 1))
        step.scores[side][bisect_right(edges, score)] += 1


def _add_pair(pairs: list[int], canary: bool, active: bool) -> None:  # noqa: FBT001 - two facts
    if canary or active:
        pairs[2 if canary and active else 1 if active else 0] += 1


class _Live:
    """The live version, as it answers here."""

    def __init__(self, version: str) -> None:
        self.version = version
        self.latencies: Counter[int] = Counter()
        self.scores: list[float] = []
        self._offered = 0
        self._chance = random.Random(0)  # noqa: S311 - draws a sample

    def note(self, request: FinishedRequest) -> None:
        self.latencies[int(math.log(max(1, request.call_us)) / _FINENESS)] += 1
        if request.score is None or not math.isfinite(request.score):
            return
        self._offered += 1
        if len(self.scores) < _SCORES:
            self.scores.append(request.score)
            return
        index = self._chance.randrange(self._offered)
        if index < _SCORES:
            self.scores[index] = request.score


class _Book:
    """Everything that is counted of one model."""

    def __init__(self) -> None:
        self.live: _Live | None = None
        self.rollouts: dict[int, _Evidence] = {}

    def note(self, request: FinishedRequest) -> None:
        if request.role == "active":
            if self.live is None or self.live.version != request.loaded.version:
                self.live = _Live(request.loaded.version)
            self.live.note(request)
        rollout = request.routing_table.rollout
        if request.counted and rollout is not None:
            self.evidence(rollout.number).note(request, rollout)

    def evidence(self, number: int) -> _Evidence:
        evidence = self.rollouts.get(number)
        if evidence is None:
            evidence = self.rollouts[number] = _Evidence(number)
            for old in sorted(self.rollouts)[:-_KEPT]:
                del self.rollouts[old]
        return evidence


class RolloutCountsSink:
    """A sink that counts, from before anything is left out of the log."""

    def __init__(self, models: Iterable[str]) -> None:
        self._books = {model: _Book() for model in models}

    def finished(self, request: FinishedRequest) -> None:
        """Count a request."""
        self._books[request.routing_table.model].note(request)

    def routed(
        self, routing_table: RoutingTable, choice: RoutingDecision, prediction_id: str
    ) -> None:
        """Count a request where it is sent, whatever comes of it."""
        rollout = routing_table.rollout
        if rollout is not None:
            evidence = self._books[routing_table.model].evidence(rollout.number)
            evidence.routed(choice, prediction_id, rollout)

    def lost(self, call: CallInProgress, at_us: int) -> None:
        """Count the requests of a call in which another worker died, as failed.

        Args:
            at_us: About when, in microseconds since 1970.
        """
        book = self._books.get(call.model)
        if book is not None and call.rollout is not None and call.counted:
            book.evidence(call.rollout).lost(call, at_us // _HOUR_US)

    def news(self, model: str) -> dict[int, int]:
        """Tell, by rollout, a number that rises with each request counted."""
        return {
            number: evidence.news for number, evidence in [*self._books[model].rollouts.items()]
        }

    def counts(self, model: str, rollout: int, worker: str, at: str) -> Counts:
        """Return all that was counted of a rollout, none to zero."""
        evidence = self._books[model].rollouts.get(rollout)
        return Counts(model, rollout, worker, at, evidence.told() if evidence else ())

    def latency_us(self, model: str, version: str) -> tuple[tuple[int, int], ...]:
        """Return the histogram of a version's latencies since it is live here."""
        live = self._books[model].live
        if live is None or live.version != version:
            return ()
        histogram = sorted(live.latencies.copy().items())
        return tuple(
            (math.ceil(math.exp(_FINENESS * (index + 1))), count) for index, count in histogram
        )

    def scores(self, model: str, version: str) -> tuple[float, ...]:
        """Return up to 1,000 of its scores, drawn evenly."""
        live = self._books[model].live
        return tuple(live.scores) if live is not None and live.version == version else ()
