"""Bytes of a model: only those that its journal names, or who holds a digest could ask for all."""

import base64
import logging
import re
from collections.abc import AsyncGenerator, Callable
from io import BufferedReader
from typing import Final, Protocol, runtime_checkable

from holdfast.core.manifest import is_digest
from holdfast.core.state import State
from holdfast.datasets.data_records import DataVersion
from holdfast.errors import HoldfastError, NotFoundError
from holdfast.http.problems import Problem
from holdfast.registry.session import Session
from holdfast.store import AbsentError, layout
from holdfast.web.exchange import Stream
from holdfast.web.work import Work

__all__ = ["NamedBlobs", "can_sign", "digest_header", "opened", "opened_if", "sent", "signed"]

_PIECE: Final = 1 << 20
SIGNED_S: Final = 300.0
"""So long a signed URL is good; a download that it began may take longer."""
_LEAST_SIGNED: Final = 1 << 20
"""A shorter blob is sent at once: another connection would take longer."""
_log: Final = logging.getLogger(__name__)
_RANGE: Final = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)


class NamedBlobs:
    """The digests that versions name, kept by manifest, which never changes."""

    def __init__(self) -> None:
        self._files: dict[str, frozenset[str]] = {}

    def has(self, session: Session, state: State, sha256: str) -> bool:
        """Tell whether a model's journal names a digest, itself or by a manifest."""
        records = state.versions.values()
        if any(sha256 == record.manifest or sha256 in record.attached for record in records):
            return True
        if sha256 in state.runs:
            return True
        return any(sha256 in self._of(session, record.manifest) for record in state.present())

    def keeps(self, session: Session, version: DataVersion, sha256: str) -> bool:
        """Tell whether a version of data keeps the bytes of a digest."""
        description = version.added.description
        files = self._files.get(description)
        if files is None:
            from holdfast.registry.data_verbs import Datasets

            read = Datasets(session).describe(version)
            files = self._files[description] = frozenset(file.sha256 for file in read.files)
        return sha256 in files

    def _of(self, session: Session, manifest: str) -> frozenset[str]:
        files = self._files.get(manifest)
        if files is None:
            read = session.open_store.blobs.manifest(manifest)
            files = self._files[manifest] = frozenset(file.sha256 for file in read.files)
        return files


@runtime_checkable
class SigningStore(Protocol):
    """A store whose objects can be read by a URL that it signs."""

    def signed(self, key: str, seconds: float) -> str:
        """Return a URL by which anybody can read an object for so long."""
        ...


def can_sign(session: Session) -> bool:
    """Tell whether the bytes are where a URL can be signed for them: in a bucket."""
    return isinstance(session.open_store.store, SigningStore)


def signed(session: Session, named: NamedBlobs, model: str, sha256: str) -> str | None:
    """Return where a long blob of a model can be read for some minutes, `None` for a short one.

    Raises:
        NotFoundError: If the model's journal does not name it, or its bytes are gone.
    """
    size, store = _length(session, named, model, sha256), session.open_store.store
    if size < _LEAST_SIGNED or not isinstance(store, SigningStore):
        return None
    try:
        return store.signed(layout.blob(sha256), SIGNED_S)
    except HoldfastError:
        _log.warning("no URL could be signed for a blob of %s: it is sent from here", model)
        return None


def opened(
    session: Session, named: NamedBlobs, model: str, sha256: str
) -> tuple[BufferedReader, int]:
    """Open a blob of a model, deleted or not; return it and its length.

    Raises:
        NotFoundError: If the model's journal does not name it, or its bytes are gone.
    """
    size = _length(session, named, model, sha256)
    try:
        return session.open_store.store.open(layout.blob(sha256)), size
    except AbsentError:
        raise NotFoundError(f"blob {sha256[:64]} of {model}") from None


def opened_if(
    session: Session, is_named: Callable[[], bool], subject: str, sha256: str
) -> tuple[BufferedReader, int]:
    """Open a blob that something names; return it and its length.

    Raises:
        NotFoundError: If nothing does, or its bytes are gone.
    """
    if not is_digest(sha256) or not is_named():
        raise NotFoundError(subject)
    size = session.open_store.store.size(layout.blob(sha256))
    if size is None:
        raise NotFoundError(subject)
    return session.open_store.store.open(layout.blob(sha256)), size


def _length(session: Session, named: NamedBlobs, model: str, sha256: str) -> int:
    """Return the length of a blob that a model's journal names.

    Raises:
        NotFoundError: If it does not, or its bytes are gone.
    """
    subject = f"blob {sha256[:64]} of {model}"
    if not is_digest(sha256):
        raise NotFoundError(subject)
    session.require_known(model)
    if not named.has(session, session.ledger(model).state(), sha256):
        raise NotFoundError(subject)
    size = session.open_store.store.size(layout.blob(sha256))
    if size is None:
        raise NotFoundError(subject)
    return size


def sent(
    work: Work, blob: tuple[BufferedReader, int], sha256: str, asked: tuple[str | None, str | None]
) -> Stream:
    """Return the answer that sends a blob, or one range of it.

    Args:
        work: Where it is read.
        blob: The open file and its length.
        sha256: Its digest.
        asked: The headers `Range` and `If-Range`.

    Raises:
        Problem: 416 if the range is not there.
    """
    file, size = blob
    tag = f'"{sha256}"'
    headers = {
        "ETag": tag,
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, max-age=31536000, immutable",
        "Repr-Digest": digest_header(sha256),
    }
    span, condition = asked
    start, end = 0, size
    status = 200
    if span is not None and condition in (None, tag):
        try:
            bounds = _range(span, size)
        except Problem:
            file.close()
            raise
        if bounds is not None:
            (start, end), status = bounds, 206
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    headers["Content-Length"] = str(end - start)
    pieces = _read(work, file, start, end)
    return Stream(pieces, status, headers=headers, release=file.close)


def digest_header(sha256: str) -> str:
    """Write a digest as the header `Repr-Digest` has it."""
    return f"sha-256=:{base64.b64encode(bytes.fromhex(sha256)).decode()}:"


def _range(text: str, size: int) -> tuple[int, int] | None:
    """Read a single range; None where there are several, or it is of another unit.

    Raises:
        Problem: 416 if nothing of it is there.
    """
    match = _RANGE.fullmatch(text.replace(" ", ""))
    if match is None or match[1] == match[2] == "":
        return None
    if match[1] == "":
        start, end = max(0, size - int(match[2])), size
    else:
        start = int(match[1])
        end = min(size, int(match[2]) + 1) if match[2] else size
    if start >= end:
        headers = {"Content-Range": f"bytes */{size}"}
        raise Problem(416, "range", f"the range is not within {size} bytes", headers)
    return start, end


async def _read(work: Work, file: BufferedReader, start: int, end: int) -> AsyncGenerator[bytes]:
    if start:
        await work.do(lambda: file.seek(start))
    left = end - start
    while left > 0:
        piece = await work.do(lambda: file.read(min(_PIECE, left)))  # noqa: B023 - awaited here
        if not piece:
            return  # the file is shorter than its length: the caller sees the answer cut
        left -= len(piece)
        yield piece
