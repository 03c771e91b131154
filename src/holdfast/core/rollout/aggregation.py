"""What workers counted of a rollout, put together: the same in any order and any parts."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from msgspec.structs import replace

from holdfast.core.fleet import Counts, Keys, Sides, StepCounts
from holdfast.core.rollout.blocks import Blocks, united
from holdfast.core.rollout.drift import Drift, psi
from holdfast.core.rollout.evidence import Pairs, Tally
from holdfast.core.rollout.key_sample import thinned
from holdfast.core.rollout.rollout_state import Rollout
from holdfast.core.rollout.verdict import Counts as Counted
from holdfast.core.rollout.verdict import Observations

_Found = dict[int, Sides]
"""A count of both sides by step."""


def seen(rollout: Rollout, counts: Iterable[Counts], elapsed_s: float) -> Observations:
    """Put together what is known of *rollout* on its step.

    Where routing is sticky, a key counts once an hour: on the step, and the side, where it first
    failed. Where workers kept a sample of the keys, all are reduced to the smallest one.

    Args:
        counts: Of any workers; those of other rollouts and of steps that the plan lacks are
            ignored.
        elapsed_s: Seconds on the step.
    """
    all_counts = list(counts)
    steps = list(_steps(rollout, all_counts))
    unmeasured = {quantile for worker_counts in all_counts for quantile in worker_counts.unmeasured}
    requests = _sums((step_counts.step, step_counts.requests) for step_counts in steps)
    latency = {
        quantile: _latency(rollout, steps, requests, quantile)
        for quantile, _ in (rollout.baseline.slower_than_us if rollout.baseline else ())
        if quantile not in unmeasured
    }
    scores = _scores(rollout, steps)
    if rollout.plan.strategy == "shadow":
        pairs = _pairs(_mirrored(requests), (step_counts.pairs for step_counts in steps))
        return Observations(rollout.step, elapsed_s, pairs, latency=latency, scores=scores)
    if rollout.sticky is None:
        failures = _sums((step_counts.step, step_counts.failures) for step_counts in steps)
        return Observations(
            rollout.step,
            elapsed_s,
            _tallies(rollout, requests, failures),
            latency=latency,
            assignments=_tallies(rollout, _sums(map(_assigned, steps)), {}),
            scores=scores,
        )
    failed = _failed(steps)
    first = _first((0, step_counts.step, step_counts.first_seen) for step_counts in steps)
    thinned = {
        step: Sides(sides.canary >> failed.level, sides.active >> failed.level)
        for step, sides in requests.items()
    }
    return Observations(
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
        step_counts
        for counted in counts
        if counted.rollout == rollout.number
        for step_counts in counted.steps
        if step_counts.step < len(weights) and step_counts.weight == weights[step_counts.step]
    )


def _sums(counted: Iterable[tuple[int, Sides]]) -> _Found:
    canary, active = Counter[int](), Counter[int]()
    for step, sides in counted:
        canary[step] += sides.canary
        active[step] += sides.active
    return {step: Sides(canary[step], active[step]) for step in canary}


def _assigned(step_counts: StepCounts) -> tuple[int, Sides]:
    """Return what was sent to each side; where that is not counted, what was answered."""
    if step_counts.assigned == Sides():
        return step_counts.step, step_counts.requests
    return step_counts.step, step_counts.assigned


def _tallies(rollout: Rollout, requests: _Found, failures: _Found) -> tuple[Tally, ...]:
    """Return a tally for each step; a failure counts as a request, whatever else was counted."""
    tallies = []
    for step in sorted(requests.keys() | failures.keys()):
        asked, failed = requests.get(step, Sides()), failures.get(step, Sides())
        canary, active = max(asked.canary, failed.canary), max(asked.active, failed.active)
        weight = rollout.plan.steps[step]
        tallies.append(Tally(weight, canary, active, failed.canary, failed.active))
    return tuple(tallies)


def _latency(
    rollout: Rollout, steps: Sequence[StepCounts], requests: _Found, quantile: float
) -> Counted:
    if rollout.plan.strategy == "shadow":
        slower = (dict(step_counts.slower_pairs).get(quantile, (0, 0, 0)) for step_counts in steps)
        return _pairs(_mirrored(requests), slower)
    if any(
        step_counts.blocks for step_counts in steps
    ):  # where each call is known, blocks of calls are judged
        parts = [
            Blocks(logs, events)
            for step_counts in steps
            for at, logs, events in step_counts.blocks
            if at == quantile and all(map(math.isfinite, logs))
        ]
        asked = rollout.analysis.latency
        return united(parts, len(asked.ratios) if asked else 0)
    beyond = _sums(
        (step_counts.step, dict(step_counts.slower).get(quantile, Sides())) for step_counts in steps
    )
    tallies = _tallies(rollout, requests, beyond)
    if rollout.sticky is None:
        return tallies
    return tuple(_as_shared(tally) for tally in tallies)  # a few users may make up most of one side


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
    for step_counts in steps:
        for sums, counted in zip((canary, active), step_counts.scores, strict=True):
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
    return _first(
        (hour, step_counts.step, keys)
        for step_counts in steps
        for hour, keys in step_counts.failed_keys
    )


def _first(counted: Iterable[tuple[int, int, Keys]]) -> _Distinct:
    """Count each key once an hour, on the lowest step; there on the active side if on both.

    A user who fails with the active version goes on failing when a higher step moves them to the
    canary. That says nothing against it, so only the step where a key was first met counts,
    and on that step the active side comes first.
    """
    # Every sample is thinned to the smallest share before keys are compared: a key that one worker
    # did not keep would look new where another one did. For the same reason all reports of a step
    # are united before the next step is looked at, whatever the order in which they came.
    observations = list(counted)
    distinct = _Distinct(max((keys.level for _, _, keys in observations), default=0), {})
    groups: defaultdict[tuple[int, int], tuple[set[int], set[int]]] = defaultdict(
        lambda: (set(), set())
    )
    for hour, step, keys in observations:
        canary, active = groups[hour, step]
        canary |= thinned(keys.canary, distinct.level)
        active |= thinned(keys.active, distinct.level)
    keys_by_hour: defaultdict[int, set[int]] = defaultdict(set)
    fresh = []
    for (hour, step), (canary, active) in sorted(groups.items(), key=lambda item: item[0]):
        active_first = active - keys_by_hour[hour]
        canary_first = canary - keys_by_hour[hour] - active
        keys_by_hour[hour] |= canary | active
        distinct.canary |= canary
        fresh.append((step, Sides(len(canary_first), len(active_first))))
    distinct.by_step = _sums(fresh)
    return distinct
