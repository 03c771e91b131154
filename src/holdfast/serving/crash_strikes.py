"""Versions that ended workers: none that begins later loads them.

A native crash leaves nobody to tell what happened. The supervisor sees what a worker was calling or
loading when it ended, and keeps that in mind, where no model reaches it.
"""

from collections.abc import Collection, Iterable
from typing import Final

from holdfast.errors import UnsupportedError

__all__ = ["Strikes", "Versions", "require"]

_MOST: Final = 3
_WITHIN_S: Final = 3600.0

Versions = Collection[tuple[str, str]]
"""Models' names, each with a version."""


class Strikes:
    """Which versions were running when workers ended."""

    def __init__(self) -> None:
        self._at_s: dict[tuple[str, str], list[float]] = {}

    def note(self, versions: Iterable[tuple[str, str]], now_s: float) -> None:
        """Note what one worker was running when it ended; each version counts once."""
        for version in set(versions):
            last = self._at_s.get(version, [])[1 - _MOST :]
            self._at_s[version] = [*last, now_s]

    def aside(self, now_s: float) -> frozenset[tuple[str, str]]:
        """Return the versions that ended so many workers of late that none is to load them."""
        since_s = now_s - _WITHIN_S
        return frozenset(
            version
            for version, times in self._at_s.items()
            if len(times) == _MOST and times[0] >= since_s
        )


def require(aside: Versions, model: str, version: str) -> None:
    """Refuse a version that is set aside.

    Raises:
        UnsupportedError: If it is.
    """
    if (model, version) in aside:
        problem = f"killed {_MOST} workers within an hour and is set aside"
        advice = "roll back, or restart the server to try it again"
        raise UnsupportedError(f"{model}@{version}", problem, advice)
