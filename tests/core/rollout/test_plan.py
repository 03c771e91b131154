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
    ],
)
def test_any_list_of_rising_weights_that_ends_with_all_can_be_followed(plan: Plan) -> None:
    assert check(plan) == plan


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"steps": ()}, "plan steps: none are no shares"),
        ({"steps": (0.0, 1.0)}, "plan steps: 0, 1 are no shares"),
        ({"steps": (0.5, 1.5)}, "are no shares"),
        ({"steps": (0.5, 0.5, 1.0)}, "0.5 comes after 0.5; give them rising"),
        ({"steps": (0.05, 0.5)}, "the last is 0.5; end with 1"),
        ({"strategy": "blue-green"}, "a blue-green rollout has no 4 steps; give 1, or 0.95 and 1"),
        ({"dwell_s": -1.0}, "plan dwell_s: -1.0 is no time"),
        ({"dwell_s": math.inf}, "plan dwell_s"),
        ({"min_requests": 0}, "plan min_requests: 0 lets a step pass unseen; give 1 or more"),
        ({"limits": ()}, "plan limits: none are no limits"),
        ({"limits": (0.05, 0.0)}, "plan limits: 0.05, 0 are no limits"),
        ({"max_step_time_s": 60.0}, "60 is less than the dwell of 600; give more"),
        ({"max_step_time_s": math.nan}, "plan max_step_time_s: nan"),
        ({"overdue": "panic"}, "plan: Invalid enum value 'panic'"),
        ({"steps": "all"}, "plan: Expected `array`, got `str` - at `$.steps`; give each field"),
    ],
)
def test_a_plan_that_cannot_be_followed_is_refused_with_advice(
    fields: dict[str, Any], said: str
) -> None:
    with pytest.raises(InvalidInputError) as caught:
        check(Plan(**fields))

    assert said in str(caught.value)


def test_the_last_limit_stands_for_the_steps_that_follow() -> None:
    plan = Plan(limits=(0.05, 0.02))

    assert [plan.limit(step) for step in range(4)] == [0.05, 0.02, 0.02, 0.02]
