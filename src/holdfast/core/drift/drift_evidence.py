"""Evidence that a share rose beyond what is tolerated, which may be looked at every day.

A *tally* has for each day how many rows there were (n) and how many had an event (s), and the share
mu that is tolerated. A bet whose odds are k times those of mu multiplies its stake over a window by

    E = (q / mu)^s ((1 - q) / (1 - mu))^(n - s) = k^s / (1 + (k - 1) mu)^n

for q with the odds k mu / (1 - mu). While the share of the window is within its tolerance, the mean
of E is at most 1: also where the share differs from day to day, for the product of the days' means
is at most the power of their mean. The windows of P days end each day, and

    R(d) = (1 + R(d - P)) E(window that ends on d),   R = 0 before the first whole window

adds up the wealth of bets begun at every window (the Shiryaev-Roberts sum). Its mean over bets and
tallies (each by its stake, which is set before any day is seen) and streams, divided by the 365
days of a year, exceeds 1 / alpha on some day of a year with probability alpha at most (Doob): each
of the P phases has 365 / P looks, and their union gives the same divisor. Nothing is spent by
looking again, and a shift within its tolerance never alarms.

Sources:
    J. Ville (1939), Étude critique de la notion de collectif.
    A. N. Shiryaev (1963), Theory Probab. Appl. 8, 22-46; S. W. Roberts (1966), Technometrics 8.
"""

import math
from collections.abc import Sequence
from itertools import accumulate
from typing import Final, NamedTuple


class StakedOdds(NamedTuple):
    """A gambler.

    Attributes:
        odds: As a multiple of the tolerated odds.
        stake: Its part of a tally's stake; those of all bets on a tally add up to 1.
    """

    odds: float
    stake: float


BETS_ON_RARE: Final = tuple(
    StakedOdds(odds, 1 / 7) for odds in (1.25, 1.4, 1.6, 2.5, 3.2, 5.0, 20.0)
)
"""Bets on what is rare, which may become twenty times as frequent."""

BETS_ON_COMMON: Final = (
    StakedOdds(1.25, 1 / 8),
    StakedOdds(1.4, 3 / 8),
    StakedOdds(1.6, 2 / 8),
    StakedOdds(2.5, 1 / 8),
    StakedOdds(5.0, 1 / 8),
)
"""Bets on common shares: a mean that moves by half a standard deviation raises the odds of every
middle cut to about 1.4 times those that are tolerated."""

YEAR: Final = 365
ALPHA: Final = 0.05
"""False alarms in a year, for a whole model."""

LOG_ALARM: Final = math.log(1 / ALPHA)
_NEVER: Final = -math.inf
_NEGLIGIBLE: Final = 37.0
"""exp(-37) added to 1 is 1."""

_SMALL, _LARGE = 1e-250, 1e250


class DailyTally(NamedTuple):
    """One event, day by day.

    Attributes:
        tolerated: Share that is let pass, in (0, 1).
        hits: Rows with the event.
        rows: All rows.
        stake: Its part of the stream's budget, relative to that of the stream's other tallies.
        bets: Among which it is divided.
    """

    tolerated: float
    hits: Sequence[int]
    rows: Sequence[int]
    stake: float = 1.0
    bets: tuple[StakedOdds, ...] = BETS_ON_RARE


class StreamEvidence(NamedTuple):
    """What all streams together say, day by day, in logarithms.

    Attributes:
        total: Alarm at `LOG_ALARM` or above.
        streams: Each stream's part; one at `LOG_ALARM` or above alarms without the others.
    """

    total: list[float]
    streams: list[list[float]]

    def first_alarm(self) -> int | None:
        """Return the first day with an alarm, counted from 0."""
        return next((day for day, log in enumerate(self.total) if log >= LOG_ALARM), None)


