"""Analyses: which figures make sense."""

import math

import msgspec
import pytest

from holdfast.core.rollout.analysis import (
    Absolute,
    Analysis,
    Latency,
    Relative,
    SampleRatio,
    ScoreDrift,
    Threshold,
    check,
)
from holdfast.errors import InvalidInputError

ALL = [
    Analysis(),
    Analysis(errors=Absolute(), latency=None, sample_ratio=None),
    Analysis(errors=Threshold(), drift=ScoreDrift(then="halt")),
    Analysis(errors=Relative(margin=0.0, ratios=(2.0,)), alpha=0.01, min_keys=1),
]


@pytest.mark.parametrize("analysis", ALL)
def test_an_analysis_that_makes_sense_passes(analysis: Analysis) -> None:
    assert check(analysis) == analysis


@pytest.mark.parametrize("analysis", ALL)
def test_an_analysis_survives_the_wire_with_its_rule(analysis: Analysis) -> None:
    assert msgspec.json.decode(msgspec.json.encode(analysis), type=Analysis) == analysis


@pytest.mark.parametrize(
    ("analysis", "message"),
    [
        (Analysis(alpha=0), "analysis alpha must be between 0 and 1, such as 0.05, not 0"),
        (Analysis(alpha=1), "analysis alpha"),
        (
            Analysis(min_keys=0),
            "analysis min_keys cannot be 0: it would halt without an error; give 1",
        ),
        (
            Analysis(errors=Relative(margin=-0.1)),
            "analysis errors.margin must be 0 or more, such as 0.05, not -0.1",
        ),
        (
            Analysis(errors=Relative(margin=math.inf)),
            "analysis errors.margin must be 0 or more, such as 0.05, not inf",
        ),
        (Analysis(errors=Relative(ratios=())), "analysis errors.ratios cannot be nothing"),
        (Analysis(errors=Relative(ratios=(1.0,))), "errors.ratios cannot be 1; give one or"),
        (Analysis(errors=Absolute(fractions=(1.0,))), "give one or more above 0 and below 1"),
        (
            Analysis(errors=Absolute(margin=0)),
            "analysis errors.margin must be between 0 and 1, such as 0.05, not 0",
        ),
        (
            Analysis(errors=Threshold(min_requests=0)),
            "errors.min_requests cannot be 0: it leaves no rate",
        ),
        (Analysis(latency=Latency(quantiles=(1.0,))), "analysis latency.quantiles cannot be 1"),
        (Analysis(latency=Latency(slack_us=-1)), "analysis latency.slack_us must be 0 or more"),
        (Analysis(latency=Latency(margin=-1)), "analysis latency.margin"),
        (Analysis(latency=Latency(ratios=(0.5,))), "analysis latency.ratios cannot be 0.5"),
        (Analysis(sample_ratio=SampleRatio(alpha=2)), "analysis sample_ratio.alpha"),
        (Analysis(sample_ratio=SampleRatio(ratios=(0.0,))), "analysis sample_ratio.ratios"),
        (Analysis(drift=ScoreDrift(limit=-1)), "analysis drift.limit"),
        (
            Analysis(min_keys="x"),  # type: ignore[arg-type]
            "analysis has a field of the wrong type: Expected `int`, got `str`",
        ),
    ],
)
def test_an_analysis_that_makes_none_is_refused_with_advice(
    analysis: Analysis, message: str
) -> None:
    with pytest.raises(InvalidInputError) as caught:
        check(analysis)

    assert message in str(caught.value)
