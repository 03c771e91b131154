"""One notice, sent by HTTP and signed: standard library alone, no proxies, no redirects."""

import hashlib
import hmac
import ssl
import time
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Final

from holdfast.notices.targets import Target, check_url

CONTENT_TYPE: Final = "application/cloudevents+json; charset=utf-8"
_REFUSED: Final = frozenset((400, 405, 406, 413, 415, 422))
"""Answers that say that the notice itself is not wanted: sending it again cannot help."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a notice was not delivered.

    Attributes:
        lasting: True if sending it again cannot help.
    """

    problem: str
    lasting: bool = False


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """Return `sha256=` and the HMAC of timestamp, dot and body, for `X-Holdfast-Signature`."""
    message = timestamp.encode() + b"." + body
    return f"sha256={hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()}"


def send(target: Target, identity: str, body: bytes, timeout_s: float) -> Failure | None:
    """Send one notice and return why it was not taken, `None` if it was.

    An answer of 2xx takes it. A redirect is not followed: whoever answers for the address would
    choose where a signed request goes.

    Args:
        identity: The notice's id, by which a receiver drops repetitions.
        timeout_s: Longest wait for each answer of the network.
    """
    parts = check_url(f"target {target.name!r}", target.url)
    timestamp = str(int(time.time()))
    headers = {
        "Content-Type": CONTENT_TYPE,
        "User-Agent": "holdfast",
        "X-Holdfast-Id": identity.encode("unicode_escape").decode(),
        "X-Holdfast-Timestamp": timestamp,
    }
    if target.secret is not None:
        headers["X-Holdfast-Signature"] = signature(target.secret, timestamp, body)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    connection = _connection(parts.scheme, parts.hostname or "", parts.port, timeout_s)
    try:
        connection.request("POST", path, body, headers)
        status = connection.getresponse().status
    except (OSError, HTTPException) as error:
        return Failure(f"{target.place} does not answer: {_said(error)}")
    finally:
        connection.close()
    if 200 <= status < 300:  # noqa: PLR2004 - the class of success
        return None
    moved = " and redirects; name the address it redirects to" if 300 <= status < 400 else ""  # noqa: PLR2004
    return Failure(f"{target.place} answers {status}{moved}", lasting=status in _REFUSED)


def _connection(scheme: str, host: str, port: int | None, timeout_s: float) -> HTTPConnection:
    if scheme == "https":
        context = ssl.create_default_context()
        return HTTPSConnection(host, port, timeout=timeout_s, context=context)
    return HTTPConnection(host, port, timeout=timeout_s)


def _said(error: Exception) -> str:
    """Name an error by its kind alone where its text could hold what was sent."""
    reason = getattr(error, "strerror", None) or getattr(error, "reason", None)
    return str(reason) if reason else type(error).__name__
