"""Measure how often the scan takes random bytes for something that would run.

Usage: python benchmarks/scan_random_bytes.py [thousands of draws] [bytes of a file]

An alarm is rarer than one in a million, so plain draws would take hours to count a few. What random
bytes are taken for hangs on the first two above all, so these are split into strata: heads that
start an extension code, a protocol that there is or a compressed stream, for there chance does
most; heads that start with an instruction that is followed by others; and all else. The first are
drawn far more often than they come, and weighted down. Draws within a stratum are independent, so
its rate has the bounds of Clopper and Pearson; the strata's bounds are added. Interrupted, the run
tells what it has so far.

Heads of the last stratum start neither an instruction that does anything nor a mark of compression.
They can be taken for something only by a signature of four bytes or more, one in 4,000,000,000
each: too rare to be met, so their own bound tells of the number of draws alone and is given apart.
"""

import contextlib
import math
import pickle
import random
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from holdfast.formats.scanner.allowlist import AllowList
from holdfast.formats.scanner.byte_sources import of_bytes
from holdfast.formats.scanner.findings import Budget, Findings
from holdfast.formats.scanner.judge import judge

_HEADS = 1 << 16
_TRIES = 100  # of each first byte, to tell whether anything follows it
_SHARES = (0.02, 0.66, 0.32)  # of the draws
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
    """Sort the heads by how far the scan may follow them."""
    made = [Stratum(name) for name in ("not followed", "followed", "much by chance")]
    followed = {
        first for first in range(256)
        if any(judged(first | chance.getrandbits(8) << 8, chance, size)[1] > 1
               for _ in range(_TRIES))
    }  # fmt: skip
    for head in range(_HEADS):
        first, second = head.to_bytes(2, "little")
        place = 2 if much_by_chance(first, second) else int(first in followed and first != 0x80)
        made[place].heads.append(head)
    return made


def much_by_chance(first: int, second: int) -> bool:
    """Tell whether two bytes start an extension code, a protocol, zlib's head or lzma's."""
    match first:
        case 0x78:
            return (first << 8 | second) % 31 == 0
        case 0x5D:
            return second == 0
        case 0x80:
            return second <= pickle.HIGHEST_PROTOCOL
    return first in b"\x82\x83\x84"


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
    with contextlib.suppress(KeyboardInterrupt):
        for _ in range(thousands):
            for stratum, share in zip(made, _SHARES, strict=True):
                for _ in range(round(1000 * share)):
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
