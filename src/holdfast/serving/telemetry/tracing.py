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
from holdfast.http import request_ids
from holdfast.http.asgi import Headers
from holdfast.serving.answering.finished import FinishedRequest

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Tracer

__all__ = ["TracingSink"]

_log = logging.getLogger(__name__)

_MOST_WAITING: Final = 1_000
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


class TracingSink:
    """A sink that makes spans of requests.

    Args:
        provider: Where they go.
    """

    def __init__(self, provider: "TracerProvider") -> None:
        self._provider = provider
        self._waiting: SimpleQueue[FinishedRequest | _Refused | None] = SimpleQueue()
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
            raise MissingLibraryError(str(error.name), "otel", "--otel needs it") from error

        resource = Resource.create({"service.version": __version__, "service.instance.id": worker})
        if str(resource.attributes.get(_NAME, _UNNAMED)).startswith(_UNNAMED):
            resource = resource.merge(Resource({_NAME: "holdfast"}))
        provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        return cls(provider)

    def finished(self, request: FinishedRequest) -> None:
        """Have spans made of a request that a version answered, or failed to."""
        if self._waiting.qsize() < _MOST_WAITING:
            self._waiting.put(request)

    def refused(self, model: str, status: int, headers: Headers) -> None:
        """Have a span made of a request that no version was chosen for."""
        if self._waiting.qsize() < _MOST_WAITING:
            parent = request_ids.trace_parent(headers.get(b"traceparent")) or ""
            state = request_ids.trace_state(headers.get(b"tracestate"))
            self._waiting.put(_Refused(model, status, parent, state, time.time_ns()))

    def close(self) -> None:
        """Send what waits, as far as that takes no more than two seconds."""
        self._waiting.put(None)
        self._thread.join(_END_S)
        ending = threading.Thread(target=self._provider.shutdown, name="last spans", daemon=True)
        ending.start()
        ending.join(_END_S)

    def _run(self) -> None:
        tracer = self._provider.get_tracer("holdfast", __version__)
        while (request := self._waiting.get()) is not None:
            try:
                _make(
                    tracer,
                    _refused(request) if isinstance(request, _Refused) else _finished(request),
                )
            except Exception:  # noqa: BLE001 - the next ones are wanted all the same
                _log.exception("a span could not be made")


def _make(tracer: "Tracer", description: _Span) -> None:
    from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context

    context = _context(*description.trace)
    span = tracer.start_span(
        f"predict {description.model}".strip(),
        context,
        SpanKind.INTERNAL if description.is_mirrored else SpanKind.SERVER,
        description.attributes,
        start_time=description.times_ns[0],
    )
    if description.call is not None:
        name, attributes, start_ns, end_ns = description.call
        below = set_span_in_context(span, context)
        tracer.start_span(name, below, attributes=attributes, start_time=start_ns).end(end_ns)
    if description.status >= _FAILED:
        span.set_status(Status(StatusCode.ERROR))
    span.end(description.times_ns[1])


def _refused(request: _Refused) -> _Span:
    attributes = {"holdfast.model": request.model, "http.response.status_code": request.status}
    trace, times_ns = (request.traceparent, request.tracestate), (request.at_ns, request.at_ns)
    return _Span(request.model, request.status, trace, times_ns, attributes)


def _finished(request: FinishedRequest) -> _Span:
    end_ns = request.at_us * 1000
    start_ns = end_ns - request.latency_us * 1000
    call = None
    if request.model_us is not None:
        begun_ns = start_ns + request.model_after_us * 1000
        name = f"call {request.loaded.model}@{request.loaded.version}"
        call = name, {"holdfast.batch": request.batch}, begun_ns, begun_ns + request.model_us * 1000
    trace = request.traceparent or "", request.tracestate or ""
    is_mirrored = request.mirrored is not None
    times_ns = start_ns, end_ns
    return _Span(
        request.loaded.model,
        request.status,
        trace,
        times_ns,
        _attributes(request),
        is_mirrored,
        call,
    )


def _attributes(request: FinishedRequest) -> dict[str, Any]:
    attributes: dict[str, Any] = {
        "holdfast.model": request.loaded.model,
        "holdfast.version": request.loaded.version,
        "holdfast.role": request.role,
        "holdfast.prediction_id": request.prediction_id,
        "holdfast.request_id": request.request_id,
        "http.response.status_code": request.status,
    }
    if request.counted and request.routing_table.rollout is not None:
        attributes["holdfast.rollout"] = request.routing_table.rollout.number
    if request.cause is not None:
        attributes["error.type"] = request.cause
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
