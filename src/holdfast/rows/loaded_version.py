"""A version in memory, ready to answer rows."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from holdfast.core.manifest import Manifest
from holdfast.core.schema import Signature

__all__ = ["Loaded"]


@dataclass(frozen=True, slots=True)
class Loaded:
    """One version in memory: verified, smoke-tested, ready to answer.

    Attributes:
        digest: SHA-256 of its manifest.
        predict: From rows as the version's schema describes them to one output for each, in one
            call through preprocessor and model; runs on the model thread.
        rowwise: True if rows of several requests may share one call.
        call_us: How long a call took when it was tried out, warm; `None` if it was not.
    """

    model: str
    version: str
    digest: str
    manifest: Manifest
    predict: Callable[[Any], Any]
    input_schema: Signature | None
    output_schema: Signature | None
    rowwise: bool
    call_us: float | None = None
