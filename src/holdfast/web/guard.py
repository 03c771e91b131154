"""Who a request is from, and what they may do: what the application asks of either mode."""

import hmac
import threading
import time
from collections import Counter, OrderedDict, deque
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

from holdfast.access import permissions, tokens
from holdfast.access.access_journal import AccessJournal
from holdfast.access.access_state import ALL, EVERYONE, AccessState, Grant
from holdfast.access.authentication import authenticate
from holdfast.access.permissions import ANONYMOUS, Identity
from holdfast.access.refusals import Refusals
from holdfast.access.sessions import Sessions
from holdfast.errors import DamagedError, StoreError, UnauthenticatedError
from holdfast.http.problems import Problem
from holdfast.web.exchange import Request
from holdfast.web.rights import Rights

__all__ = ["FailedSignIns", "Guard", "LocalGuard", "TeamGuard", "bearer"]

_SCHEME: Final = "bearer "
_CHALLENGE: Final = {"WWW-Authenticate": "Bearer"}
_MOST_FAILURES: Final = 10
_WINDOW_S: Final = 60.0
_MOST_KNOWN: Final = 10_000
_MOST_KEPT: Final = 1_000
_MOST_KEPT_OF_ONE: Final = 30


class Guard(Protocol):
    """Decides about requests; it may look into the store, so it is asked on a worker's thread."""

    @property
    def is_local(self) -> bool:
        """Whether this server is for one user of this machine alone."""
        ...

    def enter(self, request: Request, *, writes: bool) -> Rights:
        """Return who presents a token, and what they may do.

        Args:
            request: What they ask.
            writes: Whether it may change anything: then nothing old is believed.

        Raises:
            Problem: 401 if there is no token, or it is not valid; 429 if that is so too often; 503
                if what they may do cannot be known.
        """
        ...

    def note(self, request: Request, what: str, why: str) -> None:
        """Keep a refusal, where refusals are kept."""
        ...

    def flush(self) -> None:
        """Write what is to be kept."""
        ...


def bearer(request: Request) -> str | None:
    """Return the token that a request presents; cookies and queries are not looked at.

    Raises:
        Problem: 401 if the authorization is of another kind.
    """
    header = request.header("authorization")
    if header is None:
        return None
    if header[: len(_SCHEME)].lower() != _SCHEME:
        raise unauthenticated("the authorization is not a bearer token")
    return header[len(_SCHEME) :].strip()


def unauthenticated(detail: str) -> Problem:
    """Return the answer to whoever is not known."""
    return Problem(401, "unauthenticated", detail, _CHALLENGE)


class LocalGuard:
    """One user, the one who started the server, who may do everything."""

    is_local = True

    def __init__(self, name: str, token: str) -> None:
        self.rights = Rights(*permissions.local(name))
        self._token = token.encode()

    def enter(self, request: Request, *, writes: bool) -> Rights:  # noqa: ARG002
        """Return the user, if the request has this server's token."""
        token = bearer(request)
        if token is None:
            raise unauthenticated("send `Authorization: Bearer …` with the token of this server")
        if not hmac.compare_digest(token.encode(), self._token):
            raise unauthenticated("the token is not this server's; it has a new one at each start")
        return self.rights

    def note(self, request: Request, what: str, why: str) -> None:
        """Keep nothing: there is nobody else."""

    def flush(self) -> None:
        """Write nothing."""


