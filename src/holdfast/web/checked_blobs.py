"""Blobs that are handed to clients who check no digest: nothing that has changed goes out whole.

What is sent from its beginning is hashed on the way, and its last piece stays here if it is not
what its name says. A part of a blob goes out once all of it was hashed, as it lies there.
"""

import asyncio
import hashlib
import logging
import os
import threading
from collections import OrderedDict
from collections.abc import AsyncGenerator
from io import BufferedReader
from typing import Any, Final

from holdfast.errors import DamagedError
from holdfast.http.asgi import Gone
from holdfast.registry.session import Session
from holdfast.web import named_blobs
from holdfast.web.desk import Desk
from holdfast.web.exchange import Answer, Request, Stream
from holdfast.web.turns import Turns

__all__ = ["CheckedBlobs"]

_log: Final = logging.getLogger(__name__)
_PIECE: Final = 1 << 20
_SHORT: Final = 4 << 20
"""Up to so many bytes a blob is hashed before anything of it is sent."""
_MOST_KNOWN: Final = 100_000
_HASHED_AT_ONCE: Final = 3
"""Of the server's threads: a range of a long blob may take minutes before it is sent."""
_RESTORE: Final = "`holdfast repair --from` fetches it from a copy of the store"
_Identity = tuple[int, ...]


class CheckedBlobs:
    """What is known of blobs as they lie there, by the identity of their files."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._lock = threading.Lock()
        self._turns = Turns(_HASHED_AT_ONCE)
        self._known: OrderedDict[str, tuple[_Identity, bool]] = OrderedDict()

    async def send(
        self, session: Session, request: Request, model: str, sha256: str
    ) -> Answer | Stream:
        """Send a blob of a model, or the range of it that is asked for.

        Raises:
            NotFoundError: If the model's journal does not name it, or its bytes are gone.
            DamagedError: If its bytes are known to have changed.
            Problem: 416 if the range is not there.
        """
        work, named = self._desk.work, self._desk.named
        if request.knows(f'"{sha256}"'):
            return Answer(304, headers={"ETag": f'"{sha256}"'})
        file, size = await work.do(lambda: named_blobs.opened(session, named, model, sha256))
        asked = request.header("range"), request.header("if-range")
        stream = named_blobs.sent(work, (file, size), sha256, asked)
        is_part = stream.status != 200  # noqa: PLR2004 - the whole of it
        try:
            await self._admit(file, sha256, size, now=is_part or size <= _SHORT)
        except BaseException:
            stream.release()
            raise
        if not is_part:
            stream.pieces = self._pieces(file, sha256, size)
        return stream

    def has_changed(self, session: Session, model: str, sha256: str) -> bool:
        """Tell whether a blob of a model is known to have changed; nothing is hashed for that."""
        file, _ = named_blobs.opened(session, self._desk.named, model, sha256)
        with file:
            return self._is_whole(sha256, _identity(file)) is False

    async def _admit(self, file: BufferedReader, sha256: str, size: int, *, now: bool) -> None:
        """Refuse a blob that has changed; *now* says to find that out if it is not known."""
        work = self._desk.work
        whole = await work.do(lambda: self._is_whole(sha256, _identity(file)))
        if whole is None and now and size <= _SHORT:
            whole = await work.do(lambda: self._hashed(file, sha256))
        elif whole is None and now:
            async with self._turns.of(sha256):
                whole = await work.do(lambda: self._hashed(file, sha256))
        if whole is False:
            raise DamagedError(f"blob sha256:{sha256}", "has changed", _RESTORE)

    def _hashed(self, file: BufferedReader, sha256: str) -> bool:
        """Hash a blob, unless another caller did so meanwhile."""
        identity = _identity(file)
        whole = self._is_whole(sha256, identity)
        if whole is None:
            whole = hashlib.file_digest(file, "sha256").hexdigest() == sha256
            self._keep(sha256, identity, whole=whole)
            file.seek(0)
        return whole

    def _is_whole(self, sha256: str, identity: _Identity) -> bool | None:
        known = self._known.get(sha256)
        return known[1] if known is not None and known[0] == identity else None

    def _keep(self, sha256: str, identity: _Identity, *, whole: bool) -> None:
        with self._lock:
            self._known[sha256] = identity, whole
            if len(self._known) > _MOST_KNOWN:
                self._known.popitem(last=False)
        if not whole:
            _log.error("blob sha256:%s has changed; it is not handed out", sha256)

    async def _pieces(self, file: BufferedReader, sha256: str, size: int) -> AsyncGenerator[bytes]:
        """Read and hash a blob; its last piece is kept back until all of it is known.

        Raises:
            Gone: If it has changed: the answer is cut, and the next one is a refusal.
        """
        digest: Any = hashlib.sha256()
        identity = await self._desk.work.do(lambda: _identity(file))

        def piece() -> bytes:
            data = file.read(_PIECE)
            digest.update(data)
            return data

        held, left = b"", size
        ahead = asyncio.ensure_future(self._desk.work.do(piece))
        try:
            while left > 0 and (data := await ahead):
                left -= len(data)
                if left > 0:  # the next piece is read while this one is sent
                    ahead = asyncio.ensure_future(self._desk.work.do(piece))
                if held:
                    yield held
                held = data
        finally:
            await asyncio.wait({ahead})  # the file is closed next
            ahead.exception()  # which nobody asks for where the caller hung up
        whole = digest.hexdigest() == sha256
        self._keep(sha256, identity, whole=whole)
        if not whole:
            raise Gone
        if held:
            yield held


def _identity(file: BufferedReader) -> _Identity:
    """Return what changes when a file is written; nothing if it is not on this machine."""
    try:
        about = os.fstat(file.fileno())
    except OSError:
        return ()
    return about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns
