"""What is slow for the active version, and how its scores lie."""

import random

from holdfast.core.fleet import Report
from holdfast.core.rollout.analysis import Analysis, Latency, ScoreDrift
from holdfast.core.rollout.calibration import baseline
from holdfast.core.rollout.rollout_state import Baseline

LATENCY = Analysis(latency=Latency(quantiles=(0.5, 0.99)))


def report(
    latency_us: tuple[tuple[int, int], ...], scores: tuple[float, ...] = (), active: str = "1.0.0"
) -> Report:
    at = "2026-03-02T12:00:00Z"
    return Report(
        "iris", "a", at, every_s=2, seq=7, active=active, latency_us=latency_us, scores=scores
    )


def test_a_quantile_is_the_least_bound_that_so_many_lie_under() -> None:
    reports = [report(((100, 900), (200, 90))), report(((400, 10), (100, 1_000)))]

    assert baseline(reports, "1.0.0", LATENCY) == Baseline(2_000, ((0.5, 100), (0.99, 200)))


def test_a_baseline_waits_for_2000_requests_to_the_active_version() -> None:
    few = report(((100, 1_999),))
    other = report(((100, 5_000),), active="1.1.0")

    assert baseline([few, other], "1.0.0", LATENCY) is None
    assert baseline([few, other, report(((100, 1),))], "1.0.0", LATENCY) is not None


def test_nothing_is_measured_that_nothing_asks_for() -> None:
    assert baseline([report(((100, 5_000),))], "1.0.0", Analysis(latency=None)) is None


def test_edges_part_the_scores_into_ten_bins_of_equal_numbers() -> None:
    scores = [index / 1_000 for index in range(1_000)]
    random.Random(1).shuffle(scores)
    halves = [tuple(scores[:400]), tuple(scores[400:])]
    analysis = Analysis(latency=None, drift=ScoreDrift())
    calibration = baseline([report(((9, 1_000),), half) for half in halves], "1.0.0", analysis)

    edges = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
    assert calibration == Baseline(2_000, (), edges)


def test_equal_scores_have_one_edge_and_few_scores_none() -> None:
    analysis = Analysis(latency=None, drift=ScoreDrift())
    same = baseline([report(((9, 2_000),), (0.5,) * 1_000)], "1.0.0", analysis)
    few = baseline([report(((9, 2_000),), (0.5, 0.6))], "1.0.0", analysis)

    assert same == Baseline(2_000, (), (0.5,))
    assert few == Baseline(2_000)


def test_scores_are_left_where_nobody_asks_for_them() -> None:
    calibration = baseline([report(((9, 2_000),), (0.5,) * 1_000)], "1.0.0", LATENCY)

    assert calibration is not None
    assert calibration.score_edges == ()
