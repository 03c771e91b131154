"""Requests to one server: bounded in bytes and time, reads repeated.

The token goes into one header of requests to the address that was opened, and nowhere else: not
into a URL, a message or a log. A redirect is refused, so no other host and no plain `http://` ever
gets it. A download alone may be pointed elsewhere, once, and goes there without the token.
"""

import contextlib
import math
import random
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import quote, urlencode

from holdfast import forks
from holdfast.errors import HoldfastError, MissingLibraryError, NotFoundError, StoreError
from holdfast.store import InDoubtError
from holdfast.store.remote import redirects
from holdfast.store.remote.problem_answers import NOT_FOUND, TOO_MANY, problem
from holdfast.store.remote.server_address import ServerAddress

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse, PoolManager

API: Final = "/api/v1"
AT_ONCE: Final = 16
"""How many requests may run at once, each on a connection that is kept."""
MOST_BYTES: Final = 64 << 20
"""Length of an answer that is held in memory, if nothing less is said."""
_MOST_PROBLEM: Final = 1 << 20
_CONNECT_S: Final = 10.0
_READ_S: Final = 60.0
_WHOLE_S: Final = 300.0
_PIECE: Final = 1 << 16
_SENT_PIECE: Final = 1 << 18
_ATTEMPTS: Final = 4
_FIRST_PAUSE_S: Final = 0.1
_LONGEST_PAUSE_S: Final = 5.0
_AGAIN: Final = (TOO_MANY, 502, 503, 504)
_NOT_MODIFIED: Final = 304
_FIRST_REFUSAL: Final = 300
_SAFE: Final = frozenset(("GET", "HEAD"))
_SENT: Final = (200, 206)
_MOST_PLACES: Final = 8
_DIRECT_S: Final = 300.0


class UntrustedServerError(StoreError):
    """Who answers cannot prove to be the server; nothing was sent to it."""


class UnreachableError(StoreError):
    """Nobody answers at that address now; nothing was sent."""


class SentBody(Protocol):
    """What can be read from a place on."""

    def seek(self, offset: int, /) -> int:
        """Go to a place."""
        ...

    def read(self, size: int = -1, /) -> bytes:
        """Read on."""
        ...


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One request.

    Attributes:
        path: Below `/api/v1`, quoted by `quoted`.
        body: Bytes, or what is sent from the header `Upload-Offset` on; none for a read.
        most_bytes: A longer answer is refused.
        repeatable: Whether it may be sent again after a lost answer; reads always may.
        follows: Whether the server may point to where the bytes are; whoever reads them holds
            them against a digest.
    """

    method: str
    path: str
    query: Mapping[str, object] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | SentBody | None = None
    most_bytes: int = MOST_BYTES
    repeatable: bool = False
    follows: bool = False


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """An answer other than a refusal; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def is_unchanged(self) -> bool:
        """True if the server says that what was seen is still so (304)."""
        return self.status == _NOT_MODIFIED


def quoted(text: str) -> str:
    """Quote a name for a path; a slash in it stays one."""
    return quote(text, safe="/")


