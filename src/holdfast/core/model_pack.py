"""A version as an OCI artifact of the ModelPack kind: its files are the layers, byte for byte.

Equal manifests give equal documents, for ever: their digests are what people pin. Nothing here
depends on a clock, on today's status or on the release of Holdfast.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from holdfast.core.manifest import CODE, Artifact, File, Manifest, digest_of
from holdfast.core.shown_paths import FACTS, PUSHED, shown_files

__all__ = [
    "ARTIFACT_TYPE",
    "CONFIG_FILE",
    "CONFIG_TYPE",
    "FILE_PATH",
    "MANIFEST_FILE",
    "MANIFEST_TYPE",
    "TITLE",
    "Pack",
    "pack",
    "pushed_file",
]

MANIFEST_TYPE: Final = "application/vnd.oci.image.manifest.v1+json"
ARTIFACT_TYPE: Final = "application/vnd.cncf.model.manifest.v1+json"
CONFIG_TYPE: Final = "application/vnd.cncf.model.config.v1+json"
TITLE: Final = "org.opencontainers.image.title"
FILE_PATH: Final = "org.cncf.model.filepath"
MANIFEST_FILE: Final = f"{PUSHED}/manifest.json"
CONFIG_FILE: Final = f"{PUSHED}/config.json"
_LAYER: Final = "application/vnd.cncf.model.{}.v1.raw"
_DOCUMENTS: Final = (".md", ".rst", ".pdf", ".html")
_CONFIGURATION: Final = (".json", ".yaml", ".yml", ".toml", ".txt", ".jinja")


@dataclass(frozen=True, slots=True)
class Pack:
    """The two small documents of an artifact.

    Attributes:
        manifest: Names the config and, as layers, the blobs of the version.
        config: What the model is.
    """

    manifest: bytes
    config: bytes

    @property
    def digest(self) -> str:
        """64 hex digits of the manifest's bytes."""
        return digest_of(self.manifest)


def pushed_file(manifest: Manifest, path: str = MANIFEST_FILE) -> File | None:
    """Return a document that a client pushed with a version, `None` if none did."""
    pushed = manifest.artifacts.get(PUSHED)
    files = pushed.files if pushed is not None else ()
    return next((file for file in files if file.path == path), None)


def pack(manifest: Manifest, digest: str, size_bytes: int) -> Pack:
    """Return the artifact of a version that nobody pushed.

    Args:
        manifest: The version's; it is a layer too, so that a pull brings what is known of it.
        digest: Of its canonical bytes, 64 hex digits.
        size_bytes: Their length.
    """
    shown = shown_files(manifest)
    facts = File(FACTS, digest, size_bytes)
    files = {FACTS: facts} | shown
    config = _encoded(_config(manifest, files.values()))
    code = manifest.artifacts.get(CODE)
    kinds = dict.fromkeys((file.path for file in code.files) if code is not None else (), "code")
    # a lone file is what was trained, whatever its extension: XGBoost writes JSON, LightGBM text
    kinds |= {one.path: "weight" for one in manifest.artifacts.values() if one is not code}
    layers = [
        _layer(path, file, kinds.get(file.path) or _kind(path)) for path, file in files.items()
    ]
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "artifactType": ARTIFACT_TYPE,
        "config": _descriptor(CONFIG_TYPE, digest_of(config), len(config)),
        "layers": layers,
        "annotations": {
            "org.opencontainers.image.created": manifest.registered_at,
            TITLE: manifest.name,
            "org.opencontainers.image.version": manifest.version,
        },
    }
    return Pack(_encoded(document), config)


def _config(manifest: Manifest, files: Iterable[File]) -> dict[str, Any]:
    model: Artifact | None = manifest.artifacts.get("model")
    described = {
        "createdAt": manifest.registered_at,
        "name": manifest.name,
        "version": manifest.version,
        "authors": [manifest.author] if manifest.author else None,
        "description": manifest.description,
    }
    known = {"architecture": manifest.algorithm, "format": model.format if model else None}
    return {
        "descriptor": {name: value for name, value in described.items() if value is not None},
        "config": {name: value for name, value in known.items() if value is not None},
        "modelfs": {"type": "layers", "diffIds": [f"sha256:{file.sha256}" for file in files]},
    }


def _layer(path: str, file: File, kind: str) -> dict[str, Any]:
    described = _descriptor(_LAYER.format(kind), file.sha256, file.size_bytes)
    return described | {"annotations": {FILE_PATH: path, TITLE: path}}


def _kind(path: str) -> str:
    name = path.lower()
    if path == FACTS or name.endswith(_DOCUMENTS):
        return "doc"
    return "weight.config" if name.endswith(_CONFIGURATION) else "weight"


def _descriptor(media_type: str, digest: str, size_bytes: int) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": size_bytes}


def _encoded(document: dict[str, Any]) -> bytes:
    return msgspec.json.encode(document, order="sorted")
