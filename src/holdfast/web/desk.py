"""What every part of the server shares: the registry, who may do what, threads and figures."""

import contextlib
import threading
import time
from dataclasses import dataclass, field
from typing import Final, Protocol

from holdfast.access.jwks import KeySets
from holdfast.access.sessions import Sessions
from holdfast.registry import Registry
from holdfast.store.incoming import IncomingFiles
from holdfast.web.below import session_of
from holdfast.web.derived_files import DerivedFiles
from holdfast.web.exchange import Request
from holdfast.web.figures import Figures
from holdfast.web.followers import Followers
from holdfast.web.guard import Guard, TeamGuard
from holdfast.web.named_blobs import NamedBlobs
from holdfast.web.receipts import Receipts
from holdfast.web.turns import Turns
from holdfast.web.web_settings import WebSettings
from holdfast.web.work import Work

__all__ = ["Desk"]

_HOUR_S: Final = 3600.0
_REGISTERED_AT_ONCE: Final = 8
"""Half of the threads: whoever reads is answered meanwhile."""


class Link(Protocol):
    """A link that signs in once."""

    def use(self, secret: str) -> bool:
        """Tell whether this is the link, and that it was not used; it is now."""
        ...


@dataclass
class Desk:
    """A server's parts, as its handlers use them.

    Attributes:
        registry: Shared by all requests.
        guard: Who may do what.
        work: Threads for what blocks.
        named: Which digests models name.
        stopping: Set once the server is to end.
        incoming: Files that come; made when the first does.
        followers: Of the models that somebody watches.
        link: Signs the one user in, once; None if nothing does.
        sessions: Sign-ins of browsers.
        key_sets: Addresses and keys of providers and CI systems.
        registering: Whose turn it is to register: each reads files for long, and on a thread.
        derived: Writes what follows from entries, once their authors were answered.
    """

    settings: WebSettings
    registry: Registry
    guard: Guard
    work: Work = field(default_factory=Work)
    figures: Figures = field(default_factory=Figures)
    named: NamedBlobs = field(default_factory=NamedBlobs)
    stopping: threading.Event = field(default_factory=threading.Event)
    incoming: IncomingFiles | None = None
    link: Link | None = None
    followers: Followers = field(init=False)
    sessions: Sessions = field(init=False)
    derived: DerivedFiles = field(init=False)
    key_sets: KeySets = field(default_factory=KeySets)
    registering: Turns = field(default_factory=lambda: Turns(_REGISTERED_AT_ONCE))
    _prune_s: float = 0.0

    def __post_init__(self) -> None:
        """Follow nothing yet."""
        self.followers = Followers(self.registry, self.work)
        self.derived = DerivedFiles(session_of(self.registry))
        team = self.guard if isinstance(self.guard, TeamGuard) else None
        self.sessions = team.sessions if team is not None else Sessions(None)

    @property
    def receipts(self) -> Receipts:
        """Who sent which bytes."""
        return Receipts(session_of(self.registry))

    def upkeep(self) -> None:
        """Write what waits to be written, and once an hour remove what is over."""
        self.guard.flush()
        now_s = time.monotonic()
        if not self.guard.is_local and not self.settings.read_only and now_s >= self._prune_s:
            self._prune_s = now_s + _HOUR_S
            self.receipts.prune(time.time())

    def close(self) -> None:
        """End what is being done, and write what waits to be written."""
        with contextlib.ExitStack() as stack:
            stack.callback(self.guard.flush)
            stack.callback(self.derived.close)
            stack.callback(self.work.close)

    def watcher(self, request: Request) -> str:
        """Return whose watchers are counted together: a user's; empty where there is one alone."""
        return "" if self.guard.is_local else request.user

    def base_of(self, request: Request) -> str:
        """Return this server's address as whoever asks reaches it; the host was admitted before.

        Clients send their token or password there: never to `http` where a proxy speaks TLS.
        """
        is_secure = self.settings.secure or request.scheme == "https"
        return f"{'https' if is_secure else 'http'}://{request.header('host') or 'localhost'}"

    def sees(self, request: Request, model: str) -> bool:
        """Tell whether whoever asks may read a model."""
        return request.rights.allows("read", model)
