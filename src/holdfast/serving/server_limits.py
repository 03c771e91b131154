"""What a server takes: how much, for how long, and from whom."""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from holdfast.http.connection_limits import ConnectionLimits

__all__ = ["ServerLimits"]

_SCHEME = b"bearer "


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """Limits of one server.

    Attributes:
        body_bytes: Longest body of a request.
        timeout_s: Longest time from the whole request read to its answer, and for reading it.
        queue: Requests that may wait for one version.
        batch: Rows that share a call at most, a single larger request aside.
        mirrored: Mirrored requests under way at most; more are not mirrored.
        inline_us: A version whose calls take no longer is called on the event loop itself, all
            others on a thread of their own; 0 for never.
        overtake_s: How long requests wait for a call of their version, at least, before they are
            answered beside it; ten times what its calls take, where that is longer.
        pinning: Whether callers may ask for a version by number.
        token: What callers must present as bearer; None for no such demand.
        door: What one connection may do, whatever it asks for; the body's limits above are put in.
    """

    body_bytes: int = 16 << 20
    timeout_s: float = 60.0
    queue: int = 1024
    batch: int = 64
    mirrored: int = 64
    inline_us: int = 1000
    overtake_s: float = 1.0
    pinning: bool = True
    token: str | None = None
    door: ConnectionLimits = field(default_factory=ConnectionLimits)

    def connection(self) -> ConnectionLimits:
        """Return the limits of a connection."""
        return replace(self.door, body_bytes=self.body_bytes, body_s=self.timeout_s)

    def admits(self, headers: Mapping[bytes, bytes]) -> bool:
        """Tell whether a request with these headers may be answered."""
        if self.token is None:
            return True
        authorization = headers.get(b"authorization", b"")
        if authorization[: len(_SCHEME)].lower() != _SCHEME:
            return False
        return hmac.compare_digest(authorization[len(_SCHEME) :].strip(), self.token.encode())
