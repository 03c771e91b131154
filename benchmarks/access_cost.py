"""What an entry of the access journal costs to fold and to tell, in a short journal and a long one.

`python benchmarks/access_cost.py [ENTRIES]` prints processor time for each entry, of a journal of
so many entries and of one that is four times as long; a ratio of about 1 is what is wanted.
"""

import statistics
import sys
import time
from collections.abc import Callable
from typing import Any, cast

from holdfast.access import access_events as events
from holdfast.access.access_fold import fold_access
from holdfast.access.access_history import lines
from holdfast.access.access_state import NO_ACCESS
from holdfast.core.entry import Entry

AT = "2026-11-01T00:00:00.000000Z"
ROUNDS = 7
Pairs = list[tuple[Entry, str]]


def journal(length: int) -> Pairs:
    """Return entries as teams write them: people, tokens, grants, groups, and tokens revoked."""
    happened: list[events.AccessEvent] = []
    for number in range(length // 5):
        user, sha256 = f"u_{number:06}", f"{number:064}"
        token = events.IssuedToken(f"{number:012}", sha256, "p", "x", AT)
        grant = f"g_{number}"
        happened += [
            events.UserAdded(user=user, name=f"user-{number}", kind="person"),
            events.TokenIssued(user=user, token=token),
            events.GrantGiven(grant=grant, subject=f"user:{user}", role="reader", pattern="*"),
            events.TokenRevoked(token=token.id),
            events.GroupSet(group=f"team-{number // 5}", members=(user,)),
        ]
    return [
        (Entry("@access", seq, None, "0", AT, "ana", None, None, cast("Any", event)), "")
        for seq, event in enumerate(happened, start=1)
    ]


def cost_us(work: Callable[[Pairs], object], pairs: Pairs) -> float:
    """Return the processor time of an entry, the median of some rounds."""
    taken = []
    for _ in range(ROUNDS):
        began = time.process_time()
        work(pairs)
        taken.append((time.process_time() - began) / len(pairs))
    return statistics.median(taken) * 1e6


def main() -> None:
    """Print a row for each kind of work."""
    length = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    short, long = journal(length), journal(4 * length)
    for name, work in (
        ("fold", lambda pairs: fold_access(NO_ACCESS, pairs)),
        ("lines", lambda pairs: list(lines(pairs))),
    ):
        one, other = cost_us(work, short), cost_us(work, long)
        figures = f"{one:6.1f} µs of {length}, {other:6.1f} µs of {4 * length}"
        print(f"{name:6} {figures}: {other / one:.2f}")


if __name__ == "__main__":
    main()
