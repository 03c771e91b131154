"""The terms of a rollout, and where it stands."""

import pytest
from msgspec.structs import replace

from holdfast.core.rollout.analysis import Analysis, Latency
from holdfast.core.rollout.plan import Plan
from holdfast.core.rollout.rollout_state import Baseline, Rollout, Terms, check
from holdfast.core.rollout.step_verdict import Rate, Reason, StatisticalTest, StepVerdict
from holdfast.errors import InvalidInputError


@pytest.mark.parametrize("sticky", [None, "header:X-User-Id", "field:user_id", "field:user.id"])
def test_a_key_is_found_in_a_header_or_a_field(sticky: str | None) -> None:
    assert check(Terms(sticky=sticky)).sticky == sticky


@pytest.mark.parametrize(
    "sticky", ["", "X-User-Id", "header:", "header:two words", "field:", "field:a:b", "cookie:id"]
)
def test_a_key_that_is_nowhere_is_refused(sticky: str) -> None:
    with pytest.raises(InvalidInputError, match="does not say where the key is; write header:NAME"):
        check(Terms(sticky=sticky))


@pytest.mark.parametrize("terms", [Terms(Plan(steps=())), Terms(analysis=Analysis(alpha=2))])
def test_terms_that_cannot_be_followed_are_refused(terms: Terms) -> None:
    with pytest.raises(InvalidInputError):
        check(terms)


PLAN = Plan(steps=(0.05, 0.25, 1.0))
HALT = StepVerdict(
    "halt",
    conclusive=True,
    weight=0.25,
    reasons=(Reason("errors", "31 of 410 <failed>"),),
    readings=(StatisticalTest("errors", 31, 1204.0, 1000.0),),
    canary=Rate(31, 410, 0.04, 0.12),
    active=Rate(0, 0, 0.0, 1.0),
)
ROLLOUT = Rollout(
    3, 7, "1.2.0", "1.1.0", PLAN, Analysis(), "ana",
    "2026-03-01T12:00:00.123456Z", "2026-03-01T13:00:00.123456Z", "<nightly>", step=1,
)  # fmt: skip


@pytest.mark.parametrize(
    ("analysis", "expected"),
    [
        (Analysis(), ((0.5, 1_200), (0.99, 5_500))),
        (Analysis(latency=Latency(margin=0.5, slack_us=0)), ((0.5, 1_500), (0.99, 7_500))),
        (Analysis(latency=None), ((0.5, 1_000), (0.99, 5_000))),
    ],
)
def test_a_candidate_may_take_a_little_longer(
    analysis: Analysis, expected: tuple[tuple[float, int], ...]
) -> None:
    active = ((0.5, 1_000), (0.99, 5_000))
    measured = replace(ROLLOUT, analysis=analysis, baseline=Baseline(2_000, active))

    assert measured.slow_from_us(of_canary=True) == expected
    assert measured.slow_from_us(of_canary=False) == active


def test_before_the_active_version_is_measured_nothing_is_slow() -> None:
    assert ROLLOUT.slow_from_us(of_canary=True) == ()


def test_a_notebook_shows_where_a_rollout_stands_and_why() -> None:
    html = replace(ROLLOUT, verdict=HALT)._repr_html_()

    assert "rollout 3, canary beside 1.1.0" in html
    assert "running, 25 % of the traffic" in html
    assert "2026-03-01 12:00 UTC by ana: &lt;nightly&gt;" in html
    assert 'aria-label="on step 2 of 3, 25 %"' in html
    assert "31 of 410 &lt;failed&gt;" in html
    assert "no requests" in html
    assert "errors 1,204 of 1,000" in html


def test_a_notebook_shows_how_a_rollout_ended() -> None:
    ended = replace(
        ROLLOUT, outcome="halted", ended_at="2026-03-01T14:00:00.123456Z", reason=None,
        verdict=replace(HALT, conclusive=False, canary=None, active=None, readings=()),
    )  # fmt: skip
    html = ended._repr_html_()

    assert '<span class="b">halted, 0 % of the traffic</span>' in html
    assert "last verdict, not decided by the data" in html
    assert 'aria-label="halted on step 2 of 3, 25 %"' in html
    assert "on this step since" not in html
    assert html.count("<svg") == 1


def test_a_rollout_that_nothing_was_said_of_has_no_verdict_in_a_notebook() -> None:
    assert "last verdict" not in ROLLOUT._repr_html_()
