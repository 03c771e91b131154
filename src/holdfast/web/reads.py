"""The reads of the API: the same views as in Python, as JSON."""

import threading
from collections.abc import Callable
from typing import Any, Final, get_args

import msgspec

from holdfast.core.entry import Entry
from holdfast.core.events import WORDS
from holdfast.core.state import State
from holdfast.core.views import ModelInfo, model_info, version_info
from holdfast.errors import HoldfastError
from holdfast.http.problems import Problem
from holdfast.registry.environments import EnvironmentForm
from holdfast.registry.model_cards import CardFormat
from holdfast.web.below import session_of
from holdfast.web.desk import Desk
from holdfast.web.exchange import Answer, Request, answered
from holdfast.web.lists import cursor_of, page
from holdfast.web.verbs import ref_of

_FOUND: Final = 50
_MOST_FOUND: Final = 200
HEAVY: Final = threading.BoundedSemaphore(2)
"""What reads many bytes: so many at a time, others are asked to come again."""


def models(desk: Desk, request: Request) -> Answer:
    """List models by name; filters are joined by *and*."""
    asked = request.parameters
    cursor = cursor_of(request)
    after = cursor.after if cursor else ""
    part = asked.get("q", "").casefold()
    shown = [
        info
        for info in desk.registry.models(at=asked.get("at"))
        if info.model > after
        and part in info.model.casefold()
        and desk.sees(request, info.model)
        and _fits(desk, info, asked)
    ]
    return page(request, [(info.model, info) for info in shown])


def _fits(desk: Desk, info: ModelInfo, asked: dict[str, str]) -> bool:
    stage, tag, author = asked.get("stage"), asked.get("tag"), asked.get("by")
    if stage is not None and stage not in ("production", "staging"):
        raise Problem(422, "invalid_input", "stage must be production or staging")
    if stage is not None and getattr(info, stage) is None:
        return False
    if tag is None and author is None:
        return True
    try:
        state = session_of(desk.registry).state(info.model, asked.get("at"))
    except HoldfastError:  # damaged: the list shows it where nothing is asked of its versions
        return False
    name, equals, value = (tag or "").partition("=")
    return any(
        (author is None or record.registered_by == author)
        and (tag is None or (name in record.tags and (not equals or record.tags[name] == value)))
        for record in state.present()
    )


def overview(desk: Desk, request: Request) -> Answer:
    """Summarise all models; those that need attention come first."""
    summaries = desk.registry.overview(at=request.parameters.get("at"))
    return answered({"items": [one for one in summaries if desk.sees(request, one.model)]})


def heads(desk: Desk, request: Request) -> Answer:
    """List the heads of all models that exist."""
    return answered(
        {"items": [head for head in desk.registry.heads() if desk.sees(request, head.model)]}
    )


def search(desk: Desk, request: Request) -> Answer:
    """Find versions by what they are, among the models that whoever asks may see."""
    asked = request.parameters
    name = asked.get("model")
    if name is not None:
        request.rights.require("search", name)
    looked: str | list[str] | None = name
    if name is None and not request.rights.reads_all:
        looked = [info.model for info in desk.registry.models() if desk.sees(request, info.model)]
    limit = request.number("limit", _FOUND, _MOST_FOUND)
    where, order = asked.get("where", ()), asked.get("order_by")
    at = asked.get("at")
    result = desk.registry.search(where, model=looked, at=at, order_by=order, limit=limit)
    return answered(result)


def model(desk: Desk, request: Request) -> Answer:
    """Show one model."""
    return answered(model_info(_state(desk, request)))


def status(desk: Desk, request: Request) -> Answer:
    """Gather the screen for whoever is on call."""
    return answered(desk.registry.status(request.values["model"], at=request.parameters.get("at")))


def versions(desk: Desk, request: Request) -> Answer:
    """List a model's versions in the order of SemVer."""
    state = _state(desk, request)
    infos = [version_info(state, record) for record in state.ordered()]
    status = request.parameters.get("status")
    cursor = cursor_of(request)
    if cursor is not None:
        known = [info.version for info in infos]
        infos = infos[known.index(cursor.after) + 1 if cursor.after in known else 0 :]
    fitting = [info for info in infos if status in (None, info.status)]
    return page(request, [(info.version, info) for info in fitting], state.seq)


def history(desk: Desk, request: Request) -> Answer:
    """List what happened to a model, oldest first, or its last lines."""
    cursor = cursor_of(request)
    last = request.number("last", 0, 10**6) or None
    lines = desk.registry.history(
        request.values["model"], at=request.parameters.get("at"), last=last
    )
    end = cursor.head if cursor and cursor.head else (lines[-1].seq if lines else 0)
    after = (cursor.seq if cursor else None) or 0
    shown = [(str(line.seq), line) for line in lines if after < line.seq <= end]
    return page(request, shown, end)


