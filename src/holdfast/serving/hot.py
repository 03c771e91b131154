"""The hot path: from the socket to the model's call and back, raw ASGI.

A request takes the line-up of its model once. Everything it does later, down to the line that the
log keeps of it, is with the versions in that one value.
"""

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from holdfast.predictions.ids import Mint
from holdfast.serving import outcome, wire
from holdfast.serving.batching import Answered, Lane, ModelFailed
from holdfast.serving.bodies import Headers, Receive, Send, read_body, refused, send_body
from holdfast.serving.face import Answer, Face, Question
from holdfast.serving.finished import Finished, Mirrored, Sink
from holdfast.serving.limits import Limits
from holdfast.serving.lineup import Lineup, Loaded
from holdfast.serving.refusal import Refusal
from holdfast.serving.routing import ROUTE, Asked, Choice, choose, token
from holdfast.serving.served import Served, in_memory

__all__ = ["Hot", "Path"]

_TRACE_LENGTH: Final = 55  # of a traceparent of version 00
_SHARED_FAULT: Final = 400


class _TimedOutError(Exception):
    pass


@dataclass(slots=True)
class _Request:
    """A request on its way; filled in as it goes."""

    lineup: Lineup
    body: bytes
    headers: Headers
    started: int
    question: Question
    choice: Choice
    request_id: str
    prediction_id: str


