"""What clients of OCI registries pull: manifests, blobs, tags and what refers to a version."""

from typing import Final
from urllib.parse import quote

from holdfast.core.manifest import digest_of
from holdfast.core.state import Record, State
from holdfast.errors import InvalidInputError, NotFoundError
from holdfast.gateways.oci import pushed_manifests, referrers
from holdfast.gateways.oci.distribution_paths import OciTarget, digest_in
from holdfast.gateways.oci.image_view import TAG, ImageLayer
from holdfast.store import AbsentError, layout, oci_layout
from holdfast.web import named_blobs
from holdfast.web.below import session_of
from holdfast.web.checked_blobs import CheckedBlobs
from holdfast.web.desk import Desk
from holdfast.web.exchange import Answer, Request, Stream, answered
from holdfast.web.oci.image_shelf import ImageShelf
from holdfast.web.oci.pack_shelf import PackShelf

__all__ = ["OciReads"]

_INDEX: Final = "application/vnd.oci.image.index.v1+json"
_BYTES: Final = "application/octet-stream"
_MOST_TAGS: Final = 1000


class OciReads:
    """Answers that change nothing."""

    def __init__(self, desk: Desk, shelf: PackShelf) -> None:
        self._desk = desk
        self._shelf = shelf
        self._images = ImageShelf(desk, session_of(desk.registry))
        self._checked = CheckedBlobs(desk)

    async def manifest(self, _request: Request, target: OciTarget) -> Answer:
        """Send a manifest, the exact bytes."""
        reference, work = target.reference, self._desk.work
        if reference.startswith(TAG):
            record = await work.do(lambda: self._imaged(target))
            raw = await self._images.index(record, target.model)
        else:
            raw = await work.do(lambda: self._raw(self._shelf.state(target.model), reference))
        digest = f"sha256:{digest_of(raw)}"
        headers = {"Docker-Content-Digest": digest, "ETag": f'"{digest}"'}
        return Answer(200, raw, pushed_manifests.media_type_of(raw), headers)

    def _imaged(self, target: OciTarget) -> Record:
        """Return the version whose image is asked for."""
        state = self._shelf.state(target.model)
        return self._shelf.tagged(state, target.reference.removeprefix(TAG))

    def _raw(self, state: State, reference: str) -> bytes:
        """Return the manifest of an artifact, or of a part of an image, by tag or digest."""
        try:
            return self._shelf.manifest(state, reference)
        except NotFoundError:
            sha256 = digest_in(reference)
            of_image = None if sha256 is None else self._images.document(state, sha256)
            if of_image is None:
                raise
            return of_image

    async def blob(self, request: Request, target: OciTarget) -> Answer | Stream:
        """Send a blob, or a range of it: a file of a version, or what was sent a moment ago."""
        sha256 = digest_in(target.reference)
        if sha256 is None:
            raise InvalidInputError(f"digest {target.reference[:80]!r}", "is not sha256 and 64 hex")
        headers = {"Docker-Content-Digest": target.reference}
        made = await self._desk.work.do(lambda: self._known(target.model, sha256))
        if isinstance(made, bytes):
            return Answer(200, made, _BYTES, headers)
        if isinstance(made, ImageLayer):
            layer = made
            stream: Answer | Stream = await self._desk.work.do(lambda: self._images.stream(layer))
            stream.headers |= headers
            return stream
        session = session_of(self._desk.registry)
        if made is not None:
            stream = await self._checked.send(session, request, target.model, sha256)
        else:
            stream = await self._desk.work.do(lambda: self._own(request, sha256))
        stream.headers |= headers
        return stream

    def _known(self, model: str, sha256: str) -> bytes | ImageLayer | State | None:
        """Return a blob that was made here, or the state that names it; `None` if none does."""
        session = session_of(self._desk.registry)
        if not session.exists:
            return None
        state = session.ledger(model).state()
        if not state.exists:
            return None
        made = self._shelf.config(state, sha256)
        if made is not None:
            return made
        if self._desk.named.has(session, state, sha256):
            return state
        return self._images.document(state, sha256) or self._images.layer(state, sha256)

    def _own(self, request: Request, sha256: str) -> Stream:
        """Send what whoever asks sent themselves, and no version names yet.

        Raises:
            NotFoundError: If they did not, or it is gone.
        """
        session, missing = session_of(self._desk.registry), NotFoundError(f"blob sha256:{sha256}")
        if not session.exists or not request.rights.allows("upload", None):
            raise missing
        try:
            self._desk.receipts.require(request.rights, sha256)
        except InvalidInputError:
            raise missing from None
        store = session.open_store.store
        size = store.size(layout.blob(sha256))
        if size is None or session.open_store.blobs.check(sha256) is not None:
            raise missing
        try:
            file = store.open(layout.blob(sha256))
        except AbsentError:
            raise missing from None
        asked = request.header("range"), request.header("if-range")
        return named_blobs.sent(self._desk.work, (file, size), sha256, asked)

    async def tags(self, request: Request, target: OciTarget) -> Answer:
        """List tags in order, some at a time."""
        count = request.number("n", _MOST_TAGS, 10**9)
        last = request.parameters.get("last", "")
        state = await self._desk.work.do(lambda: self._shelf.state(target.model))
        left = [tag for tag in sorted(oci_layout.names_of(state)) if tag > last]
        shown = left[: min(count, _MOST_TAGS)]
        answer = answered({"name": target.model, "tags": shown})
        if shown and len(shown) < len(left):
            query = f"n={len(shown)}&last={quote(shown[-1], safe='')}"
            answer.headers["Link"] = f'</v2/{target.model}/tags/list?{query}>; rel="next"'
        return answer

    async def referrers(self, request: Request, target: OciTarget) -> Answer:
        """List what refers to an artifact; nothing does to what is not there."""
        sha256 = digest_in(target.reference)
        if sha256 is None:
            raise InvalidInputError(f"digest {target.reference[:80]!r}", "is not sha256 and 64 hex")
        wanted = request.parameters.get("artifactType")
        artifacts: list[bytes] = []
        if self._desk.sees(request, target.model):
            artifacts = await self._desk.work.do(lambda: self._referring(target.model, sha256))
        headers = {} if wanted is None else {"OCI-Filters-Applied": "artifactType"}
        return Answer(200, referrers.index(artifacts, wanted), _INDEX, headers)

    def _referring(self, model: str, sha256: str) -> list[bytes]:
        session = session_of(self._desk.registry)
        if not session.exists or not session.ledger(model).state().exists:
            return []
        return self._shelf.referring(self._shelf.state(model), sha256)
