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
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from holdfast.core.fleet import Counts, Keys, Sides, StepCounts
from holdfast.core.rollout.analysis import Relative
from holdfast.core.rollout.blocks import Blocking
from holdfast.core.rollout.course import Rollout
from holdfast.core.rollout.keys import ACTIVE, CANARY, Sample, met, told
from holdfast.serving.answering.finished import Finished
from holdfast.serving.answering.routing import Choice
from holdfast.serving.lineup import Lineup
from holdfast.serving.vitals import Calling

__all__ = ["Counting"]

_FINENESS: Final = math.log(1.05)
"""Logarithm of the ratio of two bounds of the latency histogram."""
_SCORES: Final = 1_000
_MOST_KEYS: Final = 4_096
_KEPT: Final = 2
_WARM_CALLS: Final = 20
"""Calls of a candidate in a worker before its calls are compared: first ones are slow."""

_HOUR_US: Final = 3_600_000_000
_CANARY, _ACTIVE = 0, 1


def _keys() -> Sample[int]:
    return Sample(_MOST_KEYS)


@dataclass(slots=True)
class _Step:
    """One step of a rollout, counted; lists are of the canary and the active version."""

    weight: float
    requests: list[int] = field(default_factory=lambda: [0, 0])
    assigned: list[int] = field(default_factory=lambda: [0, 0])
    failures: list[int] = field(default_factory=lambda: [0, 0])
    failed_keys: dict[int, Sample[int]] = field(default_factory=dict)
    first_seen: Sample[int] = field(default_factory=_keys)
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

    def routed(self, choice: Choice, prediction_id: str, rollout: Rollout) -> None:
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

    def lost(self, call: Calling, hour: int) -> None:
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

    def note(self, one: Finished, rollout: Rollout) -> None:
        step = self._step(rollout)
        side = _ACTIVE if one.role == "active" else _CANARY
        step.requests[side] += 1
        step.failures[side] += one.failed
        if rollout.sticky is not None:
            self._note_key(step, side, one)
        if rollout.baseline is not None:
            _note_against(rollout, step, side, one)
            self._note_call(rollout, step, side, one)
        if one.mirrored is not None:
            _add_pair(step.pairs, one.failed, one.mirrored.failed)
        self.news += 1

    def _note_call(self, rollout: Rollout, step: _Step, side: int, one: Finished) -> None:
        """Hold a call against the baseline, but for the first ones of the candidate here."""
        asked, baseline = rollout.analysis.latency, rollout.baseline
        if not one.leads or asked is None or baseline is None:
            return
        if side == _CANARY and self._cold:
            self._cold -= 1
            return
        slow = {at: one.late or one.call_us > bound for at, bound in baseline.slower_than_us}
        if one.mirrored is not None:
            for at, bound in baseline.slower_than_us:
                pairs = step.slower_pairs.setdefault(at, [0, 0, 0])
                _add_pair(pairs, slow[at], one.mirrored.call_us > bound)
            return
        if step.blocks is None:
            rule = Relative(asked.margin, asked.ratios)
            step.blocks = Blocking(rule, step.weight, slow)
        step.blocks.note(of_canary=side == _CANARY, requests=one.batch, slow=slow)

    def _note_key(self, step: _Step, side: int, one: Finished) -> None:
        key = self._meet(step, side, one.key, one.prediction_id)
        if one.failed:
            where = CANARY if side == _CANARY else ACTIVE
            hour = one.at_us // _HOUR_US
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
        return tuple(self._told(step, one) for step, one in sorted([*self._steps.items()]))

    def _told(self, step: int, one: _Step) -> StepCounts:
        return StepCounts(
            step=step,
            weight=one.weight,
            requests=Sides(*one.requests),
            assigned=Sides(*one.assigned),
            failures=Sides(*one.failures),
            failed_keys=tuple(
                (hour, _as_told(keys)) for hour, keys in sorted([*one.failed_keys.items()])
            ),
            first_seen=_as_told(one.first_seen, self._met),
            slower=tuple((at, Sides(*found)) for at, found in sorted([*one.slower.items()])),
            pairs=_three(one.pairs),
            slower_pairs=tuple(
                (at, _three(found)) for at, found in sorted([*one.slower_pairs.items()])
            ),
            scores=(tuple(one.scores[0]), tuple(one.scores[1])),
            blocks=tuple(
                (at, full.logs, full.events)
                for at, full in (one.blocks.full() if one.blocks else ())
            ),
        )