class HttpClient:
    """The connections of this process to one server.

    Args:
        address: Where it is.
        token: Returns the token; asked once, when the first request is sent.
    """

    def __init__(self, address: ServerAddress, token: Callable[[], str | None]) -> None:
        self.address = address
        self._token = token
        self._secret: str | None = None
        self._asked = False
        self._pool: PoolManager | None = None
        self._elsewhere: dict[ServerAddress, PoolManager] = {}
        self._direct_until = -math.inf
        forks.tell(self)

    def after_fork(self) -> None:
        """Open connections of its own in a forked child."""
        forks.abandon(self._pool)
        for pool in self._elsewhere.values():
            forks.abandon(pool)
        self._pool, self._elsewhere = None, {}

    def ask(self, request: HttpRequest) -> HttpAnswer:
        """Send a request and return the whole answer.

        Raises:
            HoldfastError: What the server refused with.
            StoreError: If it cannot be reached, or its answer is not what an answer may be.
            InDoubtError: If it is unknown whether it did what a write asked.
        """
        with self.opened(request) as (response, headers):
            body = b"" if request.method == "HEAD" else self._body(response, request.most_bytes)
            return HttpAnswer(response.status, headers, body)

    @contextlib.contextmanager
    def opened(
        self, request: HttpRequest
    ) -> Iterator[tuple["BaseHTTPResponse", Mapping[str, str]]]:
        """Send a request and give its answer, whose body the caller reads by `pieces`."""
        response = self._answered(request)
        try:
            yield response, {name.lower(): value for name, value in response.headers.items()}
        finally:
            if not response.closed:
                response.close()  # what is left of it is not read, so the connection is of no use
            response.release_conn()

    def pieces(self, response: "BaseHTTPResponse", most_bytes: float = math.inf) -> Iterator[bytes]:
        """Go through the bytes of an answer as they come.

        Raises:
            InDoubtError: If it broke off.
            StoreError: If there are more than *most_bytes*.
        """
        length = 0
        while piece := self._piece(response):
            length += len(piece)
            if length > most_bytes:
                raise StoreError(
                    self.address.url,
                    f"has sent more than {most_bytes:,} bytes",
                    "check what answers there",
                )
            yield piece

    def _piece(self, response: "BaseHTTPResponse") -> bytes:
        from urllib3.exceptions import HTTPError  # noqa: PLC0415 - an extra

        try:
            return response.read1(_PIECE)
        except (HTTPError, OSError) as error:
            failure = _broken(error, self.address.url)
        raise failure  # out here: what urllib3 says of a request is not quoted

    def _body(self, response: "BaseHTTPResponse", most_bytes: int) -> bytes:
        end = time.monotonic() + _WHOLE_S
        parts = []
        for piece in self.pieces(response, most_bytes):
            parts.append(piece)
            if time.monotonic() > end:
                raise InDoubtError(self.address.url, "answered too slowly", "try again later")
        return b"".join(parts)

    def _answered(self, request: HttpRequest) -> "BaseHTTPResponse":
        """Send a request, a repeatable one again after a failure; return an answer's beginning."""
        may_repeat = request.repeatable or request.method in _SAFE
        for attempt in range(_ATTEMPTS if may_repeat else 1):
            last = not may_repeat or attempt == _ATTEMPTS - 1
            response = self._begun(request, last=last)
            if response is None:
                pause(attempt)
                continue
            if response.status < _FIRST_REFUSAL or response.status == _NOT_MODIFIED:
                return response
            body = self._refusal(response)
            if request.follows and response.status == redirects.STATUS:
                followed = self._followed(request, response.headers.get("Location", ""))
                return followed or self._answered(replace(request, follows=False))
            if request.method == "HEAD" and response.status == NOT_FOUND:  # which has no body
                raise NotFoundError(f"{self.address.url}{request.path}")
            if not last and response.status in _AGAIN:
                pause(attempt, response.headers.get("Retry-After"))
                continue
            raise problem(response.status, body, self.address.url)
        raise AssertionError  # pragma: no cover - the last attempt returned or raised

    def _followed(self, request: HttpRequest, location: str) -> "BaseHTTPResponse | None":
        """Ask for a download where the server points to; None if it is not to be had there.

        No header of the server's goes along but the range. `If-Range` does not: the tag is the
        server's, and what is under a digest never changes. What failed is not tried again for
        some minutes: the server sends the bytes itself.
        """
        from urllib3.exceptions import HTTPError  # noqa: PLC0415 - an extra

        target = redirects.place(location, self.address)
        headers = {"Accept-Encoding": "identity"}
        if "Range" in request.headers:
            headers["Range"] = request.headers["Range"]
        response = None
        if target is not None:
            pool = self._pool_of(target)
            with contextlib.suppress(HTTPError, OSError):
                response = _requested(pool, "GET", location, None, headers)
        if response is None or response.status not in _SENT:
            self._direct_until = time.monotonic() + _DIRECT_S
            if response is not None:
                self._refusal(response)
            return None
        return response

    def _pool_of(self, target: ServerAddress) -> "PoolManager":
        """Return the connections to where downloads are; a server names few such places."""
        if target not in self._elsewhere:
            if len(self._elsewhere) >= _MOST_PLACES:
                self._elsewhere.clear()
            self._elsewhere[target] = _pool(target)
        return self._elsewhere[target]

    def _begun(self, request: HttpRequest, *, last: bool) -> "BaseHTTPResponse | None":
        """Send a request; return None if that failed and is not the last attempt."""
        try:
            return self._sent(request)
        except StoreError as error:
            if last or isinstance(error, UntrustedServerError):
                raise
            return None

    def _refusal(self, response: "BaseHTTPResponse") -> bytes:
        try:
            return self._body(response, _MOST_PROBLEM)
        except HoldfastError:
            response.close()
            return b""
        finally:
            response.release_conn()

    def _sent(self, request: HttpRequest) -> "BaseHTTPResponse":
        pool = self._connections()
        from urllib3.exceptions import HTTPError  # noqa: PLC0415 - an extra

        query = urlencode({name: str(value) for name, value in request.query.items()})
        url = self.address.url + API + request.path + (f"?{query}" if query else "")
        body: Any = request.body  # urllib3 asks for a file and needs `read`
        if body is not None and not isinstance(body, bytes):
            body.seek(int(request.headers.get("Upload-Offset", "0")))
        headers = {"Accept": "application/json", "Accept-Encoding": "gzip", **request.headers}
        if self._secret is not None:
            headers["Authorization"] = f"Bearer {self._secret}"
        if request.follows and time.monotonic() >= self._direct_until:
            headers |= redirects.ANNOUNCED
        try:
            return _requested(pool, request.method, url, body, headers)
        except (HTTPError, OSError) as error:
            failure = _broken(error, self.address.url)
        raise failure

    def _connections(self) -> "PoolManager":
        if not self._asked:
            self._secret, self._asked = self._token(), True
        if self._pool is None:
            self._pool = _pool(self.address)
        return self._pool


