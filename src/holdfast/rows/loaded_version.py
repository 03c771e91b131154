"""A version in memory, ready to answer rows."""

from collections.abc import Callable, Mapping
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
            call through preprocessor and model; runs on the model thread. Parameters follow the
            rows, where a call has any.
        rowwise: True if rows of several requests may share one call.
        call_us: How long a call took when it was tried out, warm; `None` if it was not.
        params: JSON Schema of each parameter that a call may have; `None` if it takes none.
    """

    model: str
    version: str
    digest: str
    manifest: Manifest
    predict: Callable[..., Any]
    input_schema: Signature | None
    output_schema: Signature | None
    rowwise: bool
    call_us: float | None = None
    params: Mapping[str, Mapping[str, Any]] | None = None
