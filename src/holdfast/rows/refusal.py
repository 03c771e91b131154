"""A request that is answered with an error instead of a prediction."""

from collections.abc import Mapping
from typing import Final

import msgspec

__all__ = ["Refusal"]

_MOST_MESSAGE: Final = 1000
_MOST_FIELD: Final = 200
"""Characters of an answer, which may repeat what a caller named: of any length, and twice."""


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
        self.message = _cut(message, _MOST_MESSAGE)
        self.field = None if field is None else _cut(field, _MOST_FIELD)
        self.headers = dict(headers or {})
        self.cause = cause

    @property
    def body(self) -> bytes:
        """The answer's JSON."""
        document = {"error": self.message}
        return msgspec.json.encode(
            document if self.field is None else document | {"field": self.field}
        )


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
