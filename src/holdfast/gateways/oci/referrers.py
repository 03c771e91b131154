"""What refers to a version: each of its signatures, as an artifact of its own."""

from typing import Any, Final

import msgspec

from holdfast.core.manifest import digest_of
from holdfast.core.model_pack import MANIFEST_TYPE, TITLE
from holdfast.signing.bundle import SIGNATURE

__all__ = ["EMPTY", "SIGNATURE_TYPE", "index", "signature_artifact"]

EMPTY: Final = b"{}"
"""The config of what has none."""
SIGNATURE_TYPE: Final = "application/vnd.dev.sigstore.bundle.v0.3+json"
_EMPTY_TYPE: Final = "application/vnd.oci.empty.v1+json"
_INDEX_TYPE: Final = "application/vnd.oci.image.index.v1+json"


def signature_artifact(subject: bytes, sha256: str, size_bytes: int) -> bytes:
    """Return the artifact of a signature, the same bytes for ever.

    Args:
        subject: The manifest of the version that was signed.
        sha256: Of the signature's bytes.
        size_bytes: Their length.
    """
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "artifactType": SIGNATURE_TYPE,
        "config": _descriptor(_EMPTY_TYPE, digest_of(EMPTY), len(EMPTY)),
        "layers": [
            _descriptor(SIGNATURE_TYPE, sha256, size_bytes) | {"annotations": {TITLE: SIGNATURE}}
        ],
        "subject": _descriptor(MANIFEST_TYPE, digest_of(subject), len(subject)),
    }
    return msgspec.json.encode(document, order="sorted")


def index(artifacts: list[bytes]) -> bytes:
    """Return what lists them."""
    listed = [
        _descriptor(MANIFEST_TYPE, digest_of(raw), len(raw)) | {"artifactType": SIGNATURE_TYPE}
        for raw in artifacts
    ]
    document: dict[str, Any] = {"schemaVersion": 2, "mediaType": _INDEX_TYPE, "manifests": listed}
    return msgspec.json.encode(document, order="sorted")


def _descriptor(media_type: str, digest: str, size_bytes: int) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": size_bytes}
