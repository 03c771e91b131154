"""Bytes that come in: hashed on the way, named by their digest once they are whole, never before.

A file in parts has the words of the HTTP working group's draft on resumable uploads.
"""

import asyncio
import os
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from typing import Annotated, Final

from msgspec import Meta, Struct

from holdfast.core.manifest import is_digest
from holdfast.errors import BusyError, InvalidInputError, NotFoundError
from holdfast.http.problems import Problem
from holdfast.store import Ingested
from holdfast.store.incoming import Incoming, IncomingFiles, UploadAbout
from holdfast.web.below import session_of
from holdfast.web.desk import Desk
from holdfast.web.exchange import Answer, Request, answered
from holdfast.web.named_blobs import digest_header
from holdfast.web.web_settings import API

__all__ = [
    "Begin",
    "begin",
    "end",
    "files_of",
    "go_on",
    "length_of",
    "owned",
    "put",
    "started",
    "take_in",
    "where",
    "with_room",
]

_AT_ONCE: Final = 1 << 20
_UPLOAD: Final = re.compile(r"[0-9a-f]{32}")
_OFFSET: Final = re.compile(r"0|[1-9][0-9]{0,17}")
_LIMIT: Final = "max-age=86400"
_STEP: Final = 64 << 20
_MOST_OF_ONE: Final = 100
"""Files in parts that one user may have under way."""


class Begin(Struct, frozen=True, forbid_unknown_fields=True):
    """What is said of a file before it comes in parts."""

    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    size_bytes: Annotated[int, Meta(ge=0, le=1 << 50)]


async def put(desk: Desk, request: Request) -> Answer:
    """Take in a file whole."""
    sha256 = request.values["sha256"]
    if not is_digest(sha256):
        raise InvalidInputError(f"digest {sha256[:80]!r}", "is not 64 lower-case hex digits")
    size = length_of(request)
    files = await desk.work.do(lambda: files_of(desk))
    stack = ExitStack()
    try:
        await desk.work.do(lambda: stack.enter_context(files.room(size)))
        incoming = await desk.work.do(lambda: stack.enter_context(files.once()))
        await take_in(desk, request.pieces(), incoming.write)
        store = session_of(desk.registry).writable()
        taken = await desk.work.do(lambda: incoming.keep(store, sha256))
    finally:
        stack.close()
    return await _taken(desk, request, taken)


async def _taken(desk: Desk, request: Request, taken: Ingested) -> Answer:
    desk.figures.count("uploaded_bytes", taken.size_bytes)
    await desk.work.do(lambda: desk.receipts.give(request.rights, taken.sha256))
    document = {"sha256": taken.sha256, "size_bytes": taken.size_bytes}
    answer = answered(document, 201 if taken.created else 200)
    answer.headers["Repr-Digest"] = digest_header(taken.sha256)
    return answer


async def take_in(
    desk: Desk, pieces: AsyncIterator[bytes], write: Callable[[memoryview], object]
) -> None:
    """Write what comes, many pieces at a time: each turn on a thread costs more than a piece.

    What comes next fills one buffer while the other is hashed and written.
    """
    buffers = _Buffers()
    writing: asyncio.Future[object] | None = None
    try:
        async for piece in pieces:
            left = memoryview(piece)
            while left := buffers.fill(left):
                if writing is not None:
                    await writing
                full = partial(write, buffers.turn())
                writing = asyncio.ensure_future(desk.work.do(full))
    finally:  # of a file in parts, what came before its caller hung up is kept
        if writing is not None:
            await writing
        if rest := buffers.rest():
            write(rest)


class _Buffers:
    """Two buffers: one is filled while what the other holds is used.

    Memory that is there already costs less than new memory for each piece, which the system has to
    clear first.
    """

    def __init__(self) -> None:
        self._filling = memoryview(bytearray(_AT_ONCE))
        self._in_use: memoryview | None = None
        self._size = 0

    def fill(self, piece: memoryview) -> memoryview:
        """Take up as much of a piece as there is room for; return the rest of it."""
        end = min(self._size + len(piece), _AT_ONCE)
        fitting = end - self._size
        self._filling[self._size : end] = piece[:fitting]
        self._size = end
        return piece[fitting:]

    def turn(self) -> memoryview:
        """Return what was filled, to be used until the next turn, and fill the other buffer."""
        filled = self.rest()
        other = self._in_use or memoryview(bytearray(_AT_ONCE))
        self._filling, self._in_use, self._size = other, self._filling, 0
        return filled

    def rest(self) -> memoryview:
        """Return what was filled since the last turn."""
        return self._filling[: self._size]


def length_of(request: Request) -> int:
    """Return the length of a body that comes as it is.

    Raises:
        Problem: 411 if it is not said, 415 if the body is compressed.
    """
    text = request.header("content-length")
    if text is None or _OFFSET.fullmatch(text) is None:
        raise Problem(411, "length_required", "say how long the body is: Content-Length")
    if request.headers.get(b"content-encoding", b"identity") != b"identity":
        raise Problem(415, "unsupported_media_type", "the body must not be compressed")
    return int(text)


