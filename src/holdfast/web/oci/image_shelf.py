"""Container images of versions: their layers' digests are computed once, and kept in the store."""

import contextlib
import hashlib
from collections.abc import AsyncGenerator
from io import BufferedReader
from typing import Final

import msgspec
from msgspec import Struct

from holdfast.core import strict_json
from holdfast.core.manifest import File, digest_of
from holdfast.core.shown_paths import shown_files
from holdfast.core.state import Record, State
from holdfast.errors import DamagedError, NotFoundError, StoreError
from holdfast.gateways.oci.image_view import ImageDocuments, ImageLayer, documents, ends
from holdfast.http.asgi import Gone
from holdfast.registry.session import Session
from holdfast.store import AbsentError, at_most, layout, oci_layout
from holdfast.web.desk import Desk
from holdfast.web.exchange import Stream
from holdfast.web.turns import Turns

__all__ = ["ImageShelf"]

_PIECE: Final = 1 << 20
_MOST_BYTES: Final = 8 << 20
_LISTED: Final = 10_000
_COMPUTED_AT_ONCE: Final = 1
"""Several would only share the disk."""


class _Recipe(Struct, frozen=True):
    """What is kept of an image: the digests of its layers, by path, and whose they are."""

    manifest: str
    layers: dict[str, str]


class ImageShelf:
    """The images of a registry; threads may share it."""

    def __init__(self, desk: Desk, session: Session) -> None:
        self._desk = desk
        self._session = session
        self._turns = Turns(_COMPUTED_AT_ONCE)
        self._made: dict[str, tuple[list[ImageLayer], ImageDocuments]] = {}

    async def index(self, record: Record, model: str) -> bytes:
        """Return what the tag of an image names; the first time, every byte is hashed for it."""
        work = self._desk.work
        known = await work.do(lambda: self._known(record, model))
        if known is None:
            async with self._turns.of(record.manifest):
                known = await work.do(
                    lambda: self._known(record, model) or self._computed(record, model)
                )
        return known[1].index

    def document(self, state: State, digest: str) -> bytes | None:
        """Return a document of an image that was asked for by its tag once, here or elsewhere."""
        for _, made in self._images(state):
            if digest_of(made.index) == digest:
                return made.index
            found = made.manifests.get(digest) or made.configs.get(digest)
            if found is not None:
                return found
        return None

    def layer(self, state: State, digest: str) -> ImageLayer | None:
        """Return the layer with a digest, `None` if there is none."""
        layers = (layer for layers, _ in self._images(state) for layer in layers)
        return next((layer for layer in layers if layer.digest == digest), None)

    def stream(self, layer: ImageLayer) -> Stream:
        """Send a layer's bytes.

        Raises:
            NotFoundError: If its file is gone.
        """
        try:
            file = self._session.open_store.store.open(layout.blob(layer.blob))
        except AbsentError:
            raise NotFoundError(f"blob sha256:{layer.digest}") from None
        headers = {"Content-Length": str(layer.length), "ETag": f'"{layer.digest}"'}
        return Stream(self._pieces(file, layer), headers=headers, release=file.close)

    async def _pieces(self, file: BufferedReader, layer: ImageLayer) -> AsyncGenerator[bytes]:
        """Put a layer together; its last piece is kept back until all of it is known.

        Raises:
            Gone: If the file has changed: the answer is cut.
        """
        before, after = ends(layer.path, layer.size_bytes)
        digest = hashlib.sha256(before)
        yield before

        def piece() -> bytes:
            data = file.read(_PIECE)
            digest.update(data)
            return data

        while data := await self._desk.work.do(piece):
            yield data
        digest.update(after)
        if digest.hexdigest() != layer.digest:
            raise Gone
        yield after

    def _images(self, state: State) -> list[tuple[list[ImageLayer], ImageDocuments]]:
        """Return the images that are known of a model: few of its versions have one.

        Clients ask for blobs that are nowhere before they push them, so that must cost little.
        """
        folder = layout.images(layout.model(state.model))
        kept = {f"{folder}/{name}" for name in self._session.open_store.store.list(folder)}
        images = (
            self._known(record, state.model)
            for record in oci_layout.held(state)
            if record.manifest in self._made or _key(state.model, record) in kept
        )
        return [image for image in images if image is not None]

    def _known(self, record: Record, model: str) -> tuple[list[ImageLayer], ImageDocuments] | None:
        made = self._made.get(record.manifest)
        if made is not None:
            return made
        try:
            with self._session.open_store.store.open(_key(model, record)) as file:
                recipe = strict_json.decode(at_most(file, _MOST_BYTES), _Recipe)
        except (AbsentError, OSError, ValueError):
            return None
        files = self._files(record)
        if recipe.manifest != record.manifest or recipe.layers.keys() != files.keys():
            return None
        return self._kept(record, _layers(files, recipe.layers))

    def _kept(
        self, record: Record, layers: list[ImageLayer]
    ) -> tuple[list[ImageLayer], ImageDocuments]:
        manifest = self._session.manifest(record)
        names = {
            "org.opencontainers.image.title": manifest.name,
            "org.opencontainers.image.version": manifest.version,
        }
        made = layers, documents(layers, manifest.registered_at, names)
        if len(self._made) < _LISTED:
            self._made[record.manifest] = made
        return made

    def _files(self, record: Record) -> dict[str, File]:
        return shown_files(self._session.manifest(record))

    def _computed(self, record: Record, model: str) -> tuple[list[ImageLayer], ImageDocuments]:
        files = self._files(record)
        digests = {path: self._digest(path, file) for path, file in files.items()}
        if not self._desk.settings.read_only:
            raw = msgspec.json.encode(_Recipe(record.manifest, digests), order="sorted")
            with contextlib.suppress(StoreError):  # it is computed again
                self._session.open_store.store.replace(_key(model, record), raw + b"\n")
        return self._kept(record, _layers(files, digests))

    def _digest(self, path: str, file: File) -> str:
        """Hash a layer, and its file by itself: a changed one must not get a digest of its own.

        Raises:
            DamagedError: If the file changed.
        """
        before, after = ends(path, file.size_bytes)
        whole, own = hashlib.sha256(before), hashlib.sha256()
        try:
            with self._session.open_store.store.open(layout.blob(file.sha256)) as opened:
                while data := opened.read(_PIECE):
                    whole.update(data)
                    own.update(data)
        except AbsentError:
            raise DamagedError(f"blob sha256:{file.sha256}", "is missing") from None
        if own.hexdigest() != file.sha256:
            raise DamagedError(f"blob sha256:{file.sha256}", "has changed")
        whole.update(after)
        return whole.hexdigest()


def _key(model: str, record: Record) -> str:
    return layout.image(layout.model(model), record.version)


def _layers(files: dict[str, File], digests: dict[str, str]) -> list[ImageLayer]:
    return [
        ImageLayer(path, file.sha256, file.size_bytes, digests[path])
        for path, file in files.items()
    ]
