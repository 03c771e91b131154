"""What a signal tells the thread that waits for it.

`threading.Event` does not serve for that: its lock may be held by the very code that the handler
interrupts, and both then wait for ever.
"""

import queue
import time
from typing import Protocol

__all__ = ["Stop", "StopSignal"]


class Stop(Protocol):
    """Whatever says that it is time to stop, such as an event of `threading`."""

    def is_set(self) -> bool:
        """Tell whether it is."""
        ...

    def wait(self, timeout: float) -> bool:
        """Wait for it so many seconds; tell whether it is time."""
        ...


class StopSignal:
    """An event that the handler of a signal may set, and one thread waits for.

    A `queue.SimpleQueue` may be put to while it is being read from, in the same thread.
    """

    def __init__(self) -> None:
        self._is_set = False
        self._woken: queue.SimpleQueue[None] = queue.SimpleQueue()

    def set(self) -> None:
        """Say that it is time to stop."""
        self._is_set = True
        self._woken.put(None)

    def is_set(self) -> bool:
        """Tell whether it is time to stop."""
        return self._is_set

    def wait(self, timeout: float) -> bool:
        """Wait for it so many seconds; tell whether it is time."""
        end = time.monotonic() + timeout
        while not self._is_set:
            left_s = end - time.monotonic()
            if left_s <= 0:
                break
            try:
                self._woken.get(timeout=left_s)
            except queue.Empty:
                break
        return self._is_set
