"""What is true of two versions and their traffic, which a rollout has to find out."""

import math
from typing import Final

from msgspec import Struct

from holdfast.core.rollout.analysis import Absolute, Analysis
from holdfast.errors import InvalidInputError

_WORDS: Final = ("slower", "spread", "tail", "noise", "outage", "users", "answers")

SPREAD: Final = 0.5
"""Of latencies that nothing is said of."""


class Scenario(Struct, frozen=True, forbid_unknown_fields=True):
    """True rates of one scenario.

    Attributes:
        active: Error rate of the active version.
        canary: Error rate of the canary.
        slower: Factor on the canary's latencies.
        spread: Standard deviation of the logarithm of both versions' latencies.
        tail: Share of the canary's calls that take ten times as long, besides.
        noise: Share of the requests that fall into spells in which the machine is busy, and both
            versions take ten times as long.
        outage: Error rate that both have while what they depend on is down, for a tenth of the
            requests; 0 for no outage.
        users: Users whose requests stay on one side and fail all or not at all, a few of them
            sending most; only a user's first failure counts. 0 for requests that are independent.
        answers: Of an A/B test, requests of a key on average, whose mean is its outcome.
    """

    active: float
    canary: float
    slower: float = 1.0
    spread: float = SPREAD
    tail: float = 0.0
    noise: float = 0.0
    outage: float = 0.0
    users: int = 0
    answers: int = 1

    @property
    def label(self) -> str:
        """Name it as `parse` reads it."""
        parts = [f"{percent(self.active)}:{percent(self.canary)}"]
        if self.slower != 1:
            parts.append(f"slower={self.slower:g}")
        if self.spread != SPREAD:
            parts.append(f"spread={self.spread:g}")
        parts += [
            f"{word}={percent(share)}"
            for word, share in (
                ("tail", self.tail),
                ("noise", self.noise),
                ("outage", self.outage),
            )
            if share
        ]
        if self.users:
            parts.append(f"users={self.users}")
        if self.answers != 1:
            parts.append(f"answers={self.answers}")
        return ",".join(parts)

    def is_healthy(self, analysis: Analysis) -> bool:
        """Tell whether halting it would be false: it is within every margin."""
        rule = analysis.errors
        if isinstance(rule, Absolute):
            allowed = self.active + rule.margin
        else:
            allowed = self.active * (1 + rule.margin)
        within = self.canary <= allowed or math.isclose(self.canary, allowed)
        latency = analysis.latency
        is_as_fast = latency is None or (self.slower <= 1 + latency.margin and not self.tail)
        return within and is_as_fast


def check(scenario: Scenario) -> Scenario:
    """Return *scenario* if its figures can be.

    Raises:
        InvalidInputError: If a rate is outside [0, 1], or the factor or the users are out of range.
    """
    for field in ("active", "canary", "tail", "noise", "outage"):
        rate = getattr(scenario, field)
        if not 0 <= rate <= 1:
            raise InvalidInputError(
                f"scenario {field}", f"must be a rate from 0 to 1, or 0 % to 100 %, not {rate:g}"
            )
    if not 0 < scenario.slower < math.inf:
        raise InvalidInputError(
            "scenario slower", f"must be a factor above 0, such as 1.5, not {scenario.slower:g}"
        )
    if not 0 <= scenario.spread < math.inf:
        raise InvalidInputError(
            "scenario spread", f"must be 0 or more, such as 0.1, not {scenario.spread:g}"
        )
    if scenario.users < 0:
        raise InvalidInputError("scenario users", f"must be 0 or more, not {scenario.users}")
    if scenario.answers < 1:
        raise InvalidInputError("scenario answers", f"must be 1 or more, not {scenario.answers}")
    return scenario


def parse(text: str) -> Scenario:
    """Read `ACTIVE:CANARY`, then what else is given, such as `,slower=F,tail=RATE`.

    Raises:
        InvalidInputError: If it is not that.
    """
    rates, *further = text.split(",")
    active, colon, canary = rates.partition(":")
    options = dict(word.partition("=")[::2] for word in further)
    unknown = [word for word in options if word not in _WORDS]
    if not colon or unknown:
        raise InvalidInputError(
            f"scenario {text!r}", "is not ACTIVE:CANARY", f"write 1%:6%, then {', '.join(_WORDS)}"
        )
    try:
        return check(
            Scenario(
                share(active),
                share(canary),
                slower=float(options.get("slower", 1)),
                spread=float(options.get("spread", SPREAD)),
                tail=share(options.get("tail", "0")),
                noise=share(options.get("noise", "0")),
                outage=share(options.get("outage", "0")),
                users=int(options.get("users", 0)),
                answers=int(options.get("answers", 1)),
            )
        )
    except ValueError as error:
        raise InvalidInputError(
            f"scenario {text!r}",
            f"is invalid: {error}",
            "write figures: 1%:6%,slower=1.5,users=2000",
        ) from error


def share(text: str) -> float:
    """Read `5%` or `0.05`; anything else is a `ValueError`."""
    return float(text[:-1]) / 100 if text.endswith("%") else float(text)


def percent(rate: float) -> str:
    """Show a share: `5%`, `0.1%`."""
    return f"{100 * rate:.4g}%"
