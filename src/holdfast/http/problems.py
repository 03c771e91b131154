"""Errors on the wire: a `HoldfastError` as a problem of RFC 9457.

A client makes the same error of it again with `core.error_facts.rebuilt`.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from holdfast.errors import (
    HoldfastError,
)

__all__ = [
    "MEDIA",
    "STATUSES",
    "TITLES",
    "Problem",
    "problem",
    "problem_of",
    "retry_after",
]

MEDIA: Final = "application/problem+json"

STATUSES: Final[Mapping[str, int]] = {
    "unauthenticated": 401,
    "forbidden": 403,
    "read_only": 403,
    "not_found": 404,
    "no_previous_version": 409,
    "ambiguous": 409,
    "conflict": 409,
    "version_taken": 409,
    "refused": 409,
    "changed": 412,
    "invalid_input": 422,
    "untrusted": 422,
    "damaged": 500,
    "newer_format": 500,
    "unfit_store": 500,
    "not_a_store": 500,
    "outcome_unknown": 500,
    "unsupported": 501,
    "missing_library": 501,
    "busy": 503,
    "locked": 503,
    "store": 503,
    "store_full": 507,
}
"""HTTP status by the code of an error."""

TITLES: Final[Mapping[int, str]] = {
    400: "the request is malformed", 401: "you are not signed in", 403: "you may not do this",
    404: "not found", 405: "the method is not supported", 408: "the request came too slowly",
    409: "the registry refuses this as it stands", 411: "the length is missing",
    412: "the journal has moved on", 413: "the body is too long",
    415: "the content type is not supported", 416: "the range is not there",
    421: "this host is not served here", 422: "the input is not valid",
    429: "too many requests", 431: "the head is too long", 500: "the server failed",
    501: "this is not supported here", 503: "try again later", 505: "use HTTP/1.1",
    507: "the store is full",
}  # fmt: skip
"""What a status means, in a few words."""

_OWN: Final = frozenset(("type", "title", "status", "detail", "code", "request_id"))
_AGAIN_S: Final = 1


class Problem(Exception):  # noqa: N818 - an answer, which is not always an error's
    """An answer that is a problem of the request itself, and no error of the registry.

    Attributes:
        status: HTTP status, 400 or more.
        code: One word for programs.
        detail: What, which, and what next.
        headers: Further headers of the answer.
    """

    def __init__(
        self, status: int, code: str, detail: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.headers = dict(headers or {})


def problem(status: int, code: str, detail: str) -> dict[str, Any]:
    """Return the members that every problem has."""
    return {
        "type": f"urn:holdfast:problem:{code}",
        "title": TITLES.get(status, "the request failed"),
        "status": status,
        "detail": detail,
        "code": code,
    }


def problem_of(error: HoldfastError) -> tuple[int, dict[str, Any]]:
    """Return status and members of the problem that an error is, its own facts among them."""
    status = STATUSES[error.code]
    facts = {name: value for name, value in _facts(error) if name not in _OWN}
    return status, facts | problem(status, error.code, str(error))


def _facts(error: HoldfastError) -> Iterator[tuple[str, Any]]:
    for name, value in vars(error).items():
        if isinstance(value, list | tuple):
            yield name, [str(text) for text in value]
        elif value is not None:
            yield name, value if isinstance(value, bool | int | float) else str(value)


def retry_after(status: int) -> dict[str, str]:
    """Return the header that tells when to ask again, where that may help."""
    return {"Retry-After": str(_AGAIN_S)} if status == 503 else {}  # noqa: PLR2004 - unavailable
