"""Retraining over the server: the lease of a model, and the one entry of a run made elsewhere."""

from collections.abc import Iterator
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from holdfast.core import events, names
from holdfast.core.events import WORDS
from holdfast.errors import ConflictError, InvalidInputError
from holdfast.registry import Registry
from holdfast.registry.sent_runs import SentRun
from holdfast.registry.session import CommitOptions
from holdfast.web import registering
from holdfast.web.below import session_of
from holdfast.web.deeds import acting, answer_of, key_problem, options_of, repeated, watched
from holdfast.web.desk import Desk
from holdfast.web.exchange import Answer, Request, answered
from holdfast.web.verb_bodies import Body, Text
from holdfast.web.verbs import Verb

__all__ = ["LeaseAct", "RunMade", "admit", "holder", "lease", "perform", "retrained"]


class LeaseAct(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is to be done about a lease: take it, beat, or let it go."""

    act: Literal["take", "beat", "done"]
    term: Annotated[int, Meta(ge=1, le=10**15)] = 1
    slot: Annotated[str, Meta(max_length=300)] = ""
    holder: Annotated[str, Meta(max_length=300)] = ""
    by: Text | None = None


class RunMade(Body, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a slot came to, of bytes that were sent before."""

    run: SentRun


class LeaseAnswer(Struct, frozen=True):
    """The term, or while it beats the highest one; and who holds it."""

    term: int = 0
    holder: str | None = None


async def lease(desk: Desk, request: Request) -> Answer:
    """Take a lease for whoever asks, or note that they are alive."""
    body = await request.read(LeaseAct)
    return await desk.work.do(lambda: _leased(desk, request, body))


def _leased(desk: Desk, request: Request, body: LeaseAct) -> Answer:
    from holdfast.registry import retraining_lease
    from holdfast.registry.retraining_lease import HeldTerm, LeaseHolder

    model = names.check_model(request.values["model"])
    session = session_of(acting(desk, request, body.by))
    if body.act == "take":
        holder = LeaseHolder(body.slot, body.holder)
        term = retraining_lease.begun_before(session, model, holder)
        term = term or retraining_lease.begin(session, model, holder)
        return answered({"result": LeaseAnswer(term)})
    held = HeldTerm(session, model, body.term)
    if body.act == "beat":
        return answered({"result": LeaseAnswer(held.beat())})
    held.done()
    return answered({"result": LeaseAnswer(body.term)})


def holder(desk: Desk, request: Request) -> Answer:
    """Say who retrains a model now."""
    from holdfast.registry import retraining_lease

    model = names.check_model(request.values["model"])
    who = retraining_lease.holder_of(session_of(desk.registry), model)
    return answered({"result": LeaseAnswer(holder=who)})


async def retrained(desk: Desk, request: Request) -> Answer:
    """Write what a slot came to, once the version that it made is judged."""
    body = await request.read(RunMade)
    return await desk.work.do(lambda: _retrained(desk, request, body))


def _retrained(desk: Desk, request: Request, body: RunMade) -> Answer:
    admit(desk, request, body.run)
    model = request.values["model"]
    registry, watch = watched(desk, request, body.by)
    options = options_of(request, body.reason)
    session, key = session_of(registry), options.idempotency_key
    first = repeated(session, _RETRAINED, model, body, key)
    if first is not None:
        return first
    try:
        result = _RETRAINED.perform(registry, model, body, options)
    except ConflictError as error:
        raise key_problem(error, options) from error
    return answer_of(registry, model, result, watch)


def admit(desk: Desk, request: Request, run: SentRun) -> None:
    """Check that whoever asks may trust what they send, and sent what they name.

    Raises:
        ForbiddenError: If they may not.
        InvalidInputError: If the draft is of another model, or names bytes that they did not send.
    """
    model = request.values["model"]
    if run.draft.get("name", model) != model:
        raise InvalidInputError("draft", "names another model than the path", f"name {model}")
    if run.trust is not None:  # whoever loads it runs what one person let in
        request.rights.require("force", model)
    session = session_of(desk.registry)
    for sha256 in registering.digests_of(run.draft):
        registering.require_sent(desk, request, session, sha256)
    registering.require_base(request, run.draft)
    for sha256 in _own(run):
        desk.receipts.require(request.rights, sha256)


def _own(run: SentRun) -> Iterator[str]:
    yield from (sha256 for sha256 in (run.run, run.log) if sha256 is not None)
    yield from run.scores.kept.values()
    yield from run.scores.champion_kept.values()


def perform(registry: Registry, model: str, body: RunMade, options: CommitOptions) -> object:
    """Write what a run came to, as the registry's author."""
    from holdfast.registry import received_retrainings

    return received_retrainings.accept(session_of(registry), model, body.run, options)


_RETRAINED: Final = Verb(
    "retrained",
    "retrain",
    perform,
    (WORDS[events.Retrained],),
    "Tell what a slot of retraining came to.",
)
