"""A verb that is asked for: who does it, under which key, after which entry, and the answer."""

import re
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from holdfast.core.events import Purged
from holdfast.core.refs import fixed, selector_in
from holdfast.core.state import State
from holdfast.errors import ConflictError
from holdfast.http.problems import Problem
from holdfast.registry import Registry
from holdfast.registry.commit_watch import CommitWatch
from holdfast.registry.commits import moved
from holdfast.registry.ledger import CommitResult
from holdfast.registry.maintenance import Purge
from holdfast.registry.session import CommitOptions, Session
from holdfast.store.open_store import Collected
from holdfast.web.below import entry_at, session_of
from holdfast.web.desk import Desk
from holdfast.web.exchange import Answer, Request, answered
from holdfast.web.routes import Handler
from holdfast.web.verbs import Verb, ref_of

__all__ = [
    "Written",
    "acting",
    "answer_of",
    "handler",
    "key_problem",
    "options_of",
    "repeated",
    "require_rights",
    "watched",
]

_KEY: Final = re.compile(r"[!-~]{1,200}")
_TAG: Final = re.compile(r'"([0-9]{1,18}:[0-9a-f]{64})"')


class Written(Struct, frozen=True):
    """The entry that a verb wrote."""

    seq: int
    head: str
    commit: str


def handler(verb: Verb) -> Handler:
    """Return what answers requests for a verb."""

    async def handle(desk: Desk, request: Request) -> Answer:
        body = await request.read(verb.body)
        return await desk.work.do(lambda: _done(desk, request, verb, body))

    return handle


def _done(desk: Desk, request: Request, verb: Verb, body: Any) -> Answer:
    model = request.values["model"]
    require_rights(desk, request, verb, body)
    registry, watch = watched(desk, request, body.by)
    if verb.name in ("repair", "repair-plan"):
        desk.derived.wait()
    if verb.plans:
        return answered({"result": verb.perform(registry, model, body, CommitOptions())})
    options = options_of(request, body.reason)
    first = repeated(session_of(registry), verb, model, body, options.idempotency_key)
    if first is not None:
        return first
    try:
        result = verb.perform(registry, model, body, options)
    except ConflictError as error:
        raise key_problem(error, options) from error
    if options.idempotency_key is not None and not _wrote(watch):  # another of its kind was first
        first = repeated(session_of(registry), verb, model, body, options.idempotency_key)
    return first or answer_of(registry, model, result, watch)


def _wrote(watch: CommitWatch) -> bool:
    return any(outcome.entry is not None for outcome in watch.outcomes)


def require_rights(desk: Desk, request: Request, verb: Verb, body: Any) -> None:
    """Check that whoever asks may do what a body says, with bytes that they sent themselves.

    Raises:
        ForbiddenError: If they may not.
        InvalidInputError: If it names bytes that they did not send.
    """
    model = request.values["model"]
    for needed in verb.needs(session_of(desk.registry), model, body):
        request.rights.require(needed, model)
    if verb.name == "sign-attach":
        desk.receipts.require(request.rights, body.signature)
    if verb.name == "evaluate":
        for sha256 in (*body.kept.values(), *body.champion_kept.values()):
            desk.receipts.require(request.rights, sha256)


def key_problem(error: ConflictError, options: CommitOptions) -> Exception:
    """Return the problem that a key was used for something else, or the error as it is."""
    if error.subject != f"key {options.idempotency_key!r}":
        return error
    return Problem(422, "conflict", "the idempotency key was used for something else; use another")


def watched(desk: Desk, request: Request, claimed: str | None) -> tuple[Registry, CommitWatch]:
    """Return the registry that writes in the name of whoever asks, and what it will have written.

    Raises:
        Problem: 400 if `If-Match` names no entry.
    """
    registry = acting(desk, request, claimed)
    watch = session_of(registry).watch = CommitWatch(_expected(request))
    return registry, watch


def acting(desk: Desk, request: Request, claimed: str | None) -> Registry:
    """Return the registry that writes in the name of whoever asks; a claim is kept as one."""
    identity = request.identity
    auth = identity.auth(claimed, desk.settings.name)
    return desk.registry.acting_as(identity.user.name, auth)


def _expected(request: Request) -> str | None:
    text = request.header("if-match")
    if text is None or text == "*":
        return None
    match = _TAG.fullmatch(text)
    if match is None:
        raise Problem(400, "malformed", 'If-Match must be the tag of an answer, "<seq>:<head>"')
    return match[1]


def options_of(request: Request, reason: str | None) -> CommitOptions:
    """Return what is kept with an entry; each user has keys of their own.

    Raises:
        Problem: 400 if the key is empty, too long or has other signs.
    """
    key = request.header("idempotency-key")
    if key is None:
        return CommitOptions(reason)
    if _KEY.fullmatch(key) is None:
        problem = "Idempotency-Key must be 1 to 200 visible ASCII characters"
        raise Problem(400, "malformed", problem)
    return CommitOptions(reason, f"{request.identity.user.id}:{key}")


def repeated(session: Session, verb: Verb, model: str, body: Any, key: str | None) -> Answer | None:
    """Return the first answer to a request that comes again under its key.

    Raises:
        Problem: 422 if the key was used for another deed.
    """
    state = session.ledger(model).state() if key is not None and session.exists else None
    use = state.keys.get(key or "") if state is not None else None
    if state is None or use is None:
        return None
    if use.op not in verb.operations or not _is_same(state, body, use.version):
        used = f"the idempotency key was used for {use.op} in entry {use.seq}; use another"
        raise Problem(422, "conflict", used)
    entry, head = entry_at(session, model, use.seq)
    result: object = replace(moved(CommitResult(state, entry, None)), head=f"{use.seq}:{head}")
    if isinstance(entry.event, Purged):
        result = Purge(model, tuple(entry.event.versions()), Collected(0, 0, 0, 0, 0))
    return _told(result, Written(entry.seq, head, entry.commit), state)


def _is_same(state: State, body: Any, version: str | None) -> bool:
    """Tell whether a body names the version of an earlier deed, as far as it names one for ever."""
    text = getattr(body, "version", None) or getattr(body, "to", None)
    if text is None:
        return True
    ref_of(state.model, text)
    return fixed(state, selector_in(state.model, text)) in (None, version)


def answer_of(registry: Registry, model: str, result: object, watch: CommitWatch) -> Answer:
    """Return the answer to a verb: its result, the entry it wrote, and the journal's tag."""
    written = [outcome for outcome in watch.outcomes if outcome.entry is not None]
    if written:
        state, entry = written[-1].state, written[-1].entry
        assert entry is not None  # noqa: S101 - chosen so
        return _told(result, Written(entry.seq, state.head or "", entry.commit), state)
    return _told(result, None, session_of(registry).ledger(model).state())


def _told(result: object, written: Written | None, state: State) -> Answer:
    answer = answered({"result": result, "entry": written})
    if state.seq:
        answer.headers["ETag"] = f'"{state.seq}:{state.head}"'
    return answer
