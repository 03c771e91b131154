"""One prediction as it is kept, for years."""

from typing import Any, Literal

from msgspec import Struct

Role = Literal["active", "canary", "shadow", "pinned"]
"""What the version was to a request: live, under a rollout, mirrored to, or asked for by name."""


class Prediction(Struct, frozen=True, forbid_unknown_fields=True):
    """One request and its answer.

    Attributes:
        prediction_id: UUIDv7: its time names the day it is kept under.
        at_us: Microseconds since 1970, UTC, when the answer was ready.
        version: That answered.
        digest: SHA-256 of that version's manifest.
        rollout: Number of the rollout it was routed by.
        weight: The canary's share then.
        key: Hash of the sticky key, 16 hex digits; `None` without one.
        status: HTTP status of the answer.
        latency_us: From the whole request read to the answer ready.
        batch: Requests that shared the model's call.
        model_us: How long that call took, preprocessor and model; `None` where there was none.
        input: As it came, its SHA-256, or `None`, as the log is told to keep.
        output: As it went out, JSON; `None` where it failed.
        error: What failed, `None` if nothing did.
        sampling: Share of the requests that are kept, of which this is one.
        worker: The process that answered.
    """

    prediction_id: str
    at_us: int
    model: str
    version: str
    digest: str
    role: Role
    status: int
    latency_us: int
    worker: str
    request_id: str | None = None
    trace_id: str | None = None
    rollout: int | None = None
    weight: float | None = None
    key: str | None = None
    batch: int = 1
    model_us: int | None = None
    input: Any = None
    output: Any = None
    error: str | None = None
    sampling: float = 1.0
