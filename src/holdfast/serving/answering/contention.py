"""How much of a call's time others may have had the interpreter and the processor for.

Calls of two versions that a rollout compares run on threads of one process. A canary's call nearly
always runs beside one of the active version, whose calls seldom run beside one of the canary: by
the clock the canary is slower, whatever it is. While n calls are under way each may have to leave
(n - 1) / n of the time to the others; so much is taken off a call's time at most, and never more
than the call's thread did not run at all.
"""

import threading
from collections.abc import Callable
from time import perf_counter_ns, thread_time_ns
from typing import NamedTuple

__all__ = ["Contention", "Mark"]


class Mark(NamedTuple):
    """Where a call began.

    Attributes:
        started_ns: By a clock that only rises.
        ran_ns: How long its thread had run.
        left_ns: What a call that was always under way would have left to others.
    """

    started_ns: int
    ran_ns: int
    left_ns: float


class Contention:
    """Knows how many calls are under way on threads of this process.

    Args:
        now_ns: A clock that only rises.
        ran_ns: Tells how long the thread that asks has run.
    """

    def __init__(
        self,
        now_ns: Callable[[], int] = perf_counter_ns,
        ran_ns: Callable[[], int] = thread_time_ns,
    ) -> None:
        self._now_ns = now_ns
        self._ran_ns = ran_ns
        self._lock = threading.Lock()
        self._calls = 0
        self._since_ns = 0
        self._left_ns = 0.0

    def begin(self) -> Mark:
        """Begin a call on this thread."""
        with self._lock:
            now_ns = self._pass()
            self._calls += 1
            return Mark(now_ns, self._ran_ns(), self._left_ns)

    def end(self, mark: Mark) -> int:
        """End it; return the microseconds that others may have kept it waiting."""
        ran_ns = self._ran_ns() - mark.ran_ns
        with self._lock:
            now_ns = self._pass()
            self._calls -= 1
            waited_ns = max(0, now_ns - mark.started_ns - ran_ns)
            return int(min(self._left_ns - mark.left_ns, waited_ns)) // 1000

    def _pass(self) -> int:
        now_ns = self._now_ns()
        if self._calls > 1:
            self._left_ns += (now_ns - self._since_ns) * (self._calls - 1) / self._calls
        self._since_ns = now_ns
        return now_ns
