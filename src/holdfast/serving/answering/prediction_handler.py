"""The hot path: from a request that is whole to the model's call, and back to its answer.

A request takes the routing table of its model once. Everything it does later, down to the line
that the log keeps of it, is with the versions in that one value.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from functools import lru_cache, partial
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from holdfast.http import request_ids
from holdfast.http.asgi import Headers
from holdfast.predictions.ids import Mint
from holdfast.predictions.row import Role
from holdfast.rows.call_params import CallParams
from holdfast.rows.loaded_version import Loaded
from holdfast.rows.outcome import score
from holdfast.rows.refusal import Refusal
from holdfast.rows.row_layout import Rows
from holdfast.serving.answering.batching import ModelQueue
from holdfast.serving.answering.call_watchdog import CallWatchdog
from holdfast.serving.answering.contention import Contention
from holdfast.serving.answering.finished import FinishedRequest, Mirrored, RequestSink, RoutingSink
from holdfast.serving.answering.model_call import name_of, said, written_down
from holdfast.serving.answering.pending_jobs import Job, JobResult, Outcome
from holdfast.serving.answering.routing import ROUTE, RoutingDecision, RoutingRequest, choose, token
from holdfast.serving.protocols import predict
from holdfast.serving.protocols.bodies import Reply, refused
from holdfast.serving.protocols.codec import Codec, DecodedRequest, EncodedBody, PredictionResult
from holdfast.serving.routing_table import RoutingTable
from holdfast.serving.server_limits import ServerLimits
from holdfast.serving.vitals import Vitals
from holdfast.serving.worker_state import WorkerState, in_memory

__all__ = ["GONE", "Cancel", "Commit", "Path", "PredictionHandler"]

_log = logging.getLogger(__name__)
_SHARED_FAULT: Final = 400
_SERVER_FAULT: Final = 500
_INVALID: Final = 422
GONE: Final = 499
"""Status of what was given up since its caller closed the connection."""


Commit = Callable[[FinishedRequest], Awaitable[None]]
"""What an answer waits for; a `Refusal` that it raises is the answer."""

Cancel = Callable[[], None]
"""Gives a request up, if that is still possible."""


class Path(Struct, frozen=True):
    """What a path names: a model, and a version where it does."""

    model: str
    version: str | None = None


class _Request(Struct, eq=False):
    """A request on its way.

    Attributes:
        started_ns: When it was read, by a clock that only rises.
        ended_ns: When its answer was ready.
        job: What waits for the model; None until it does.
    """

    codec: Codec
    routing_table: RoutingTable
    decoded: DecodedRequest
    choice: RoutingDecision
    headers: Headers
    body: bytes
    started_ns: int
    prediction_id: str
    request_id: str
    reply: Reply
    ended_ns: int = 0
    job: Job | None = None


class PredictionHandler:
    """Answers requests for predictions.

    Args:
        served: Whose routing tables answer.
        limits: What it takes.
        sinks: Told of every finished request, in this order, once the answer went out.
        commit: What answers wait for; None if for nothing.

    Attributes:
        in_flight: Requests that came in and are not answered yet.
        new_id: Makes ids of predictions.
        watchdog: Breaks off calls on the event loop, once it has begun to.
        vitals: Where calls are written down while they are under way; None if nowhere.
        not_mirrored: Requests that were not mirrored since too many were under way.
    """

    def __init__(
        self,
        served: WorkerState,
        limits: ServerLimits,
        sinks: Iterable[RequestSink],
        commit: Commit | None = None,
    ) -> None:
        self.served = served
        self.limits = limits
        self.in_flight = 0
        self.not_mirrored = 0
        self.new_id = Mint(served.worker)
        self.watchdog = CallWatchdog()
        self._contention = Contention()
        self.vitals: Vitals | None = None
        self._sinks = tuple(sinks)
        self._witnesses = tuple(sink for sink in self._sinks if isinstance(sink, RoutingSink))
        self._commit = commit
        self._commits: set[asyncio.Task[None]] = set()
        self._model_queues: dict[tuple[str, str], ModelQueue] = {}
        self._seen: dict[str, RoutingTable] = {}
        self._finished: deque[FinishedRequest] = deque()
        self._mirrored = 0

    def ask(self, codec: Codec, path: Path, headers: Headers, body: bytes, reply: Reply) -> Cancel:
        """Have one request answered in the form of *codec*; *reply* is called once, later.

        Returns:
            What is to be called if the caller is gone before the answer: a request that the model
            was not called for yet is given up, and told with status 499. One that is being called
            for goes on, and counts as what it comes to.

        Raises:
            Refusal: Where no version was chosen yet; nothing is replied then.
        """
        started_ns = time.perf_counter_ns()
        routing_table = self.served.routing_tables[path.model]
        decoded = codec.read(body, headers)
        choice = choose(
            routing_table, RoutingRequest(headers, decoded.fields, path.version), self.limits
        )
        made = self.new_id()
        request_id = request_ids.given(headers.get(b"x-request-id")) or made
        request = _Request(
            codec,
            routing_table,
            decoded,
            choice,
            headers,
            body,
            started_ns,
            made,
            request_id,
            reply,
        )
        self.in_flight += 1
        if choice.counted:  # now, not at the answer: a version that never answers gets its share
            for witness in self._witnesses:
                witness.routed(routing_table, choice, made)
        model_queue = self._model_queue(routing_table, choice.loaded)
        try:
            rows, params = _checked(model_queue, decoded)
            end = partial(self._end, request)
            request.job = model_queue.submit(rows, end, params, counted=choice.counted)
        except Refusal as refusal:
            self._end(request, refusal)
        except BaseException:
            self.in_flight -= 1
            raise
        return partial(self._give_up, model_queue, request)

    def _give_up(self, model_queue: ModelQueue, request: _Request) -> None:
        if request.job is not None and model_queue.give_up(request.job):
            request.choice = replace(request.choice, counted=False)
            self._end(request, Refusal(GONE, "the caller closed the connection"))

    def _end(self, request: _Request, outcome: Outcome) -> None:
        """Answer a request, and have it told."""
        predictions = b""
        try:
            if isinstance(outcome, Refusal):
                raise outcome
            predictions = _predictions(request.choice.loaded, outcome)
            body, status = _written(request, outcome, predictions), 200
        except Refusal as refusal:
            outcome, body, status = refusal, refused(refusal), refusal.status
        request.ended_ns = time.perf_counter_ns()
        if self._commit is None:
            self._reply(request, status, body)
            self._tell(request, self._told(request, outcome, predictions))
            return
        finished_request = self._told(request, outcome, predictions)
        task = asyncio.create_task(self._committed(self._commit, request, finished_request, body))
        self._commits.add(task)
        task.add_done_callback(self._commits.discard)

    async def _committed(
        self,
        commit: Commit,
        request: _Request,
        finished_request: FinishedRequest,
        body: EncodedBody,
    ) -> None:
        try:
            await commit(finished_request)
        except Refusal as refusal:
            finished_request.status, finished_request.error = refusal.status, refusal.message
            body = refused(refusal)
        self._reply(request, finished_request.status, body)
        self._tell(request, finished_request)

    def _reply(self, request: _Request, status: int, body: EncodedBody) -> None:
        self.in_flight -= 1
        request.reply(status, body, _headers(request))

    def _tell(self, request: _Request, finished_request: FinishedRequest) -> None:
        """Have the sinks told, after the answers that can go out now, and the candidate asked."""
        if not self._finished:
            asyncio.get_running_loop().call_soon(self._tell_all)
        self._finished.append(finished_request)
        mirror = request.choice.mirror
        if mirror is not None:
            asyncio.get_running_loop().call_soon(self._mirror, request, mirror, finished_request)

    def _tell_all(self) -> None:
        while self._finished:
            finished_request = self._finished.popleft()
            for sink in self._sinks:
                sink.finished(finished_request)

    def _model_queue(self, routing_table: RoutingTable, loaded: Loaded) -> ModelQueue:
        if self._seen.get(routing_table.model) is not routing_table:
            self._seen[routing_table.model] = routing_table
            self._forget()
            self._pair(routing_table)
        return self._lane_of(routing_table, loaded)

    def _pair(self, routing_table: RoutingTable) -> None:
        """Have both sides of a rollout called the same way, else one would seem slower."""
        for model_queue in self._model_queues.values():
            if model_queue.loaded.model == routing_table.model:
                model_queue.peer = None
        sides = [
            loaded
            for loaded in (routing_table.active, routing_table.candidate)
            if loaded is not None
        ]
        if routing_table.rollout is not None and len(sides) > 1:
            loaded, other = (self._lane_of(routing_table, side) for side in sides)
            loaded.peer, other.peer = other, loaded

    def _lane_of(self, routing_table: RoutingTable, loaded: Loaded) -> ModelQueue:
        model_queue = self._model_queues.get((loaded.model, loaded.version))
        if model_queue is None or model_queue.loaded is not loaded:
            shared = self.watchdog, self.vitals, self._contention
            model_queue = ModelQueue(loaded, self.limits, *shared)
            self._model_queues[loaded.model, loaded.version] = model_queue
            model_queue.caller.name = written_down(routing_table, loaded)
        return model_queue

    def _forget(self) -> None:
        """Let go of versions that no routing table holds any more."""
        loaded_versions = [
            loaded
            for routing_table in self.served.routing_tables.values()
            for loaded in in_memory(routing_table).values()
        ]
        for key, model_queue in [*self._model_queues.items()]:
            model_queue.aside = False  # until the next request is mirrored to it
            if not any(model_queue.loaded is loaded for loaded in loaded_versions):
                self._model_queues.pop(key).close()
            else:
                routing_table = self.served.routing_tables[model_queue.loaded.model]
                model_queue.caller.name = written_down(routing_table, model_queue.loaded)

    @property
    def stuck(self) -> int:
        """Calls of one version that go on while nobody waits for them any more, at most."""
        return max((model_queue.stuck for model_queue in [*self._model_queues.values()]), default=0)

    def close(self) -> None:
        """Tell what is left to be told, and end all threads, each once nothing waits for it."""
        self._tell_all()
        for model_queue in self._model_queues.values():
            model_queue.close()
        self._model_queues.clear()

    def waiting(self) -> Iterable[tuple[Loaded, int]]:
        """Yield every version that is called here, and how many requests wait for it."""
        return [
            (model_queue.loaded, model_queue.waiting)
            for model_queue in [*self._model_queues.values()]
        ]

    def _told(self, request: _Request, outcome: Outcome, predictions: bytes) -> FinishedRequest:
        if isinstance(outcome, JobResult):
            return _answered(request, outcome, predictions)
        finished_request = _finished(request, outcome.status)
        finished_request.error, finished_request.cause = outcome.message, outcome.cause
        is_its_own = outcome.status >= _SERVER_FAULT or outcome.cause is not None
        finished_request.failed = is_its_own or self._only_here(request, outcome)
        return finished_request

    def _only_here(self, request: _Request, refusal: Refusal) -> bool:
        """Tell whether the active version takes the input that the candidate refuses."""
        active = request.routing_table.active
        if refusal.status != _INVALID or request.choice.role != "canary" or active is None:
            return False
        try:
            _checked(self._model_queue(request.routing_table, active), request.decoded)
        except Refusal:
            return False
        return True

    def _mirror(self, request: _Request, mirror: Loaded, finished_request: FinishedRequest) -> None:
        """Ask the candidate too, after the answer went out."""
        if self._mirrored >= self.limits.mirrored:
            self.not_mirrored += 1
            return
        self._mirrored += 1
        model_queue = self._model_queue(request.routing_table, mirror)
        model_queue.aside = True
        request.choice = RoutingDecision(mirror, "shadow", counted=True, key=finished_request.key)
        request.prediction_id = self.new_id()
        request.started_ns = time.perf_counter_ns()
        end = partial(self._end_mirrored, request, finished_request)
        try:
            rows, params = _checked(model_queue, request.decoded)
            model_queue.submit(rows, end, params, counted=True)
        except Refusal as refusal:
            end(refusal)

    def _end_mirrored(
        self, request: _Request, finished_request: FinishedRequest, outcome: Outcome
    ) -> None:
        self._mirrored -= 1
        request.ended_ns = time.perf_counter_ns()
        try:
            if isinstance(outcome, Refusal):
                raise outcome
            predictions = _predictions(request.choice.loaded, outcome)
            shadow = _answered(request, outcome, predictions)
        except Refusal as refusal:
            shadow = _finished(request, refusal.status)
            shadow.error, shadow.cause = refusal.message, refusal.cause
            shadow.failed = (
                refusal.status >= _SERVER_FAULT or finished_request.status < _SHARED_FAULT
            )
        shadow.mirrored = Mirrored(finished_request.failed, finished_request.call_us)
        self._tell(request, shadow)


def _checked(model_queue: ModelQueue, decoded: DecodedRequest) -> tuple[Rows, CallParams | None]:
    params = model_queue.check_params(decoded.params, decoded.offered)
    return model_queue.check(decoded.given), params


def _given(request: _Request) -> Any:
    """Return what is kept of a request whose body is not JSON."""
    params = None if request.job is None else request.job.params
    given = request.decoded.given
    return given if params is None else {"inputs": given, "params": params}


def _predictions(loaded: Loaded, answered: JobResult) -> bytes:
    try:
        return predict.encode(answered.values)
    except BaseException as error:
        raise _failed(loaded, error) from error


def _written(request: _Request, answered: JobResult, predictions: bytes) -> EncodedBody:
    loaded = request.choice.loaded
    answer = PredictionResult(loaded, answered.output, predictions, request.prediction_id)
    try:
        return request.codec.write(request.decoded, answer)
    except Refusal:
        raise
    except BaseException as error:
        raise _failed(loaded, error) from error


def _failed(loaded: Loaded, error: BaseException) -> Refusal:
    message = f"its output cannot be written: {said(error)}"
    message = f"{loaded.model}@{loaded.version} failed: {message}"
    return Refusal(500, message, cause=name_of(error))


def _answered(request: _Request, answered: JobResult, predictions: bytes) -> FinishedRequest:
    finished_request = _finished(request, 200)
    finished_request.batch, finished_request.leads = answered.batch, answered.leads
    finished_request.model_us = answered.us
    finished_request.waited_us = answered.waited_us
    finished_request.model_after_us = (answered.since_ns - request.started_ns) // 1000
    finished_request.output, finished_request.score = predictions, score(answered.values)
    return finished_request


def _finished(request: _Request, status: int) -> FinishedRequest:
    choice, decoded = request.choice, request.decoded
    finished_request = FinishedRequest(
        request.routing_table,
        choice.loaded,
        choice.role,
        choice.counted,
        False,  # noqa: FBT003 - a field
        status,
        (request.ended_ns - request.started_ns) // 1000,
        time.time_ns() // 1000,
        request.prediction_id,
        request.request_id,
        None,
        choice.key,
        input=request.body if decoded.is_json else None,
        given=_given(request),
    )
    parent = request_ids.trace_parent(request.headers.get(b"traceparent"))
    if parent is not None:
        finished_request.traceparent = parent
        finished_request.trace_id = parent[3:35]
        finished_request.tracestate = request_ids.trace_state(request.headers.get(b"tracestate"))
    return finished_request


def _headers(request: _Request) -> list[tuple[bytes, bytes]]:
    choice = request.choice
    rollout = request.routing_table.rollout
    number = None if rollout is None else rollout.number
    return [
        (b"x-request-id", request.request_id.encode()),
        (b"x-prediction-id", request.prediction_id.encode()),
        *_standing(choice.loaded.version, choice.role, number),
    ]


@lru_cache(maxsize=256)
def _standing(version: str, role: Role, rollout: int | None) -> tuple[tuple[bytes, bytes], ...]:
    """Return the headers that many answers share."""
    headers = ((b"x-model-version", version.encode()), (b"x-model-role", role.encode()))
    route = token(rollout, role)
    return headers if route is None else (*headers, (ROUTE, route))
