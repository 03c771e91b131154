"""An artifact that a client pushed, and the draft of the version that it becomes."""

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from holdfast.core import names, strict_json
from holdfast.core.manifest import Artifact, File, Manifest, digest_of
from holdfast.core.model_pack import CONFIG_FILE, FILE_PATH, MANIFEST_FILE, MANIFEST_TYPE, TITLE
from holdfast.core.shown_paths import FACTS, PUSHED, shown_files
from holdfast.errors import InvalidInputError
from holdfast.gateways.file_roles import artifacts_of
from holdfast.gateways.oci.distribution_paths import digest_in

__all__ = ["PushedManifest", "check_model", "draft_of", "media_type_of", "read"]

_DOCKER_TYPE: Final = "application/vnd.docker.distribution.manifest.v2+json"
_TYPES: Final = (MANIFEST_TYPE, _DOCKER_TYPE)
_SCHEMA_VERSION: Final = 2
_IMAGES: Final = (
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.container.image.v1+json",
)
_IMAGE_LAYER: Final = re.compile(
    r"application/vnd\.(oci\.image\.layer\.v1\.tar|docker\.image\.rootfs\.diff\.tar)([.+].*)?"
)
_ARCHIVE: Final = re.compile(r"application/vnd\.(cncf|cnai)\.model\..*\.tar([.+].*)?")
"""A layer of ModelPack that is not its file but an archive of it; `cnai` is its older name."""
_OLDER_FILE_PATH: Final = "org.cnai.model.filepath"
_KEPT_FACTS: Final = f"{PUSHED}/facts.json"
_SUBJECT: Final = "the manifest"


class _Descriptor(Struct, frozen=True, rename="camel"):
    digest: str
    size: int
    media_type: str = ""
    annotations: dict[str, str] = {}

    @property
    def sha256(self) -> str:
        """The digest's 64 hex digits; nothing if it is of another algorithm."""
        return digest_in(self.digest) or ""


class _Typed(Struct, frozen=True, rename="camel"):
    media_type: str = ""


class PushedManifest(Struct, frozen=True, rename="camel"):
    """A manifest as it was pushed."""

    schema_version: int
    config: _Descriptor
    layers: tuple[_Descriptor, ...] = ()
    media_type: str = ""
    artifact_type: str = ""
    subject: _Descriptor | None = None

    @property
    def blobs(self) -> tuple["_Descriptor", ...]:
        """What it names: its config and its layers."""
        return (self.config, *self.layers)

    def files(self) -> dict[str, File]:
        """Map the paths of its layers to files.

        Raises:
            InvalidInputError: If a path leaves its folder, or is there twice.
        """
        paths = [_path(layer, number) for number, layer in enumerate(self.layers, 1)]
        names.check_paths(paths)
        return {
            path: File(path, layer.sha256, layer.size)
            for path, layer in zip(paths, self.layers, strict=True)
        }


def _path(layer: _Descriptor, number: int) -> str:
    told = (layer.annotations.get(key) for key in (FILE_PATH, _OLDER_FILE_PATH, TITLE))
    return (next(filter(None, told), "") or f"layer-{number}").removeprefix("./")


def media_type_of(raw: bytes) -> str:
    """Return the content type of a manifest, one that was taken in or made here."""
    return strict_json.decode(raw, _Typed).media_type or MANIFEST_TYPE


def read(raw: bytes, media_type: str) -> PushedManifest:
    """Read what a client pushed.

    Raises:
        InvalidInputError: If it is not the manifest of an artifact.
    """
    if media_type not in _TYPES:
        advice = "push each version's own manifest"
        raise InvalidInputError(_SUBJECT, f"has the type {media_type[:100]!r}", advice)
    try:
        manifest = strict_json.decode(raw, PushedManifest)
    except ValueError as error:
        raise InvalidInputError(_SUBJECT, f"cannot be read: {error}") from error
    if manifest.schema_version != _SCHEMA_VERSION:
        raise InvalidInputError(_SUBJECT, f"has schema version {manifest.schema_version}, not 2")
    if manifest.media_type not in ("", media_type):
        raise InvalidInputError(_SUBJECT, f"says of itself that it is {manifest.media_type!r}")
    for descriptor in (*manifest.blobs, *((manifest.subject,) if manifest.subject else ())):
        if not descriptor.sha256 or descriptor.size < 0:
            raise InvalidInputError(
                f"digest {descriptor.digest[:80]!r}", "is not sha256 and 64 hex"
            )
    return manifest


def check_model(manifest: PushedManifest) -> None:
    """Check that an artifact can be a version.

    Raises:
        InvalidInputError: If it cannot.
    """
    if not manifest.layers:
        raise InvalidInputError(_SUBJECT, "has no layers", "push the files of a model")
    for number, layer in enumerate(manifest.layers, 1):
        if _ARCHIVE.fullmatch(layer.media_type):  # under its file's name: nobody else unpacks it
            problem = f"is an archive ({layer.media_type[:100]}), not the file that it names"
            advice = "push files as they are, such as by `modctl build --raw`"
            raise InvalidInputError(f"layer {_path(layer, number)[:200]!r}", problem, advice)
    if manifest.config.media_type in _IMAGES and _has_image_layers(manifest):
        advice = "push its files, such as `oras push HOST/NAME:1.0.0 model.onnx`"
        raise InvalidInputError(_SUBJECT, "is a container image, not a model", advice)


def _has_image_layers(manifest: PushedManifest) -> bool:
    return any(_IMAGE_LAYER.fullmatch(layer.media_type) for layer in manifest.layers)


def draft_of(model: str, pushed: PushedManifest, raw: bytes, facts: bytes | None) -> dict[str, Any]:
    """Return the draft of a version; formats that are empty in it are to be found out.

    Args:
        model: The repository.
        pushed: What was pushed.
        raw: Its bytes, which the version keeps, so that they are answered as they came.
        facts: The bytes of the layer `manifest.json`, if there is one.
    """
    files = pushed.files()
    kept = [
        File(CONFIG_FILE, pushed.config.sha256, pushed.config.size),
        File(MANIFEST_FILE, digest_of(raw), len(raw)),
    ]
    known = _known(files, facts)
    if known is not None:
        own = files.pop(FACTS)
        kept.append(File(_KEPT_FACTS, own.sha256, own.size_bytes))
    documents = Artifact(PUSHED, "folder", tuple(sorted(kept, key=lambda file: file.path)))
    if known is None:
        artifacts = artifacts_of(files, None) | {PUSHED: documents}
        return {"name": model, "artifacts": msgspec.to_builtins(artifacts)}
    artifacts = {role: one for role, one in known.artifacts.items() if role != PUSHED}
    draft: dict[str, Any] = msgspec.to_builtins(known)
    return draft | {
        "name": model,
        "artifacts": msgspec.to_builtins(artifacts | {PUSHED: documents}),
    }


def _known(files: Mapping[str, File], facts: bytes | None) -> Manifest | None:
    """Return what Holdfast knew of these very files, if it was their manifest that came along."""
    if facts is None:
        return None
    try:
        manifest = strict_json.decode(facts, Manifest)
    except ValueError:  # another program's manifest.json is a file like any other
        return None
    shown = {path: (file.sha256, file.size_bytes) for path, file in shown_files(manifest).items()}
    came = {path: (file.sha256, file.size_bytes) for path, file in files.items() if path != FACTS}
    return manifest if shown == came else None
