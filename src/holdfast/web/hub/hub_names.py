"""Names that clients make and remove: repositories, tags and branches.

A tag is a version, for ever; a branch is a stage or an alias, and to make one that exists moves it,
as there is no other call for that: so `production` passes the same gate as at any promotion.
"""

from typing import Any, Final

import msgspec

from holdfast.core import names
from holdfast.errors import ConflictError
from holdfast.gateways.hf import hub_commits, hub_paths, hub_revisions
from holdfast.gateways.hf.hub_paths import HubTarget
from holdfast.http.problems import Problem
from holdfast.registry.session import CommitOptions
from holdfast.web import registering
from holdfast.web.below import session_of
from holdfast.web.deeds import acting, require_rights
from holdfast.web.exchange import Answer, Request, answered, parsed
from holdfast.web.hub import hub_commit
from holdfast.web.hub.hub_face import Call, HubFace, missing
from holdfast.web.registering import Register
from holdfast.web.verbs import VERBS

__all__ = ["CALLS"]

_DELETED: Final = "asked for by a client of the Hub"
_VERSION: Final = "a released version stays as it is; holdfast purge removes its bytes"


class _Repo(msgspec.Struct):
    name: str
    organization: str | None = None
    type: str | None = None


class _Tag(msgspec.Struct):
    tag: str
    message: str | None = None


class _Branch(msgspec.Struct, rename="camel"):
    starting_point: str | None = None


async def create_repo(hub: HubFace, request: Request, _target: HubTarget) -> Answer:
    """Announce a model; it comes to be with its first version."""
    repo = await _repo(hub, request, "register")
    model = hub_paths.model_of(repo)
    shown = repo if "/" in repo else f"{hub_paths.NAMESPACE}/{repo}"
    document = {"url": f"{hub.desk.base_of(request)}/{shown}", "name": shown, "id": shown}

    def created() -> bool:
        names.check_model(model)
        session = hub.session
        state = session.ledger(model).state() if session.exists else None
        if state is not None and state.exists:
            return False
        hub.announce(model)
        return True

    if await hub.desk.work.do(created):
        return answered(document)
    error = f"{shown} exists already"
    return answered({"error": error, **document}, 409, X_Error_Message=error)


async def delete_repo(hub: HubFace, request: Request, _target: HubTarget) -> Answer:
    """Delete a model; its history stays."""
    repo = await _repo(hub, request, "delete")
    model = hub_paths.model_of(repo)
    await hub.desk.work.do(lambda: _do(hub, request, model, "delete", {"reason": _DELETED}))
    return answered({})


async def _repo(hub: HubFace, request: Request, access: str) -> str:
    asked = parsed(await request.body(), _Repo)
    if asked.type not in (None, "model"):
        raise Problem(
            422, "invalid_input", f"type {asked.type[:40]!r} is not kept here: models are"
        )
    repo = f"{asked.organization}/{asked.name}" if asked.organization else asked.name
    model = hub_paths.model_of(repo)
    request.values = {"model": model}
    if access == "register":  # a model that nobody has registered cannot be read either
        request.rights.require(access, model)
    else:
        await hub.desk.work.do(lambda: request.rights.require(access, model))
    return repo


async def create_tag(hub: HubFace, request: Request, target: HubTarget) -> Answer:
    """Release the files of a revision under a version of one's own, or give an alias."""
    asked = parsed(await request.body(), _Tag)
    async with hub.alone(target.model):
        await hub.desk.work.do(lambda: _tagged(hub, request, target, asked))
    return answered({})


def _tagged(hub: HubFace, request: Request, target: HubTarget, asked: _Tag) -> None:
    state, record = hub.record(hub.state(target.model), target)
    version = hub_revisions.released(asked.tag)
    reason = (asked.message or "").strip() or None
    if version is None:
        if asked.tag in state.aliases:
            raise _taken(asked.tag)
        about = {"alias": asked.tag, "version": record.version, "reason": reason}
        _do(hub, request, target.model, "alias", about)
        return
    if str(version) in state.versions:
        raise _taken(asked.tag)
    request.rights.require("register", target.model)
    base = hub_commit.base_at(hub, target.model, record.version)
    assert base.manifest is not None  # noqa: S101 - the record has one
    draft = hub_commits.as_sent(base.manifest)
    for name in ("format", "version", "number", "registered_at", "registered_by", "scan"):
        del draft[name]
    body = Register(draft=draft, version=str(version))
    registering.admit(hub.desk, request, body)
    hub_commit.perform(hub, request, target.model, body, base, reason)


