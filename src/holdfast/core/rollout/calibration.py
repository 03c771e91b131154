"""The active version as it is measured: what is slow for it, and how its scores lie."""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Final

from holdfast.core.fleet import Report
from holdfast.core.rollout.analysis import Analysis
from holdfast.core.rollout.rollout_state import Baseline

LEAST: Final = 2_000
"""Requests that a baseline rests on at least."""

_BINS: Final = 10
_FEWEST_SCORES: Final = 1_000


def baseline(reports: Iterable[Report], version: str, analysis: Analysis) -> Baseline | None:
    """Measure *version* by what the servers report that it answers on.

    A quantile is the least bound of the servers' histograms that so many latencies lie under; the
    edges part their scores into ten bins of equal numbers, as far as scores differ.

    Returns:
        `None` as long as it answered fewer than 2,000 requests, or if nothing asks for it.
    """
    answering = [report for report in reports if report.active == version]
    latencies = Counter[int]()
    for report in answering:
        for bound_us, count in report.latency_us:
            latencies[bound_us] += count
    requests = latencies.total()
    quantiles = analysis.latency.quantiles if analysis.latency else ()
    if requests < LEAST or not (quantiles or analysis.drift):
        return None
    scores = sorted(score for report in answering for score in report.scores)
    return Baseline(
        requests,
        tuple((quantile, _quantile(latencies, quantile)) for quantile in sorted(quantiles)),
        _edges(scores) if analysis.drift else (),
    )


def _quantile(latencies: Counter[int], quantile: float) -> int:
    bounds = sorted(latencies)
    reached = accumulate(latencies[bound] for bound in bounds)
    least = quantile * latencies.total()
    return next(bound for bound, count in zip(bounds, reached, strict=True) if count >= least)


def _edges(scores: Sequence[float]) -> tuple[float, ...]:
    if len(scores) < _FEWEST_SCORES:
        return ()
    places = (len(scores) * part // _BINS for part in range(1, _BINS))
    return tuple(sorted({scores[index] for index in places}))
