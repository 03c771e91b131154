"""A version as a container image whose files are below `/models`, made of its blobs as they lie.

A layer is a tar archive of one file: header, blob, zeros. Only its digest has to be computed, once;
its bytes are put together whenever they are asked for. Two platforms share all layers.
"""

import tarfile
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from holdfast.core.manifest import digest_of
from holdfast.core.model_pack import MANIFEST_TYPE

__all__ = ["INDEX_TYPE", "TAG", "ImageDocuments", "ImageLayer", "documents", "ends"]

TAG: Final = "Image-"
"""Stands before the tag of a version; no alias and no version begins like this."""
INDEX_TYPE: Final = "application/vnd.oci.image.index.v1+json"
_CONFIG_TYPE: Final = "application/vnd.oci.image.config.v1+json"
_LAYER_TYPE: Final = "application/vnd.oci.image.layer.v1.tar"
_ARCHITECTURES: Final = ("amd64", "arm64")
_FOLDER: Final = "models"
_BLOCK: Final = 512


class ImageLayer(Struct, frozen=True):
    """A layer: one file of a version.

    Attributes:
        path: Below `/models`.
        blob: Digest of the file.
        size_bytes: Its length.
        digest: Of the whole archive, 64 hex digits.
    """

    path: str
    blob: str
    size_bytes: int
    digest: str

    @property
    def length(self) -> int:
        """Bytes of the whole archive."""
        before, after = ends(self.path, self.size_bytes)
        return len(before) + self.size_bytes + len(after)


class ImageDocuments(Struct, frozen=True):
    """The small documents of an image, by digest.

    Attributes:
        index: What a tag names: a manifest for each platform.
        manifests: Those.
        configs: Of each platform.
    """

    index: bytes
    manifests: dict[str, bytes]
    configs: dict[str, bytes]


def ends(path: str, size_bytes: int) -> tuple[bytes, bytes]:
    """Return what stands before and after a file in its archive: the same bytes for ever."""
    parts = [_FOLDER, *path.split("/")]
    folders = ["/".join(parts[:end]) for end in range(1, len(parts))]
    before = b"".join(_header(f"{folder}/", 0, tarfile.DIRTYPE) for folder in folders)
    before += _header("/".join(parts), size_bytes, tarfile.REGTYPE)
    return before, bytes(-size_bytes % _BLOCK + 2 * _BLOCK)


def _header(name: str, size_bytes: int, kind: bytes) -> bytes:
    about = tarfile.TarInfo(name)
    about.size, about.type = size_bytes, kind
    about.mode = 0o755 if kind == tarfile.DIRTYPE else 0o644
    return about.tobuf(tarfile.GNU_FORMAT, "utf-8", "strict")


def documents(
    layers: list[ImageLayer], created: str, annotations: Mapping[str, str]
) -> ImageDocuments:
    """Return the documents of an image.

    Args:
        layers: Its layers.
        created: When the version was registered.
        annotations: What is said of it.
    """
    manifests, configs, listed = {}, {}, []
    for architecture in _ARCHITECTURES:
        config = _encoded(_config(architecture, created, layers))
        document = {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": _descriptor(_CONFIG_TYPE, config),
            "layers": [
                {"mediaType": _LAYER_TYPE, "digest": f"sha256:{one.digest}", "size": one.length}
                for one in layers
            ],
            "annotations": dict(annotations),
        }
        manifest = _encoded(document)
        configs[digest_of(config)] = config
        manifests[digest_of(manifest)] = manifest
        platform = {"architecture": architecture, "os": "linux"}
        listed.append(_descriptor(MANIFEST_TYPE, manifest) | {"platform": platform})
    index = {"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": listed}
    return ImageDocuments(_encoded(index), manifests, configs)


def _config(architecture: str, created: str, layers: list[ImageLayer]) -> dict[str, Any]:
    return {
        "architecture": architecture,
        "os": "linux",
        "created": created,
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{one.digest}" for one in layers]},
        "history": [{"created": created, "created_by": f"holdfast: {one.path}"} for one in layers],
    }


def _descriptor(media_type: str, raw: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": f"sha256:{digest_of(raw)}", "size": len(raw)}


def _encoded(document: dict[str, Any]) -> bytes:
    return msgspec.json.encode(document, order="sorted")
