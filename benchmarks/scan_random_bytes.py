"""Measure how often the scan takes random bytes for something that would run.

Usage: python benchmarks/scan_random_bytes.py [thousands of draws] [bytes of a file]

An alarm is rarer than one in a million, so plain draws would take hours to count a few. What random
bytes are taken for hangs on the first two above all: each of the 65,536 heads is tried some times,
and the heads are split into strata by how far the scan then followed them; those that start an
extension code, a mark of protocol or a compressed stream are one of their own, for there chance
does most. Strata of more alarms are drawn more often and weighted down. Draws within one are
independent, so its rate has the bounds of Clopper and Pearson; the strata's bounds are added.

Heads that are not followed start neither an instruction of pickle nor a mark of compression. They
can be taken for something only by a signature of four bytes or more, one in 4,000,000,000 each:
too rare to be met, so their own bound tells of the number of draws alone and is given apart.
"""

import math
import random
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from holdfast.formats.scanner.allowlist import AllowList
from holdfast.formats.scanner.findings import Budget, Findings
from holdfast.formats.scanner.judge import judge
from holdfast.formats.scanner.sources import of_bytes

_HEADS = 1 << 16
_TRIES = 4  # of each head, before the strata are made
_FOLLOWED = 2  # instructions on average, from which on a head is followed further
_BY_CHANCE = b"\x78\x5d\x80\x82\x83\x84"
_SHARES = (0.15, 0.05, 0.5, 0.3)  # of the draws
_CONFIDENCE = 0.95
_ALLOWED = AllowList()


@dataclass(slots=True)
class Stratum:
    """Heads that are followed about as far, and what came of the draws from them."""

    name: str
    heads: list[int] = field(default_factory=list)
    draws: int = 0
    alarms: int = 0
    programs: int = 0
    reasons: dict[str, int] = field(default_factory=dict)

    @property
    def weight(self) -> float:
        """The share of random files that start with one of the heads."""
        return len(self.heads) / _HEADS

    def draw(self, chance: random.Random, size: int) -> None:
        """Judge one file that starts with one of the heads."""
        findings, _ = judged(chance.choice(self.heads), chance, size)
        self.draws += 1
        self.programs += findings.executes_code
        if findings.found_doubts:
            self.alarms += 1
            reason = min(findings.found_doubts).split(" (")[0][:60]
            self.reasons[reason] = self.reasons.get(reason, 0) + 1


def judged(head: int, chance: random.Random, size: int) -> tuple[Findings, int]:
    """Judge a random file; return what was found and how much work it took."""
    content = head.to_bytes(2, "little") + chance.randbytes(size - 2)
    budget = Budget.of_size(size)
    before = budget.instructions, budget.inflated
    findings = Findings(_ALLOWED, budget)
    judge(of_bytes(content, ""), findings)
    inflated = before[1] - budget.inflated
    return findings, before[0] - budget.instructions + 4 * (inflated > 0)


def strata(chance: random.Random, size: int) -> list[Stratum]:
    """Try every head, and sort the heads by how far the scan follows them."""
    names = ("not followed", "followed a little", "followed further", "much by chance")
    made = [Stratum(name) for name in names]
    for head in range(_HEADS):
        work = [judged(head, chance, size)[1] for _ in range(_TRIES)]
        place = 0 if max(work) <= 1 else 1 if sum(work) / _TRIES < _FOLLOWED else 2
        place = 3 if head % 256 in _BY_CHANCE else place
        made[place].heads.append(head)
    return made


def bounds(count: int, draws: int) -> tuple[float, float]:
    """Bound a rate after Clopper and Pearson, by bisection of the binomial's tails."""
    beyond = (1 - _CONFIDENCE) / 2 / len(_SHARES)
    lower = _where(lambda rate: _at_most(count - 1, draws, rate) < 1 - beyond, draws)
    upper = _where(lambda rate: _at_most(count, draws, rate) < beyond, draws)
    return (lower if count else 0.0), upper


def _at_most(count: int, draws: int, rate: float) -> float:
    if count < 0:
        return 1.0
    logs = (
        math.lgamma(draws + 1) - math.lgamma(k + 1) - math.lgamma(draws - k + 1)
        + k * math.log(rate) + (draws - k) * math.log1p(-rate)
        for k in range(count + 1)
    )  # fmt: skip
    return math.fsum(map(math.exp, logs))


def _where(holds: Callable[[float], bool], draws: int) -> float:
    low, high = 1e-3 / draws, 1 - 1e-9
    for _ in range(100):
        middle = math.sqrt(low * high)
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


def main(thousands: int = 1000, size: int = 512) -> None:
    """Draw, and print the rates with their bounds and the most frequent reasons."""
    chance, started = random.Random(), time.monotonic()
    made = strata(chance, size)
    for stratum, share in zip(made, _SHARES, strict=True):
        for _ in range(int(1000 * thousands * share)):
            stratum.draw(chance, size)
    print(f"files of {size:,} random bytes, {time.monotonic() - started:.0f} s")
    for what in ("alarms", "programs"):
        rate = lower = upper = 0.0
        for stratum in made:
            count, weight = getattr(stratum, what), stratum.weight
            low, high = (weight * bound for bound in bounds(count, stratum.draws))
            print(f"  {stratum.name:17} {count:6,} of {stratum.draws:10,} in {weight:6.2%}: "
                  f"{weight * count / stratum.draws:.1e}, at most {high:.1e}")  # fmt: skip
            if stratum is not made[0] or count:
                rate += weight * count / stratum.draws
                lower, upper = lower + low, upper + high
        print(f"{what}: {rate:.2e} of all files, {lower:.1e} to {upper:.1e} ({_CONFIDENCE:.0%})")
    reasons = [
        (stratum.weight * count / stratum.draws, reason)
        for stratum in made for reason, count in stratum.reasons.items()
    ]  # fmt: skip
    for share, reason in sorted(reasons, reverse=True)[:12]:
        print(f"{share:.1e}  {reason}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]))
