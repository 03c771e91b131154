"""Verbs of models that demand signatures: the caller signs the entry's exact bytes.

A server cannot sign as ana, and must not be handed what it did not decide. So a verb is asked for
twice: `:prepare` decides and returns the bytes of the entry that it would write; the caller signs
them; `:commit` decides once more, at the time and under the id that stand in those bytes, and
writes only if the same bytes come out. Nothing of them is believed.
"""

import base64
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Struct

from holdfast.core import strict_json
from holdfast.core.events import WORDS, Registered, Retrained
from holdfast.core.signers import Signer
from holdfast.core.signers import check as check_signers
from holdfast.errors import InvalidInputError
from holdfast.http.problems import Problem
from holdfast.registry import Registry
from holdfast.registry.commit_watch import CommitWatch
from holdfast.registry.session import CommitOptions, Keyring, Session
from holdfast.store import layout
from holdfast.web import registering, retraining_runs
from holdfast.web.below import session_of
from holdfast.web.deeds import answer_of, options_of, require_rights, watched
from holdfast.web.desk import Desk
from holdfast.web.entry_pens import Asking, Given, Key, PreparedError, Signature
from holdfast.web.exchange import Answer, Request, answered
from holdfast.web.verbs import VERBS

__all__ = ["Commit", "Prepare", "commit", "prepare"]

_Kind = TypeVar("_Kind")
_REGISTER: Final = "register"
_RETRAINED: Final = "retrained"


class Prepare(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A verb, its arguments, and the Ed25519 key that will sign, in base64."""

    verb: str
    arguments: dict[str, Any] = {}
    key: Key


class Commit(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The same once more, with the bytes that were signed and the signature."""

    verb: str
    arguments: dict[str, Any] = {}
    key: Key
    bytes: str
    signature: Signature


@dataclass(frozen=True, slots=True)
class _Asked:
    """A verb with a body that was read.

    Attributes:
        by: The author that the body claims.
    """

    perform: Callable[[Registry, str, Any, CommitOptions], object]
    body: Any
    by: str | None
    options: CommitOptions


async def prepare(desk: Desk, request: Request) -> Answer:
    """Return the bytes of the entry that a verb would write, to be signed."""
    body = await request.read(Prepare)
    return await desk.work.do(lambda: _prepared(desk, request, body))


def _prepared(desk: Desk, request: Request, body: Prepare) -> Answer:
    asked = _asked(desk, request, body.verb, body.arguments)
    registry, watch = _acting(desk, request, asked, lambda: Asking(body.key))
    session = session_of(registry)
    now = session.clock()
    session.clock = lambda: now  # a manifest has it, too, and must come out the same
    try:
        result = _perform(registry, request, asked)
    except PreparedError as prepared:
        document = {"bytes": base64.b64encode(prepared.message).decode(), "result": None}
        manifest = _manifest(session, prepared.message)
        if manifest is not None:
            document["manifest"] = base64.b64encode(manifest).decode()
        return answered(document)
    if any(outcome.entry is not None for outcome in watch.outcomes):  # no verb signs nothing
        raise Problem(500, "internal", "the server wrote an entry that was only to be prepared")
    return answered({"bytes": None, "result": result})


def _manifest(session: Session, message: bytes) -> bytes | None:
    """Return the manifest of a version that an entry registers, `None` if it registers none.

    Whoever signs a digest wants to read what it is of.
    """
    text = message + b"}"
    operation = strict_json.decode(text, _Operation).op
    named: _Named | None = None
    if operation == WORDS[Registered]:
        named = strict_json.decode(text, _Registering).data
    elif operation == WORDS[Retrained]:
        named = strict_json.decode(text, _Retraining).data.registered
    if named is None:
        return None
    with session.open_store.store.open(layout.blob(named.manifest)) as file:
        return file.read()


async def commit(desk: Desk, request: Request) -> Answer:
    """Write the entry of a verb with the signature that the caller made over its bytes."""
    body = await request.read(Commit)
    return await desk.work.do(lambda: _committed(desk, request, body))


class _Operation(Struct):
    op: str


class _Named(Struct):
    manifest: str


class _Registering(Struct):
    data: _Named


class _Run(Struct):
    registered: _Named | None = None


class _Retraining(Struct):
    data: _Run


def _committed(desk: Desk, request: Request, body: Commit) -> Answer:
    pen, at = Given.of(body.key, body.bytes, body.signature)
    asked = _asked(desk, request, body.verb, body.arguments)
    registry, watch = _acting(desk, request, asked, lambda: pen)
    session = session_of(registry)
    session.clock = lambda: at
    session.new_id = lambda: pen.commit
    result = _perform(registry, request, asked)
    return answer_of(registry, request.values["model"], result, watch)


def _asked(desk: Desk, request: Request, name: str, arguments: dict[str, Any]) -> _Asked:
    if name == _REGISTER:
        draft = _read(arguments, registering.Register)
        request.rights.require(_REGISTER, request.values["model"])
        registering.admit(desk, request, draft)
        options = options_of(request, draft.reason)
        return _Asked(registering.perform, draft, draft.by, options)
    if name == _RETRAINED:
        made = _read(arguments, retraining_runs.RunMade)
        request.rights.require("retrain", request.values["model"])
        retraining_runs.admit(desk, request, made.run)
        options = options_of(request, made.reason)
        return _Asked(retraining_runs.perform, made, made.by, options)
    verb = VERBS.get(name)
    if verb is None or verb.plans or not verb.operations:
        raise InvalidInputError(f"verb {name[:40]!r}", "does not write an entry")
    body = _read(arguments, verb.body)
    require_rights(desk, request, verb, body)
    return _Asked(verb.perform, body, body.by, options_of(request, body.reason))


def _read(arguments: dict[str, Any], kind: type[_Kind]) -> _Kind:
    try:
        return msgspec.convert(arguments, kind)
    except msgspec.ValidationError as error:
        raise Problem(422, "invalid_input", f"the arguments cannot be used: {error}") from error


def _acting(
    desk: Desk, request: Request, asked: _Asked, pen: Callable[[], Any]
) -> tuple[Registry, CommitWatch]:
    key = pen().key
    check_signers({request.identity.user.name: Signer(ed25519=key)})
    registry, watch = watched(desk, request, asked.by)
    session_of(registry).keyring = Keyring(pen)
    return registry, watch


def _perform(registry: Registry, request: Request, asked: _Asked) -> object:
    return asked.perform(registry, request.values["model"], asked.body, asked.options)
