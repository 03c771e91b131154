"""A commit becomes a version: its files, judged and numbered as at any registration."""

import functools
from typing import Any, Final

from msgspec import Struct

from holdfast import formats
from holdfast.core.manifest import File, Manifest
from holdfast.core.shown_paths import shown_files
from holdfast.core.state import Record, State
from holdfast.errors import ChangedError, ConflictError, InvalidInputError
from holdfast.gateways.hf import hub_commits, hub_revisions
from holdfast.gateways.hf.hub_commits import FileChange, HubCommit
from holdfast.gateways.hf.hub_paths import HubTarget
from holdfast.http.problems import Problem
from holdfast.registry import received
from holdfast.registry.commit_watch import CommitWatch
from holdfast.registry.session import CommitOptions
from holdfast.store import layout
from holdfast.web import registering
from holdfast.web.below import session_of
from holdfast.web.deeds import acting
from holdfast.web.exchange import Answer, Request, answered
from holdfast.web.hub.hub_face import HubFace
from holdfast.web.registering import Register

__all__ = ["base_at", "commit", "perform", "require_main"]

_TRIES: Final = 8
_LONGEST_REASON: Final = 1000


class Base(Struct):
    """What a commit changes: the model as it stands, its newest release and that one's manifest."""

    state: State | None
    record: Record | None = None
    manifest: Manifest | None = None

    @property
    def files(self) -> dict[str, File]:
        """The stored files, by the path that clients know."""
        return {} if self.manifest is None else shown_files(self.manifest)

    @property
    def seen(self) -> str:
        """The entry that must be the journal's last when the version is written."""
        return "0:" if self.state is None else f"{self.state.seq}:{self.state.head or ''}"


async def commit(hub: HubFace, request: Request, target: HubTarget) -> Answer:
    """Take a commit in, and register what the files are after it."""
    require_main(target.revision)
    if "create_pr=1" in request.query.decode("latin-1"):
        detail = "pull requests are not supported here; commit to main, which promotes nothing"
        raise Problem(403, "unsupported", detail)
    asked = HubCommit()
    async for raw in hub_commits.lines(request.pieces()):
        change = hub_commits.read_line(asked, raw)
        if change is None:
            continue
        if change.content is not None:
            change = await hub.desk.work.do(functools.partial(_stored, hub, request, change))
        elif change.copied is not None:
            change = await hub.desk.work.do(functools.partial(_copied, hub, request, change))
        hub_commits.add(asked, change)
    async with hub.alone(target.model):
        record = await hub.desk.work.do(lambda: _committed(hub, request, target.model, asked))
    oid = hub_revisions.commit_of(record)
    url = f"{hub.desk.base_of(request)}/{target.model}/commit/{oid}"
    return answered({"success": True, "commitOid": oid, "commitUrl": url, "hookOutput": ""})


def require_main(revision: str) -> None:
    """Refuse to write elsewhere than where versions come to be."""
    if revision.removeprefix("refs/heads/") != hub_revisions.MAIN:
        detail = f"commit to main, which registers a version; then move {revision[:80]} to it"
        raise Problem(409, "refused", detail)


def _stored(hub: HubFace, request: Request, change: FileChange) -> FileChange:
    """Store a file that came within the commit."""
    content = change.content or b""
    store = session_of(hub.desk.registry).writable()
    with store.sharing("taking in a file"):
        sha256 = store.blobs.add_bytes(content)
        store.rescue([sha256])
    hub.desk.receipts.give(request.rights, sha256)
    return hub_commits.placed(change, sha256, len(content))


def _copied(hub: HubFace, request: Request, change: FileChange) -> FileChange:
    """Find a file that is copied within a repository: clients do not tell how long it is."""
    sha256, session = change.copied or "", session_of(hub.desk.registry)
    registering.require_sent(hub.desk, request, session, sha256)
    size = session.open_store.store.size(layout.blob(sha256))
    if size is None:
        raise InvalidInputError(f"file {change.path!r}", "was not sent", "send it first")
    return hub_commits.placed(change, sha256, size)


