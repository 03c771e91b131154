"""The public keys of providers: those of configured issuers alone, kept for an hour."""

import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from msgspec import Struct

from holdfast import forks
from holdfast.access.changes import check_url
from holdfast.access.provider_http import fetch, libraries
from holdfast.core import strict_json
from holdfast.errors import BusyError

KEPT_S: Final = 3600.0
AGAIN_S: Final = 60.0
"""How often a key that is unknown may have the keys fetched again."""
SILENT_S: Final = 10.0
"""For so long an issuer that did not answer is not asked again: each try may take seconds."""

_MOST_KEYS: Final = 100
_KINDS: Final = ("RSA", "EC", "OKP")
"""Of public keys; a symmetric key from a page that everybody can read proves nothing."""


class Discovery(Struct, frozen=True):
    """What a provider says of itself."""

    issuer: str
    jwks_uri: str
    authorization_endpoint: str = ""
    token_endpoint: str = ""
    end_session_endpoint: str = ""


class _KeyDocument(Struct, frozen=True):
    keys: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class ProviderKey:
    """A public key, and which tokens it may be tried on."""

    kid: str | None
    algorithm: str | None
    key: Any


@dataclass(slots=True)
class _Known:
    discovery: Discovery
    keys: list[ProviderKey]
    fetched_at: float


class KeySets:
    """Discovery documents and keys by issuer; threads may share it.

    Args:
        clock: Seconds that only rise.
        get: Fetches a URL.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        get: Callable[[str], bytes] = fetch,
    ) -> None:
        self._clock = clock
        self._get = get
        self._known: dict[str, _Known] = {}
        self._tried_at: dict[str, float] = {}
        self._failed_at: dict[str, float] = {}
        self.after_fork()
        forks.tell(self)

    def after_fork(self) -> None:
        """Begin with locks that nobody holds; each issuer has its own, for it may hang."""
        self._locks: defaultdict[str, threading.RLock] = defaultdict(threading.RLock)

    def discovery(self, issuer: str) -> Discovery:
        """Return what an issuer says of itself.

        Raises:
            BusyError: If it does not answer, or not as a provider of that issuer.
        """
        return self._fresh(issuer).discovery

    def keys(self, issuer: str, kid: str | None) -> list[ProviderKey]:
        """Return the keys that a token without or with *kid* may be signed by.

        An unknown one has them fetched again, at most once a minute.

        Raises:
            BusyError: If the issuer does not answer.
        """
        known = self._fresh(issuer)
        matching = [key for key in known.keys if kid is None or key.kid == kid]
        return matching or [key for key in self.again(issuer) if kid is None or key.kid == kid]

    def again(self, issuer: str) -> list[ProviderKey]:
        """Return the issuer's keys, fetched again unless that was done within the last minute."""
        with self._locks[issuer]:
            known = self._fresh(issuer)
            if self._clock() - known.fetched_at >= AGAIN_S and self._may_try(issuer):
                known = self._fetch(issuer)
            return known.keys

    def _may_try(self, issuer: str) -> bool:
        """Tell whether an issuer was left alone for a minute, and note that it is asked now."""
        tried_at = self._tried_at.get(issuer)
        if tried_at is not None and self._clock() - tried_at < AGAIN_S:
            return False
        self._tried_at[issuer] = self._clock()
        return True

    def _fresh(self, issuer: str) -> _Known:
        with self._locks[issuer]:
            known = self._known.get(issuer)
            if known is None:
                return self._first(issuer)
            if self._clock() - known.fetched_at < KEPT_S or not self._may_try(issuer):
                return known
            return self._fetch(issuer)

    def _first(self, issuer: str) -> _Known:
        """Ask an issuer of which nothing is known yet, unless it failed a moment ago."""
        failed_at = self._failed_at.get(issuer)
        if failed_at is not None and self._clock() - failed_at < SILENT_S:
            raise BusyError(f"provider {issuer}", "did not answer a moment ago", "try again later")
        try:
            return self._fetch(issuer)
        except BusyError:
            self._failed_at[issuer] = self._clock()
            raise

    def _fetch(self, issuer: str) -> _Known:
        subject = f"provider {issuer}"
        try:
            document = self._get(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
            discovery = strict_json.decode(document, Discovery)
            if discovery.issuer != issuer:
                problem = f"calls itself {discovery.issuer[:200]!r}, so its tokens are another's"
                raise BusyError(subject, problem, "configure it exactly so")
            check_url("address of keys", discovery.jwks_uri)
            keys = _read(self._get(discovery.jwks_uri))
        except ValueError as error:
            raise BusyError(subject, f"answered nonsense: {error}", "check the issuer") from error
        known = _Known(discovery, keys, self._clock())
        self._known[issuer] = known
        return known


def _read(document: bytes) -> list[ProviderKey]:
    """Read the keys that can verify; those of other kinds or uses are passed over."""
    with libraries():
        from joserfc.errors import JoseError
        from joserfc.jwk import import_key
    keys = []
    for entry in strict_json.decode(document, _KeyDocument).keys[:_MOST_KEYS]:
        if entry.get("kty") not in _KINDS or entry.get("use", "sig") != "sig":
            continue
        public = {name: value for name, value in entry.items() if name not in ("d", "p", "q")}
        try:
            key = import_key(public)
        except (JoseError, ValueError, TypeError, KeyError):
            continue
        keys.append(ProviderKey(_text(entry.get("kid")), _text(entry.get("alg")), key))
    return keys


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
