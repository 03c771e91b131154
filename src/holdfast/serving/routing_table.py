"""Which versions answer for a model at this moment: one immutable value, replaced whole.

A request takes the routing table once, when it comes in, and keeps to it: nothing it does later can
mix two versions, and a swap is one assignment between two requests.
"""

from dataclasses import dataclass, field

from holdfast.core.drift.drift_findings import DriftFinding
from holdfast.core.rollout.rollout_state import Rollout
from holdfast.rows.loaded_version import Loaded


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
