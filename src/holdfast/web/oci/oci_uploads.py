"""Blobs that clients of OCI registries send: at once, in parts, or by naming what they may read."""

import re
import time
from contextlib import ExitStack
from typing import Final

from holdfast.errors import HoldfastError, InvalidInputError
from holdfast.gateways.oci.distribution_paths import OciTarget, digest_in
from holdfast.http.problems import Problem
from holdfast.store import Ingested, layout
from holdfast.store.incoming import Incoming, UploadAbout
from holdfast.web import uploads
from holdfast.web.below import session_of
from holdfast.web.desk import Desk
from holdfast.web.exchange import Answer, Request

__all__ = ["OciUploads"]

_RANGE: Final = re.compile(r"(?:bytes )?(0|[1-9][0-9]{0,17})-([0-9]{1,18})(?:/.*)?")


class OciUploads:
    """Takes blobs in; each is kept once it was hashed here and is what it was to be."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def begin(self, request: Request, target: OciTarget) -> Answer:
        """Begin an upload; or take it in whole, or from another repository, and be done."""
        asked = request.parameters
        if "mount" in asked and "from" in asked:
            mounted = await self._desk.work.do(
                lambda: self._mount(request, asked["mount"], asked["from"])
            )
            if mounted:
                return _created(target.model, asked["mount"])
        elif "digest" in asked:
            return await self._whole(request, target, asked["digest"])
        about = UploadAbout("", 0, request.identity.user.id, time.time())
        upload = await self._desk.work.do(lambda: uploads.started(self._desk, about))
        return _accepted(target.model, upload, 0)

    def _mount(self, request: Request, digest: str, source: str) -> bool:
        """Have bytes of another repository count as sent, if whoever asks may read them there."""
        sha256 = _digest(digest)
        session = session_of(self._desk.registry)
        if not session.exists or not request.rights.allows("read", source):
            return False
        try:
            state = session.ledger(source).state()
            is_there = state.exists and self._desk.named.has(session, state, sha256)
        except HoldfastError:  # no name of a model, or its journal is damaged
            return False
        if not is_there or session.open_store.store.size(layout.blob(sha256)) is None:
            return False
        self._desk.receipts.give(request.rights, sha256)
        return True

    async def _whole(self, request: Request, target: OciTarget, digest: str) -> Answer:
        sha256, size = _digest(digest), uploads.length_of(request)
        files = await self._desk.work.do(lambda: uploads.files_of(self._desk))
        with ExitStack() as stack:
            await self._desk.work.do(lambda: stack.enter_context(files.room(size)))
            incoming = await self._desk.work.do(lambda: stack.enter_context(files.once()))
            await uploads.take_in(self._desk, request.pieces(), incoming.write)
            await self._keep(request, incoming, sha256)
        return _created(target.model, digest)

    async def where(self, request: Request, target: OciTarget) -> Answer:
        """Tell how much of an upload is there."""
        size = await self._size(request)
        return _accepted(target.model, target.reference, size, status=204)

    async def go_on(self, request: Request, target: OciTarget) -> Answer:
        """Take in the next part."""
        size = await self._part(request, target.reference, None)
        return _accepted(target.model, target.reference, size)

    async def close(self, request: Request, target: OciTarget) -> Answer:
        """Take in the last part, if there is one, and give the whole its name."""
        digest = request.parameters.get("digest", "")
        sha256 = _digest(digest)
        await self._part(request, target.reference, sha256)
        return _created(target.model, digest)

    async def cancel(self, request: Request, target: OciTarget) -> Answer:
        """Throw an upload away."""

        def cancelled() -> None:
            uploads.owned(self._desk, request)
            uploads.files_of(self._desk).remove(target.reference)

        await self._desk.work.do(cancelled)
        return Answer(204)

    async def _size(self, request: Request) -> int:
        return (await self._desk.work.do(lambda: uploads.owned(self._desk, request)))[1]

    async def _part(self, request: Request, upload: str, sha256: str | None) -> int:
        """Take in a part; with a digest it is the last. Return how much is there then."""
        offset = await self._size(request)
        _check_range(request, upload, offset)
        files = uploads.files_of(self._desk)
        with ExitStack() as stack:
            pieces = await uploads.with_room(self._desk, request, stack)
            part = files.part(upload, offset)
            incoming: Incoming = await self._desk.work.do(lambda: stack.enter_context(part))
            await uploads.take_in(self._desk, pieces, incoming.write)
            if sha256 is None:
                return incoming.size_bytes
            try:
                await self._keep(request, incoming, sha256)
            finally:
                files.remove(upload)
            return incoming.size_bytes

    async def _keep(self, request: Request, incoming: Incoming, sha256: str) -> None:
        store = session_of(self._desk.registry).writable()

        def kept() -> Ingested:
            taken = incoming.keep(store, sha256)
            self._desk.receipts.give(request.rights, sha256)
            return taken

        taken = await self._desk.work.do(kept)
        self._desk.figures.count("uploaded_bytes", taken.size_bytes)


def _check_range(request: Request, upload: str, offset: int) -> None:
    """Check that a part begins where the one before ended, and is as long as it says.

    Raises:
        Problem: 416 if it does not or is not.
    """
    text = request.header("content-range")
    if text is None:
        return
    match = _RANGE.fullmatch(text)
    length = request.header("content-length")
    if match is None or int(match[1]) != offset:
        problem = f"begins elsewhere than at {offset}"
    elif length is not None and int(match[2]) != offset + uploads.length_of(request) - 1:
        problem = "has another length than its range"
    else:
        return
    headers = {"Range": _range(offset), "Docker-Upload-UUID": upload}
    raise Problem(416, "range", f"the part {problem}; ask where the upload ends", headers)


def _digest(text: str) -> str:
    sha256 = digest_in(text)
    if sha256 is None:
        raise InvalidInputError(f"digest {text[:80]!r}", "is not sha256 and 64 hex digits")
    return sha256


def _range(size: int) -> str:
    return f"0-{max(0, size - 1)}"


def _accepted(model: str, upload: str, size: int, status: int = 202) -> Answer:
    headers = {
        "Location": f"/v2/{model}/blobs/uploads/{upload}",
        "Range": _range(size),
        "Docker-Upload-UUID": upload,
    }
    return Answer(status, headers=headers)


def _created(model: str, digest: str) -> Answer:
    headers = {"Location": f"/v2/{model}/blobs/{digest}", "Docker-Content-Digest": digest}
    return Answer(201, headers=headers)
