"""Registrations and imports of bytes that were sent before."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from holdfast.core import names
from holdfast.core.events import Registered
from holdfast.core.manifest import is_digest
from holdfast.core.state import State
from holdfast.core.version import check_bump, parse
from holdfast.core.views import RegistrationResult
from holdfast.errors import ConflictError, DamagedError, InvalidInputError
from holdfast.gateways.mlflow import entities
from holdfast.http.problems import Problem
from holdfast.registry import Registry, annotations
from holdfast.registry.session import CommitOptions, Session
from holdfast.store import AbsentError, layout
from holdfast.web import text_rights
from holdfast.web.below import session_of
from holdfast.web.deeds import acting, answer_of, key_problem, options_of, watched
from holdfast.web.desk import Desk
from holdfast.web.exchange import Answer, Request, answered
from holdfast.web.verb_bodies import Body, Ref, Text

__all__ = [
    "Import", "Register", "admit", "digests_of", "import_", "perform", "register", "require_base",
    "require_sent",
]  # fmt: skip


class FirstLabels(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Tags and texts of a new version, behind the last entry that the caller has seen."""

    after: Annotated[int, Meta(ge=0)]
    tags: dict[str, str] = {}
    texts: dict[str, str] = {}

    def put_on(self, state: State, event: Registered) -> Registered:
        """Return the registration with what this has; see `catalogue_verbs.Labels`."""
        from holdfast.registry.catalogue_verbs import Labels

        return Labels(self.check, self.tags, self.texts).put_on(state, event)

    def check(self, state: State) -> None:
        """Refuse behind another entry."""
        annotations.require_last(state, self.after)


class Register(Body, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A manifest without what a registration decides, and how its number is found.

    `labels` are tags and texts that the version has from its first moment on; `shares` other models
    some of whose files it has, too, which need not be sent by whoever may read those.
    """

    draft: dict[str, Any]
    version: Ref | None = None
    bump: Literal["auto", "major", "minor", "patch"] | None = None
    trust: Text | None = None
    labels: FirstLabels | None = None
    shares: Annotated[tuple[Ref, ...], Meta(max_length=100)] = ()


class Import(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A bundle that was sent before."""

    blob: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    trust: Text | None = None
    reason: Text | None = None
    by: Text | None = None


async def register(desk: Desk, request: Request) -> Answer:
    """Register a version whose blobs were sent before."""
    body = await request.read(Register)
    async with desk.registering.of(request.id):  # several of one model, as it always was
        return await desk.work.do(lambda: _registered(desk, request, body))


def _registered(desk: Desk, request: Request, body: Register) -> Answer:
    registry, watch = watched(desk, request, body.by)
    admit(desk, request, body)
    options = options_of(request, body.reason)
    model = request.values["model"]
    try:
        result = perform(registry, model, body, options)
    except ConflictError as error:
        raise key_problem(error, options) from error
    return answer_of(registry, model, result, watch)


def admit(desk: Desk, request: Request, body: Register) -> None:
    """Check that whoever asks may register what a body says, of bytes that they have themselves.

    Raises:
        ForbiddenError: If they may not.
        NotFoundError: If they may not see a model whose files it is to share.
        InvalidInputError: If the draft is of another model, or names bytes that they did not send.
    """
    model = request.values["model"]
    if body.draft.get("name", model) != model:
        raise InvalidInputError("draft", "names another model than the path", f"name {model}")
    if body.trust is not None:  # whoever loads it runs what one person let in
        request.rights.require("force", model)
    stage = body.labels.texts.get(entities.STAGE) if body.labels is not None else None
    if stage is not None:
        request.rights.require(text_rights.of_stage(stage), model)
    for other in body.shares:
        request.rights.require("read", names.check_model(other))
    session = session_of(desk.registry)
    for sha256 in digests_of(body.draft):
        require_sent(desk, request, session, sha256, body.shares)
    require_base(request, body.draft)


def perform(
    registry: Registry, model: str, body: Register, options: CommitOptions
) -> RegistrationResult:
    """Register what a body says, as the registry's author; see `received.accept_draft`."""
    from holdfast.registry import received

    asked = parse(body.version) if body.version is not None else check_bump(body.bump or "auto")
    draft = body.draft | {"name": model}
    session = session_of(registry)
    if body.labels is None:
        return received.accept_draft(session, draft, asked, options, body.trust)
    if options.idempotency_key not in session.ledger(model).state().keys:
        body.labels.check(session.ledger(model).state())  # before files are read for nothing
    label = body.labels.put_on
    return received.accept_draft(session, draft, asked, options, body.trust, label)


def digests_of(draft: dict[str, Any]) -> Iterator[str]:
    """Go through the digests that a draft names, whatever else it is."""
    artifacts = draft.get("artifacts")
    for artifact in artifacts.values() if isinstance(artifacts, dict) else ():
        files = artifact.get("files") if isinstance(artifact, dict) else None
        for file in files if isinstance(files, list | tuple) else ():
            sha256 = file.get("sha256") if isinstance(file, dict) else None
            yield sha256 if isinstance(sha256, str) else ""


def require_sent(
    desk: Desk, request: Request, session: Session, sha256: str, shares: Sequence[str] = ()
) -> None:
    """Check that whoever asks has these bytes themselves.

    Args:
        shares: Models that they may read, besides the one that is written.

    Raises:
        InvalidInputError: If they neither sent them, nor may read what names them here.
    """
    if not is_digest(sha256):
        raise InvalidInputError(f"digest {sha256[:80]!r}", "is not 64 lower-case hex digits")
    if request.rights.reads_all:
        return
    if session.exists:
        for model in (request.values["model"], *shares):
            if desk.named.has(session, session.ledger(model).state(), sha256):
                return
    desk.receipts.require(request.rights, sha256)


def require_base(request: Request, draft: dict[str, Any]) -> None:
    """Check that the version an adapter is put on is one that whoever asks may see."""
    lineage = draft.get("lineage")
    base = lineage.get("base") if isinstance(lineage, dict) else None
    if isinstance(base, str):
        request.rights.require("read", base.partition("@")[0])


async def import_(desk: Desk, request: Request) -> Answer:
    """Take in a bundle that was sent before: histories of models, as they were elsewhere."""
    body = await request.read(Import)
    return await desk.work.do(lambda: _imported(desk, request, body))


def _imported(desk: Desk, request: Request, body: Import) -> Answer:
    registry = acting(desk, request, body.by)
    CommitOptions(body.reason)
    desk.receipts.require(request.rights, body.blob)
    file = _file(session_of(registry), body.blob)
    try:
        result = registry.import_(file, trust=body.trust, reason=body.reason)
    except DamagedError as error:  # what was sent, and not what is stored here
        raise Problem(422, error.code, str(error)) from error
    return answered({"result": result})


def _file(session: Session, sha256: str) -> Path:
    store = session.open_store.store
    key = layout.blob(sha256)
    size = store.size(key)
    try:
        if size is not None:
            return store.fetch(key, sha256, size)
    except AbsentError:
        pass
    raise InvalidInputError(f"blob sha256:{sha256}", "was not sent", "send it first")
