"""Who looks at a page: the registry acts in their name, and they see what they may do."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

from holdfast.access import permissions
from holdfast.access.permissions import ROLES
from holdfast.registry import Registry
from holdfast.web.access_desk import AccessDesk
from holdfast.web.rights import Rights
from holdfast.web.web_settings import WebSettings

Report = Callable[[str, str, str | None], None]
_LOOKING: Final = ("read", "access")
"""Verbs under which pages are looked at; predictions are not looked up so, for that is recorded."""
_FRESH: Final = timedelta(minutes=15)


def is_fresh(visitor: "Visitor", now: str) -> bool:
    """Tell whether somebody signed in so lately that they may change access.

    Whoever comes to a browser that was left open cannot give themselves rights that outlast it.
    """
    if not visitor.signed_in_at:
        return False
    age = datetime.fromisoformat(now) - datetime.fromisoformat(visitor.signed_in_at)
    return age <= _FRESH


def unchangeable(visitor: "Visitor", now: str) -> str:
    """Say why somebody may not change access now; empty if they may."""
    if visitor.read_only:
        return "This server only reads."
    stale = "Nothing was changed: your sign-in is older than 15 minutes."
    return "" if is_fresh(visitor, now) else stale


class Visitor(Protocol):
    """Whoever asks for a page."""

    @property
    def name(self) -> str:
        """As entries name them."""
        ...

    @property
    def role(self) -> str:
        """The widest role that they have."""
        ...

    @property
    def csrf(self) -> str:
        """What each form must send back; empty where there is no session."""
        ...

    @property
    def read_only(self) -> bool:
        """True if the server changes nothing."""
        ...

    @property
    def registry(self) -> Registry:
        """Acts in their name."""
        ...

    @property
    def log(self) -> str | None:
        """Where the log of predictions is; None if the server was told of none."""
        ...

    @property
    def settings(self) -> WebSettings:
        """How the server runs."""
        ...

    @property
    def access(self) -> AccessDesk | None:
        """Shows and changes who may do what; None on a server for one user."""
        ...

    @property
    def signed_in_at(self) -> str:
        """When they last signed in, empty if that is not known."""
        ...

    @property
    def session(self) -> str:
        """SHA-256 of the secret of their session, empty if there is none."""
        ...

    def note(self, what: str, why: str, model: str | None) -> None:
        """Keep a report of what they looked at, before it is shown.

        Raises:
            StoreError: If it cannot be kept.
        """
        ...

    def may(self, verb: str, model: str | None) -> bool:
        """Tell whether they may do *verb* with *model*."""
        ...

    def who_may(self, verb: str, model: str | None) -> str:
        """Say in a sentence which role may."""
        ...

    def key(self, text: str) -> str | None:
        """Return the idempotency key of a form; each user has keys of their own."""
        ...


@dataclass(frozen=True)
class SignedIn:
    """A person who is signed in, or the only user of a local server."""

    registry: Registry
    rights: Rights
    csrf: str
    report: Report
    settings: WebSettings
    access: AccessDesk | None = None
    signed_in_at: str = ""
    session: str = ""

    @property
    def read_only(self) -> bool:
        """True if the server changes nothing."""
        return self.settings.read_only

    @property
    def log(self) -> str | None:
        """Where the log of predictions is; None if the server was told of none."""
        return self.settings.log

    @property
    def name(self) -> str:
        """As entries name them."""
        return self.rights.identity.user.name

    @property
    def role(self) -> str:
        """The widest role that they have for any model."""
        granted = {
            grant.role for grant in permissions.rights(self.rights.state, self.rights.identity)
        }
        return max(granted & ROLES.keys(), key=lambda role: len(ROLES[role]), default="no role")

    def note(self, what: str, why: str, model: str | None) -> None:
        """Keep a report of what they looked at, before it is shown."""
        self.report(what, why, model)

    def may(self, verb: str, model: str | None) -> bool:
        """Tell whether they may do *verb* with *model*; on a server that only reads, look alone."""
        if self.read_only and verb not in _LOOKING:
            return False
        return self.rights.allows(verb, model)

    def who_may(self, verb: str, model: str | None) -> str:
        """Say in a sentence which role may."""
        if self.read_only and verb not in _LOOKING:
            return "This server only reads; ask one that writes."
        decision = permissions.may(self.rights.state, self.rights.identity, verb, model)
        return f"{self.name} {decision.reason}; {decision.advice}."

    def key(self, text: str) -> str | None:
        """Return the idempotency key of a form; each user has keys of their own, as in the API."""
        return f"{self.rights.identity.user.id}:{text}" if text else None