def served(desk: Desk, request: Request) -> Answer:
    """List what was live when."""
    at = request.parameters.get("at")
    return answered({"items": desk.registry.served(request.values["model"], at=at)})


def policy(desk: Desk, request: Request) -> Answer:
    """Show a model's policy."""
    return answered(_state(desk, request).policy)


def rollout(desk: Desk, request: Request) -> Answer:
    """Show the rollout that runs, or the last one."""
    return answered({"rollout": _state(desk, request).rollout})


def servers(desk: Desk, request: Request) -> Answer:
    """List what serving processes report of a model."""
    _state(desk, request)
    return answered({"items": desk.registry.fleet.servers(request.values["model"])})


def entries(desk: Desk, request: Request) -> Answer:
    """List a model's entries, read."""
    cursor = cursor_of(request)
    after_seq = cursor.seq if cursor else None
    after = request.number("after", 0, 10**10) if after_seq is None else after_seq
    newer = desk.registry.entries(request.values["model"], after=after)
    return page(request, [(str(entry.seq), _entry(entry)) for entry in newer])


def _entry(entry: Entry) -> dict[str, Any]:
    return {
        "seq": entry.seq,
        "at": entry.at,
        "by": entry.by,
        "reason": entry.reason,
        "commit": entry.commit,
        "op": WORDS[type(entry.event)],
        "data": entry.event,
        "signed_by": entry.signature.key if entry.signature else None,
    }


def situation(desk: Desk, request: Request) -> Answer:
    """Tell which versions servers should hold."""
    return answered(desk.registry.situation(request.values["model"]))


def head(desk: Desk, request: Request) -> Answer:
    """Tell the last entry's number and digest."""
    (model_head,) = desk.registry.heads(request.values["model"])
    return answered(model_head)


def compare(desk: Desk, request: Request) -> Answer:
    """Put version *b* beside version *a*."""
    a, b = (_ref(request, name) for name in ("a", "b"))
    return answered(desk.registry.compare(a, b))


def gate(desk: Desk, request: Request) -> Answer:
    """Ask the gate about a version."""
    verdict = desk.registry.judge(_ref(request, "version"))
    return answered(msgspec.to_builtins(verdict) | {"passed": verdict.passed})


def _ref(request: Request, name: str) -> str:
    text = request.parameters.get(name)
    if not text:
        raise Problem(422, "invalid_input", f"parameter {name} is missing; name a version")
    return ref_of(request.values["model"], text)


def verify(desk: Desk, request: Request) -> Answer:
    """Hash every byte of a model and check its journal."""
    return answered(_heavy(lambda: desk.registry.verify(request.values["model"])))


def _heavy(read: Callable[[], object]) -> object:
    if not HEAVY.acquire(blocking=False):
        headers = {"Retry-After": "5"}
        raise Problem(429, "busy", "others verify at this moment; ask again later", headers)
    try:
        return read()
    finally:
        HEAVY.release()


def version(desk: Desk, request: Request) -> Answer:
    """Show one version, with its manifest."""
    state, record = session_of(desk.registry).find(_named(request), request.parameters.get("at"))
    shown = msgspec.to_builtins(version_info(state, record))
    manifest = session_of(desk.registry).manifest(record)
    return answered(shown | {"manifest": msgspec.to_builtins(manifest)})


def card(desk: Desk, request: Request) -> Answer:
    """Write a version's card."""
    form: Any = _form(request, get_args(CardFormat))
    made = desk.registry.card(_named(request), form)
    if isinstance(made, str):
        return Answer(200, made.encode(), "text/markdown; charset=utf-8")
    return answered(made)


def environment(desk: Desk, request: Request) -> Answer:
    """Write what a version was registered with, as an installer reads it."""
    form: Any = _form(request, get_args(EnvironmentForm))
    text = desk.registry.environment(_named(request), form)
    return Answer(200, text.encode(), "text/plain; charset=utf-8")


def _form(request: Request, known: tuple[str, ...]) -> str:
    form = request.parameters.get("form", known[0])
    if form not in known:
        raise Problem(422, "invalid_input", f"form must be one of {', '.join(known)}")
    return form


def _named(request: Request) -> str:
    return f"{request.values['model']}@{request.values['ref']}"


def _state(desk: Desk, request: Request) -> State:
    at = request.parameters.get("at")
    return session_of(desk.registry).state(request.values["model"], at)
