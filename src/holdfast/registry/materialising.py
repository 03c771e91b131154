"""A version's files under their own names below a prefix of a bucket.

Services that take models from buckets (SageMaker, Vertex) read whatever lies below a prefix, so one
prefix holds the files of one version and nothing else. `manifest.json` comes last: where it is, all
is.
"""

import re
from collections import deque
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from msgspec import UNSET, Struct

from holdfast.core.manifest import File, Manifest, digest_of
from holdfast.core.names import escape
from holdfast.core.shown_paths import FACTS, shown_files
from holdfast.errors import ConflictError, InvalidInputError
from holdfast.registry.session import Session
from holdfast.registry.version_bytes import unless_purged, was_purged
from holdfast.store import concurrent, config, layout
from holdfast.store.metering import Meter, Progress, Step
from holdfast.store.objects.locating import check_address, locate
from holdfast.store.objects.named_copies import NamedCopies

__all__ = ["Materialised", "document_of", "materialise", "place_of"]

_PLAIN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_SHORT: Final = 8 << 20
_AT_ONCE: Final = 8
_BESIDE: Final = "~documents"
"""Folder of a model's documents; no version's has such a name."""


class Materialised(Struct, frozen=True):
    """A version's files where services read them.

    Attributes:
        url: The prefix, `/` at its end.
        files: By path below it.
        documents: Where each document is that was given, by its name.
        new: How many files were not there before.
    """

    ref: str
    digest: str
    url: str
    files: tuple[File, ...]
    documents: dict[str, str]
    new: int
    size_bytes: int


def place_of(root: str, model: str, version: str) -> str:
    """Return the prefix of a version below *root*, `s3://bucket/models/team/iris/1.2.0/`.

    Letters that addresses do not take as they are become `%` and two digits.

    Raises:
        InvalidInputError: If *root* is not the address of a prefix of a bucket, or tells a secret.
    """
    return f"{_plain(root)}/{_folder(model)}/{_part(version)}/"


def document_of(root: str, model: str, name: str, data: bytes) -> str:
    """Return the address of a document of a model below *root*: one for each content."""
    return f"{_plain(root)}/{_folder(model)}/{_BESIDE}/{digest_of(data)}/{name}"


def materialise(
    session: Session,
    ref: str,
    root: str,
    options: Mapping[str, str],
    documents: Mapping[str, bytes],
    progress: Progress | None = None,
) -> Materialised:
    """Copy a version's files to its prefix below *root*; what is there already stays.

    In the bucket of the store the service copies by itself. Every copy is hashed.

    Raises:
        ConflictError: If other bytes or other objects are below the prefix.
        DamagedError: If a file's bytes have changed; it is not handed out.
        InvalidInputError: If *root* names no bucket, or a place inside a store.
    """
    state, record = session.find(ref)
    if record.status == "purged":
        raise was_purged(f"{state.model}@{record.version}")
    manifest = session.manifest(record)
    if manifest.reference is not UNSET:
        problem = "is a reference: its bytes were never taken in"
        raise InvalidInputError(ref, problem, "register its files")
    raw = session.open_store.blobs.read(record.manifest)
    files = shown_files(manifest) | {FACTS: File(FACTS, record.manifest, len(raw))}
    with unless_purged(session, state.model, record):
        shelf = _Shelf(session, root, options, manifest)
        new = shelf.fill(files, progress)
        kept = {name: shelf.document(name, data) for name, data in documents.items()}
    return Materialised(
        ref=f"{state.model}@{record.version}",
        digest=f"sha256:{record.manifest}",
        url=place_of(root, manifest.name, manifest.version),
        files=tuple(File(path, file.sha256, file.size_bytes) for path, file in files.items()),
        documents=kept,
        new=new,
        size_bytes=sum(file.size_bytes for file in files.values()),
    )


