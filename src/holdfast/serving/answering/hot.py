"""The hot path: from a request that is whole to the model's call, and back to its answer.

A request takes the line-up of its model once. Everything it does later, down to the line that the
log keeps of it, is with the versions in that one value.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from functools import lru_cache, partial
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from holdfast.predictions.ids import Mint
from holdfast.predictions.row import Role
from holdfast.serving.answering.batching import Lane
from holdfast.serving.answering.calling import name_of, said, written_down
from holdfast.serving.answering.finished import Finished, Mirrored, Sink, Witness
from holdfast.serving.answering.overlong import Patience
from holdfast.serving.answering.routing import ROUTE, Asked, Choice, choose, token
from holdfast.serving.answering.waiting import Answered, Job, Outcome
from holdfast.serving.faces import wire
from holdfast.serving.faces.bodies import Headers, Reply, refused
from holdfast.serving.faces.face import Answer, Body, Face, Question
from holdfast.serving.limits import Limits
from holdfast.serving.lineup import Lineup, Loaded
from holdfast.serving.refusal import Refusal
from holdfast.serving.rows.outcome import score
from holdfast.serving.served import Served, in_memory
from holdfast.serving.vitals import Vitals

__all__ = ["GONE", "Cancel", "Commit", "Hot", "Path"]

_log = logging.getLogger(__name__)
_TRACE_LENGTH: Final = 55  # of a traceparent of version 00
_SHARED_FAULT: Final = 400
_SERVER_FAULT: Final = 500
_INVALID: Final = 422
GONE: Final = 499
"""Status of what was given up since its caller closed the connection."""


Commit = Callable[[Finished], Awaitable[None]]
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

    face: Face
    lineup: Lineup
    question: Question
    choice: Choice
    headers: Headers
    body: bytes
    started_ns: int
    prediction_id: str
    request_id: str
    reply: Reply
    ended_ns: int = 0
    job: Job | None = None


class Hot:
    """Answers requests for predictions.

    Args:
        served: Whose line-ups answer.
        limits: What it takes.
        sinks: Told of every finished request, in this order, once the answer went out.
        commit: What answers wait for; None if for nothing.

    Attributes:
        in_flight: Requests that came in and are not answered yet.
        new_id: Makes ids of predictions.
        patience: Breaks off calls on the event loop, once it has begun to.
        vitals: Where calls are written down while they are under way; None if nowhere.
        not_mirrored: Requests that were not mirrored since too many were under way.
    """

    def __init__(
        self, served: Served, limits: Limits, sinks: Iterable[Sink], commit: Commit | None = None
    ) -> None:
        self.served = served
        self.limits = limits
        self.in_flight = 0
        self.not_mirrored = 0
        self.new_id = Mint(served.worker)
        self.patience = Patience()
        self.vitals: Vitals | None = None
        self._sinks = tuple(sinks)
        self._witnesses = tuple(one for one in self._sinks if isinstance(one, Witness))
        self._commit = commit
        self._commits: set[asyncio.Task[None]] = set()
        self._lanes: dict[tuple[str, str], Lane] = {}
        self._seen: dict[str, Lineup] = {}
        self._finished: deque[Finished] = deque()
        self._mirrored = 0

    def ask(self, face: Face, path: Path, headers: Headers, body: bytes, reply: Reply) -> Cancel:
        """Have one request answered in the form of *face*; *reply* is called once, later.

        Returns:
            What is to be called if the caller is gone before the answer: a request that the model
            was not called for yet is given up, and told with status 499. One that is being called
            for goes on, and counts as what it comes to.

        Raises:
            Refusal: Where no version was chosen yet; nothing is replied then.
        """
        started_ns = time.perf_counter_ns()
        lineup = self.served.lineups[path.model]
        question = face.read(body, headers)
        choice = choose(lineup, Asked(headers, question.fields, path.version), self.limits)
        made = self.new_id()
        named = headers.get(b"x-request-id")
        request_id = named.decode("latin-1") if named else made
        request = _Request(
            face, lineup, question, choice, headers, body, started_ns, made, request_id, reply
        )
        self.in_flight += 1
        if choice.counted:  # now, not at the answer: a version that never answers gets its share
            for witness in self._witnesses:
                witness.routed(lineup, choice, made)
        lane = self._lane(lineup, choice.loaded)
        try:
            rows = lane.check(question.given)
            end = partial(self._end, request)
            request.job = lane.submit(rows, end, counted=choice.counted)
        except Refusal as refusal:
            self._end(request, refusal)
        except BaseException:
            self.in_flight -= 1
            raise
        return partial(self._give_up, lane, request)

    def _give_up(self, lane: Lane, request: _Request) -> None:
        if request.job is not None and lane.give_up(request.job):
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
        one = self._told(request, outcome, predictions)
        task = asyncio.create_task(self._committed(self._commit, request, one, body))
        self._commits.add(task)
        task.add_done_callback(self._commits.discard)

    async def _committed(
        self, commit: Commit, request: _Request, one: Finished, body: Body
    ) -> None:
        try:
            await commit(one)
        except Refusal as refusal:
            one.status, one.error = refusal.status, refusal.message
            body = refused(refusal)
        self._reply(request, one.status, body)
        self._tell(request, one)

    def _reply(self, request: _Request, status: int, body: Body) -> None:
        self.in_flight -= 1
        request.reply(status, body, _headers(request))

    def _tell(self, request: _Request, one: Finished) -> None:
        """Have the sinks told, after the answers that can go out now, and the candidate asked."""
        if not self._finished:
            asyncio.get_running_loop().call_soon(self._tell_all)
        self._finished.append(one)
        mirror = request.choice.mirror
        if mirror is not None:
            asyncio.get_running_loop().call_soon(self._mirror, request, mirror, one)

    def _tell_all(self) -> None:
        while self._finished:
            one = self._finished.popleft()
            for sink in self._sinks:
                sink.finished(one)

    def _lane(self, lineup: Lineup, loaded: Loaded) -> Lane:
        if self._seen.get(lineup.model) is not lineup:
            self._seen[lineup.model] = lineup
            self._forget()
            self._pair(lineup)
        return self._lane_of(lineup, loaded)

    def _pair(self, lineup: Lineup) -> None:
        """Have both sides of a rollout called the same way, else one would seem slower."""
        for lane in self._lanes.values():
            if lane.loaded.model == lineup.model:
                lane.peer = None
        sides = [one for one in (lineup.active, lineup.candidate) if one is not None]
        if lineup.rollout is not None and len(sides) > 1:
            one, other = (self._lane_of(lineup, side) for side in sides)
            one.peer, other.peer = other, one

    def _lane_of(self, lineup: Lineup, loaded: Loaded) -> Lane:
        lane = self._lanes.get((loaded.model, loaded.version))
        if lane is None or lane.loaded is not loaded:
            lane = Lane(loaded, self.limits, self.patience, self.vitals)
            self._lanes[loaded.model, loaded.version] = lane
            lane.caller.name = written_down(lineup, loaded)
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
            else:
                lineup = self.served.lineups[lane.loaded.model]
                lane.caller.name = written_down(lineup, lane.loaded)

    @property
    def stuck(self) -> int:
        """Calls of one version that go on while nobody waits for them any more, at most."""
        return max((lane.stuck for lane in [*self._lanes.values()]), default=0)

    def close(self) -> None:
        """Tell what is left to be told, and end all threads, each once nothing waits for it."""
        self._tell_all()
        for lane in self._lanes.values():
            lane.close()
        self._lanes.clear()

    def waiting(self) -> Iterable[tuple[Loaded, int]]:
        """Yield every version that is called here, and how many requests wait for it."""
        return [(lane.loaded, lane.waiting) for lane in [*self._lanes.values()]]

    def _told(self, request: _Request, outcome: Outcome, predictions: bytes) -> Finished:
        if isinstance(outcome, Answered):
            return _answered(request, outcome, predictions)
        one = _finished(request, outcome.status)
        one.error, one.cause = outcome.message, outcome.cause
        is_its_own = outcome.status >= _SERVER_FAULT or outcome.cause is not None
        one.failed = is_its_own or self._only_here(request, outcome)
        return one

    def _only_here(self, request: _Request, refusal: Refusal) -> bool:
        """Tell whether the active version takes the input that the candidate refuses."""
        active = request.lineup.active
        if refusal.status != _INVALID or request.choice.role != "canary" or active is None:
            return False
        try:
            self._lane(request.lineup, active).check(request.question.given)
        except Refusal:
            return False
        return True

    def _mirror(self, request: _Request, mirror: Loaded, one: Finished) -> None:
        """Ask the candidate too, after the answer went out."""
        if self._mirrored >= self.limits.mirrored:
            self.not_mirrored += 1
            return
        self._mirrored += 1
        lane = self._lane(request.lineup, mirror)
        lane.aside = True
        request.choice = Choice(mirror, "shadow", counted=True, key=one.key)
        request.prediction_id = self.new_id()
        request.started_ns = time.perf_counter_ns()
        end = partial(self._end_mirrored, request, one)
        try:
            lane.submit(lane.check(request.question.given), end, counted=True)
        except Refusal as refusal:
            end(refusal)

    def _end_mirrored(self, request: _Request, one: Finished, outcome: Outcome) -> None:
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
            shadow.failed = refusal.status >= _SERVER_FAULT or one.status < _SHARED_FAULT
        shadow.mirrored = Mirrored(one.failed, one.call_us)
        self._tell(request, shadow)


def _predictions(loaded: Loaded, answered: Answered) -> bytes:
    try:
        return wire.encode(answered.values)
    except BaseException as error:
        raise _failed(loaded, error) from error


def _written(request: _Request, answered: Answered, predictions: bytes) -> Body:
    loaded = request.choice.loaded
    answer = Answer(loaded, answered.output, predictions, request.prediction_id)
    try:
        return request.face.write(request.question, answer)
    except Refusal:
        raise
    except BaseException as error:
        raise _failed(loaded, error) from error


def _failed(loaded: Loaded, error: BaseException) -> Refusal:
    told = f"its output cannot be written: {said(error)}"
    told = f"{loaded.model}@{loaded.version} failed: {told}"
    return Refusal(500, told, cause=name_of(error))


def _answered(request: _Request, answered: Answered, predictions: bytes) -> Finished:
    one = _finished(request, 200)
    one.batch, one.model_us, one.leads = answered.batch, answered.us, answered.leads
    one.model_after_us = (answered.since_ns - request.started_ns) // 1000
    one.output, one.score = predictions, score(answered.values)
    return one


def _finished(request: _Request, status: int) -> Finished:
    choice, question = request.choice, request.question
    one = Finished(
        request.lineup,
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
        input=request.body if question.is_json else None,
        given=question.given,
    )
    parent = request.headers.get(b"traceparent")
    if parent is not None and len(parent) == _TRACE_LENGTH:
        one.traceparent = parent.decode("latin-1")
        one.trace_id = one.traceparent[3:35]
        one.tracestate = request.headers.get(b"tracestate", b"").decode("latin-1")
    return one


def _headers(request: _Request) -> list[tuple[bytes, bytes]]:
    choice = request.choice
    rollout = request.lineup.rollout
    number = None if rollout is None else rollout.number
    return [
        (b"x-request-id", request.request_id.encode("latin-1", "replace")),
        (b"x-prediction-id", request.prediction_id.encode()),
        *_standing(choice.loaded.version, choice.role, number),
    ]


@lru_cache(maxsize=256)
def _standing(version: str, role: Role, rollout: int | None) -> tuple[tuple[bytes, bytes], ...]:
    """Return the headers that many answers share."""
    found = ((b"x-model-version", version.encode()), (b"x-model-role", role.encode()))
    route = token(rollout, role)
    return found if route is None else (*found, (ROUTE, route))
