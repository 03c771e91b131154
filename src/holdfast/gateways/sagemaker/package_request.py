"""The request of `CreateModelPackage` that a version makes, as plain JSON.

Only what the service says it takes is sent: lengths, letters and numbers of entries are those of
its own model, which the tests hold it against.
"""

import hashlib
import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import UNSET, Struct

from holdfast.core.manifest import Manifest
from holdfast.core.redaction import without_credentials
from holdfast.core.views import VersionInfo
from holdfast.errors import InvalidInputError
from holdfast.gateways.cloud_names import name_within, text_of

__all__ = ["METRICS", "Packaging", "approval_of", "description_of", "metrics_of", "package_request"]

METRICS: Final = "metrics.json"
"""Name of the document that has a version's metrics."""
_JSON: Final = "application/json"
_GROUP: Final = re.compile(r"[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?")
_IMAGE: Final = re.compile(r"\S{1,255}")
_MOST_GROUP: Final = 63
_MOST_TEXT: Final = 1024
_MOST_VALUE: Final = 256
_MOST_KEY: Final = 128
_MOST_PAIRS: Final = 50
_SIGNS: Final = " _.:/=+-@"
"""What pairs may have beside letters and numbers."""
_STAGES: Final = {"production": "Production", "staging": "Staging", "archived": "Archived"}


class Packaging(Struct, frozen=True):
    """What a caller decides of a package.

    Attributes:
        image: Address of the container that serves it.
        group: The group; by default named for the model.
        takes: Content types of requests.
        gives: Content types of answers.
    """

    image: str
    group: str | None = None
    takes: tuple[str, ...] = (_JSON,)
    gives: tuple[str, ...] = (_JSON,)


def approval_of(info: VersionInfo) -> str:
    """Return the approval status that a version has by what happened to it here.

    Live is approved. Held or archived is rejected: who deploys the newest approved package must not
    get one that a rollback left.
    """
    if info.held is not None or info.status == "archived":
        return "Rejected"
    return "Approved" if info.status == "production" else "PendingManualApproval"


def description_of(info: VersionInfo, description: str | None) -> str:
    """Return a package's description, which begins with the exact ref and the digest."""
    text = f"{info.ref} {info.digest} {description or ''}"
    return text_of(text, _MOST_TEXT)


def metrics_of(info: VersionInfo) -> bytes:
    """Return a version's metrics as a document; equal ones are equal bytes."""
    values = {name: {"value": value} for name, value in info.metrics.items()}
    document = {"version": info.ref, "digest": info.digest, "metrics": values}
    return msgspec.json.encode(document, order="sorted")


def package_request(
    info: VersionInfo, manifest: Manifest, place: str, metrics: str | None, packaging: Packaging
) -> dict[str, Any]:
    """Return the request.

    Args:
        info: The version as it stands.
        manifest: What it is.
        place: Prefix of its files in S3.
        metrics: Address of its metrics there, `None` if it has none.
        packaging: What the caller decides.

    Raises:
        InvalidInputError: If the place is not in S3, or image or group are invalid.
    """
    if not place.startswith("s3://"):
        raise InvalidInputError(f"prefix {place!r}", "is not in S3", "name s3://bucket/prefix")
    if not _IMAGE.fullmatch(packaging.image):
        problem = "must be 1 to 255 characters without spaces"
        raise InvalidInputError(f"image {packaging.image!r}", problem, "give a container's address")
    group = packaging.group or name_within(info.model, _MOST_GROUP)
    if not _GROUP.fullmatch(group):
        problem = "must be 1 to 63 letters, digits and hyphens"
        raise InvalidInputError(f"group {group!r}", problem, "name another with --group")
    source = {"S3Uri": place, "S3DataType": "S3Prefix", "CompressionType": "None"}
    approval = approval_of(info)
    request: dict[str, Any] = {
        "ModelPackageGroupName": group,
        "ModelPackageDescription": description_of(info, manifest.description),
        "InferenceSpecification": {
            "Containers": [{"Image": packaging.image, "ModelDataSource": {"S3DataSource": source}}],
            "SupportedContentTypes": list(packaging.takes),
            "SupportedResponseMIMETypes": list(packaging.gives),
        },
        "ModelApprovalStatus": approval,
        "ModelLifeCycle": {
            "Stage": _STAGES.get(info.status, "Registered"),
            "StageStatus": approval,
        },
        "CustomerMetadataProperties": _properties(info, manifest),
    }
    origin = _origin(manifest)
    if origin:
        request["MetadataProperties"] = origin
    if metrics is not None:
        request["ModelMetrics"] = {"ModelQuality": {"Statistics": _statistics(info, metrics)}}
    encoded = msgspec.json.encode(request, order="sorted")
    return request | {"ClientToken": hashlib.sha256(encoded).hexdigest()[:36]}


def _statistics(info: VersionInfo, metrics: str) -> dict[str, str]:
    digest = hashlib.sha256(metrics_of(info)).hexdigest()
    return {"ContentType": _JSON, "S3Uri": metrics, "ContentDigest": f"sha256:{digest}"}


def _origin(manifest: Manifest) -> dict[str, str]:
    lineage = manifest.lineage
    known = {
        "CommitId": lineage.git_commit,
        "Repository": without_credentials(lineage.remote) if lineage.remote is not UNSET else None,
        "GeneratedBy": lineage.run_id,
    }
    return {name: text_of(text, _MOST_TEXT) for name, text in known.items() if text}


def _properties(info: VersionInfo, manifest: Manifest) -> dict[str, str]:
    """Return pairs: who the version is, then its metrics, as many as there is room for."""
    facts = {
        "holdfast.model": info.model,
        "holdfast.version": info.version,
        "holdfast.digest": info.digest,
        "holdfast.status": info.status,
        "holdfast.aliases": " ".join(info.aliases),
        "holdfast.commit": manifest.lineage.git_commit or "",
        "holdfast.framework": manifest.framework or "",
    }
    metrics = {f"metric.{name}": str(value) for name, value in sorted(info.metrics.items())}
    return _pairs(facts | metrics)


def _pairs(texts: Mapping[str, str]) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for key, text in texts.items():
        value = _within(text, _MOST_VALUE)
        if value and len(pairs) < _MOST_PAIRS:
            pairs[_within(key, _MOST_KEY)] = value
    return pairs


def _within(text: str, most: int) -> str:
    plain = text_of(text, most)
    return "".join(sign if sign.isalnum() or sign in _SIGNS else "_" for sign in plain).strip()
