"""What is known of a request once it is answered, and who wants to know."""

from typing import Any, Final, Protocol, runtime_checkable

from msgspec import Struct

from holdfast.predictions.row import Role
from holdfast.rows.loaded_version import Loaded
from holdfast.serving.answering.routing import RoutingDecision
from holdfast.serving.routing_table import RoutingTable

__all__ = ["FinishedRequest", "Mirrored", "RequestSink", "RoutingSink"]

_NO_ANSWER: Final = frozenset((503, 504))
"""Status of what found the queue full, and of what was not answered in time."""


class Mirrored(Struct, frozen=True):
    """What the active version made of a request that was mirrored to the candidate."""

    failed: bool
    call_us: int


class FinishedRequest(Struct):
    """One request that a version answered, or failed to.

    Attributes:
        routing_table: What answered for the model when the request came in.
        loaded: The version that answered.
        counted: Whether a rollout routed it by chance or key, so that it may count as evidence:
            false without a rollout, of what was forced or pinned, and while the candidate is not
            ready here. Of a mirrored request: always true.
        failed: Whether it counts against the version: 5xx, an exception, a timeout, an output that
            is not a number or not of the schema's shape; 4xx only where the active version takes
            the same input.
        latency_us: From the whole request read to the answer ready.
        at_us: Microseconds since 1970, UTC, when the answer was ready.
        key: 64-bit hash of the sticky key, None without one.
        batch: Requests that shared the model's call.
        leads: Whether it is the first of them, by which the call is counted once.
        model_us: How long that call took; None if there was none, or it failed.
        waited_us: How much of that other calls may have kept it waiting.
        model_after_us: From the whole request read to the beginning of that call.
        traceparent: As the request had it, of a form that can be read; None without one.
        tracestate: What came with it.
        input: The body as it came, JSON; None if it was of another form.
        given: Its rows as they were read, for a body of another form.
        output: The predictions, JSON.
        cause: What the version failed by, without anything of the request; None if it did not.
        score: The first number of the output; of a probability for each class, the last one's.
        mirrored: Of a shadow: what the active version made of the same request.
    """

    routing_table: RoutingTable
    loaded: Loaded
    role: Role
    counted: bool
    failed: bool
    status: int
    latency_us: int
    at_us: int
    prediction_id: str
    request_id: str
    trace_id: str | None = None
    key: int | None = None
    batch: int = 1
    leads: bool = True
    model_us: int | None = None
    waited_us: int = 0
    model_after_us: int = 0
    traceparent: str | None = None
    tracestate: str | None = None
    input: bytes | None = None
    given: Any = None
    output: bytes | None = None
    error: str | None = None
    cause: str | None = None
    score: float | None = None
    mirrored: Mirrored | None = None

    @property
    def call_us(self) -> int:
        """How long the version itself took: its call, or all of it where there was none.

        It is what versions are compared by: while two answer, a request's wait may be for a call
        of the other one, and so may be a part of the call.
        """
        return self.latency_us if self.model_us is None else self.model_us - self.waited_us

    @property
    def late(self) -> bool:
        """Whether the version was too slow to answer at all: slower than anything that did."""
        return self.model_us is None and self.status in _NO_ANSWER


class RequestSink(Protocol):
    """Is told of every finished request, on the event loop: it must not wait."""

    def finished(self, request: FinishedRequest) -> None:
        """Take note of *request*."""
        ...


@runtime_checkable
class RoutingSink(Protocol):
    """A sink that is told of requests as they are routed, too, before their version is called."""

    def routed(
        self, routing_table: RoutingTable, choice: RoutingDecision, prediction_id: str
    ) -> None:
        """Take note of where a request goes that counts as evidence."""
        ...
