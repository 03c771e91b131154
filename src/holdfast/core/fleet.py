"""What serving processes report: what each one runs, and what it counted.

Both are small files beside the journal, replaced whole by their worker, and not part of the truth:
losing them loses no version and no decision.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

Count = Annotated[int, Meta(ge=0)]

_FORGOTTEN_S: Final = 3600.0
_AHEAD_S: Final = 60.0
"""Seconds that a worker's clock may be ahead of a reader's."""

_MOST_EVERY_S: Final = 600.0
"""Greatest time between two reports that is believed."""

_MISSED: Final = 3
"""Reports that may fail to come before a worker counts as gone."""


class LoadedVersion(Struct, frozen=True):
    """A version in a worker's memory.

    Attributes:
        problem: Why it failed to load, verify or pass its smoke test.
    """

    version: str
    state: Literal["loading", "ready", "failed"]
    problem: str | None = None


class Report(Struct, frozen=True):
    """What one worker of a server runs of one model.

    Attributes:
        worker: Names the process, and no other one ever: host, process id and a random mark.
        at: When it was written; the next is due `every_s` later, silence means it is gone.
        seq: The journal entry it has followed to.
        active: The version that answers, `None` until one is ready.
        rollout: Number of the rollout it routes for, `None` without one.
        step: Of that rollout.
        versions: All that it holds or failed to load.
        latency_us: Histogram of the active version's latencies since it answers here, each the
            time of the model's call: pairs of an upper bound in microseconds and a count.
        scores: Some of its last scores, drawn evenly.
        key: Ed25519 public key, in base64, of whoever signed it; empty if nobody did.
        signature: By that key, over all else (`core/worker_statements.py`).
    """

    model: str
    worker: str
    at: str
    every_s: float
    seq: int
    active: str | None = None
    rollout: int | None = None
    step: int | None = None
    versions: tuple[LoadedVersion, ...] = ()
    latency_us: tuple[tuple[int, Count], ...] = ()
    scores: tuple[float, ...] = ()
    key: str = ""
    signature: str = ""

    def age_s(self, now: datetime) -> float:
        """Return how old it is in seconds, less than 0 if the worker's clock is ahead."""
        return (now - datetime.fromisoformat(self.at)).total_seconds()

    def is_fresh(self, now: datetime) -> bool:
        """Tell whether the worker is thought to be alive: it has not missed three reports.

        A report further ahead than clocks differ proves nothing: it would seem fresh for as long
        after the worker's end.
        """
        return -_AHEAD_S <= self.age_s(now) <= _MISSED * min(self.every_s, _MOST_EVERY_S)

    def held(self, version: str) -> LoadedVersion | None:
        """Return what the worker reports of *version*; `None` if it does not mention it."""
        return next(
            (
                version_status
                for version_status in self.versions
                if version_status.version == version
            ),
            None,
        )


class Lagging(Struct, frozen=True):
    """A worker that does not answer with the version it should, and what it reports."""

    worker: str
    says: str


class Serving(Struct, frozen=True):
    """How many servers of a model answer with a version.

    Attributes:
        version: The one that all should answer with; `None` if nothing is live.
        workers: Those that are alive.
        lagging: Those of them that are elsewhere, and those that went silent within the last
            hour or whose clock is ahead by up to an hour.
    """

    version: str | None
    workers: int
    lagging: tuple[Lagging, ...] = ()
    silent: int = 0

    @property
    def whole(self) -> bool:
        """True if every live worker answers with the version."""
        return len(self.lagging) == self.silent

    def __str__(self) -> str:
        """Summarise it: `3/3 on 1.4.0`."""
        there = self.workers - (len(self.lagging) - self.silent)
        return f"{there}/{self.workers} on {self.version or 'nothing'}"


def serving(reports: Iterable[Report], version: str | None, now: datetime, seq: int = 0) -> Serving:
    """Tell which workers answer with *version*, and what the others report.

    Args:
        seq: A journal entry that they must have followed to: earlier reports do not count, as a
            version may go live again and again.
    """
    lagging, silent, alive = [], [], 0
    for report in reports:
        if not report.is_fresh(now):
            if abs(age_s := report.age_s(now)) < _FORGOTTEN_S:
                phrase = "silent since" if age_s >= 0 else "its clock is ahead of ours and says"
                silent.append(Lagging(report.worker, f"{phrase} {report.at}"))
            continue
        alive += 1
        if report.active != version or report.seq < seq:
            lagging.append(Lagging(report.worker, _says(report, version)))
    return Serving(version, alive, (*lagging, *silent), len(silent))


def _says(report: Report, version: str | None) -> str:
    on = f"on {report.active or 'nothing'}"
    if report.active == version:
        return f"{on}, but has read the journal only to entry {report.seq}"
    version_status = report.held(version) if version else None
    if version_status is None:
        return on
    return f"{on}, {version} {version_status.state}" + (
        f": {version_status.problem}" if version_status.problem else ""
    )


class Sides(Struct, frozen=True):
    """One count for the canary and one for the active version."""

    canary: Count = 0
    active: Count = 0


class Keys(Struct, frozen=True):
    """Distinct keys on both sides, as 64-bit hashes, so that what workers saw can be united.

    Attributes:
        level: Of 2 to the power of *level* keys one is kept: those whose hash ends in so many zero
            bits.
    """

    level: Count = 0
    canary: tuple[int, ...] = ()
    active: tuple[int, ...] = ()


class StepCounts(Struct, frozen=True):
    """What a worker counted on one step of a rollout; requests forced to a side do not count.

    Attributes:
        weight: The canary's share on it.
        requests: Answered by each side; of a shadow, *canary* is those mirrored.
        assigned: Sent to each side, answered or not; fewer than *requests* where it was not
            counted.
        failures: Of these; used where routing is not sticky.
        failed_keys: By hour since 1970, the keys that failed; used where routing is sticky.
        first_seen: Keys whose first request in the rollout fell on this step; sticky routing only.
        slower: By quantile of the baseline, requests slower than it.
        pairs: Of a shadow: mirrored requests at which the canary alone, the active version alone,
            and both failed.
        scores: Counts by bin of the baseline's edges, the canary's and the active version's.
        blocks: By quantile of the baseline, what blocks of calls say of it: the log e-value of each
            bet, and the slow calls of the canary.
    """

    step: Count
    weight: float
    requests: Sides = Sides()
    failures: Sides = Sides()
    failed_keys: tuple[tuple[int, Keys], ...] = ()
    first_seen: Keys = Keys()
    slower: tuple[tuple[float, Sides], ...] = ()
    pairs: tuple[Count, Count, Count] = (0, 0, 0)
    slower_pairs: tuple[tuple[float, tuple[Count, Count, Count]], ...] = ()
    scores: tuple[tuple[Count, ...], tuple[Count, ...]] = ((), ())
    assigned: Sides = Sides()
    blocks: tuple[tuple[float, tuple[float, ...], Count], ...] = ()


class Counts(Struct, frozen=True):
    """All that one worker counted of one rollout, cumulative.

    Attributes:
        unmeasured: Quantiles of the baseline of which it cannot tell what was slower: for the
            verdict nobody measured them, whatever others counted.
        key: As of a report.
        signature: As of a report.
    """

    model: str
    rollout: int
    worker: str
    at: str
    steps: tuple[StepCounts, ...] = ()
    unmeasured: tuple[float, ...] = ()
    key: str = ""
    signature: str = ""
