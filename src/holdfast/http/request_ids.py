"""Ids and traces that callers give their requests, so that they find them again in logs."""

import re
from typing import Final

__all__ = ["given", "trace_parent", "trace_state"]

_GIVEN: Final = re.compile(rb"[A-Za-z0-9._:;=+/@,~-]{1,128}")
_PARENT: Final = re.compile(rb"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
_LONGEST_STATE: Final = 512
"""Characters of a `tracestate` that must be passed on; a longer one is dropped whole."""


def given(sent: bytes | None) -> str | None:
    """Return the id of an `X-Request-Id`, `None` where a fresh one is to be made.

    Answers, pages, logs and traces repeat it, so it has at most 128 letters, digits and signs
    that ids are made of.
    """
    return sent.decode("ascii") if sent is not None and _GIVEN.fullmatch(sent) else None


def trace_parent(sent: bytes | None) -> str | None:
    """Return a `traceparent` of the form that W3C Trace Context gives it, else `None`."""
    return sent.decode("ascii") if sent is not None and _PARENT.fullmatch(sent) else None


def trace_state(sent: bytes | None) -> str:
    """Return a `tracestate`, nothing if it is longer than it need be passed on."""
    return sent.decode("latin-1") if sent is not None and len(sent) <= _LONGEST_STATE else ""