def _requested(
    pool: "PoolManager", method: str, url: str, body: Any, headers: Mapping[str, str]
) -> "BaseHTTPResponse":
    return pool.request(
        method,
        url,
        body=body,
        headers=headers,
        redirect=False,
        retries=False,
        preload_content=False,
    )


def _pool(address: ServerAddress) -> "PoolManager":
    try:
        import urllib3  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise MissingLibraryError("urllib3", "remote", f"opening {address.url} needs it") from error
    settings: dict[str, Any] = {
        "maxsize": AT_ONCE,
        "blocksize": _SENT_PIECE,
        "timeout": urllib3.Timeout(connect=_CONNECT_S, read=_READ_S),
        "headers": {"User-Agent": "holdfast"},
    }
    if address.scheme == "https":
        import ssl  # noqa: PLC0415 - slow to import

        context = ssl.create_default_context()  # which reads SSL_CERT_FILE and SSL_CERT_DIR
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        settings["ssl_context"] = context
    proxy = None if address.is_here else _proxy(address)
    if proxy is None:
        return urllib3.PoolManager(**settings)
    parts = urllib3.util.parse_url(proxy)
    if parts.auth:
        settings["proxy_headers"] = urllib3.make_headers(proxy_basic_auth=parts.auth)
    return urllib3.ProxyManager(parts._replace(auth=None).url, **settings)


def _proxy(address: ServerAddress) -> str | None:
    """Return the proxy that the environment names for a server, `None` for the direct way."""
    if urllib.request.proxy_bypass(f"{address.host}:{address.port}"):
        return None
    proxies = urllib.request.getproxies()
    return proxies.get(address.scheme) or proxies.get("all")


def pause(attempt: int, retry_after: str | None = None) -> None:
    """Wait before another attempt, the longer the more there were, or as the server asks."""
    longest = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 4**attempt)
    if retry_after is not None and retry_after.isdecimal():
        longest = min(_LONGEST_PAUSE_S, float(retry_after[:4]))
        time.sleep(longest)
        return
    time.sleep(random.uniform(longest / 2, longest))  # noqa: S311 - clients must not step in time


def _broken(error: Exception, address: str) -> StoreError:
    """Return the error of ours for one of urllib3's; nothing that it says is shown but its kind."""
    from urllib3 import exceptions  # noqa: PLC0415 - an extra

    reason = getattr(error, "original_error", None) or error
    if isinstance(reason, exceptions.SSLError):
        why = _certificate_problem(reason)
        advice = "name the authority's certificate in SSL_CERT_FILE if it is one of your own"
        return UntrustedServerError(address, f"has no trusted certificate: {why}", advice)
    if isinstance(error, exceptions.ProxyError):
        return UnreachableError(address, "cannot be reached through the proxy", "check HTTPS_PROXY")
    if isinstance(error, exceptions.NewConnectionError | exceptions.ConnectTimeoutError):
        return UnreachableError(address, "cannot be reached", "check the address and the network")
    if isinstance(error, exceptions.TimeoutError | TimeoutError):
        return InDoubtError(address, "did not answer in time", "try again later")
    return InDoubtError(address, "broke the connection", "try again later")


def _certificate_problem(error: Exception) -> str:
    cause = error.args[0] if error.args else error
    message = getattr(cause, "verify_message", "") or getattr(cause, "reason", "") or "it failed"
    return str(message).lower()
