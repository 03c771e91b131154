"""Scenarios: how they are written, and which halts are false."""

import pytest

from holdfast.core.rollout.analysis import Absolute, Analysis, Relative
from holdfast.errors import InvalidInputError
from holdfast.rollouts.scenario import Scenario, check, parse

PLAIN = Analysis(latency=None)


@pytest.mark.parametrize(
    ("text", "scenario"),
    [
        ("1%:6%", Scenario(0.01, 0.06)),
        ("0.01:0.5", Scenario(0.01, 0.5)),
        ("0:1,slower=1.5", Scenario(0.0, 1.0, slower=1.5)),
        ("0:1,spread=0.1", Scenario(0.0, 1.0, spread=0.1)),
        ("0:1,answers=4", Scenario(0.0, 1.0, answers=4)),
        (
            "1%:1%,tail=2%,outage=50%,users=2000",
            Scenario(0.01, 0.01, tail=0.02, outage=0.5, users=2000),
        ),
    ],
)
def test_a_scenario_is_read_as_it_is_named(text: str, scenario: Scenario) -> None:
    assert parse(text) == scenario
    assert parse(scenario.label) == scenario


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "1%",
            "write 1%:6%, then slower, spread, tail, noise, outage, users, answers",
        ),
        ("1%:2%,faster=2", "is not ACTIVE:CANARY"),
        ("one:2%", "could not convert string to float"),
        ("1%:2%,users=1.5", "invalid literal for int"),
        ("1%:200%", "scenario canary must be a rate from 0 to 1, or 0 % to 100 %, not 2"),
        ("nan:1%", "scenario active must be a rate from 0 to 1, or 0 % to 100 %, not nan"),
        ("1%:2%,spread=-1", "scenario spread must be 0 or more, such as 0.1, not -1"),
        ("1%:2%,slower=0", "scenario slower must be a factor above 0"),
        ("1%:2%,users=-1", "scenario users must be 0 or more, not -1"),
        ("1%:2%,answers=0", "scenario answers must be 1 or more, not 0"),
    ],
)
def test_what_is_no_scenario_is_refused_with_advice(text: str, message: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        parse(text)

    assert message in str(caught.value)


def test_a_scenario_made_in_python_is_checked_too() -> None:
    with pytest.raises(InvalidInputError, match="scenario tail"):
        check(Scenario(0.01, 0.01, tail=-0.1))


@pytest.mark.parametrize(
    ("text", "analysis", "is_healthy"),
    [
        ("1%:1%", Analysis(), True),
        ("1%:1.05%", Analysis(), True),
        ("1%:1.06%", Analysis(), False),
        ("1%:1.06%", Analysis(errors=Relative(margin=0.1)), True),
        ("1%:6%", Analysis(errors=Absolute()), True),
        ("1%:6.1%", Analysis(errors=Absolute()), False),
        ("1%:1%,slower=1.1", Analysis(), True),
        ("1%:1%,slower=1.2", Analysis(), False),
        ("1%:1%,slower=1.2", PLAIN, True),
        ("1%:1%,tail=1%", Analysis(), False),
        ("1%:0.5%,slower=0.5", Analysis(), True),
    ],
)
def test_a_halt_is_false_within_every_margin(
    text: str, analysis: Analysis, is_healthy: object
) -> None:
    assert parse(text).is_healthy(analysis) == is_healthy
