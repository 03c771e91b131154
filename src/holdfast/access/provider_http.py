"""Asks providers: bounded in length and time, without redirects, over https or this machine."""

import contextlib
import functools
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Final
from urllib.parse import urlsplit

from holdfast.access.changes import check_url
from holdfast.errors import BusyError, MissingLibraryError

MOST_BYTES: Final = 64 << 10
LIMIT_S: Final = 5.0
_OK: Final = 200
_REFUSED: Final = range(400, 500)


class ProviderRefusalError(BusyError):
    """A provider refuses what was posted.

    Attributes:
        answer: What it says, at most 64 kB of anything.
    """

    answer = b""


@contextlib.contextmanager
def libraries() -> Iterator[None]:
    """Name the extra where one of its libraries is not installed."""
    try:
        yield
    except ImportError as error:
        raise MissingLibraryError(
            error.name or "authlib", "oidc", "signing in by a provider needs it"
        ) from error


def fetch(
    url: str, form: Mapping[str, str] | None = None, login: tuple[str, str] | None = None
) -> bytes:
    """Return what a provider answers to a GET, or to a POST of a form.

    Args:
        url: https, or http on this machine.
        form: What is posted.
        login: Client id and secret.

    Raises:
        InvalidInputError: If the URL may not be asked.
        ProviderRefusalError: If it answers a form with a status of 400 to 499.
        BusyError: If the provider does not answer with 200, or with more than 64 kB, or for more
            than 5 seconds.
    """
    check_url("provider's address", url)
    with libraries():
        import httpx2
    subject, deadline = f"provider {urlsplit(url).netloc}", time.monotonic() + LIMIT_S
    client = httpx2.Client(follow_redirects=False, timeout=LIMIT_S, verify=_trusted())
    headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
    method = "GET" if form is None else "POST"
    body = dict(form) if form is not None else None
    try:
        with (
            client,
            client.stream(method, url, headers=headers, data=body, auth=login) as response,
        ):
            said = functools.partial(_bounded, response.iter_raw(), subject, deadline)
            _check_status(response.status_code, subject, said if form is not None else None)
            return said()
    except httpx2.HTTPError as error:
        raise BusyError(
            subject, f"failed to answer: {type(error).__name__}", "try again"
        ) from error


def _check_status(status: int, subject: str, said: Callable[[], bytes] | None) -> None:
    """Raise what a status stands for; the answer to a form is kept with its refusal."""
    if status == _OK:
        return
    problem = f"answered {status}"
    if said is None or status not in _REFUSED:
        raise BusyError(subject, problem, "try again")
    error = ProviderRefusalError(subject, problem, "try again")
    error.answer = said()
    raise error


@functools.cache
def _trusted() -> ssl.SSLContext:
    """Return the certificates that are trusted, which takes half a second to read."""
    import httpx2

    return httpx2.create_ssl_context()


def _bounded(chunks: Iterator[bytes], subject: str, deadline: float) -> bytes:
    content = bytearray()
    for chunk in chunks:
        content += chunk
        if len(content) > MOST_BYTES:
            raise BusyError(subject, f"answered more than {MOST_BYTES} bytes", "try another")
        if time.monotonic() > deadline:
            raise BusyError(subject, f"took more than {LIMIT_S:g} s", "try again")
    return bytes(content)
