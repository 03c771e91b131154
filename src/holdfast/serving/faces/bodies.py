"""Bodies of requests and answers, between the socket and the faces."""

import asyncio
import zlib
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Final

from holdfast.serving.faces.face import Body
from holdfast.serving.limits import Limits
from holdfast.serving.refusal import Refusal

__all__ = [
    "Gone",
    "Headers",
    "Pairs",
    "Receive",
    "Reply",
    "Scope",
    "Send",
    "described",
    "late",
    "read_body",
    "refused",
    "send_body",
]

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Headers = Mapping[bytes, bytes]
Pairs = list[tuple[bytes, bytes]]
Reply = Callable[[int, Body, Pairs], None]
"""Takes an answer: its status, its body, and headers besides type and length of the body."""

_ZLIB_OR_GZIP: Final = 32  # added to the window's size: the stream tells which of the two it is

_MOST_MEMBERS: Final = 64
"""Each costs a copy of what follows it, so that a body of empty ones would take for ever."""


class Gone(Exception):  # noqa: N818 - no error: nobody is there to be told
    """The caller closed the connection before its request was whole."""


async def read_body(receive: Receive, headers: Headers, limits: Limits) -> bytes:
    """Read a request's body.

    Raises:
        Refusal: 413 if it is too long, 408 if it takes too long to come.
        Gone: If the caller hangs up.
    """
    declared = headers.get(b"content-length", b"")
    if declared.isdigit() and int(declared) > limits.body_bytes:
        raise _too_long(limits)
    try:
        async with asyncio.timeout(limits.timeout_s):
            body = await _whole(receive, limits)
    except TimeoutError as error:
        raise late(limits) from error
    encoding = headers.get(b"content-encoding", b"identity").lower()
    return body if encoding == b"identity" else _inflated(body, encoding, limits)


async def _whole(receive: Receive, limits: Limits) -> bytes:
    parts, length, more = [], 0, True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            raise Gone
        parts.append(message.get("body", b""))
        length += len(parts[-1])
        if length > limits.body_bytes:
            raise _too_long(limits)
        more = message.get("more_body", False)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _inflated(body: bytes, encoding: bytes, limits: Limits) -> bytes:
    if encoding not in (b"gzip", b"deflate"):
        told = encoding.decode("latin-1")
        raise Refusal(415, f"a body encoded as {told} cannot be read; gzip and deflate can")
    parts: list[bytes] = []
    left = limits.body_bytes
    while body or not parts:  # a gzip file may have several members: they follow one another
        if len(parts) == _MOST_MEMBERS:
            raise Refusal(400, f"the body has more than {_MOST_MEMBERS} gzip members; send one")
        part, body = _member(body, left, encoding, limits)
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def _member(body: bytes, most: int, encoding: bytes, limits: Limits) -> tuple[bytes, bytes]:
    """Return what the first stream of *body* holds, and what follows it."""
    stream = zlib.decompressobj(wbits=zlib.MAX_WBITS | _ZLIB_OR_GZIP)
    try:
        found = stream.decompress(body, most + 1)  # with 0, zlib would set no limit
    except zlib.error as error:
        raise Refusal(400, f"the body is not {encoding.decode()}: {error}") from error
    if len(found) > most:
        raise _too_long(limits)
    if not stream.eof:
        raise Refusal(400, f"the body ends before its {encoding.decode()} stream does")
    if stream.unused_data and encoding != b"gzip":
        raise Refusal(400, f"{len(stream.unused_data)} bytes follow the deflate stream of the body")
    return found, stream.unused_data


def late(limits: Limits) -> Refusal:
    """Return what is told to whom sent no whole body in time."""
    message = f"the body did not come within {limits.timeout_s:g} s"
    return Refusal(408, message, headers={b"connection": b"close"})


def _too_long(limits: Limits) -> Refusal:
    message = f"the body is longer than {limits.body_bytes:,} bytes; send fewer rows at a time"
    return Refusal(413, message, headers={b"connection": b"close"})


async def send_body(send: Send, status: int, body: Body, headers: Pairs) -> None:
    """Send a whole answer; *headers* are those besides type and length of the body."""
    described(headers, body)
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body.content})


def described(headers: Pairs, body: Body) -> None:
    """Add the headers that describe a body."""
    headers += (
        (b"content-type", body.media),
        (b"content-length", b"%d" % len(body.content)),
        *body.headers,
    )


def refused(refusal: Refusal) -> Body:
    """Write a refusal, of the same form for every face."""
    return Body(refusal.body, headers=(*refusal.headers.items(),))