async def with_room(desk: Desk, request: Request, stack: ExitStack) -> AsyncIterator[bytes]:
    """Return a body's pieces, with room set aside for them: for all, or as they come.

    Args:
        stack: Gives the room of a body back whose length was said.

    Raises:
        StoreFullError: If there is too little; of a body that says no length, once it shows.
    """
    if request.header("content-length") is None:
        return _as_they_come(desk, request)
    files, length = files_of(desk), length_of(request)
    await desk.work.do(lambda: stack.enter_context(files.room(length)))
    return request.pieces()


async def _as_they_come(desk: Desk, request: Request) -> AsyncIterator[bytes]:
    """Go through the pieces of a body; ask again and again whether there is room for more."""
    files, left = files_of(desk), 0
    with ExitStack() as stack:
        async for piece in request.pieces():
            if left < len(piece):
                stack.close()  # what came before lies on the disk by now, and is not free
                left = max(_STEP, len(piece))
                room = files.room(left)
                await desk.work.do(partial(stack.enter_context, room))
            left -= len(piece)
            yield piece


def files_of(desk: Desk) -> IncomingFiles:
    """Return the files that are coming into the store."""
    if desk.incoming is None:
        desk.incoming = IncomingFiles(session_of(desk.registry).writable())
    return desk.incoming


async def begin(desk: Desk, request: Request) -> Answer:
    """Begin a file that comes in parts."""
    asked = await request.read(Begin)
    about = UploadAbout(asked.sha256, asked.size_bytes, request.identity.user.id, time.time())
    upload = await desk.work.do(lambda: started(desk, about))
    headers = {"Location": f"{API}/uploads/{upload}", "Upload-Offset": "0", "Upload-Limit": _LIMIT}
    return Answer(201, headers=headers)


def started(desk: Desk, about: UploadAbout) -> str:
    """Begin a file that comes in parts; return its name.

    Raises:
        BusyError: If its owner has too many under way.
        StoreFullError: If there is no room for it.
    """
    files, upload = files_of(desk), os.urandom(16).hex()
    count = sum(other.owner == about.owner for other in files.sweep())
    if count >= _MOST_OF_ONE:
        raise BusyError("your uploads", f"are {count} already", "end some, or send them whole")
    with files.room(about.size_bytes):
        files.begin(about, upload)
    return upload


async def where(desk: Desk, request: Request) -> Answer:
    """Tell how much of a file is there."""
    about, size = await desk.work.do(lambda: owned(desk, request))
    headers = {
        "Upload-Offset": str(size),
        "Upload-Complete": "?0",
        "Upload-Length": str(about.size_bytes),
        "Upload-Limit": _LIMIT,
    }
    return Answer(204, headers=headers)


async def go_on(desk: Desk, request: Request) -> Answer:
    """Take in the next part of a file; with the last it becomes a blob."""
    about, _ = await desk.work.do(lambda: owned(desk, request))
    offset, is_last = _said(request)
    length = length_of(request)
    if offset + length > about.size_bytes:
        problem = f"would exceed the {about.size_bytes} bytes that were announced"
        raise InvalidInputError("the part", problem, "begin another upload")
    upload, files = request.values["upload"], files_of(desk)
    stack = ExitStack()
    try:
        part: AbstractContextManager[Incoming] = files.part(upload, offset)
        await desk.work.do(lambda: stack.enter_context(files.room(length)))
        incoming = await desk.work.do(lambda: stack.enter_context(part))
        await take_in(desk, request.pieces(), incoming.write)
        if not is_last:
            return Answer(204, headers=_at(incoming, "?0"))
        if incoming.size_bytes != about.size_bytes:
            problem = f"has {incoming.size_bytes} of {about.size_bytes} bytes"
            raise InvalidInputError("the upload", problem, "send the rest")
        store = session_of(desk.registry).writable()
        try:
            taken = await desk.work.do(lambda: incoming.keep(store, about.sha256))
        finally:
            files.remove(upload)
    finally:
        stack.close()
    answer = await _taken(desk, request, taken)
    answer.headers |= _at(incoming, "?1")
    return answer


def _at(incoming: Incoming, complete: str) -> dict[str, str]:
    return {"Upload-Offset": str(incoming.size_bytes), "Upload-Complete": complete}


def _said(request: Request) -> tuple[int, bool]:
    """Return where a part begins, and whether it is the last.

    Raises:
        Problem: 400 if the headers do not say.
    """
    text, complete = request.header("upload-offset"), request.header("upload-complete")
    if text is None or _OFFSET.fullmatch(text) is None:
        raise Problem(400, "malformed", "Upload-Offset must say where the part begins")
    if complete not in (None, "?0", "?1"):
        raise Problem(400, "malformed", "Upload-Complete must be ?0 or ?1")
    return int(text), complete == "?1"


async def end(desk: Desk, request: Request) -> Answer:
    """Throw a file away."""

    def ended() -> None:
        owned(desk, request)
        files_of(desk).remove(request.values["upload"])

    await desk.work.do(ended)
    return Answer(204)


def owned(desk: Desk, request: Request) -> tuple[UploadAbout, int]:
    """Return what is there of a file that whoever asks began.

    Raises:
        NotFoundError: If there is none, or somebody else began it.
    """
    upload = request.values["upload"]
    missing = NotFoundError(f"upload {upload[:40]!r}", advice="begin it anew")
    if _UPLOAD.fullmatch(upload) is None:
        raise missing
    about, size = files_of(desk).about(upload)
    if about.owner != request.identity.user.id:
        raise missing
    return about, size