class FailedSignIns:
    """Counts failed sign-ins by address and by token, within a minute."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._times: OrderedDict[str, deque[float]] = OrderedDict()

    def failed(self, *names: str) -> float | None:
        """Count a failure; return for how many seconds there were too many, None if there are not.

        Args:
            names: The address, and the id of the token.
        """
        now = time.monotonic()
        with self._lock:
            waits = [self._counted(name, now) for name in names]
        return max((wait for wait in waits if wait is not None), default=None)

    def _counted(self, name: str, now: float) -> float | None:
        times = self._times.setdefault(name, deque(maxlen=_MOST_FAILURES + 1))
        self._times.move_to_end(name)
        times.append(now)
        if len(self._times) > _MOST_KNOWN:
            self._times.popitem(last=False)
        if len(times) <= _MOST_FAILURES or now - times[0] > _WINDOW_S:
            return None
        return _WINDOW_S - (now - times[0])


class KeptFailures:
    """Which failed sign-ins are kept: within a minute some of each address, and some of all.

    Whoever has no token could else fill the store with them.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._minute = -1
        self._counts: Counter[str] = Counter()

    def takes(self, address: str) -> bool:
        """Tell whether one more failure of an address is to be kept; it is counted then."""
        minute = int(time.monotonic() // _WINDOW_S)
        with self._lock:
            if minute != self._minute:
                self._minute, self._counts = minute, Counter()
            whole = self._counts.total() >= _MOST_KEPT
            if whole or self._counts[address] >= _MOST_KEPT_OF_ONE:
                return False
            self._counts[address] += 1
            return True


class TeamGuard:
    """The people of an access journal."""

    is_local = False

    def __init__(
        self,
        journal: AccessJournal,
        sessions: Sessions,
        refusals: Refusals,
        *,
        anonymous_read: bool = False,
    ) -> None:
        self.journal = journal
        self.sessions = sessions
        self.refusals = refusals
        self._failures = FailedSignIns()
        self._kept = KeptFailures()
        self._prune_at = datetime.min.replace(tzinfo=UTC)
        grants = (Grant("anonymous", EVERYONE, "viewer", ALL),)
        self._anonymous = Identity(ANONYMOUS.user, ANONYMOUS.how, None, grants)
        self._anonymous_read = anonymous_read

    def enter(self, request: Request, *, writes: bool) -> Rights:
        """Return whose token it is, and what they may do at this moment."""
        state = self.state(writes=writes)
        secret = bearer(request)
        if secret is None:
            if self._anonymous_read and not writes:
                return Rights(state, self._anonymous)
            raise unauthenticated("send `Authorization: Bearer hft_…`, or sign in")
        try:
            try:
                return self._known(state, secret)
            except UnauthenticatedError:
                if writes or tokens.parse(secret) is None:
                    raise
                return self._known(self.state(writes=True), secret)  # it may have come just now
        except UnauthenticatedError as error:
            raise self._refusal(request, secret, error) from error

    def _known(self, state: AccessState, secret: str) -> Rights:
        identity = authenticate(state, secret, datetime.now(UTC), self.sessions)
        kind, _, token_id = identity.how.partition(":")
        if kind == "token":
            self.refusals.used(token_id)
        return Rights(state, identity)

    def _refusal(self, request: Request, secret: str, error: UnauthenticatedError) -> Problem:
        digest = tokens.parse(secret)
        return self.failed(request, str(error), "" if digest is None else f"token {digest[:12]}")

    def failed(self, request: Request, why: str, token: str = "") -> Problem:
        """Note a failed sign-in, and return its answer: 401, or 429 where there are too many."""
        if self._kept.takes(request.client):
            self.note(request, "sign_in_failed", why)
        tokens = (token,) if token else ()
        wait_s = self._failures.failed(f"address {request.client}", *tokens)
        if wait_s is None:
            return unauthenticated(why)
        headers = {"Retry-After": str(int(wait_s) + 1)}
        return Problem(429, "too_many_requests", "too many sign-ins failed; wait", headers)

    def state(self, *, writes: bool) -> AccessState:
        """Return who may do what: asked for anew before a write, else a second old at most.

        Raises:
            Problem: 503 if it cannot be known.
        """
        try:
            return self.journal.state(max_age_s=0) if writes else self.journal.for_reading()
        except (DamagedError, StoreError) as error:
            detail = "who may do what cannot be known now; the server's log says why"
            raise Problem(503, "store", detail, {"Retry-After": "5"}) from error

    def note(self, request: Request, what: str, why: str) -> None:
        """Keep a refusal or a sign-in; never the secret."""
        identity = request.known
        self.refusals.record(
            what,
            why,
            user=identity.user.id if identity else None,
            by=identity.user.name if identity else None,
            how=identity.how if identity else None,
            verb=request.operation or None,
            model=request.named,
            address=request.client or None,
            request=request.id,
        )

    def flush(self) -> None:
        """Write what was noted, and once an hour remove what is over."""
        self.refusals.flush()
        now = datetime.now(UTC)
        if now >= self._prune_at:
            self._prune_at = now + timedelta(hours=1)
            self.sessions.prune(now)
            self.refusals.prune()
