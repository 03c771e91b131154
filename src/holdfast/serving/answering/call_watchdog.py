"""Ends calls on the event loop that take too long, so that the loop turns again.

A version that is known to be quick is called on the event loop. One row may still keep it for
ever. The system's timer looks in now and then; a call that it finds twice is broken off by an
exception, as Ctrl-C would, and made again on a thread. The timer needs no thread that would have
to wait for the interpreter.
"""

import signal
from types import FrameType, TracebackType
from typing import Any, Final

__all__ = ["CallWatchdog", "Overlong"]

_EVERY_S: Final = 0.5


class Overlong(BaseException):
    """Raised in a call that is to be broken off."""


class CallWatchdog:
    """Knows of the call that is under way on the event loop.

    Enter it for a call. Without `begin` it never breaks one off.
    """

    def __init__(self) -> None:
        self._calls = 0
        self._call = 0
        self._seen = 0
        self._before: Any = None

    def __enter__(self) -> None:
        """Begin a call."""
        self._calls += 1
        self._call = self._calls

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End a call."""
        self._call = 0

    def begin(self, every_s: float = _EVERY_S) -> None:
        """Break calls off that take longer than *every_s*, or at most twice that.

        Only the main thread may do so, and only calls on it are broken off.
        """
        if hasattr(signal, "setitimer"):
            self._before = signal.signal(signal.SIGALRM, self._look)
            signal.siginterrupt(signal.SIGALRM, False)  # noqa: FBT003 - the system's calls go on
            signal.setitimer(signal.ITIMER_REAL, every_s, every_s)

    def stop(self) -> None:
        """Break no more calls off."""
        if self._before is not None:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, self._before)
            self._before = None

    def _look(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - a handler's
        call = self._call
        if call and call == self._seen:
            raise Overlong
        self._seen = call
