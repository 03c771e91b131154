"""Plans: which can be followed, and what is said of those that cannot."""

import math
from typing import Any

import pytest

from holdfast.core.rollout.plan import Plan, check
from holdfast.errors import InvalidInputError


@pytest.mark.parametrize(
    "plan",
    [
        Plan(),
        Plan(steps=(1.0,)),
        Plan(steps=(0.001, 0.3, 1)),
        Plan(strategy="blue-green", steps=(0.95, 1)),
        Plan(strategy="shadow", steps=(0.1, 1)),
        Plan(max_step_time_s=None, dwell_s=0),
        Plan(strategy="ab", steps=(0.01,)),
    ],
)
def test_any_list_of_rising_weights_that_ends_with_all_can_be_followed(plan: Plan) -> None:
    assert check(plan) == plan


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"steps": ()}, "plan steps must be shares, not none"),
        ({"steps": (0.0, 1.0)}, "plan steps must be shares, not 0, 1"),
        ({"steps": (0.5, 1.5)}, "must be shares"),
        ({"steps": (0.5, 0.5, 1.0)}, "must rise, but 0.5 comes after 0.5"),
        ({"steps": (0.05, 0.5)}, "must not end with 0.5; end with 1"),
        (
            {"strategy": "blue-green"},
            "must be 1 or 2 in a blue-green rollout, not 4; give 1, or 0.95 and 1",
        ),
        ({"dwell_s": -1.0}, "plan dwell_s must be 0 or more, not -1.0"),
        ({"dwell_s": math.inf}, "plan dwell_s"),
        (
            {"min_requests": 0},
            "plan min_requests cannot be 0: a step would pass unmeasured; give 1",
        ),
        ({"limits": ()}, "plan limits must be limits, not none"),
        ({"limits": (0.05, 0.0)}, "plan limits must be limits, not 0.05, 0"),
        ({"max_step_time_s": 60.0}, "is 60, less than the dwell time of 600; give more"),
        ({"max_step_time_s": math.nan}, "plan max_step_time_s is nan"),
        ({"strategy": "ab"}, "must be one share below 1 in an A/B test, not 0.05, 0.25, 0.5, 1"),
        ({"strategy": "ab", "steps": (1.0,)}, "must be one share below 1 in an A/B test, not 1"),
        (
            {"strategy": "ab", "steps": (0.5,), "max_step_time_s": None},
            "plan max_step_time_s must be a time in an A/B test, which ends undecided then",
        ),
        (
            {"strategy": "ab", "steps": (0.5,), "max_step_time_s": math.inf},
            "give a deadline such as 14d",
        ),
        (
            {"strategy": "ab", "steps": (0.5,), "overdue": "advance"},
            "plan overdue cannot be advance in an A/B test",
        ),
        ({"overdue": "panic"}, "plan has a field of the wrong type: Invalid enum value 'panic'"),
        ({"steps": "all"}, "plan has a field of the wrong type: Expected `array`, got `str`"),
    ],
)
def test_a_plan_that_cannot_be_followed_is_refused_with_advice(
    fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidInputError) as caught:
        check(Plan(**fields))

    assert message in str(caught.value)


def test_the_last_limit_stands_for_the_steps_that_follow() -> None:
    plan = Plan(limits=(0.05, 0.02))

    assert [plan.limit(step) for step in range(4)] == [0.05, 0.02, 0.02, 0.02]
