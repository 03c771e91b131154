"""Serving workers as a store sees them: their reports and counts, without any serving."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from holdfast import Registry
from holdfast.core.entry import format_time
from holdfast.core.fleet import Counts, LoadedVersion, Report, Sides, StepCounts


@dataclass
class Worker:
    """One worker, which reports what it is told to hold."""

    registry: Registry
    name: str = "a"
    model: str = "iris"
    steps: dict[int, StepCounts] = field(default_factory=dict)
    every_s: float = 2.0

    def report(
        self, now: datetime, *held: LoadedVersion, latency_us: Iterable[tuple[int, int]] = ()
    ) -> None:
        """Write what it holds."""
        live = self.registry.resolve(f"{self.model}@production").version
        self.registry.fleet.report(
            Report(
                self.model,
                self.name,
                format_time(now),
                every_s=self.every_s,
                seq=1,
                active=live,
                versions=(LoadedVersion(live, "ready"), *held),
                latency_us=tuple(latency_us),
            )
        )

    def ready(self, now: datetime, version: str = "1.1.0") -> None:
        """Report that it has the candidate ready."""
        self.report(now, LoadedVersion(version, "ready"))

    def answer(
        self, canary: int, active: int, canary_failures: int = 0, active_failures: int = 0
    ) -> None:
        """Count requests on the step of the rollout that goes on."""
        rollout = self.registry.rollout(self.model)
        assert rollout is not None
        before = self.steps.get(rollout.step, StepCounts(rollout.step, rollout.weight))
        self.steps[rollout.step] = StepCounts(
            rollout.step,
            rollout.weight,
            requests=_plus(before.requests, canary, active),
            failures=_plus(before.failures, canary_failures, active_failures),
            slower=before.slower,
        )
        self.registry.fleet.count(
            Counts(
                self.model,
                rollout.number,
                self.name,
                "2026-03-02T12:00:00Z",
                tuple(self.steps.values()),
            )
        )


def _plus(before: Sides, canary: int, active: int) -> Sides:
    return Sides(before.canary + canary, before.active + active)
