"""Many runs of one plan at once, looked at after every request."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from holdfast.core.rollout import analysis as analyses
from holdfast.core.rollout import blocks, evidence
from holdfast.core.rollout import plan as plans
from holdfast.core.rollout.analysis import Absolute, Analysis, Relative, Threshold
from holdfast.core.rollout.plan import Plan
from holdfast.errors import InvalidInputError
from holdfast.rollouts import results
from holdfast.rollouts import scenario as scenarios_
from holdfast.rollouts.results import ScenarioResult, Simulation, SimulationSettings
from holdfast.rollouts.scenario import Scenario
from holdfast.rollouts.traffic import Arms, Marks, Stretch, Traffic
from holdfast.rollouts.vectorized import (
    Counts,
    Floats,
    block_bets,
    confidence_sequences,
    mean_of_logs,
)

_STRETCH: Final = 1000
_POINTS: Final = 80
_FIRST: Final = 10
_RUNNING, _HALTED, _COMPLETED, _ROLLED_BACK = range(4)


def simulate(
    plan: Plan, analysis: Analysis, scenarios: Sequence[Scenario], setting: SimulationSettings
) -> Simulation:
    """Play a plan against each scenario; `holdfast.rollouts.simulate` is its door."""
    plan, analysis = plans.check(plan), analyses.check(analysis)
    setting = results.check(setting)
    if plan.strategy == "ab":
        raise InvalidInputError("plan", "is an A/B test", "use simulate_ab")
    if any(scenario.answers != 1 for scenario in scenarios):
        raise InvalidInputError(
            "scenario answers", f"does not fit a {plan.strategy} rollout", "give --strategy ab"
        )
    outcomes = [
        _Runs.of(plan, analysis, scenarios_.check(scenario), setting).play()
        for scenario in scenarios
    ]
    return Simulation(plan, analysis, setting, tuple(outcomes))


@dataclass(slots=True)
class EValues:
    """One test in every run.

    Attributes:
        needed: Logarithm of the e-value from which it is significant.
        bets: What each outcome wins, shape (steps, bets, outcomes), the last outcome is success.
        log_e_values: Logarithm of what each bet has won, shape (runs, bets).
        events: Failures of the canary that counted, shape (runs,).
    """

    needed: float
    bets: Floats
    log_e_values: Floats
    events: Counts

    @classmethod
    def of(cls, rule: Relative | Absolute, alpha: float, plan: Plan, runs: int) -> "EValues":
        """Begin with 1; the bets are those of `core.rollout.evidence`."""
        if plan.strategy == "shadow":
            bets = np.array([evidence.pair_bets(rule)] * len(plan.steps))
        else:  # all of the traffic leaves no control and nothing to bet on
            bets = np.array([evidence.bets(rule, step) for step in plan.steps if step < 1])
            none = np.zeros((1, *bets.shape[1:])) if len(bets) else np.zeros((1, 1, 3))
            bets = np.concatenate([bets, none]) if len(bets) else none
        log_e_values = np.zeros((runs, bets.shape[1]))
        return cls(-math.log(alpha), bets, log_e_values, np.zeros(runs, dtype=np.int64))

    def look(self, arms: Arms, stretch: Stretch, steps: Counts, fewest: int) -> Counts:
        """Look after every request of a stretch and add it up.

        Args:
            arms: Failures that count.
            stretch: The requests.
            steps: Index of each run's step.
            fewest: Canary failures without which nothing is said.

        Returns:
            The place of the first request at which it is significant, the stretch's length
            where none.
        """
        kinds = self._kinds(arms)
        asked = np.cumsum(stretch.canary | stretch.active, axis=1, dtype=np.int64)
        sums = [np.cumsum(kind, axis=1) for kind in kinds]
        canary = np.cumsum(arms.canary, axis=1)
        rows, places = np.nonzero(arms.canary)  # evidence rises nowhere else
        counts: Counts = np.stack([total[rows, places] for total in (*sums, asked)], axis=-1)
        logs = self.log_e_values[rows] + self._won(counts, steps[rows])
        is_significant = mean_of_logs(logs) >= self.needed
        is_significant &= self.events[rows] + canary[rows, places] >= fewest
        first = np.full(len(steps), arms.canary.shape[1], dtype=np.int64)
        np.minimum.at(first, rows[is_significant], places[is_significant])
        ends: Counts = np.stack([total[:, -1] for total in (*sums, asked)], axis=-1)
        self.log_e_values += self._won(ends, steps)
        self.events += canary[:, -1]
        return first

    def _kinds(self, arms: Arms) -> tuple[Marks, ...]:
        """Return where each outcome but success occurred."""
        if self.bets.shape[2] == len(evidence.Bet._fields):
            return arms.canary, arms.active
        both = arms.canary & arms.active
        return arms.canary & ~both, arms.active & ~both, both

    def _won(self, counts: Counts, steps: Counts) -> Floats:
        """Return what each bet won; the last of *counts* is all requests, made successes here."""
        counts = counts.copy()
        counts[:, -1] -= counts[:, :-1].sum(axis=1)
        return np.asarray(np.einsum("nc,nkc->nk", counts, self.bets[steps]), dtype=np.float64)


@dataclass(slots=True)
class BlockEValues:
    """One latency test in every run; each request is a call of its own.

    Attributes:
        needed: Logarithm of the e-value from which it is significant.
        sizes: Calls of a block, by step; 0 where no control is left.
        log_e_values: Logarithm of what each bet has won, shape (runs, bets).
        events: Slow calls of the canary in full blocks, shape (runs,).
        opened: Of the open block: calls of the canary, slow ones of it and of the active version,
            and all calls; shape (4, runs).
        steps: Index of each run's step, of which the open block is.
    """

    ratios: tuple[float, ...]
    needed: float
    sizes: Counts
    log_e_values: Floats
    events: Counts
    opened: Counts
    steps: Counts

    @classmethod
    def of(cls, ratios: tuple[float, ...], alpha: float, plan: Plan, runs: int) -> "BlockEValues":
        """Begin with 1."""
        sizes = np.array([blocks.size(step) if step < 1 else 0 for step in plan.steps])
        log_e_values = np.zeros((runs, len(ratios)))
        none = np.zeros(runs, dtype=np.int64)
        opened = np.zeros((4, runs), dtype=np.int64)
        needed = -math.log(alpha)
        return cls(ratios, needed, sizes, log_e_values, none, opened, none.copy())

    def look(self, arms: Arms, stretch: Stretch, steps: Counts, fewest: int) -> Counts:
        """Look at each block of a stretch that is full; see `EValues.look`."""
        length = stretch.canary.shape[1]
        self.opened[:, steps != self.steps] = 0
        self.steps = steps.copy()
        sizes, filled = self.sizes[steps], self.opened[3]
        sums = [np.cumsum(marks, axis=1) for marks in (stretch.canary, arms.canary, arms.active)]
        last = -self.opened[:3]
        first = np.full(len(steps), length, dtype=np.int64)
        full = np.zeros(len(steps), dtype=np.int64)
        while True:
            ends = sizes * (full + 1) - filled - 1
            rows = np.nonzero((sizes > 0) & (ends < length))[0]
            if not len(rows):
                break
            now = np.array([total[rows, ends[rows]] for total in sums])
            self._close(rows, now - last[:, rows])
            last[:, rows] = now
            full[rows] += 1
            is_significant = mean_of_logs(self.log_e_values[rows]) >= self.needed
            is_significant &= self.events[rows] >= fewest
            np.minimum.at(first, rows[is_significant], ends[rows[is_significant]])
        self.opened[:3] = np.array([total[:, -1] for total in sums]) - last
        self.opened[3] = np.where(sizes > 0, filled + length - full * sizes, 0)
        return first

    def _close(self, rows: Counts, counts: Counts) -> None:
        canary, canary_slow, active_slow = counts
        active = self.sizes[self.steps[rows]] - canary
        block = np.array([canary, active, canary_slow, active_slow])
        self.log_e_values[rows] += block_bets(self.ratios, block)
        self.events[rows] += canary_slow


@dataclass(slots=True)
class _Runs:
    """All runs of one scenario; arrays have shape (runs,).

    Attributes:
        counts: All that follow, shape (10, runs).
        steps: Index of the step each is on.
        state: Running, or how it ended.
        began: Requests before the step.
        ended: Requests before the end.
        failed: Failed canary requests, each of them.
        keys: Failed canary keys.
        counted: On this step: canary failures, canary, active failures, active; shape (4, runs).
    """

    plan: Plan
    analysis: Analysis
    scenario: Scenario
    setting: SimulationSettings
    traffic: Traffic
    tests: list[EValues | BlockEValues]
    counts: Counts
    steps: Counts = field(init=False)
    state: Counts = field(init=False)
    began: Counts = field(init=False)
    ended: Counts = field(init=False)
    failed: Counts = field(init=False)
    keys: Counts = field(init=False)
    counted: Counts = field(init=False)

    def __post_init__(self) -> None:
        """Name the rows of the counts."""
        self.steps, self.state, self.began, self.ended, self.failed, self.keys = self.counts[:6]
        self.counted = self.counts[6:]

    @classmethod
    def of(
        cls, plan: Plan, analysis: Analysis, scenario: Scenario, setting: SimulationSettings
    ) -> "_Runs":
        runs, rule, latency = setting.runs, analysis.errors, analysis.latency
        tests: list[EValues | BlockEValues] = []
        if not isinstance(rule, Threshold):
            tests.append(EValues.of(rule, analysis.alpha, plan, runs))
        quantiles = latency.quantiles if latency else ()
        if latency:
            alpha = analysis.alpha / len(quantiles)
            if plan.strategy == "shadow":
                tests += [EValues.of(latency.exceedance, alpha, plan, runs) for _ in quantiles]
            else:
                tests += [BlockEValues.of(latency.ratios, alpha, plan, runs) for _ in quantiles]
        random = np.random.default_rng(setting.seed)
        mirrored = plan.strategy == "shadow"
        traffic = Traffic(scenario, runs, setting.requests, mirrored, latency, random)
        counts = np.zeros((10, runs), dtype=np.int64)
        return cls(plan, analysis, scenario, setting, traffic, tests, counts)

    def play(self) -> ScenarioResult:
        """Play all runs to their end."""
        self._complete(0)
        weights = np.array(self.plan.steps)
        start = 0
        while start < self.setting.requests and (self.state == _RUNNING).any():
            length = min(self.setting.per_minute, _STRETCH, self.setting.requests - start)
            stretch = self.traffic.stretch(start, length, weights[self.steps])
            self._halt(start, stretch)
            start += length
            self._count(stretch)
            self._advance(start)
        return self._outcome()

    def _halt(self, start: int, stretch: Stretch) -> None:
        """Look after every request, and end the runs in which a test spoke."""
        length = stretch.canary.shape[1]
        first = np.full(len(self.state), length, dtype=np.int64)
        rule = self.analysis.errors
        kinds = [*stretch.slow]
        if isinstance(rule, Threshold):
            first = self._beyond(rule, stretch)
        else:
            kinds.insert(0, stretch.errors)
        for test, arms in zip(self.tests, kinds, strict=True):
            indices = test.look(arms, stretch, self.steps, self.analysis.min_keys)
            first = np.minimum(first, indices)
        self.keys += stretch.errors.canary.sum(axis=1)
        halted = (self.state == _RUNNING) & (first < length)
        until = np.where(halted, first, length)[:, None] >= np.arange(length)
        self.failed += (stretch.failed & until).sum(axis=1) * (self.state == _RUNNING)
        self.state[halted] = _HALTED
        self.ended[halted] = start + first[halted] + 1

    def _beyond(self, rule: Threshold, stretch: Stretch) -> Counts:
        """Return the place of the first request at which the plain rule halts each run."""
        counts = [
            before[:, None] + np.cumsum(marks, axis=1)
            for before, marks in zip(self.counted, _marks(stretch), strict=True)
        ]
        canary_failures, canary, active_failures, active = counts
        keys = self.keys[:, None] + np.cumsum(stretch.errors.canary, axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):  # sides without requests yet
            worse = canary_failures / canary > (1 + rule.margin) * (active_failures / active)
        worse &= (canary >= rule.min_requests) & (active > 0) & (keys >= self.analysis.min_keys)
        return np.asarray(np.where(worse.any(axis=1), worse.argmax(axis=1), worse.shape[1]))

    def _count(self, stretch: Stretch) -> None:
        self.counted += np.array([marks.sum(axis=1) for marks in _marks(stretch)])

    def _advance(self, now: int) -> None:
        """Leave the steps that can be left, and those that are overdue as the plan says."""
        minutes = (now - self.began) / self.setting.per_minute
        running = self.state == _RUNNING
        passed = running & (minutes * 60 >= self.plan.dwell_s)
        passed &= self.counted[1] >= self.plan.min_requests
        if self.plan.advance == "certified":
            passed[passed] = self._certified(np.nonzero(passed)[0])
        longest = self.plan.max_step_time_s
        if longest is not None and self.plan.overdue != "hold":
            late = running & ~passed & (minutes * 60 >= longest) & (self.counted[1] > 0)
            if self.plan.overdue == "rollback":
                self.state[late] = _ROLLED_BACK
            else:
                passed |= late
        self.steps[passed] += 1
        self.began[passed] = now
        self.counted[:, passed] = 0
        self._complete(now)

    def _complete(self, now: int) -> None:
        """End the runs that reached all of the traffic: of a shadow, all of it mirrored."""
        last = len(self.plan.steps) - (self.plan.strategy != "shadow")
        done = (self.state == _RUNNING) & (self.steps >= last)
        self.state[done] = _COMPLETED
        self.ended[done] = now
        self.steps[done] = len(self.plan.steps) - 1

    def _certified(self, runs: Counts) -> Marks:
        """Tell in which runs the bands rule out the step's limit."""
        canary_failures, canary, active_failures, active = self.counted[:, runs]
        _, high = confidence_sequences(canary_failures, canary, self.analysis.alpha)
        low, _ = confidence_sequences(active_failures, np.maximum(active, 1), self.analysis.alpha)
        limits = np.array([self.plan.limit(step) for step in range(len(self.plan.steps))])
        return np.asarray(high - low <= limits[self.steps[runs]])

    def _outcome(self) -> ScenarioResult:
        halted = self.state == _HALTED
        ends = np.where(halted, self.ended, np.inf)
        median, p90 = np.quantile(ends, (0.5, 0.9), method="inverted_cdf")
        grid = np.unique(
            np.geomspace(_FIRST, max(self.setting.requests, _FIRST), _POINTS).astype(int)
        )
        places = self.steps[halted]
        weights = self.plan.steps
        return ScenarioResult(
            scenario=self.scenario,
            label=self.scenario.label,
            healthy=self.scenario.is_healthy(self.analysis),
            halted=float(halted.mean()),
            halt_median=int(median) if np.isfinite(median) else None,
            halt_p90=int(p90) if np.isfinite(p90) else None,
            halt_steps=tuple(
                (weights[step], float((places == step).mean())) for step in np.unique(places)
            ),
            failed_median=float(np.median(self.failed[halted])) if halted.any() else None,
            completed=float((self.state == _COMPLETED).mean()),
            undecided=float(np.isin(self.state, (_RUNNING, _ROLLED_BACK)).mean()),
            curve=tuple((int(x), float((ends <= x).mean())) for x in grid),
        )


def _marks(stretch: Stretch) -> tuple[Marks, Marks, Marks, Marks]:
    return stretch.errors.canary, stretch.canary, stretch.errors.active, stretch.active
