"""UUIDv7, made cheaply: randomness is drawn in blocks."""

import os
import time

__all__ = ["uuid7"]

_EACH = 10  # bytes: 74 random bits, and the variant's two
_BLOCK = 512 * _EACH


class _Pool:
    """A block of random hex digits, drawn again when it is used up or the process has forked."""

    def __init__(self) -> None:
        self.digits = ""
        self.at = 0
        self.process = 0

    def take(self) -> str:
        at = self.at
        if at >= len(self.digits) or self.process != os.getpid():
            self.digits, self.process, at = os.urandom(_BLOCK).hex(), os.getpid(), 0
        self.at = at + 2 * _EACH
        return self.digits[at : self.at]


_pool = _Pool()


def uuid7() -> str:
    """Return a new id, rising with the millisecond.

    Source:
        RFC 9562, section 5.7.
    """
    ms = f"{time.time_ns() // 1_000_000:012x}"
    rand = _pool.take()
    variant = "89ab"[int(rand[3], 16) & 3]
    return f"{ms[:8]}-{ms[8:]}-7{rand[:3]}-{variant}{rand[4:7]}-{rand[7:19]}"
