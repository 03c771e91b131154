"""Failures of versions in the server's log: which version, in which role, by what; never inputs."""

import logging
import time
from collections.abc import Callable
from typing import Final

from holdfast.serving.answering.finished import FinishedRequest

__all__ = ["Failures"]

_log = logging.getLogger(__name__)
_PAUSE_S: Final = 10.0
_MOST_KINDS: Final = 1_000

_Kind = tuple[str, str, str, int, str]


class Failures:
    """A sink that logs the first failure of a kind at once, then one line in ten seconds.

    Args:
        clock_s: Seconds that only rise.
    """

    def __init__(self, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._clock_s = clock_s
        self._said_s: dict[_Kind, float] = {}
        self._unsaid: dict[_Kind, int] = {}

    def finished(self, request: FinishedRequest) -> None:
        """Log a request if it failed."""
        if not request.failed:
            return
        loaded = request.loaded
        kind = (
            loaded.model,
            loaded.version,
            request.role,
            request.status,
            request.cause or "an error",
        )
        now_s = self._clock_s()
        if now_s - self._said_s.get(kind, -_PAUSE_S) < _PAUSE_S:
            self._unsaid[kind] = self._unsaid.get(kind, 0) + 1
            return
        if len(self._said_s) >= _MOST_KINDS:
            self._said_s.clear()
        self._said_s[kind] = now_s
        more = self._unsaid.pop(kind, 0)
        _say(kind, f", and {more} more since the last line" if more else "")

    def close(self) -> None:
        """Log what was held back."""
        for kind, count in self._unsaid.items():
            _say(kind, f", {count} times since the last line")
        self._unsaid.clear()


def _say(kind: _Kind, more: str) -> None:
    model, version, role, status, cause = kind
    _log.warning("%s@%s (%s) failed with %d: %s%s", model, version, role, status, cause, more)
