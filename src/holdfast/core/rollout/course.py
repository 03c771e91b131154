"""A rollout as its journal tells it: where it stands, since when, and what was found."""

import re
from typing import Final, Literal

from msgspec import Struct

from holdfast.core.rollout import analysis as analyses
from holdfast.core.rollout import plan as plans
from holdfast.core.rollout.analysis import Analysis
from holdfast.core.rollout.plan import Plan
from holdfast.core.rollout.verdict import Verdict
from holdfast.errors import InvalidInputError

_STICKY: Final = re.compile(r"header:[A-Za-z0-9!#$%&'*+.^_`|~-]+|field:[^\s:]+")

Phase = Literal["running", "paused"]
Ended = Literal["completed", "passed", "halted", "aborted", "superseded"]
"""How a rollout ends: its version is live; a shadow found nothing; evidence or a person stopped it;
production moved otherwise meanwhile."""

PREPARING = -1
"""The step before the first: servers load the candidate, and it gets no traffic."""


class Terms(Struct, frozen=True, forbid_unknown_fields=True):
    """How a version gets its traffic: the usual way of a model, or of one rollout.

    Attributes:
        sticky: Where the key of a request is found: `header:X-User-Id` or `field:user_id`; `None`
            routes each request by chance.
    """

    plan: Plan = Plan()
    analysis: Analysis = Analysis()
    sticky: str | None = None


def check(terms: Terms) -> Terms:
    """Return *terms* if a rollout can follow them.

    Raises:
        InvalidInputError: If its plan or analysis cannot be followed, or the key is nowhere.
    """
    if terms.sticky is not None and not _STICKY.fullmatch(terms.sticky):
        raise InvalidInputError(
            f"sticky {terms.sticky!r}", "names no place of a key", "write header:NAME or field:NAME"
        )
    return Terms(plans.check(terms.plan), analyses.check(terms.analysis), terms.sticky)


class Baseline(Struct, frozen=True, forbid_unknown_fields=True):
    """The active version as it was measured, frozen: what the candidate is compared with.

    Attributes:
        requests: How many it rests on.
        slower_than_us: Latency in microseconds by quantile, such as `(0.99, 2100)`.
        score_edges: Edges between the bins of scores, rising; empty where it has none.
    """

    requests: int
    slower_than_us: tuple[tuple[float, int], ...] = ()
    score_edges: tuple[float, ...] = ()


class Rollout(Struct, frozen=True, forbid_unknown_fields=True):
    """One rollout.

    Attributes:
        number: Of the entry that started it: its id, and the salt of its routing.
        version: The candidate.
        was: The version that was live when it began, which every stop restores.
        sticky: See `Terms`.
        step: Index into the plan's steps; `PREPARING` before the first.
        since: When it came to this step.
        baseline: `None` until the active version was measured.
        verdict: The last one written.
        judged_at: When that was, if it was written by itself; `None` if a step brought it.
        outcome: `None` as long as it goes on.
        undone_at: When production was rolled back from what it had brought: it stays `completed`.
    """

    number: int
    version: str
    was: str
    plan: Plan
    analysis: Analysis
    by: str
    started_at: str
    since: str
    reason: str | None = None
    sticky: str | None = None
    step: int = PREPARING
    phase: Phase = "running"
    baseline: Baseline | None = None
    verdict: Verdict | None = None
    judged_at: str | None = None
    outcome: Ended | None = None
    ended_at: str | None = None
    undone_at: str | None = None

    @property
    def goes_on(self) -> bool:
        """True until it ends."""
        return self.outcome is None

    @property
    def is_last(self) -> bool:
        """True on its last step."""
        return self.step == len(self.plan.steps) - 1

    @property
    def weight(self) -> float:
        """The share of the traffic that the candidate gets, or is mirrored to it."""
        if self.outcome is not None or self.step == PREPARING:
            return 0.0
        return self.plan.steps[self.step]
