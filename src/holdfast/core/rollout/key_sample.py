"""Distinct keys of requests, by their hashes: all of them, or an even share where there are many.

The share is the same wherever it is taken, so what several kept can be united.
"""

from collections.abc import Iterable, Mapping
from typing import Final, Generic, TypeVar

from holdfast.core.fleet import Keys

CANARY: Final = 1
ACTIVE: Final = 2
"""Sides that a key was met on, to be added up."""

Known = TypeVar("Known")


class KeySample(Generic[Known]):
    """Keys with what is known of each.

    One thread puts; others may read `known`, and copy it before they go through it.

    Args:
        most: Keys kept; beyond that the share is halved.

    Attributes:
        level: Of 2 to the power of *level* keys one is kept: those whose hash ends in so many
            zero bits.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self.level = 0
        self.known: dict[int, Known] = {}

    def admits(self, key: int) -> bool:
        """Tell whether a key is of the share."""
        return not key & (1 << self.level) - 1

    def put(self, key: int, value: Known) -> None:
        """Keep a key, if it is of the share."""
        if not self.admits(key):
            return
        self.known[key] = value
        while len(self.known) > self._most:
            self.level += 1
            self.known = {
                sampled_key: sampled_value
                for sampled_key, sampled_value in self.known.items()
                if self.admits(sampled_key)
            }


def met(sample: KeySample[int], key: int, side: int) -> None:
    """Record that a key was seen on a side."""
    sample.put(key, sample.known.get(key, 0) | side)


def told(level: int, sides: Mapping[int, int]) -> Keys:
    """Return keys as workers publish them, those of the share of *level*."""
    canary, active = (
        tuple(sorted(thinned((key for key, where in sides.items() if where & side), level)))
        for side in (CANARY, ACTIVE)
    )
    return Keys(level, canary, active)


def thinned(keys: Iterable[int], level: int) -> set[int]:
    """Return those of *keys* that are of the share of *level*."""
    return {key for key in keys if not key & (1 << level) - 1}
