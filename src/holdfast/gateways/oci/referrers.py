"""What refers to a version: its signatures, as artifacts of their own, and what others pushed.

Source:
    OCI distribution specification 1.1, "Listing Referrers".
"""

from collections.abc import Iterable
from typing import Any, Final

import msgspec
from msgspec import Struct

from holdfast.core import strict_json
from holdfast.core.manifest import digest_of
from holdfast.core.model_pack import MANIFEST_TYPE, TITLE
from holdfast.signing.bundle import SIGNATURE

__all__ = ["EMPTY", "SIGNATURE_TYPE", "index", "kind_of", "signature_artifact", "subject_of"]

EMPTY: Final = b"{}"
"""The config of what has none."""
SIGNATURE_TYPE: Final = "application/vnd.dev.sigstore.bundle.v0.3+json"
_EMPTY_TYPE: Final = "application/vnd.oci.empty.v1+json"
_INDEX_TYPE: Final = "application/vnd.oci.image.index.v1+json"


class _Named(Struct, frozen=True, rename="camel"):
    digest: str = ""
    media_type: str = ""


class _Referrer(Struct, frozen=True, rename="camel"):
    """What is listed of a manifest."""

    artifact_type: str = ""
    config: _Named = _Named()
    subject: _Named = _Named()
    annotations: dict[str, str] = {}

    @property
    def kind(self) -> str:
        """Its own type, else that of its config."""
        return self.artifact_type or self.config.media_type


def kind_of(raw: bytes) -> str:
    """Return what a manifest says it is."""
    return strict_json.decode(raw, _Referrer).kind


def subject_of(raw: bytes) -> str:
    """Return the digest of what a manifest refers to, as it names it; nothing if to nothing."""
    return strict_json.decode(raw, _Referrer).subject.digest


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


def index(artifacts: Iterable[bytes], wanted: str | None) -> bytes:
    """Return what lists manifests.

    Args:
        wanted: The only type that is listed; `None` lists all.
    """
    listed = [entry for entry in map(_entry, artifacts) if wanted in (None, entry["artifactType"])]
    document: dict[str, Any] = {"schemaVersion": 2, "mediaType": _INDEX_TYPE, "manifests": listed}
    return msgspec.json.encode(document, order="sorted")


def _entry(raw: bytes) -> dict[str, Any]:
    referrer = strict_json.decode(raw, _Referrer)
    entry = _descriptor(MANIFEST_TYPE, digest_of(raw), len(raw)) | {"artifactType": referrer.kind}
    return entry | ({"annotations": referrer.annotations} if referrer.annotations else {})


def _descriptor(media_type: str, digest: str, size_bytes: int) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": size_bytes}
