"""How much one connection may send, for how long, and how many there may be."""

import contextlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from holdfast.http.hosts import HostRules

if sys.platform != "win32":
    import resource

__all__ = ["BodyLimit", "ConnectionLimits", "connections_allowed"]

_KEPT_BACK: Final = 128
_MOST_CONNECTIONS: Final = 10_000


@dataclass(frozen=True, slots=True)
class BodyLimit:
    """What the body of one request may be, where it differs from that of others.

    Attributes:
        size_bytes: Longest body as it is sent.
        least_bytes: What must come of it, at least, in each `ConnectionLimits.body_s`; 0 where all
            of it must.
    """

    size_bytes: int
    least_bytes: int = 0


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """Limits of every connection of a server.

    Attributes:
        header_bytes: Longest head of a request, and longest trailer.
        header_s: Longest time from its first byte to its end, and from accept to its first byte.
        body_bytes: Longest body as it is sent.
        body_s: Longest time from the end of the head to the end of the body, and for which a
            caller may leave an answer unread.
        connections: Open ones at most; more are answered 503.
        pipelined: Requests that wait on one connection for earlier answers.
        hosts: Which names and origins are answered; None for all.
        body_limit: Told the target of a request as it was sent, says what its body may be instead
            of *body_bytes*; None where nothing differs.
    """

    header_bytes: int = 1 << 16
    header_s: float = 10.0
    body_bytes: int = 16 << 20
    body_s: float = 60.0
    connections: int = _MOST_CONNECTIONS
    pipelined: int = 128
    hosts: HostRules | None = None
    body_limit: Callable[[bytes], BodyLimit | None] | None = None


def connections_allowed() -> int:
    """Return how many connections this process can hold with descriptors left for its own files.

    The soft limit of descriptors is raised to the hard one first, as far as it is of use.
    """
    if sys.platform == "win32":
        return _MOST_CONNECTIONS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    useful = 2 * _MOST_CONNECTIONS
    raised = useful if hard == resource.RLIM_INFINITY else min(useful, hard)
    if soft != resource.RLIM_INFINITY and soft < raised:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (raised, hard))
            soft = raised
    if soft == resource.RLIM_INFINITY:
        return _MOST_CONNECTIONS
    return max(1, min(_MOST_CONNECTIONS, soft - max(_KEPT_BACK, soft // 2)))
