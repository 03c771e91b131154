"""Artifacts of versions, made when they are first asked for, and found by tag or digest."""

import contextlib
import threading
from collections import OrderedDict
from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from holdfast.core import refs
from holdfast.core.manifest import digest_of
from holdfast.core.model_pack import Pack
from holdfast.core.oci_names import version_of
from holdfast.core.refs import Exact, parse_selector
from holdfast.core.state import Record, State
from holdfast.core.version import parse
from holdfast.errors import HoldfastError, InvalidInputError, NotFoundError
from holdfast.gateways.oci import referrers
from holdfast.gateways.oci.distribution_paths import digest_in
from holdfast.registry.session import Session
from holdfast.store import layout, oci_layout

__all__ = ["PackShelf"]

_MOST_PACKS: Final = 4096
_MOST_MODELS: Final = 256


class _Documents(Struct, frozen=True):
    """The small documents of a model, by digest.

    Attributes:
        head: Of the journal that they follow from.
        versions: Which version's artifact a digest is.
        artifacts: Those that refer to one, and to which version's.
        subjects: What each of them refers to.
        configs: Those that were made here.
    """

    head: str | None
    versions: dict[str, str]
    artifacts: dict[str, bytes]
    subjects: dict[str, str]
    configs: dict[str, bytes]


class PackShelf:
    """The artifacts of a registry; threads may share it."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._lock = threading.Lock()
        self._packs: OrderedDict[str, Pack] = OrderedDict()
        self._models: OrderedDict[str, _Documents] = OrderedDict()

    def state(self, model: str) -> State:
        """Return a model's state.

        Raises:
            NotFoundError: If there is none.
        """
        return self._session.state(model)

    def pack(self, record: Record) -> Pack:
        """Return a version's artifact."""
        with self._lock:
            known = self._packs.get(record.manifest)
        if known is not None:
            return known
        manifest = self._session.manifest(record)
        made = oci_layout.pack_of(self._session.open_store.blobs, record, manifest)
        with self._lock:
            self._packs[record.manifest] = made
            if len(self._packs) > _MOST_PACKS:
                self._packs.popitem(last=False)
        return made

    def manifest(self, state: State, reference: str) -> bytes:
        """Return the manifest that a tag or a digest names.

        Raises:
            NotFoundError: If there is none.
        """
        digest = digest_in(reference)
        if digest is None:
            return self.pack(self.tagged(state, reference)).manifest
        documents = self._documents(state)
        if digest in documents.artifacts:
            return documents.artifacts[digest]
        return self.pack(self.pushed(state, digest)).manifest

    def tagged(self, state: State, tag: str) -> Record:
        """Find the version that a tag names: its own, or one that moves, or a range such as `1.x`.

        Raises:
            NotFoundError: If there is none that has its bytes.
        """
        version = version_of(tag)
        try:
            selector = Exact(parse(version)) if version else parse_selector(tag)
        except InvalidInputError as error:
            raise NotFoundError(f"tag {tag[:128]!r}", advice=str(error)) from None
        record = refs.resolve(state, selector)
        if record.status == "purged" or record.reference is not None:
            advice = "its bytes were purged, or never taken in"
            raise NotFoundError(f"{state.model}@{record.version}", advice=advice)
        return record

    def pushed(self, state: State, digest: str) -> Record:
        """Find the version whose artifact has a digest.

        Raises:
            NotFoundError: If there is none.
        """
        version = self._documents(state).versions.get(digest)
        if version is None:
            raise NotFoundError(f"manifest sha256:{digest} of {state.model}")
        return state.versions[version]

    def config(self, state: State, digest: str) -> bytes | None:
        """Return a small blob that was made here, `None` if the digest is of none."""
        return self._documents(state).configs.get(digest)

    def referring(self, state: State, digest: str) -> list[bytes]:
        """Return the artifacts that refer to a version's, or to one of them."""
        documents = self._documents(state)
        return [
            documents.artifacts[referrer]
            for referrer, subject in documents.subjects.items()
            if subject == digest
        ]

    def holder(self, state: State, digest: str) -> Record:
        """Find the version whose artifact, or what is kept beside it, has a digest.

        Raises:
            NotFoundError: If there is none.
        """
        documents, seen = self._documents(state), set[str]()
        while digest in documents.subjects and digest not in seen:
            seen.add(digest)
            digest = documents.subjects[digest]
        return self.pushed(state, digest)

    def _documents(self, state: State) -> _Documents:
        with self._lock:
            known = self._models.get(state.model)
        if known is not None and known.head == state.head:
            return known
        made = _Documents(state.head, {}, {}, {}, {})
        for record in oci_layout.held(state):
            pack = self.pack(record)
            made.versions[pack.digest] = record.version  # of equal ones the last that came
            if pack.config:
                made.configs[digest_of(pack.config)] = pack.config
            signatures = self._signatures(record)
            if signatures:
                made.configs[digest_of(referrers.EMPTY)] = referrers.EMPTY
            for raw in (*signatures, *self._attached(record)):
                digest = digest_of(raw)
                made.artifacts[digest] = raw
                made.subjects[digest] = digest_in(referrers.subject_of(raw)) or ""
        with self._lock:
            self._models[state.model] = made
            self._models.move_to_end(state.model)
            if len(self._models) > _MOST_MODELS:
                self._models.popitem(last=False)
        return made

    def _attached(self, record: Record) -> Iterator[bytes]:
        """Go through the manifests that others pushed, whole ones alone."""
        for attachment in record.attachments:
            with contextlib.suppress(HoldfastError, ValueError):  # `verify` tells
                yield self._session.open_store.blobs.read(attachment.manifest)

    def _signatures(self, record: Record) -> list[bytes]:
        store, subject = self._session.open_store.store, self.pack(record).manifest
        sizes = {
            signature.signature: store.size(layout.blob(signature.signature))
            for signature in record.signatures
        }
        return [
            referrers.signature_artifact(subject, sha256, size)
            for sha256, size in sizes.items()
            if size is not None
        ]