class _Shelf:
    """The prefix of one version."""

    def __init__(
        self, session: Session, root: str, options: Mapping[str, str], manifest: Manifest
    ) -> None:
        self._folder = _key(place_of(root, manifest.name, manifest.version)).rstrip("/")
        query, parts = root.partition("?")[2], urlsplit(root)
        bucket = f"{parts.scheme}://{parts.netloc}" + (f"?{query}" if query else "")
        self._copies = NamedCopies(locate(bucket, options))
        self._session = session
        self._root = root
        self._model = manifest.name
        self._require_outside(_key(f"{_plain(root)}/"))

    def _require_outside(self, root: str) -> None:
        """Refuse a prefix inside a store, or inside another version's: who reads that reads all."""
        stores = [f"{above}{layout.CONFIG}" for above in _above(self._folder)]
        below = [above for above in _above(self._folder) if len(above) > len(root)]
        versions = [f"{above}{FACTS}" for above in below]
        taken = self._copies.first_of([*stores, *versions])
        if taken is not None:
            subject = f"prefix {self._copies.address(self._folder)}"
            whose = "a store" if taken.endswith(layout.CONFIG) else "another version's prefix"
            raise InvalidInputError(subject, f"is inside {whose}", "name a prefix beside it")

    def fill(self, files: Mapping[str, File], progress: Progress | None) -> int:
        """Bring every file that is not there; return how many those were."""
        present = self._copies.lengths(self._folder)
        strange = sorted(present.keys() - files.keys())
        if strange:
            raise self._taken(strange[0], "does not belong to the version")
        meter = Meter(progress, sum(file.size_bytes for file in files.values()))
        inside = self._inside()

        def bring(path: str) -> None:
            file = files[path]
            with meter.part(file.size_bytes) as step:
                if path not in present:
                    self._bring(f"{self._folder}/{path}", file, inside, step)
                elif not self._copies.holds(f"{self._folder}/{path}", file, step):
                    raise self._taken(path, "has other bytes than the version's")

        others = [path for path in files if path != FACTS]
        short = [path for path in others if files[path].size_bytes <= _SHORT]
        deque(concurrent.map_ordered(bring, short, _AT_ONCE), maxlen=0)
        for path in [*(path for path in others if path not in set(short)), FACTS]:
            bring(path)
        return len(files) - len(present)

    def _inside(self) -> str | None:
        """Return what the store's keys begin with here, `None` if it is in another bucket.

        Buckets of two services can have one name, so the store must be seen from here.
        """
        opened = self._session.open_store
        prefix = self._copies.prefix_of(opened.store)
        raw = self._copies.read(f"{prefix}{layout.CONFIG}") if prefix is not None else None
        if raw is None:
            return None
        return prefix if config.decode(raw, layout.CONFIG).id == opened.config.id else None

    def _bring(self, key: str, file: File, inside: str | None, step: Step) -> None:
        blobs = self._session.open_store.blobs
        source = f"{inside}{layout.blob(file.sha256)}"
        if inside is not None and self._copies.copy(source, key, file, step):
            return
        blobs.require([file])
        self._copies.send(key, blobs.fetch(file), file, step)

    def document(self, name: str, data: bytes) -> str:
        """Keep a document, and return its address."""
        address = document_of(self._root, self._model, name, data)
        self._copies.keep(_key(address), data)
        return address

    def _taken(self, path: str, problem: str) -> ConflictError:
        address = self._copies.address(f"{self._folder}/{path}")
        return ConflictError(address, problem, "remove it, or name another prefix")


def _plain(root: str) -> str:
    """Return an address without options and without a slash at its end."""
    check_address(root)
    return root.partition("?")[0].rstrip("/")


def _folder(model: str) -> str:
    return "/".join(map(_part, model.split("/")))


def _part(text: str) -> str:
    """Return a part of a key; what is escaped has signs that what is not cannot have."""
    return text if _PLAIN.fullmatch(text) else escape(text)


def _key(address: str) -> str:
    return address.split("/", 3)[3]


def _above(folder: str) -> list[str]:
    """Return the prefixes that hold a folder, from the whole bucket's on."""
    parts = folder.split("/")
    return ["", *(f"{'/'.join(parts[:end])}/" for end in range(1, len(parts)))]