def log_evidence(streams: Sequence[Sequence[DailyTally]], period: int) -> StreamEvidence:
    """Weigh all streams of a model: each has an equal part of the yearly budget.

    Args:
        streams: The tallies of each, at least one, all over the same days.
        period: Days of a window: 7 where weeks repeat themselves.
    """
    share = math.log(YEAR) + math.log(len(streams))
    parts = [[log - share for log in _log_mean(tallies, period)] for tallies in streams]
    return StreamEvidence([log_sum(day) for day in zip(*parts, strict=True)], parts)


def log_growth(tally: DailyTally, period: int) -> list[float]:
    """Return the logarithm of R, the mean over the bets, day by day."""
    return _log_mean([tally], period)


def log_sum(logs: Sequence[float]) -> float:
    """Return the logarithm of the sum of numbers that are given by theirs."""
    most = max(logs)
    if most == _NEVER:
        return _NEVER
    return most + math.log(math.fsum(math.exp(log - most) for log in logs))


def _log_mean(tallies: Sequence[DailyTally], period: int) -> list[float]:
    """Average R over the bets of all tallies, each by its stake, for each day."""
    staked = sum(tally.stake for tally in tallies)
    windows = [
        _Windows(
            tally.tolerated,
            _windows(tally.hits, period),
            _windows(tally.rows, period),
            [StakedOdds(odds, stake * tally.stake / staked) for odds, stake in tally.bets],
        )
        for tally in tallies
    ]
    days = len(tallies[0].rows)
    before = [_NEVER] * min(period - 1, days)
    return before + (_plain(windows, period) or _in_logs(windows, period))


class _Windows(NamedTuple):
    """A tally, window by window; the stakes of its bets are parts of the stream's budget."""

    tolerated: float
    hits: list[float]
    rows: list[float]
    bets: list[StakedOdds]


def _windows(daily: Sequence[int], period: int) -> list[float]:
    upto = list(accumulate(daily, initial=0))
    return [float(end - start) for start, end in zip(upto, upto[period:], strict=False)]


def _plain(windows: Sequence[_Windows], period: int) -> list[float] | None:
    """Compute in plain numbers, which is fast; `None` where these would not hold the values."""
    staked: list[list[float]] = []
    try:
        for tolerated, hits, rows, bets in windows:
            staked += [
                _grown(hits, rows, _Growth(*_factors(odds, tolerated), stake), period)
                for odds, stake in bets
            ]
    except OverflowError:
        return None
    totals = [sum(day) for day in zip(*staked, strict=True)]
    if not all(_SMALL < total < _LARGE for total in totals):
        return None
    return [math.log(total) for total in totals]


def _factors(odds: float, tolerated: float) -> tuple[float, float]:
    """Return the logarithms that each hit adds and each row takes away."""
    return math.log(odds), math.log1p((odds - 1) * tolerated)


class _Growth(NamedTuple):
    """What a bet gains by a hit and loses by a row, in logarithms, and what it begins with."""

    gain: float
    cost: float
    stake: float


def _grown(hits: list[float], rows: list[float], growth: _Growth, period: int) -> list[float]:
    gain, cost, stake = growth
    grown = [0.0] * period
    exp, append = math.exp, grown.append
    for window_hits, window_rows, before in zip(hits, rows, grown, strict=False):  # it grows
        append((stake + before) * exp(window_hits * gain - window_rows * cost))
    return grown[period:]


def _in_logs(windows: Sequence[_Windows], period: int) -> list[float]:
    logs = []
    for tolerated, hits, rows, bets in windows:
        for odds, stake in bets:
            part = math.log(stake)
            grown = _grown_logs(hits, rows, *_factors(odds, tolerated), period)
            logs.append([log + part for log in grown])
    return [log_sum(day) for day in zip(*logs, strict=True)]


def _grown_logs(
    hits: list[float], rows: list[float], gain: float, cost: float, period: int
) -> list[float]:
    grown = [_NEVER] * period
    for index, (window_hits, window_rows) in enumerate(zip(hits, rows, strict=True)):
        before, step = grown[index], window_hits * gain - window_rows * cost
        if before > _NEGLIGIBLE:
            step += before
        elif before > -_NEGLIGIBLE:
            step += math.log1p(math.exp(before))
        grown.append(step)
    return grown[period:]
