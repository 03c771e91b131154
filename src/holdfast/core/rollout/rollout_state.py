"""A rollout as its journal tells it: where it stands, since when, and what was found."""

import re
from typing import Final, Literal

from msgspec import UNSET, Struct

from holdfast.core.rollout import analysis as analyses
from holdfast.core.rollout import plan as plans
from holdfast.core.rollout.analysis import Analysis
from holdfast.core.rollout.plan import Plan
from holdfast.core.rollout.step_verdict import StepVerdict
from holdfast.core.wording import share, span
from holdfast.errors import InvalidInputError

_WIDE: Final = 640.0
"""Pixels of pictures in a notebook."""
_OUTCOMES: Final = {"completed": "g", "passed": "g", "halted": "b", "aborted": "b"}
_STICKY: Final = r"header:[A-Za-z0-9!#$%&'*+.^_`|~-]+|field:[^\s:]+"

Phase = Literal["running", "paused"]
Ended = Literal["completed", "passed", "halted", "aborted", "superseded", "undecided"]
"""How a rollout ends: its version is live; a shadow found nothing, or an A/B test no difference
that matters; evidence or a person stopped it; production moved otherwise meanwhile; an A/B test
came to its deadline."""

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
    if terms.sticky is not None and not re.fullmatch(_STICKY, terms.sticky):
        raise InvalidInputError(
            f"sticky {terms.sticky!r}",
            "does not say where the key is",
            "write header:NAME or field:NAME",
        )
    if terms.plan.strategy == "ab":
        _check_ab(terms)
    elif terms.analysis.outcome is not UNSET:
        raise InvalidInputError(
            "outcome", f"is not compared in a {terms.plan.strategy} rollout", "use the strategy ab"
        )
    checked = Terms(plans.check(terms.plan), analyses.check(terms.analysis), terms.sticky)
    _check_time(checked)
    return checked


def _check_ab(terms: Terms) -> None:
    if terms.analysis.outcome is UNSET:
        raise InvalidInputError(
            "A/B test", "has no outcome to compare", "give accuracy or feedback:FIELD"
        )
    if terms.sticky is None:
        raise InvalidInputError(
            "A/B test",
            "has no sticky key, and outcomes are compared by key",
            "give header:NAME or field:NAME",
        )


def _check_time(terms: Terms) -> None:
    longest, test = terms.plan.max_step_time_s, terms.analysis.outcome
    if test is not UNSET and longest is not None and test.within_s >= longest:
        raise InvalidInputError(
            "A/B test",
            f"ends after {span(longest)}, before the first key counts, after {span(test.within_s)}",
            "give a later deadline, or a shorter time within which outcomes count",
        )


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
        number: Its place among the model's rollouts, from 1: its id, and the salt of its routing.
        seq: Entry that started it, by which the entries about it name it.
        version: The candidate.
        was: The version that was live when it began, which every stop restores.
        sticky: See `Terms`.
        step: Index into the plan's steps; `PREPARING` before the first.
        since: When it came to this step.
        baseline: `None` until the active version was measured.
        verdict: The last one written.
        judged_at: When that was, if it was written by itself; `None` if a step brought it.
        outcome: `None` as long as it is running.
        undone_at: When production was rolled back from what it had brought: it stays `completed`.
    """

    number: int
    seq: int
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
    verdict: StepVerdict | None = None
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

    def slow_from_us(self, *, of_canary: bool) -> tuple[tuple[float, int], ...]:
        """Return the time that a slow call takes more than, by quantile; none until measured."""
        bounds = self.baseline.slower_than_us if self.baseline else ()
        latency = self.analysis.latency
        if not of_canary or latency is None:
            return bounds
        return tuple((quantile, latency.candidate_us(bound_us)) for quantile, bound_us in bounds)

    @property
    def weight(self) -> float:
        """The share of the traffic that the candidate gets, or is mirrored to it."""
        if self.outcome is not None or self.step == PREPARING:
            return 0.0
        return self.plan.steps[self.step]

    def _repr_html_(self) -> str:
        """Show its steps, what was counted and the evidence in a notebook."""
        from holdfast.core import notebook  # noqa: PLC0415 - only notebooks need it
        from holdfast.core.rollout import rollout_drawings  # noqa: PLC0415 - the same

        beside = f"rollout {self.number}, {self.plan.strategy} beside {self.was}"
        why = f": {self.reason}" if self.reason else ""
        facts = [
            ("started", f"{notebook.moment(self.started_at)} by {self.by}{why}"),
            ("on this step since", notebook.moment(self.since) if self.goes_on else None),
            ("ended", notebook.moment(self.ended_at)),
            ("rolled back", notebook.moment(self.undone_at)),
        ]
        colour = "c" if self.goes_on else _OUTCOMES.get(str(self.outcome), "m")
        stand = self.outcome or self.phase
        parts = [
            notebook.heading(self.version, beside),
            notebook.line(f"{stand}, {share(self.weight)} of the traffic", colour),
            rollout_drawings.steps(self.plan, self.step, self.outcome, _WIDE),
            notebook.facts(facts),
        ]
        if self.verdict is not None:
            sure = "" if self.verdict.conclusive else ", not decided by the data"
            parts.append(notebook.heading(self.verdict.outcome, f"last verdict{sure}"))
            parts += [notebook.line(reason.sentence) for reason in self.verdict.reasons]
            parts.append(rollout_drawings.failures(self.verdict, self.version, self.was, _WIDE))
            parts.append(rollout_drawings.evidence(self.verdict, _WIDE))
        return notebook.view(*parts)
