"""What pictures of a rollout are drawn from."""

from holdfast.core.drawing import rollout_bars
from holdfast.core.drawing.rollout_bars import EvidenceBar, RateInterval
from holdfast.core.drawing.svg import Drawing
from holdfast.core.rollout.plan import Plan
from holdfast.core.rollout.step_verdict import Rate, StepVerdict
from holdfast.core.wording import share


def steps(plan: Plan, step: int, outcome: str | None, width: float) -> Drawing:
    """Draw the steps of a plan; *outcome* is `None` while it goes on."""
    return rollout_bars.steps([share(weight) for weight in plan.steps], step, outcome or "", width)


def failures(verdict: StepVerdict, canary: str, active: str, width: float) -> Drawing:
    """Draw both sides' failures; *canary* and *active* are their versions."""
    sides = (("canary", canary, verdict.canary), ("active", active, verdict.active))
    rows = [_interval(f"{side} {name}", side, rate) for side, name, rate in sides if rate]
    return rollout_bars.intervals(rows, width)


def _interval(name: str, side: str, rate: Rate) -> RateInterval:
    return RateInterval(
        name=name,
        said=f"{rate.failures:,} of {rate.requests:,} failed",
        low=rate.low,
        middle=rate.failures / rate.requests if rate.requests else None,
        high=rate.high,
        is_canary=side == "canary",
    )


def evidence(verdict: StepVerdict, width: float) -> Drawing:
    """Draw how far each test has come on the way to its bound."""
    readings = verdict.readings
    rows = [EvidenceBar(reading.test, reading.evidence, reading.needed) for reading in readings]
    return rollout_bars.evidence(rows, width)