def _committed(hub: HubFace, request: Request, model: str, asked: HubCommit) -> Record:
    """Register; begin again where others wrote to the model meanwhile.

    Raises:
        ConflictError: If they did so too often.
    """
    for _ in range(_TRIES):
        base = base_at(hub, model)
        if asked.parent and (base.record is None or not _is_parent(base.record, asked.parent)):
            detail = f"the parent {asked.parent[:40]} is not the last commit of main"
            raise Problem(412, "changed", detail)
        files = hub_commits.changed(base.files, asked.changes)
        if base.record is not None and files_equal(files, base.files):
            return base.record
        try:
            return registered(hub, request, model, base, files, _reason(asked))
        except ChangedError:
            continue
    raise ConflictError(model, f"was written by others {_TRIES} times in a row", "commit again")


def _is_parent(record: Record, parent: str) -> bool:
    return len(parent) >= 7 and record.manifest.startswith(parent)  # noqa: PLR2004 - as Git has it


def files_equal(files: dict[str, File], others: dict[str, File]) -> bool:
    """Tell whether two sets of files have the same bytes at the same paths."""
    return {path: file.sha256 for path, file in files.items()} == {
        path: file.sha256 for path, file in others.items()
    }


def _reason(asked: HubCommit) -> str | None:
    return asked.summary.strip()[:_LONGEST_REASON] or None


def base_at(hub: HubFace, model: str, revision: str = hub_revisions.MAIN) -> Base:
    """Return what a commit would change at this moment."""
    session = hub.session
    state = session.ledger(model).state() if session.exists else None
    if state is None or not state.exists or state.latest() is None:
        return Base(state)
    record = hub_revisions.resolve(state, revision)
    return Base(state, record, session.manifest(record))


def registered(
    hub: HubFace,
    request: Request,
    model: str,
    base: Base,
    files: dict[str, File],
    reason: str | None,
) -> Record:
    """Register the version that files make, right behind the entry that was seen.

    Raises:
        ChangedError: If there is an entry behind it.
        InvalidInputError: If bytes were not sent, or are not those of a model.
        UntrustedError: If a file runs code outside the allow-list.
    """
    if not files:
        raise InvalidInputError("the commit", "leaves no files", "add the model's files")
    received.check_work(tuple(files.values()))  # before any of it is read
    draft = hub_commits.draft_of(model, files, base.manifest)
    body = Register(draft=draft, bump="auto")
    registering.admit(hub.desk, request, body)
    _require_sent(hub, files, base.files)
    _find_formats(hub, draft)
    return perform(hub, request, model, body, base, reason)


def perform(
    hub: HubFace, request: Request, model: str, body: Register, base: Base, reason: str | None
) -> Record:
    """Register what a body says as the user who asks, and return the version."""
    registry = acting(hub.desk, request, None)
    session = session_of(registry)
    session.watch = CommitWatch(base.seen)
    result = registering.perform(registry, model, body, CommitOptions(reason))
    return session.ledger(model).state().versions[result.version.version]


def _require_sent(hub: HubFace, files: dict[str, File], known: dict[str, File]) -> None:
    """Refuse files whose bytes are not here, before any of them is looked at."""
    store = hub.session.writable().store
    for path, file in files.items():
        if known.get(path) == file:
            continue
        size = store.size(layout.blob(file.sha256))
        if size != file.size_bytes:
            problem = "was not sent" if size is None else f"has {size} bytes, not {file.size_bytes}"
            raise InvalidInputError(f"file {path!r}", problem, "send it first")


def _find_formats(hub: HubFace, draft: dict[str, Any]) -> None:
    """Find out by their bytes what the files of a draft are."""
    store = hub.session.writable()
    unknown = [role for role, artifact in draft["artifacts"].items() if not artifact["format"]]
    with store.sharing(), store.workplace() as scratch:
        for role in unknown:
            artifact = hub_commits.artifact_of(draft, role)
            path = store.blobs.materialize(artifact, scratch / role)
            packaged = formats.package(path, role, scratch)
            hub_commits.described(draft, role, packaged.format, packaged.description)
