"""The request of `UploadModel` that a version makes, as the service's JSON writes it."""

import re
from typing import Any, Final

from msgspec import Struct

from holdfast.core.manifest import Manifest
from holdfast.core.views import VersionInfo
from holdfast.errors import InvalidInputError
from holdfast.gateways.cloud_names import name_within, text_of

__all__ = ["Uploading", "upload_request"]

_PARENT: Final = re.compile(r"projects/[a-z0-9:.-]{1,100}/locations/[a-z0-9-]{1,40}")
_MODEL: Final = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_ALIAS: Final = re.compile(r"[a-z][a-zA-Z0-9-]{0,126}[a-z0-9]")
_IMAGE: Final = re.compile(r"\S{1,255}")
_OTHERS: Final = re.compile(r"[^a-z0-9]+")
_DEFAULT: Final = "default"
"""The alias of the version that is deployed where none is named."""
_MOST_ID: Final = 63
_MOST_SHOWN: Final = 128
_MOST_TEXT: Final = 1024
_COMMIT: Final = 40


class Uploading(Struct, frozen=True):
    """What a caller decides of an upload.

    Attributes:
        parent: `projects/PROJECT/locations/REGION`.
        image: Address of the container that serves it.
        model_id: The model there; by default named for the model here.
        is_first: True if the model is not there yet: no version can be put below it.
    """

    parent: str
    image: str
    model_id: str | None = None
    is_first: bool = False


def upload_request(
    info: VersionInfo, manifest: Manifest, place: str, uploading: Uploading
) -> dict[str, Any]:
    """Return the request.

    Raises:
        InvalidInputError: If the place is not in Cloud Storage, or a name is invalid.
    """
    if not place.startswith("gs://"):
        problem = "is not in Cloud Storage"
        raise InvalidInputError(f"prefix {place!r}", problem, "name gs://bucket/prefix")
    model_id = uploading.model_id or name_within(info.model, _MOST_ID).lower()
    _check("parent", uploading.parent, _PARENT, "write projects/PROJECT/locations/REGION")
    _check("model id", model_id, _MODEL, "name another with --model-id: a-z 0-9 _ -")
    _check("image", uploading.image, _IMAGE, "give a container's address")
    request: dict[str, Any] = {
        "parent": uploading.parent,
        "model": {
            "displayName": text_of(info.model, _MOST_SHOWN),
            "versionAliases": aliases_of(info),
            "versionDescription": text_of(
                f"{info.ref} {info.digest} {manifest.description or ''}", _MOST_TEXT
            ),
            "artifactUri": place.rstrip("/"),
            "containerSpec": {"imageUri": uploading.image},
            "labels": _labels(info),
        },
    }
    if uploading.is_first:
        return request | {"modelId": model_id}
    return request | {"parentModel": f"{uploading.parent}/models/{model_id}"}


def aliases_of(info: VersionInfo) -> list[str]:
    """Return the aliases that a version gets there: its number, its stage, and its own."""
    staged = [info.status] if info.status in ("production", "staging") else []
    words = [f"v{info.version}", *staged, *info.aliases]
    plain = [_OTHERS.sub("-", word.lower()).strip("-") for word in words]
    default = [_DEFAULT] if info.status == "production" else []
    taken = [alias for alias in plain if _ALIAS.fullmatch(alias) and alias != _DEFAULT]
    return [*dict.fromkeys(taken), *default]


def _labels(info: VersionInfo) -> dict[str, str]:
    """Return what can be searched for; a label has 63 letters, so that a digest is cut."""
    return {
        "holdfast-model": name_within(info.model, _MOST_ID).lower(),
        "holdfast-version": _OTHERS.sub("-", info.version.lower())[:_MOST_ID].strip("-"),
        "holdfast-commit": info.digest.removeprefix("sha256:")[:_COMMIT],
        "holdfast-status": info.status,
    }


def _check(subject: str, text: str, pattern: re.Pattern[str], advice: str) -> None:
    if not pattern.fullmatch(text):
        raise InvalidInputError(f"{subject} {text!r}", "is not a valid name", advice)
