"""A request that gets no prediction, as HTTP has it."""

from collections.abc import Mapping

import msgspec

__all__ = ["Refusal"]


class Refusal(Exception):  # noqa: N818 - most are no errors of ours
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
        told = {"error": self.message}
        return msgspec.json.encode(told if self.field is None else told | {"field": self.field})
