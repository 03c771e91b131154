"""What workers counted of a rollout, put together: the same in any order and any parts."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from msgspec.structs import replace

from holdfast.core.fleet import Counts, Keys, Sides, StepCounts
from holdfast.core.rollout.blocks import Blocks, united
from holdfast.core.rollout.course import Rollout
from holdfast.core.rollout.drift import Drift, psi
from holdfast.core.rollout.evidence import Pairs, Tally
from holdfast.core.rollout.keys import thinned
from holdfast.core.rollout.verdict import Counts as Counted
from holdfast.core.rollout.verdict import Seen

_Found = dict[int, Sides]
"""A count of both sides by step."""


def seen(rollout: Rollout, counts: Iterable[Counts], elapsed_s: float) -> Seen:
    """Put together what is known of *rollout* on its step.

    Where routing is sticky, a key counts once an hour: on the step, and the side, where it first
    failed. Where workers kept a sample of the keys, all are reduced to the smallest one.

    Args:
        counts: Of any workers; those of other rollouts and of steps that the plan has not are
            left out.
        elapsed_s: Seconds on the step.
    """
    told = list(counts)
    steps = list(_steps(rollout, told))
    unmeasured = {quantile for one in told for quantile in one.unmeasured}
    requests = _sums((one.step, one.requests) for one in steps)
    latency = {
        quantile: _latency(rollout, steps, requests, quantile)
        for quantile, _ in (rollout.baseline.slower_than_us if rollout.baseline else ())
        if quantile not in unmeasured
    }
    scores = _scores(rollout, steps)
    if rollout.plan.strategy == "shadow":
        pairs = _pairs(_mirrored(requests), (one.pairs for one in steps))
        return Seen(rollout.step, elapsed_s, pairs, latency=latency, scores=scores)
    if rollout.sticky is None:
        failures = _sums((one.step, one.failures) for one in steps)
        return Seen(
            rollout.step,
            elapsed_s,
            _tallies(rollout, requests, failures),
            latency=latency,
            assignments=_tallies(rollout, _sums(map(_assigned, steps)), {}),
            scores=scores,
        )
    failed = _failed(steps)
    first = _first((0, one.step, one.first_seen) for one in steps)
    thinned = {
        step: Sides(sides.canary >> failed.level, sides.active >> failed.level)
        for step, sides in requests.items()
    }
    return Seen(
        rollout.step,
        elapsed_s,
        _tallies(rollout, thinned, failed.by_step),
        failing_keys=len(failed.canary),
        latency=latency,
        assignments=_tallies(rollout, first.by_step, {}),
        scores=scores,
    )


def _steps(rollout: Rollout, counts: Iterable[Counts]) -> Iterator[StepCounts]:
    weights = rollout.plan.steps
    return (
        one
        for counted in counts
        if counted.rollout == rollout.number
        for one in counted.steps
        if one.step < len(weights) and one.weight == weights[one.step]
    )


def _sums(counted: Iterable[tuple[int, Sides]]) -> _Found:
    canary, active = Counter[int](), Counter[int]()
    for step, sides in counted:
        canary[step] += sides.canary
        active[step] += sides.active
    return {step: Sides(canary[step], active[step]) for step in canary}


def _assigned(one: StepCounts) -> tuple[int, Sides]:
    """Return what was sent to each side: what counts nothing of that tells what was answered."""
    if one.assigned == Sides():
        return one.step, one.requests
    return one.step, one.assigned


def _tallies(rollout: Rollout, requests: _Found, failures: _Found) -> tuple[Tally, ...]:
    """Return a tally for each step; who failed was also a request, whatever came to be counted."""
    found = []
    for step in sorted(requests.keys() | failures.keys()):
        asked, failed = requests.get(step, Sides()), failures.get(step, Sides())
        canary, active = max(asked.canary, failed.canary), max(asked.active, failed.active)
        weight = rollout.plan.steps[step]
        found.append(Tally(weight, canary, active, failed.canary, failed.active))
    return tuple(found)


def _latency(
    rollout: Rollout, steps: Sequence[StepCounts], requests: _Found, quantile: float
) -> Counted:
    if rollout.plan.strategy == "shadow":
        slower = (dict(one.slower_pairs).get(quantile, (0, 0, 0)) for one in steps)
        return _pairs(_mirrored(requests), slower)
    if any(one.blocks for one in steps):  # who sees each call judges by blocks of them
        parts = [
            Blocks(logs, events)
            for one in steps
            for at, logs, events in one.blocks
            if at == quantile and all(map(math.isfinite, logs))
        ]
        asked = rollout.analysis.latency
        return united(parts, len(asked.ratios) if asked else 0)
    beyond = _sums((one.step, dict(one.slower).get(quantile, Sides())) for one in steps)
    tallies = _tallies(rollout, requests, beyond)
    if rollout.sticky is None:
        return tallies
    return tuple(_as_shared(one) for one in tallies)  # a few users may be most of one side


def _as_shared(tally: Tally) -> Tally:
    """Return a tally with the share of the requests that the canary got, not that of the keys."""
    share = tally.canary / max(1, tally.canary + tally.active)
    return replace(tally, weight=share) if 0 < share < 1 else tally


def _mirrored(requests: _Found) -> int:
    return sum(sides.canary for sides in requests.values())


def _pairs(mirrored: int, failed: Iterable[tuple[int, int, int]]) -> Pairs:
    sums = [sum(column) for column in zip((0, 0, 0), *failed, strict=True)]
    return Pairs(max(mirrored, sum(sums)), *sums)


def _scores(rollout: Rollout, steps: Iterable[StepCounts]) -> Drift | None:
    edges = rollout.baseline.score_edges if rollout.baseline else ()
    if not edges:
        return None
    canary, active = [0] * (len(edges) + 1), [0] * (len(edges) + 1)
    for one in steps:
        for sums, counted in zip((canary, active), one.scores, strict=True):
            if len(counted) == len(sums):
                sums[:] = [before + more for before, more in zip(sums, counted, strict=True)]
    return psi(active, canary)


@dataclass(slots=True)
class _Distinct:
    """Distinct keys.

    Attributes:
        level: Of the sample; see `Keys`.
        by_step: How many, where each was first met.
        canary: Those met on the canary's side at any time.
    """

    level: int
    by_step: _Found
    canary: set[int] = field(default_factory=set)


def _failed(steps: Iterable[StepCounts]) -> _Distinct:
    return _first((hour, one.step, keys) for one in steps for hour, keys in one.failed_keys)


def _first(counted: Iterable[tuple[int, int, Keys]]) -> _Distinct:
    """Count each key once an hour, on the lowest step; there on the active side if on both."""
    told = list(counted)
    found = _Distinct(max((keys.level for _, _, keys in told), default=0), {})
    groups: defaultdict[tuple[int, int], tuple[set[int], set[int]]] = defaultdict(
        lambda: (set(), set())
    )
    for hour, step, keys in told:
        canary, active = groups[hour, step]
        canary |= thinned(keys.canary, found.level)
        active |= thinned(keys.active, found.level)
    met: defaultdict[int, set[int]] = defaultdict(set)
    fresh = []
    for (hour, step), (canary, active) in sorted(groups.items(), key=lambda item: item[0]):
        active_first = active - met[hour]
        canary_first = canary - met[hour] - active
        met[hour] |= canary | active
        found.canary |= canary
        fresh.append((step, Sides(len(canary_first), len(active_first))))
    found.by_step = _sums(fresh)
    return found
