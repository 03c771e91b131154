"""Requests of many runs at once, as a scenario makes them."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.core.rollout.analysis import Latency
from holdfast.rollouts.scenario import Scenario
from holdfast.rollouts.vectorized import Floats

Marks = NDArray[np.bool_]

_FROZEN = 2000
"""Requests before the rollout from which the active version's quantiles are taken."""
_WAVE, _PERIOD = 0.2, 1000
"""Load makes both versions slower and faster by this share, over this many requests."""
_SPELL = 40
"""Requests of a spell in which the machine is busy."""
_OUTAGE = (0.2, 0.3)
"""Part of the requests that falls into an outage."""
_HEAVY = 1.1
"""Exponent of the tail of requests per user."""
_TENFOLD = float(np.log(10))


@dataclass(frozen=True, slots=True)
class Arms:
    """One kind of failure in a stretch of requests; shapes (runs, requests).

    Attributes:
        canary: Where the canary failed and it counts.
        active: Where the active version failed and it counts.
    """

    canary: Marks
    active: Marks


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of requests in every run; shapes (runs, requests).

    Attributes:
        canary: Requests that the canary answered.
        active: Requests that the active version answered; of a shadow, the same.
        failed: Failures of the canary, each of them, as users see them.
        errors: Failures that count.
        slow: For each quantile, requests slower than it.
    """

    canary: Marks
    active: Marks
    failed: Marks
    errors: Arms
    slow: tuple[Arms, ...]


@dataclass(slots=True)
class Users:
    """Who sends requests in every run, and who of them has failed already."""

    arms: Floats
    fates: Floats
    activity: Floats
    seen: Marks

    @classmethod
    def of(cls, number_of: int, runs: int, random: np.random.Generator) -> "Users":
        """Draw them; the place of a user below a weight puts them on the canary."""
        shape = (runs, number_of)
        activity = np.cumsum(1 / np.arange(1, number_of + 1) ** _HEAVY)
        return cls(
            random.random(shape),
            random.random(shape),
            activity / activity[-1],
            np.zeros(shape, dtype=np.bool_),
        )

    def first(self, who: NDArray[np.intp], failed: Marks) -> Marks:
        """Mark each user's first failure and remember it; shapes (runs, requests)."""
        rows, columns = np.nonzero(failed)
        users = who[rows, columns]
        _, places = np.unique(rows * self.seen.shape[1] + users, return_index=True)
        places = places[~self.seen[rows[places], users[places]]]
        self.seen[rows[places], users[places]] = True
        marks = np.zeros_like(failed)
        marks[rows[places], columns[places]] = True
        return marks


@dataclass(slots=True)
class Traffic:
    """All requests of one scenario, stretch by stretch.

    Attributes:
        requests: Length of a run, to place the outage.
        mirrored: True if the canary is a shadow.
        latency: What is slow; its slack is left out, as these latencies have no unit.
    """

    scenario: Scenario
    runs: int
    requests: int
    mirrored: bool
    latency: Latency | None
    random: np.random.Generator
    users: Users | None = None
    limits: Floats = field(default_factory=lambda: np.empty((0, 0)))

    def __post_init__(self) -> None:
        """Draw the users and freeze the quantiles."""
        if self.scenario.users:
            self.users = Users.of(self.scenario.users, self.runs, self.random)
        if self.latency:
            before = self._latencies(-_FROZEN, _FROZEN)
            self.limits = np.quantile(before, self.latency.quantiles, axis=1)

    def stretch(self, start: int, length: int, weights: Floats) -> Stretch:
        """Draw the next requests; *weights* is each run's share, shape (runs,)."""
        shape = (self.runs, length)
        who = None
        if self.users is None:
            positions, fates = self.random.random(shape), self.random.random(shape)
        else:
            who = np.searchsorted(self.users.activity, self.random.random(shape))
            positions = np.take_along_axis(self.users.arms, who, axis=1)
            fates = np.take_along_axis(self.users.fates, who, axis=1)
        canary = positions < weights[:, None]
        active = canary if self.mirrored else ~canary
        ours, theirs = self._rates(start, length)
        failed = canary & (fates < ours)
        others = self.random.random(shape) if self.mirrored else fates
        errors = Arms(failed, active & (others < theirs))
        if self.users is not None and who is not None:
            first = self.users.first(who, errors.canary | errors.active)
            errors = Arms(errors.canary & first, errors.active & first)
        return Stretch(canary, active, failed, errors, self._slow(start, canary, active))

    def _rates(self, start: int, length: int) -> tuple[Floats, Floats]:
        """Return both error rates at each request, shape (requests,)."""
        numbers = np.arange(start, start + length) / self.requests
        is_down = (numbers >= _OUTAGE[0]) & (numbers < _OUTAGE[1]) & (self.scenario.outage > 0)
        return (
            np.where(is_down, self.scenario.outage, self.scenario.canary),
            np.where(is_down, self.scenario.outage, self.scenario.active),
        )

    def _latencies(self, start: int, length: int) -> Floats:
        """Draw the logarithms of a healthy version's latencies, shape (runs, requests)."""
        numbers = np.arange(start, start + length)
        wave = np.log1p(_WAVE * np.sin(2 * np.pi * numbers / _PERIOD))
        return np.asarray(
            self.scenario.spread * self.random.standard_normal((self.runs, length)) + wave
        )

    def _noise(self, length: int) -> Floats:
        """Draw what a busy machine adds to both sides, shape (runs, requests)."""
        spells = self.random.random((self.runs, length // _SPELL + 1)) < self.scenario.noise
        return np.asarray(_TENFOLD * np.repeat(spells, _SPELL, axis=1)[:, :length])

    def _slow(self, start: int, canary: Marks, active: Marks) -> tuple[Arms, ...]:
        if not self.latency:
            return ()
        length = canary.shape[1]
        ours: Any = self._latencies(start, length)
        theirs = self._latencies(start, length) if self.mirrored else ours
        if self.scenario.noise:
            noise = self._noise(length)
            ours, theirs = ours + noise, theirs + noise
        ours = ours + np.log(self.scenario.slower)
        if self.scenario.tail:
            ours += _TENFOLD * (self.random.random(canary.shape) < self.scenario.tail)
        margin = np.log1p(self.latency.margin)
        return tuple(
            Arms(canary & (ours > limit[:, None] + margin), active & (theirs > limit[:, None]))
            for limit in self.limits
        )
