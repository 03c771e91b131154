"""What serving processes elsewhere report and count, taken in for those granted `server`.

A report proves nothing, but rollouts are judged by counts: whoever may only read sends none. The
path says whose a document is, and the document must say the same.
"""

import re
from datetime import datetime
from typing import Final

from holdfast.core.fleet import Counts, Report
from holdfast.errors import InvalidInputError, NotFoundError
from holdfast.http.problems import Problem
from holdfast.registry.fleet_reports import Fleet
from holdfast.web.below import session_of
from holdfast.web.desk import Desk
from holdfast.web.exchange import Answer, Request, answered

__all__ = ["MOST_WORKERS", "count", "counts", "leave", "report"]

MOST_WORKERS: Final = 1_000
"""Workers that one model may have reports of, and one rollout counts of."""

_WORKER: Final = re.compile(r"[!-~]{1,200}")


def counts(desk: Desk, request: Request) -> Answer:
    """List what serving processes counted of a rollout."""
    return answered({"items": _fleet(desk).counts(*_rollout(desk, request))})


async def report(desk: Desk, request: Request) -> Answer:
    """Take in what a worker runs."""
    document = await request.read(Report)
    return await desk.work.do(lambda: _report(desk, request, document))


async def count(desk: Desk, request: Request) -> Answer:
    """Take in what a worker counted of a rollout."""
    document = await request.read(Counts)
    return await desk.work.do(lambda: _count(desk, request, document))


def leave(desk: Desk, request: Request) -> Answer:
    """Remove the report of a worker that stops; its counts stay."""
    _fleet(desk).leave(_model(desk, request), _worker(request))
    return Answer(204)


def _report(desk: Desk, request: Request, document: Report) -> Answer:
    model, worker = _model(desk, request), _worker(request)
    _agree({"model": (document.model, model), "worker": (document.worker, worker)})
    _check_time(document.at)
    _require_room(desk, model, worker, None)
    _fleet(desk).report(document)
    return Answer(204)


def _count(desk: Desk, request: Request, document: Counts) -> Answer:
    (model, number), worker = _rollout(desk, request), _worker(request)
    claims = {"model": (document.model, model), "worker": (document.worker, worker)}
    _agree({**claims, "rollout": (document.rollout, number)})
    _check_time(document.at)
    _require_room(desk, model, worker, number)
    _fleet(desk).count(document)
    return Answer(204)


def _agree(facts: dict[str, tuple[object, object]]) -> None:
    for name, (body_name, named) in facts.items():
        if body_name != named:
            problem = f"is {str(body_name)[:80]!r}, but the path says {str(named)[:80]!r}"
            raise InvalidInputError(name, problem)


def _check_time(text: str) -> None:
    """Refuse a document without a time: nobody would read it, and nothing ever remove it."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = datetime.min  # noqa: DTZ901 - like any time without an offset
    if moment.tzinfo is None:
        raise InvalidInputError(f"time {text[:80]!r}", "is not a time with its offset from UTC")


def _require_room(desk: Desk, model: str, worker: str, rollout: int | None) -> None:
    """Check that there are not too many, those that were silent for a day apart."""
    fleet = _fleet(desk)
    if fleet.knows(model, worker, rollout) or len(fleet.workers(model, rollout)) < MOST_WORKERS:
        return
    if not fleet.sweep_model(model):
        raise Problem(429, "busy", f"{MOST_WORKERS:,} workers report already; stop some of them")


def _fleet(desk: Desk) -> Fleet:
    return desk.registry.fleet


def _model(desk: Desk, request: Request) -> str:
    model = request.values["model"]
    session_of(desk.registry).require_known(model)
    return model


def _worker(request: Request) -> str:
    worker = request.values["worker"]
    if _WORKER.fullmatch(worker) is None:
        problem = "must be 1 to 200 printable ASCII characters without spaces"
        raise InvalidInputError(f"worker {worker[:80]!r}", problem)
    return worker


def _rollout(desk: Desk, request: Request) -> tuple[str, int]:
    model, number = _model(desk, request), request.number("rollout", 0, 10**10)
    last = desk.registry.rollout(model)
    if not 1 <= number <= (last.number if last else 0):
        raise NotFoundError(f"rollout {number} of {model}")
    return model, number
