"""When a worker asks for a successor: after so many requests, or beyond so much memory.

What a model's library leaks is given back to the system by nothing but the end of the process.
"""

import os
import random
import sys
from pathlib import Path
from typing import Final

from holdfast.serving.answering.finished import FinishedRequest

__all__ = ["RecyclingSink", "memory_bytes"]

_SPREAD: Final = 10
_STATM: Final = Path("/proc/self/statm")


class RecyclingSink:
    """A sink that counts requests, and tells when they are enough.

    Args:
        max_requests: Up to a tenth more are answered, by chance, so that workers that began
            together do not leave together; 0 for no limit.
        max_bytes: Memory that the process may hold; 0 for no limit.
    """

    def __init__(self, max_requests: int, max_bytes: int) -> None:
        spread = random.randrange(max_requests // _SPREAD + 1)  # noqa: S311 - no secret
        self._max_requests = max_requests + spread if max_requests else 0
        self._max_bytes = max_bytes
        self.requests = 0

    def finished(self, request: FinishedRequest) -> None:  # noqa: ARG002 - a sink is told which
        """Count a request."""
        self.requests += 1

    def due(self) -> str | None:
        """Say why the worker is to be replaced; None if it is not."""
        if self._max_requests and self.requests >= self._max_requests:
            return f"{self.requests} requests answered, its limit is {self._max_requests}"
        used_bytes = memory_bytes() if self._max_bytes else 0
        if used_bytes > self._max_bytes:
            return f"{used_bytes >> 20} MB of memory used, its limit is {self._max_bytes >> 20} MB"
        return None


def memory_bytes() -> int:
    """Return the memory that this process holds; where the system does not tell, its most ever."""
    import resource

    try:
        pages = int(_STATM.read_text(encoding="ascii").split()[1])
    except OSError:
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most << 10
    return pages * os.sysconf("SC_PAGE_SIZE")
