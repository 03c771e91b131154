"""The plan of a rollout: which share of the traffic, for how long, and when it may rise."""

import itertools
import math
from typing import Literal, TypeVar

import msgspec
from msgspec import Struct

from holdfast.errors import InvalidInputError

Checked = TypeVar("Checked", bound=Struct)
Strategy = Literal["canary", "blue-green", "shadow", "ab"]
Overdue = Literal["hold", "rollback", "advance"]
Advance = Literal["certified", "counted"]

_FLIP = 2
"""Steps of a blue-green rollout at most: all but a holdback, then all."""


class Plan(Struct, frozen=True, forbid_unknown_fields=True):
    """How traffic rises, and what must be seen before it does.

    Attributes:
        strategy: `canary` answers a rising share of the requests; `blue-green` all of them at
            once, or all but a holdback that stays as control (0.95, then 1); `shadow` gets a
            rising share mirrored, and its answers are thrown away; `ab` keeps one share until it
            is known whose outcomes are better, or to its deadline.
        steps: Shares in (0, 1], rising, the last 1; of `ab` one below 1.
        dwell_s: Least time on a step, in seconds.
        min_requests: Least number of canary requests on a step. The default 120 without one error
            bounds the error rate below 5 % (`bands.band`: 116 are needed).
        advance: `certified` asks that the bands of both error rates rule out the step's limit;
            `counted` asks for time and requests alone.
        limits: Greatest excess of the canary's error rate over the active version's that may
            remain possible when a step is left, absolute; one for each step, the last one stands
            for those that follow.
        max_step_time_s: Seconds after which a step that could not be left is overdue; `None` never.
            The deadline of `ab`, which has one.
        overdue: What to do then. It is recorded as inconclusive in any case.
    """

    strategy: Strategy = "canary"
    steps: tuple[float, ...] = (0.05, 0.25, 0.5, 1.0)
    dwell_s: float = 600.0
    min_requests: int = 120
    advance: Advance = "certified"
    limits: tuple[float, ...] = (0.05, 0.02)
    max_step_time_s: float | None = 86_400.0
    overdue: Overdue = "hold"

    def limit(self, step: int) -> float:
        """Return the limit of the step with this index, from 0."""
        return self.limits[min(step, len(self.limits) - 1)]


def check(plan: Plan) -> Plan:
    """Return *plan* if a rollout can follow it.

    Raises:
        InvalidInputError: If a field is of another type than `Plan` says, the steps do not rise
            to 1, a blue-green plan has more than two, or a time, count or limit is out of range.
    """
    plan = typed(plan, "plan")
    _check_steps(plan)
    if not (math.isfinite(plan.dwell_s) and plan.dwell_s >= 0):
        raise InvalidInputError("plan dwell_s", f"must be 0 or more, not {plan.dwell_s}")
    if plan.min_requests < 1:
        raise InvalidInputError(
            "plan min_requests",
            f"cannot be {plan.min_requests}: a step would pass unmeasured",
            "give 1 or more",
        )
    if not plan.limits or not all(0 < limit <= 1 for limit in plan.limits):
        raise InvalidInputError(
            "plan limits",
            f"must be limits, not {_listed(plan.limits)}",
            "give one or more in (0, 1], such as 0.05",
        )
    longest = plan.max_step_time_s
    if longest is not None and not longest >= max(plan.dwell_s, 1):
        raise InvalidInputError(
            "plan max_step_time_s",
            f"is {longest:g}, less than the dwell time of {plan.dwell_s:g}",
            "give more, or none for no limit",
        )
    if plan.strategy == "ab":
        _check_deadline(plan)
    return plan


def _check_deadline(plan: Plan) -> None:
    if plan.max_step_time_s is None or math.isinf(plan.max_step_time_s):
        problem = "must be a time in an A/B test, which ends undecided then"
        raise InvalidInputError("plan max_step_time_s", problem, "give a deadline such as 14d")
    if plan.overdue != "hold":
        problem = f"cannot be {plan.overdue} in an A/B test, which ends undecided at its deadline"
        raise InvalidInputError("plan overdue", problem, "leave it out")


def _check_steps(plan: Plan) -> None:
    steps = plan.steps
    if not steps or not all(0 < step <= 1 for step in steps):
        raise InvalidInputError(
            "plan steps",
            f"must be shares, not {_listed(steps)}",
            "give shares in (0, 1]: 0.05, 0.5, 1",
        )
    for before, after in itertools.pairwise(steps):
        if after <= before:
            raise InvalidInputError(
                "plan steps", f"must rise, but {after:g} comes after {before:g}", "sort them"
            )
    if plan.strategy == "ab":
        if len(steps) > 1 or steps[0] == 1:
            problem = f"must be one share below 1 in an A/B test, not {_listed(steps)}"
            raise InvalidInputError("plan steps", problem, "give 0.5 for half of the keys")
        return
    if steps[-1] != 1:
        raise InvalidInputError(
            "plan steps", f"must not end with {steps[-1]:g}", "end with 1: all of the traffic"
        )
    if plan.strategy == "blue-green" and len(steps) > _FLIP:
        raise InvalidInputError(
            "plan steps",
            f"must be 1 or 2 in a blue-green rollout, not {len(steps)}",
            "give 1, or 0.95 and 1 for a holdback; a canary has more",
        )


def typed(value: Checked, subject: str) -> Checked:
    """Return *value* with every field of the type that its class says.

    Raises:
        InvalidInputError: If one is not.
    """
    try:
        return msgspec.convert(msgspec.to_builtins(value), type(value))
    except (TypeError, ValueError) as error:
        raise InvalidInputError(subject, f"has a field of the wrong type: {error}") from error


def _listed(figures: tuple[float, ...]) -> str:
    return ", ".join(f"{figure:g}" for figure in figures) or "none"
