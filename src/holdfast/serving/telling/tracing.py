"""OpenTelemetry: a span of each request for a prediction, and one of its model's call below it.

A request notes itself in a queue and goes on. A thread makes spans of what was noted, another one
of OpenTelemetry's sends them, by OTLP over HTTP: neither holds up an answer, and what cannot be
sent is dropped. Spans tell who answered and how, and nothing of what was asked or answered.
"""

import logging
import threading
import time
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Final, Self

from msgspec import Struct

from holdfast import __version__
from holdfast.errors import MissingLibraryError
from holdfast.serving.answering.finished import Finished
from holdfast.serving.faces.bodies import Headers

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Tracer

__all__ = ["Tracing"]

_log = logging.getLogger(__name__)

_MOST_WAITING: Final = 1_000
_LONGEST_STATE: Final = 512
"""Characters of a tracestate that must be passed on; a longer one is dropped whole."""
_END_S: Final = 1.0
_FAILED: Final = 500
_NAME: Final = "service.name"
_UNNAMED: Final = "unknown_service"


class _Refused(Struct, frozen=True):
    """A request that no version was chosen for.

    Attributes:
        at_ns: When it was refused, since 1970.
    """

    model: str
    status: int
    traceparent: str
    tracestate: str
    at_ns: int


class _Span(Struct, frozen=True):
    """What a span says.

    Attributes:
        call: Name, attributes, beginning and end of the model's call; None if there was none.
    """

    model: str
    status: int
    trace: tuple[str, str]
    times_ns: tuple[int, int]
    attributes: dict[str, Any]
    is_mirrored: bool = False
    call: tuple[str, dict[str, Any], int, int] | None = None


class Tracing:
    """A sink that makes spans of requests.

    Args:
        provider: Where they go.
    """

    def __init__(self, provider: "TracerProvider") -> None:
        self._provider = provider
        self._waiting: SimpleQueue[Finished | _Refused | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="spans", daemon=True)
        self._thread.start()

    @classmethod
    def begun(cls, worker: str) -> Self:
        """Begin to export spans of a worker, as the variables `OTEL_…` say.

        Raises:
            MissingLibraryError: If the extra `otel` is not installed.
        """
        try:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
        except ModuleNotFoundError as error:
            raise MissingLibraryError(str(error.name), "otel", "--otel exports with it") from error

        resource = Resource.create({"service.version": __version__, "service.instance.id": worker})
        if str(resource.attributes.get(_NAME, _UNNAMED)).startswith(_UNNAMED):
            resource = resource.merge(Resource({_NAME: "holdfast"}))
        provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        return cls(provider)

    def finished(self, one: Finished) -> None:
        """Have spans made of a request that a version answered, or failed to."""
        if self._waiting.qsize() < _MOST_WAITING:
            self._waiting.put(one)

    def refused(self, model: str, status: int, headers: Headers) -> None:
        """Have a span made of a request that no version was chosen for."""
        if self._waiting.qsize() < _MOST_WAITING:
            parent = headers.get(b"traceparent", b"")[:_LONGEST_STATE].decode("latin-1")
            state = headers.get(b"tracestate", b"")
            kept = state.decode("latin-1") if len(state) <= _LONGEST_STATE else ""
            self._waiting.put(_Refused(model, status, parent, kept, time.time_ns()))

    def close(self) -> None:
        """Send what waits, as far as that takes no more than two seconds."""
        self._waiting.put(None)
        self._thread.join(_END_S)
        ending = threading.Thread(target=self._provider.shutdown, name="last spans", daemon=True)
        ending.start()
        ending.join(_END_S)

    def _run(self) -> None:
        tracer = self._provider.get_tracer("holdfast", __version__)
        while (one := self._waiting.get()) is not None:
            try:
                _make(tracer, _refused(one) if isinstance(one, _Refused) else _finished(one))
            except Exception:  # noqa: BLE001 - the next ones are wanted all the same
                _log.exception("a span could not be made")


def _make(tracer: "Tracer", told: _Span) -> None:
    from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context

    context = _context(*told.trace)
    span = tracer.start_span(
        f"predict {told.model}".strip(),
        context,
        SpanKind.INTERNAL if told.is_mirrored else SpanKind.SERVER,
        told.attributes,
        start_time=told.times_ns[0],
    )
    if told.call is not None:
        name, attributes, start_ns, end_ns = told.call
        below = set_span_in_context(span, context)
        tracer.start_span(name, below, attributes=attributes, start_time=start_ns).end(end_ns)
    if told.status >= _FAILED:
        span.set_status(Status(StatusCode.ERROR))
    span.end(told.times_ns[1])


def _refused(one: _Refused) -> _Span:
    attributes = {"holdfast.model": one.model, "http.response.status_code": one.status}
    trace, times_ns = (one.traceparent, one.tracestate), (one.at_ns, one.at_ns)
    return _Span(one.model, one.status, trace, times_ns, attributes)


def _finished(one: Finished) -> _Span:
    end_ns = one.at_us * 1000
    start_ns = end_ns - one.latency_us * 1000
    call = None
    if one.model_us is not None:
        begun_ns = start_ns + one.model_after_us * 1000
        name = f"call {one.loaded.model}@{one.loaded.version}"
        call = name, {"holdfast.batch": one.batch}, begun_ns, begun_ns + one.model_us * 1000
    trace = one.traceparent or "", one.tracestate or ""
    is_mirrored = one.mirrored is not None
    times_ns = start_ns, end_ns
    return _Span(one.loaded.model, one.status, trace, times_ns, _attributes(one), is_mirrored, call)


def _attributes(one: Finished) -> dict[str, Any]:
    attributes: dict[str, Any] = {
        "holdfast.model": one.loaded.model,
        "holdfast.version": one.loaded.version,
        "holdfast.role": one.role,
        "holdfast.prediction_id": one.prediction_id,
        "holdfast.request_id": one.request_id,
        "http.response.status_code": one.status,
    }
    if one.counted and one.lineup.rollout is not None:
        attributes["holdfast.rollout"] = one.lineup.rollout.number
    if one.cause is not None:
        attributes["error.type"] = one.cause
    return attributes


def _context(parent: str, state: str) -> "Context":
    """Return the context that a caller's trace is; an empty one if there is none, or it is wrong.

    Source:
        W3C Trace Context, https://www.w3.org/TR/trace-context/
    """
    from opentelemetry.context import Context
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carrier = {"traceparent": parent, "tracestate": state}
    return TraceContextTextMapPropagator().extract(carrier, Context())
