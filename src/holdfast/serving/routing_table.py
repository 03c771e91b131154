"""Which versions answer for a model at this moment: one immutable value, replaced whole.

A request takes the routing table once, when it comes in, and keeps to it: nothing it does later can
mix two versions, and a swap is one assignment between two requests.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from holdfast.core.drift.drift_findings import DriftFinding
from holdfast.core.manifest import Manifest
from holdfast.core.rollout.rollout_state import Rollout
from holdfast.core.schema import Signature


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


@dataclass(frozen=True, slots=True)
class RoutingTable:
    """All that answers for one model.

    Attributes:
        active: Answers what no rollout routes elsewhere; `None` until a version is ready.
        rollout: The one that goes on, with its weight, salt and sticky key; `None` without one.
        candidate: Its version; `None` without a rollout, or while it is not ready here.
        kept: Further versions in memory, by number: for an instant flip back and for pinning.
        findings: Of drift, about the live version, that nobody acknowledged.
    """

    model: str
    active: Loaded | None = None
    rollout: Rollout | None = None
    candidate: Loaded | None = None
    kept: dict[str, Loaded] = field(default_factory=dict)
    findings: tuple[DriftFinding, ...] = ()
