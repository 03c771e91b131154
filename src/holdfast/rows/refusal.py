"""A request that is answered with an error instead of a prediction."""

from collections.abc import Mapping

import msgspec

__all__ = ["Refusal"]


class Refusal(Exception):  # noqa: N818 - most are not our errors
    """Answered with a status and `{"error": ...}`.

    Attributes:
        status: HTTP status, 400 or more.
        message: What, which, and what next.
        field: The column or part of the request that is at fault.
        headers: Further headers of the answer.
        cause: What a version failed by, without anything of the request: the class of what it
            raised, or a word.
    """

    def __init__(
        self,
        status: int,
        message: str,
        field: str | None = None,
        headers: Mapping[bytes, bytes] | None = None,
        cause: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.field = field
        self.headers = dict(headers or {})
        self.cause = cause

    @property
    def body(self) -> bytes:
        """The answer's JSON."""
        document = {"error": self.message}
        return msgspec.json.encode(
            document if self.field is None else document | {"field": self.field}
        )