def _as_told(keys: Sample[int], within: Sample[int] | None = None) -> Keys:
    """Copy keys, thinned to their own share and that of *within*."""
    known = keys.known.copy()  # first: a share that is halved meanwhile thins what is copied
    return told(max(keys.level, within.level if within else 0), known)


def _three(found: list[int]) -> tuple[int, int, int]:
    return found[0], found[1], found[2]


def _own_key(prediction_id: str) -> int:
    """Give a request that came without a key one of its own: it is like no other."""
    return int.from_bytes(hashlib.blake2b(prediction_id.encode(), digest_size=8).digest())


def _note_against(rollout: Rollout, step: _Step, side: int, one: Finished) -> None:
    """Hold a request against the baseline."""
    assert rollout.baseline is not None  # noqa: S101 - asked by the only caller
    for quantile, bound_us in rollout.baseline.slower_than_us:
        if one.mirrored is None:
            slower = one.late or one.call_us > bound_us
            step.slower.setdefault(quantile, [0, 0])[side] += slower
    edges = rollout.baseline.score_edges
    if edges and one.score is not None:
        if not step.scores[side]:
            for bins in step.scores:
                bins.extend([0] * (len(edges) + 1))
        step.scores[side][bisect_right(edges, one.score)] += 1


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

    def note(self, one: Finished) -> None:
        self.latencies[int(math.log(max(1, one.call_us)) / _FINENESS)] += 1
        if one.score is None or not math.isfinite(one.score):
            return
        self._offered += 1
        if len(self.scores) < _SCORES:
            self.scores.append(one.score)
            return
        place = self._chance.randrange(self._offered)
        if place < _SCORES:
            self.scores[place] = one.score


class _Book:
    """Everything that is counted of one model."""

    def __init__(self) -> None:
        self.live: _Live | None = None
        self.rollouts: dict[int, _Evidence] = {}

    def note(self, one: Finished) -> None:
        if one.role == "active":
            if self.live is None or self.live.version != one.loaded.version:
                self.live = _Live(one.loaded.version)
            self.live.note(one)
        rollout = one.lineup.rollout
        if one.counted and rollout is not None:
            self.evidence(rollout.number).note(one, rollout)

    def evidence(self, number: int) -> _Evidence:
        evidence = self.rollouts.get(number)
        if evidence is None:
            evidence = self.rollouts[number] = _Evidence(number)
            for old in sorted(self.rollouts)[:-_KEPT]:
                del self.rollouts[old]
        return evidence


class Counting:
    """A sink that counts, from before anything is left out of the log."""

    def __init__(self, models: Iterable[str]) -> None:
        self._books = {model: _Book() for model in models}

    def finished(self, one: Finished) -> None:
        """Count a request."""
        self._books[one.lineup.model].note(one)

    def routed(self, lineup: Lineup, choice: Choice, prediction_id: str) -> None:
        """Count a request where it is sent, whatever comes of it."""
        rollout = lineup.rollout
        if rollout is not None:
            evidence = self._books[lineup.model].evidence(rollout.number)
            evidence.routed(choice, prediction_id, rollout)

    def lost(self, call: Calling, at_us: int) -> None:
        """Count the requests of a call in which another worker died, as failed.

        Args:
            at_us: About when, in microseconds since 1970.
        """
        book = self._books.get(call.model)
        if book is not None and call.rollout is not None and call.counted:
            book.evidence(call.rollout).lost(call, at_us // _HOUR_US)

    def news(self, model: str) -> dict[int, int]:
        """Tell, by rollout, a number that rises with each request counted."""
        return {number: one.news for number, one in [*self._books[model].rollouts.items()]}

    def counts(self, model: str, rollout: int, worker: str, at: str) -> Counts:
        """Return all that was counted of a rollout, none to zero."""
        evidence = self._books[model].rollouts.get(rollout)
        return Counts(model, rollout, worker, at, evidence.told() if evidence else ())

    def latency_us(self, model: str, version: str) -> tuple[tuple[int, int], ...]:
        """Return the histogram of a version's latencies since it is live here."""
        live = self._books[model].live
        if live is None or live.version != version:
            return ()
        found = sorted(live.latencies.copy().items())
        return tuple(
            (math.ceil(math.exp(_FINENESS * (place + 1))), count) for place, count in found
        )

    def scores(self, model: str, version: str) -> tuple[float, ...]:
        """Return up to 1,000 of its scores, drawn evenly."""
        live = self._books[model].live
        return tuple(live.scores) if live is not None and live.version == version else ()