def _taken(name: str) -> Problem:
    return Problem(409, "conflict", f"{name[:80]} exists already, and a tag is never moved")


def delete_tag(hub: HubFace, request: Request, target: HubTarget) -> Answer:
    """Remove an alias; a version stays."""
    return _removed(hub, request, target)


async def create_branch(hub: HubFace, request: Request, target: HubTarget) -> Answer:
    """Move a name to a version: `production` by a promotion."""
    raw = await request.body()
    asked = parsed(raw, _Branch) if raw else _Branch()
    start = msgspec.structs.replace(target, revision=asked.starting_point or hub_revisions.MAIN)
    async with hub.alone(target.model):
        await hub.desk.work.do(lambda: _moved(hub, request, target.revision, start))
    return answered({})


def _moved(hub: HubFace, request: Request, name: str, start: HubTarget) -> None:
    state, record = hub.record(hub.state(start.model), start)
    held = {branch["name"]: branch["targetCommit"] for branch in hub_revisions.branches(state)}
    if held.get(name) == hub_revisions.commit_of(record):
        raise Problem(409, "conflict", f"{name[:80]} is at {record.version} already")
    version = {"version": record.version}
    match name:
        case names.PRODUCTION:
            _do(hub, request, start.model, "promote", version)
        case names.STAGING:
            _do(hub, request, start.model, "stage", version)
        case hub_revisions.MAIN:
            raise ConflictError("main", "is the newest release", "commit to it, or tag a version")
        case _ if hub_revisions.released(name) is not None:
            raise ConflictError(f"branch {name[:80]}", "would be a version", "make a tag of it")
        case _:
            _do(hub, request, start.model, "alias", version | {"alias": name})


def delete_branch(hub: HubFace, request: Request, target: HubTarget) -> Answer:
    """Remove an alias; what the registry moves itself stays."""
    return _removed(hub, request, target)


def _removed(hub: HubFace, request: Request, target: HubTarget) -> Answer:
    state = hub.state(target.model)
    name = target.revision
    if name in (hub_revisions.MAIN, *names.BUILT_IN):
        raise ConflictError(
            f"branch {name}", "cannot be removed", "roll back, or move it to another version"
        )
    if state is None or (name not in state.aliases and hub_revisions.released(name) is None):
        raise missing("Revision", f"{name[:80]} is not a name in {target.model}")
    if name not in state.aliases:
        version = str(hub_revisions.released(name))
        if version not in state.versions:
            raise missing("Revision", f"{name[:80]} is not a version of {target.model}")
        raise ConflictError(f"{target.model}@{version}", "is released", _VERSION)
    _do(hub, request, target.model, "remove-alias", {"alias": name})
    return answered({})


def _do(hub: HubFace, request: Request, model: str, verb_name: str, about: dict[str, Any]) -> None:
    """Do one of the registry's verbs, as the user who asks, if they may."""
    verb = VERBS[verb_name]
    body = parsed(msgspec.json.encode(about), verb.body)
    request.operation = verb_name
    require_rights(hub.desk, request, verb, body)
    registry = acting(hub.desk, request, None)
    session_of(registry).watch = None
    verb.perform(registry, model, body, CommitOptions(about.get("reason")))


CALLS: Final = {
    ("POST", "create-repo"): Call(create_repo, None, writes=True),
    ("DELETE", "delete-repo"): Call(delete_repo, None, writes=True),
    ("POST", "tag"): Call(create_tag, "read", writes=True),
    ("DELETE", "tag"): Call(delete_tag, "read", writes=True),
    ("POST", "branch"): Call(create_branch, "read", writes=True),
    ("DELETE", "branch"): Call(delete_branch, "read", writes=True),
}
