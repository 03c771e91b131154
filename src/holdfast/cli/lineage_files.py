"""Lineage for other tools: written to a file, or sent to where OpenLineage is collected."""

import os
import ssl
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from holdfast.errors import InvalidInputError, StoreError

__all__ = ["deliver", "write"]

_ENDPOINT: Final = "/api/v1/lineage"
_HERE: Final = ("localhost", "127.0.0.1", "::1")
_PATIENCE_S: Final = 10.0


def write(option: str, path: str, content: bytes) -> None:
    """Write a file, whole or not at all.

    Raises:
        InvalidInputError: If it cannot be written.
    """
    target = Path(path)
    written = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        written.write_bytes(content)
        written.replace(target)
    except OSError as error:
        written.unlink(missing_ok=True)
        problem = f"cannot be written: {error.strerror}"
        raise InvalidInputError(f"{option} {path!r}", problem, "check its path") from error


def deliver(place: str, events: list[dict[str, Any]]) -> None:
    """Write events as lines of a file, or post each to `http(s)://host`.

    A token is taken from the variable OPENLINEAGE_API_KEY, and sent over https or on this machine
    alone. Redirects are not followed.

    Raises:
        InvalidInputError: If the address is malformed, or would show the token to others.
        StoreError: If an event is not taken.
    """
    import msgspec

    bodies = [msgspec.json.encode(event) for event in events]
    if "://" not in place:
        write("--openlineage", place, b"".join(body + b"\n" for body in bodies))
        return
    try:
        parts = urlsplit(place)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        parts, host, port = urlsplit(""), "", None
    if parts.scheme not in ("http", "https") or not host or "@" in parts.netloc:
        advice = "write http://host or https://host, without a user"
        raise InvalidInputError("--openlineage", "has no valid address", advice)
    headers = {"content-type": "application/json", "user-agent": "holdfast"}
    token = os.environ.get("OPENLINEAGE_API_KEY")
    if token and parts.scheme == "http" and host not in _HERE:
        problem = "is http://, which would show the token to others on the way"
        raise InvalidInputError("--openlineage", problem, "use https://")
    headers |= {"authorization": f"Bearer {token}"} if token else {}
    for body in bodies:
        _post(parts.scheme, (host, port), parts.path.rstrip("/") or _ENDPOINT, body, headers)


def _post(
    scheme: str, at: tuple[str, int | None], path: str, body: bytes, headers: dict[str, str]
) -> None:
    host, port = at
    if scheme == "https":
        context = ssl.create_default_context()
        connection: HTTPConnection = HTTPSConnection(
            host, port, timeout=_PATIENCE_S, context=context
        )
    else:
        connection = HTTPConnection(host, port, timeout=_PATIENCE_S)
    try:
        connection.request("POST", path, body, headers)
        status = connection.getresponse().status
    except (OSError, HTTPException) as error:
        problem = f"does not answer: {type(error).__name__}"
        raise StoreError(f"{scheme}://{host}", problem, "check the address") from None
    finally:
        connection.close()
    if not 200 <= status < 300:  # noqa: PLR2004 - the class of success
        problem = f"did not take the event: it answers {status}"
        raise StoreError(f"{scheme}://{host}", problem, "check its path and the token")
