"""Ids that callers give their requests, so that they find them again in logs and answers."""

import re
from typing import Final

__all__ = ["given"]

_GIVEN: Final = re.compile(rb"[!-~]{1,128}")


def given(sent: bytes | None) -> str | None:
    """Return the id of an `X-Request-Id`, `None` where a fresh one is to be made.

    Answers, logs and traces repeat it: what is longer than 128 characters, or more than visible
    ASCII, is no id.
    """
    return sent.decode("ascii") if sent is not None and _GIVEN.fullmatch(sent) else None
