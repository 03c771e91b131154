"""Bodies of requests and answers, between the socket and the faces."""

import asyncio
import zlib
from collections.abc import Callable
from typing import Final

from holdfast.http.asgi import Gone, Headers, Pairs, Receive, Send
from holdfast.rows.refusal import Refusal
from holdfast.serving.protocols.codec import EncodedBody
from holdfast.serving.server_limits import ServerLimits

__all__ = [
    "Reply",
    "described",
    "late",
    "read_body",
    "refused",
    "send_body",
]

Reply = Callable[[int, EncodedBody, Pairs], None]
"""Takes an answer: its status, its body, and headers besides type and length of the body."""

_ZLIB_OR_GZIP: Final = 32  # added to the window's size: the stream tells which of the two it is

_MOST_MEMBERS: Final = 64
"""Each costs a copy of what follows it, so that a body of empty ones would take for ever."""


async def read_body(receive: Receive, headers: Headers, limits: ServerLimits) -> bytes:
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


async def _whole(receive: Receive, limits: ServerLimits) -> bytes:
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


def _inflated(body: bytes, encoding: bytes, limits: ServerLimits) -> bytes:
    if encoding not in (b"gzip", b"deflate"):
        encoding_name = encoding.decode("latin-1")
        raise Refusal(
            415, f"a body encoded as {encoding_name} cannot be read; send gzip or deflate"
        )
    parts: list[bytes] = []
    left = limits.body_bytes
    while body or not parts:  # a gzip file may have several members: they follow one another
        if len(parts) == _MOST_MEMBERS:
            raise Refusal(400, f"the body has more than {_MOST_MEMBERS} gzip members; send one")
        part, body = _member(body, left, encoding, limits)
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def _member(body: bytes, most: int, encoding: bytes, limits: ServerLimits) -> tuple[bytes, bytes]:
    """Return what the first stream of *body* holds, and what follows it."""
    stream = zlib.decompressobj(wbits=zlib.MAX_WBITS | _ZLIB_OR_GZIP)
    try:
        content = stream.decompress(body, most + 1)  # with 0, zlib would set no limit
    except zlib.error as error:
        raise Refusal(400, f"the body is not {encoding.decode()}: {error}") from error
    if len(content) > most:
        raise _too_long(limits)
    if not stream.eof:
        raise Refusal(400, f"the body ends before its {encoding.decode()} stream does")
    if stream.unused_data and encoding != b"gzip":
        raise Refusal(400, f"{len(stream.unused_data)} bytes follow the deflate stream of the body")
    return content, stream.unused_data


def late(limits: ServerLimits) -> Refusal:
    """Return what is told to whom sent no whole body in time."""
    message = f"the body did not come within {limits.timeout_s:g} s"
    return Refusal(408, message, headers={b"connection": b"close"})


def _too_long(limits: ServerLimits) -> Refusal:
    message = f"the body is longer than {limits.body_bytes:,} bytes; send fewer rows at a time"
    return Refusal(413, message, headers={b"connection": b"close"})


async def send_body(send: Send, status: int, body: EncodedBody, headers: Pairs) -> None:
    """Send a whole answer; *headers* are those besides type and length of the body."""
    described(headers, body)
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body.content})


def described(headers: Pairs, body: EncodedBody) -> None:
    """Add the headers that describe a body."""
    headers += (
        (b"content-type", body.media),
        (b"content-length", b"%d" % len(body.content)),
        *body.headers,
    )


def refused(refusal: Refusal) -> EncodedBody:
    """Write a refusal, of the same form for every face."""
    return EncodedBody(refusal.body, headers=(*refusal.headers.items(),))
