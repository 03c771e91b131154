"""What a forked child must not share with its parent: locks of threads, connections, names.

A lock that another thread held at the fork is let go by nobody in the child, and a connection or a
name that two processes use ends up mixed. Whoever has such things is told in the child, before
anything else runs there.
"""

import os
import weakref
from typing import Final, Protocol

__all__ = ["Forking", "abandon", "tell"]


class Forking(Protocol):
    """Who has something that is its process's own."""

    def after_fork(self) -> None:
        """Begin anew in a forked child, whatever the parent's threads were at."""
        ...


_told: Final["weakref.WeakSet[Forking]"] = weakref.WeakSet()
_abandoned: Final[list[object]] = []


def tell(owner: Forking) -> None:
    """Have `after_fork` called in every forked child, as long as there is the owner."""
    _told.add(owner)


def abandon(*owned: object) -> None:
    """Keep what is the parent's as it is, so that no destructor closes it under the parent."""
    _abandoned.extend(owned)


def _tell_all() -> None:
    for owner in list(_told):
        owner.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_tell_all)
