"""The counts of a rollout, from the rows it routed."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from msgspec.structs import replace
from tests.predictions.rows import NOON, Rows

from holdfast.core.fleet import Counts, Keys, Sides
from holdfast.core.rollout.aggregation import seen
from holdfast.core.rollout.analysis import Analysis
from holdfast.core.rollout.evidence import Tally
from holdfast.core.rollout.plan import Plan, Strategy
from holdfast.core.rollout.rollout_state import Baseline, Rollout
from holdfast.predictions import Log, Prediction
from holdfast.predictions.counting import counts, score_of

Filled = Callable[[Sequence[Prediction]], Log]
HOUR_US = 3_600_000_000
HOUR = NOON // HOUR_US
BASELINE = Baseline(requests=2000, slower_than_us=((0.5, 1000), (0.99, 5000)))


def rollout(
    strategy: Strategy = "canary", *, sticky: str | None = None, baseline: Baseline | None = None
) -> Rollout:
    return Rollout(
        number=42,
        seq=17,
        version="1.1.0",
        was="1.0.0",
        plan=Plan(strategy=strategy, steps=(0.05, 0.5, 1.0)),
        analysis=Analysis(),
        by="ana",
        started_at="2026-03-03T11:00:00.000000Z",
        since="2026-03-03T11:00:00.000000Z",
        sticky=sticky,
        baseline=baseline,
    )


@pytest.fixture
def routed(row: Rows) -> Callable[..., Prediction]:
    def make(**facts: Any) -> Prediction:
        return row(**{"rollout": 42, "weight": 0.05} | facts)

    return make


Routed = Callable[..., Prediction]


def test_requests_and_failures_are_counted_by_step_and_side(filled: Filled, routed: Routed) -> None:
    log = filled(
        [
            *(routed() for _ in range(5)),
            routed(role="canary", status=500),
            routed(role="canary", status=422),
            routed(role="canary", weight=0.5),
            routed(status=503, weight=0.5),
        ]
    )
    first, second, third = counts(log, "iris", rollout())

    assert (first.step, first.weight) == (0, 0.05)
    assert (first.requests, first.failures) == (Sides(canary=2, active=5), Sides(canary=1))
    assert (second.requests, second.failures) == (Sides(1, 1), Sides(active=1))
    assert third.requests == Sides()
    assert first.failed_keys == ()
    assert first.first_seen == Keys()


def test_what_the_rollout_did_not_route_does_not_count(filled: Filled, routed: Routed) -> None:
    log = filled(
        [
            routed(rollout=None, weight=None),
            routed(rollout=41),
            routed(model="other"),
            routed(role="pinned"),
            routed(weight=0.3),
        ]
    )

    assert [step.requests for step in counts(log, "iris", rollout())] == [Sides()] * 3


def test_the_slower_ones_and_those_timed_out_are_counted_by_quantile(
    filled: Filled, routed: Routed
) -> None:
    log = filled(
        [
            routed(latency_us=1000),
            routed(latency_us=1001),
            routed(latency_us=9000),
            routed(role="canary", latency_us=10, status=504),
        ]
    )
    first = counts(log, "iris", rollout(baseline=BASELINE))[0]

    assert first.slower == ((0.5, Sides(canary=1, active=2)), (0.99, Sides(canary=1, active=1)))


def test_a_key_fails_once_in_an_hour(filled: Filled, routed: Routed) -> None:
    a, b = "00000000000000aa", "ffffffffffffffbb"
    log = filled(
        [
            *(routed(role="canary", status=500, key=a) for _ in range(4)),
            routed(role="canary", status=500, key=a, at_us=NOON + HOUR_US),
            routed(status=500, key=b),
            routed(status=500, key="no hex"),
            routed(status=500),
            routed(key=b, weight=0.5),
        ]
    )
    first, second, _ = counts(log, "iris", rollout(sticky="header:X-User"))

    assert first.failures == Sides(canary=5, active=3)
    assert first.failed_keys == (
        (HOUR, Keys(canary=(int(a, 16),), active=(int(b, 16),))),
        (HOUR + 1, Keys(canary=(int(a, 16),))),
    )
    assert second.failed_keys == ()


def test_a_key_belongs_to_the_step_and_side_that_saw_it_first(
    filled: Filled, routed: Routed
) -> None:
    log = filled(
        [
            routed(key="0a"),
            routed(key="0b", role="canary"),
            routed(key="0a", role="canary", weight=0.5),
            routed(key="0c", weight=0.5),
        ]
    )
    first, second, _ = counts(log, "iris", rollout(sticky="header:X-User"))

    assert first.first_seen == Keys(canary=(0x0B,), active=(0x0A,))
    assert second.first_seen == Keys(active=(0x0C,))


def test_the_answers_to_a_mirrored_request_are_paired(filled: Filled, routed: Routed) -> None:
    def pair(name: str, active: dict[str, int], shadow: dict[str, int]) -> list[Prediction]:
        return [
            routed(request_id=name, **active),
            routed(request_id=name, role="shadow", version="1.1.0", **shadow),
        ]

    log = filled(
        [
            *pair("fine", {}, {}),
            *pair("canary alone", {}, {"status": 500, "latency_us": 6000}),
            *pair("refused by the canary alone", {}, {"status": 422}),
            *pair("refused by both", {"status": 422}, {"status": 422}),
            *pair("active alone", {"status": 500, "latency_us": 2000}, {}),
            *pair("both", {"status": 500, "latency_us": 6000}, {"status": 504}),
            routed(request_id="not mirrored"),
        ]
    )
    first = counts(log, "iris", rollout("shadow", baseline=BASELINE))[0]

    assert first.requests == Sides(canary=6, active=7)
    assert first.pairs == (2, 1, 1)
    assert first.slower_pairs == ((0.5, (1, 1, 1)), (0.99, (1, 0, 1)))


def test_scores_fall_into_the_bins_of_the_baseline(filled: Filled, routed: Routed) -> None:
    log = filled(
        [
            routed(output=[[0.9, 0.1]]),
            routed(output=[{"label": "a", "probability": 0.5}]),
            routed(output=[0.7, 0.1], role="canary"),
            routed(output=[]),
            routed(output={"no": "list"}),
            routed(output=["word"]),
            routed(output=[[]]),
            routed(output=[1], weight=0.3),
        ]
    )
    baseline = Baseline(requests=2000, score_edges=(0.2, 0.5))
    first, second, _ = counts(log, "iris", rollout(baseline=baseline))

    assert first.scores == ((0, 0, 1), (1, 0, 1))
    assert second.scores == ((), ())
    assert score_of("no json") is None


def test_what_is_counted_judges_the_rollout(filled: Filled, routed: Routed) -> None:
    rows = [
        *(routed(key=f"{number:016x}") for number in range(190)),
        *(routed(key=f"{number:016x}", role="canary", status=500) for number in range(200, 210)),
    ]
    step_counts = counts(filled(rows), "iris", course := rollout(sticky="header:X-User"))
    observations = seen(
        replace(course, step=0), [Counts("iris", 42, "log", "", tuple(step_counts))], 60.0
    )

    assert observations.failing_keys == 10
    assert isinstance(observations.failures, tuple)
    assert observations.failures[0] == Tally(0.05, 10, 190, 10, 0)
