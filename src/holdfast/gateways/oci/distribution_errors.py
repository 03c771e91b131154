"""Problems of ours in the words of the OCI distribution API."""

from collections.abc import Mapping
from typing import Any, Final

__all__ = ["error_document", "status_of"]

_CODES: Final[Mapping[int, str]] = {
    401: "UNAUTHORIZED", 403: "DENIED", 405: "UNSUPPORTED", 409: "DENIED", 412: "DENIED",
    413: "SIZE_INVALID", 415: "UNSUPPORTED", 429: "TOOMANYREQUESTS", 501: "UNSUPPORTED",
}  # fmt: skip
_MISSING: Final = {
    "manifests": "MANIFEST_UNKNOWN", "referrers": "MANIFEST_UNKNOWN", "blobs": "BLOB_UNKNOWN",
    "uploads": "BLOB_UPLOAD_UNKNOWN",
}  # fmt: skip
_INVALID: Final = {
    "manifests": "MANIFEST_INVALID", "blobs": "DIGEST_INVALID", "referrers": "DIGEST_INVALID",
    "uploads": "BLOB_UPLOAD_INVALID",
}  # fmt: skip
_OF_DIGEST: Final = ("digest ", "file sha256:")


def status_of(status: int) -> int:
    """Return the status by which clients know a problem: they take 422 for the server's failure."""
    return 400 if status == 422 else status  # noqa: PLR2004 - an input that is not valid


def error_document(kind: str, status: int, code: str, detail: str) -> dict[str, Any]:
    """Return the body of an error.

    Args:
        kind: What the request was about, as in paths.
        status: Of the problem.
        code: Our own word for it.
        detail: What, which, and what next.
    """
    word = _CODES.get(status, "UNKNOWN")
    if status == 404:  # noqa: PLR2004 - not found
        word = "NAME_UNKNOWN" if detail.startswith("model ") else _MISSING.get(kind, "NAME_UNKNOWN")
    elif status in (400, 422, 411, 416):
        word = _INVALID.get(kind, "NAME_INVALID")
        if detail.startswith(_OF_DIGEST):
            word = "DIGEST_INVALID"
        elif code == "missing_blob":
            word = "MANIFEST_BLOB_UNKNOWN"
    return {"errors": [{"code": word, "message": detail, "detail": {"code": code}}]}