class Hot:
    """Answers requests for predictions.

    Attributes:
        in_flight: Requests that came in and are not answered yet.
        new_id: Makes ids of predictions.
        not_mirrored: Requests that were not mirrored since too many were under way.
    """

    def __init__(self, served: Served, limits: Limits, sinks: Iterable[Sink]) -> None:
        self.served = served
        self.limits = limits
        self.in_flight = 0
        self.not_mirrored = 0
        self.new_id = Mint(served.worker)
        self._sinks = tuple(sinks)
        self._lanes: dict[tuple[str, str], Lane] = {}
        self._seen: dict[str, Lineup] = {}
        self._mirrored: set[asyncio.Task[None]] = set()

    async def answer(
        self, face: Face, path: "Path", headers: Headers, receive: Receive, send: Send
    ) -> None:
        """Answer one request in the form of *face*.

        Raises:
            Refusal: Where no version was chosen yet; once one is, the refusal is sent from here.
        """
        body = await read_body(receive, headers, self.limits)
        started = time.perf_counter_ns()
        lineup = self.served.lineups[path.model]
        question = face.read(body, headers)
        choice = choose(lineup, Asked(headers, question.fields, path.version), self.limits)
        prediction_id = self.new_id()
        request_id = headers.get(b"x-request-id", b"").decode("latin-1") or prediction_id
        request = _Request(
            lineup, body, headers, started, question, choice, request_id, prediction_id
        )
        self.in_flight += 1
        try:
            await self._answer(face, request, send)
        finally:
            self.in_flight -= 1

    async def _answer(self, face: Face, request: _Request, send: Send) -> None:
        choice = request.choice
        try:
            answered = await self._predict(request, self._lane(request.lineup, choice.loaded))
            answer = _written(request, choice.loaded, answered)
            written = face.write(request.question, answer)
        except Refusal as refusal:
            one = self._refused(request, refusal)
            status, written = refusal.status, refused(refusal)
        else:
            status, one = 200, self._answered(request, answered, answer)
        unrecorded = await self._tell(one)
        if unrecorded is not None:
            status, written = unrecorded.status, refused(unrecorded)
        await send_body(send, status, written, _headers(request))
        if choice.mirror is not None:
            self._mirror(request, choice.mirror, one)

    async def _predict(self, request: _Request, lane: Lane) -> Answered:
        """Have the rows answered, as a refusal where they are not.

        Raises:
            Refusal: 422 for the input, 500 for the model, 503 for the queue, 504 for the time.
        """
        rows = lane.check(request.question.given)
        future = lane.submit(rows)
        loop = asyncio.get_running_loop()
        timer = loop.call_later(self.limits.timeout_s, _expire, future)
        try:
            return await future
        except ModelFailed as failed:
            message = f"{lane.loaded.model}@{lane.loaded.version} failed: {failed}"
            raise Refusal(500, message) from failed
        except _TimedOutError as late:
            message = f"no answer within {self.limits.timeout_s:g} s; send less, or raise the limit"
            raise Refusal(504, message) from late
        finally:
            timer.cancel()

    def _lane(self, lineup: Lineup, loaded: Loaded) -> Lane:
        if self._seen.get(lineup.model) is not lineup:
            self._seen[lineup.model] = lineup
            self._forget()
        lane = self._lanes.get((loaded.model, loaded.version))
        if lane is None or lane.loaded is not loaded:
            lane = self._lanes[loaded.model, loaded.version] = Lane(loaded, self.limits)
        return lane

    def _forget(self) -> None:
        """Let go of versions that no line-up holds any more."""
        held = [
            one for lineup in self.served.lineups.values() for one in in_memory(lineup).values()
        ]
        for key, lane in [*self._lanes.items()]:
            lane.aside = False  # until the next request is mirrored to it
            if not any(lane.loaded is one for one in held):
                self._lanes.pop(key).close()

    def close(self) -> None:
        """End all threads, each once nothing waits for it."""
        for lane in self._lanes.values():
            lane.close()
        self._lanes.clear()

    def waiting(self) -> Iterable[tuple[Loaded, int]]:
        """Yield every version that is called here, and how many requests wait for it."""
        return [(lane.loaded, lane.waiting) for lane in self._lanes.values()]

    def _answered(self, request: _Request, answered: Answered, answer: Answer) -> Finished:
        one = self._finished(request, 200)
        one.batch, one.output = answered.batch, answer.predictions
        one.model_us = int(answered.seconds * 1e6)
        one.score = outcome.score(answered.output)
        return one

    def _refused(self, request: _Request, refusal: Refusal) -> Finished:
        one = self._finished(request, refusal.status)
        one.error = refusal.message
        one.failed = refusal.status >= 500 or self._only_here(request, refusal)  # noqa: PLR2004
        return one

    def _only_here(self, request: _Request, refusal: Refusal) -> bool:
        """Tell whether the active version takes the input that the candidate refuses."""
        active = request.lineup.active
        if refusal.status != 422 or request.choice.role != "canary" or active is None:  # noqa: PLR2004
            return False
        try:
            self._lane(request.lineup, active).check(request.question.given)
        except Refusal:
            return False
        return True

    def _finished(self, request: _Request, status: int) -> Finished:
        choice, question = request.choice, request.question
        return Finished(
            lineup=request.lineup,
            loaded=choice.loaded,
            role=choice.role,
            counted=choice.counted,
            failed=False,
            status=status,
            latency_us=(time.perf_counter_ns() - request.started) // 1000,
            at_us=time.time_ns() // 1000,
            prediction_id=request.prediction_id,
            request_id=request.request_id,
            trace_id=_trace(request.headers),
            key=choice.key,
            input=request.body if question.is_json else None,
            given=question.given,
        )

    async def _tell(self, one: Finished) -> Refusal | None:
        """Tell all sinks; return what one says against sending the answer."""
        found = None
        for sink in self._sinks:
            waited = sink.finished(one)
            if waited is None:
                continue
            try:
                await waited
            except Refusal as refusal:
                found = refusal
                one.status, one.error = refusal.status, refusal.message
        return found

    def _mirror(self, request: _Request, mirror: Loaded, one: Finished) -> None:
        """Ask the candidate too, after the answer went out."""
        if len(self._mirrored) >= self.limits.mirrored:
            self.not_mirrored += 1
            return
        task = asyncio.create_task(self._mirrored_call(request, mirror, one))
        self._mirrored.add(task)
        task.add_done_callback(self._mirrored.discard)

    async def _mirrored_call(self, request: _Request, mirror: Loaded, one: Finished) -> None:
        lane = self._lane(request.lineup, mirror)
        lane.aside = True
        request.choice = Choice(mirror, "shadow", counted=True, key=one.key)
        request.prediction_id = self.new_id()
        request.started = time.perf_counter_ns()
        try:
            answered = await self._predict(request, lane)
            answer = _written(request, mirror, answered)
        except Refusal as refusal:
            shadow = self._finished(request, refusal.status)
            shadow.error = refusal.message
            shadow.failed = refusal.status >= 500 or one.status < _SHARED_FAULT  # noqa: PLR2004
        else:
            shadow = self._answered(request, answered, answer)
        shadow.mirrored = Mirrored(one.failed, one.call_us)
        await self._tell(shadow)


@dataclass(frozen=True, slots=True)
class Path:
    """What a path names: a model, and a version where it does."""

    model: str
    version: str | None = None


def _expire(future: "asyncio.Future[Answered]") -> None:
    if not future.done():
        future.set_exception(_TimedOutError())


def _written(request: _Request, loaded: Loaded, answered: Answered) -> Answer:
    try:
        predictions = wire.encode(outcome.listed(answered.output))
    except (TypeError, ValueError) as error:
        raise Refusal(500, f"{loaded.model}@{loaded.version} failed: {error}") from error
    return Answer(loaded, answered.output, predictions, request.prediction_id)


def _trace(headers: Headers) -> str | None:
    given = headers.get(b"traceparent")
    if given is None or len(given) != _TRACE_LENGTH:
        return None
    return given[3:35].decode("latin-1")


def _headers(request: _Request) -> list[tuple[bytes, bytes]]:
    choice = request.choice
    found = [
        (b"x-request-id", request.request_id.encode("latin-1", "replace")),
        (b"x-model-version", choice.loaded.version.encode()),
        (b"x-model-role", choice.role.encode()),
        (b"x-prediction-id", request.prediction_id.encode()),
    ]
    route = token(request.lineup, choice.role)
    if route is not None:
        found.append((ROUTE, route))
    return found
