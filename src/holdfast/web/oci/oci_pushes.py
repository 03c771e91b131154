"""What clients of OCI registries push becomes versions; moving tags are stages and aliases."""

import dataclasses
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec

from holdfast import formats
from holdfast.core import names
from holdfast.core.manifest import Artifact, digest_of
from holdfast.core.oci_names import is_tag, version_of
from holdfast.core.shown_paths import FACTS, PUSHED
from holdfast.core.state import State
from holdfast.errors import ConflictError, InvalidInputError, NotFoundError
from holdfast.formats.contract import Description
from holdfast.gateways.oci import pushed_manifests, referrers
from holdfast.gateways.oci.distribution_paths import OciTarget, digest_in
from holdfast.gateways.oci.pushed_manifests import PushedManifest
from holdfast.http.problems import Problem
from holdfast.registry import Registry, attachments, received
from holdfast.registry.attachments import Attachment
from holdfast.registry.session import Session
from holdfast.store import layout
from holdfast.web import registering
from holdfast.web.below import session_of
from holdfast.web.deeds import options_of, require_rights, watched
from holdfast.web.desk import Desk
from holdfast.web.exchange import Answer, Request
from holdfast.web.oci.pack_shelf import PackShelf
from holdfast.web.registering import Register
from holdfast.web.verbs import VERBS

__all__ = ["OciPushes"]

_MOST_FACTS: Final = 4 << 20
"""Longer ones are a file like any other: what is read of them takes many times as much memory."""
_MOST_TAGS: Final = 20
_REASON: Final = "pushed by a client of OCI registries"
_IMMUTABLE: Final = (
    "versions do not change and are not deleted here; archive it (`holdfast archive`) and purge it"
)
_MOVING: Final = {names.PRODUCTION: "promote", names.STAGING: "stage"}


class OciPushes:
    """Answers that change something."""

    def __init__(self, desk: Desk, shelf: PackShelf) -> None:
        self._desk = desk
        self._shelf = shelf

    async def push(self, request: Request, target: OciTarget) -> Answer:
        """Take in a manifest: register a version, or move a name to one."""
        request.rights.require("register", target.model)  # whoever moves a name may that, too
        raw = await request.body()  # its connection bounds how long it may be
        media = request.header("content-type") or ""
        pushed = await self._desk.work.do(lambda: pushed_manifests.read(raw, media))
        digest = f"sha256:{digest_of(raw)}"
        headers = {
            "Location": f"/v2/{target.model}/manifests/{digest}",
            "Docker-Content-Digest": digest,
        }
        if pushed.subject is not None:
            await self._desk.work.do(lambda: self._attached(request, target, pushed, raw))
            headers["OCI-Subject"] = pushed.subject.digest
            return Answer(201, headers=headers)
        tags = _tags(target.reference, raw, request.query)
        async with self._desk.registering.of(target.model):
            for tag in tags:
                await self._desk.work.do(partial(self._pushed, request, tag, pushed, raw))
        if tags != [target.reference]:
            headers["OCI-Tag"] = ", ".join(tags)
        return Answer(201, headers=headers)

    def _attached(
        self, request: Request, target: OciTarget, pushed: PushedManifest, raw: bytes
    ) -> None:
        """Keep what refers to a version beside it."""
        request.operation = "sign-attach"
        request.rights.require("sign-attach", target.model)
        if digest_in(target.reference) != digest_of(raw):
            problem = "is not the digest of the manifest, which has a subject and so no tag"
            advice = "push it to its digest, as `oras attach` does"
            raise InvalidInputError(f"reference {target.reference[:80]!r}", problem, advice)
        assert pushed.subject is not None  # noqa: S101 - it is why this is called
        session = session_of(self._desk.registry)
        record = self._shelf.holder(self._shelf.state(target.model), pushed.subject.sha256)
        kind = referrers.kind_of(raw)
        with session.writable().sharing():  # what is there now is there until an entry names it
            self._require_blobs(request, session, pushed)
            blobs = tuple(dict.fromkeys(one.sha256 for one in pushed.blobs))
            registry, _ = watched(self._desk, request, None)
            ref, options = f"{target.model}@{record.version}", options_of(request, _REASON)
            artifact = Attachment(raw, kind, blobs)
            attachments.attach(session_of(registry), ref, artifact, options)

    def _pushed(self, request: Request, tag: str, pushed: PushedManifest, raw: bytes) -> None:
        model = request.values["model"]
        session, digest = session_of(self._desk.registry), digest_of(raw)
        state = session.ledger(model).state() if session.exists else None
        exists = state is not None and state.exists
        version = version_of(tag)
        if version is None:
            if state is None or not exists:
                raise NotFoundError(f"manifest sha256:{digest}", advice=_first(model))
            self._move(request, state, tag, digest)
            return
        request.rights.require("register", model)
        if state is not None and exists and version in state.versions:
            record = state.versions[version]
            if record.status != "purged" and self._shelf.pack(record).digest == digest:
                return
            taken = "holds other bytes, and versions do not change"
            raise ConflictError(f"{model}:{tag}", taken, "push it under the next version")
        pushed_manifests.check_model(pushed)
        with session.writable().sharing():  # what is there now is there until an entry names it
            self._register(request, version, raw, pushed)

    def _register(self, request: Request, version: str, raw: bytes, pushed: PushedManifest) -> None:
        model = request.values["model"]
        session = session_of(self._desk.registry)
        self._require_blobs(request, session, pushed)
        blobs = session.writable().blobs
        files = pushed.files()
        received.check_work(tuple(files.values()))  # before any of it is read
        self._desk.receipts.give(request.rights, blobs.add_bytes(raw))
        facts = files.get(FACTS)
        known = facts is not None and facts.size_bytes <= _MOST_FACTS
        draft = pushed_manifests.draft_of(
            model, pushed, raw, blobs.read(facts.sha256) if facts is not None and known else None
        )
        _describe(session, draft)
        registry, _ = watched(self._desk, request, None)
        body = Register(draft=draft, version=version, reason=_REASON)
        registering.admit(self._desk, request, body)
        registering.perform(registry, model, body, options_of(request, body.reason))

    def _require_blobs(self, request: Request, session: Session, pushed: PushedManifest) -> None:
        """Check that whoever pushes has all that the manifest names.

        Raises:
            Problem: 400 if they do not, or a length is another.
        """
        for descriptor in pushed.blobs:
            try:
                registering.require_sent(self._desk, request, session, descriptor.sha256)
                size = session.writable().store.size(layout.blob(descriptor.sha256))
            except InvalidInputError as error:
                raise Problem(400, "missing_blob", str(error)) from error
            if size != descriptor.size:
                problem = "was not sent" if size is None else f"has {size} bytes"
                detail = f"blob {descriptor.digest} {problem}, not the {descriptor.size} named"
                raise Problem(400, "missing_blob", detail)

    def _move(self, request: Request, state: State, tag: str, digest: str) -> None:
        """Have a stage or an alias name the version whose artifact this is."""
        if tag in (names.LATEST, names.PREVIOUS):
            raise InvalidInputError(
                f"tag {tag!r}", "is set by Holdfast alone", "push a version: 1.2.0"
            )
        try:
            record = self._shelf.pushed(state, digest)
        except NotFoundError as error:
            raise NotFoundError(error.subject, advice=_first(state.model)) from None
        name = _MOVING.get(tag, "alias")
        arguments: dict[str, Any] = {"version": record.version, "reason": _REASON}
        if name == "alias":
            arguments["alias"] = names.check_alias(tag)
        self._do(request, name, arguments)

    def _do(self, request: Request, name: str, arguments: dict[str, Any]) -> None:
        """Do what the API's verb of that name does, with its rights."""
        verb, model = VERBS[name], request.values["model"]
        request.operation = name
        request.rights.require(verb.access, model)
        body = verb.body(**arguments)
        require_rights(self._desk, request, verb, body)
        registry: Registry = watched(self._desk, request, None)[0]
        verb.perform(registry, model, body, options_of(request, body.reason))

    async def delete(self, request: Request, target: OciTarget) -> Answer:
        """Remove an alias; nothing else can be deleted.

        Raises:
            Problem: 405 for a version or a stage.
            NotFoundError: If there is nothing of that name.
        """

        def deleted() -> None:
            state, tag = self._shelf.state(target.model), target.reference
            if digest_in(tag) is None and tag in state.aliases:
                self._do(request, "remove-alias", {"alias": tag, "reason": _REASON})
                return
            self._shelf.manifest(state, tag)
            raise Problem(405, "unsupported", _IMMUTABLE, {"Allow": "GET, HEAD, PUT"})

        await self._desk.work.do(deleted)
        return Answer(202)


def _tags(reference: str, raw: bytes, query: bytes) -> list[str]:
    """Return the tags that are pushed to: one, or those beside a digest, versions first.

    Raises:
        InvalidInputError: If one is not a tag, or there is none; a version needs a tag.
    """
    tags, digest = [reference], digest_in(reference)
    if digest is not None:
        if digest != digest_of(raw):
            raise InvalidInputError(f"digest {reference!r}", "is of other bytes than were sent")
        tags = list(dict.fromkeys(text for key, text in _pairs(query) if key == "tag"))
    if not tags:
        advice = "push it to a version, such as 1.2.0"
        raise InvalidInputError("the manifest", "has no tag, and so no version", advice)
    for tag in tags:
        if not is_tag(tag):
            raise InvalidInputError(f"tag {tag[:128]!r}", "is not a tag", "push to 1.2.0")
    return sorted(tags, key=lambda tag: version_of(tag) is None)  # what others name comes first


def _pairs(query: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(query.decode("latin-1"), max_num_fields=_MOST_TAGS)
    except ValueError:
        raise InvalidInputError("the push", f"must name up to {_MOST_TAGS} tags") from None


def _first(model: str) -> str:
    return f"push it to a version of {model} first, such as 1.2.0"


def _describe(session: Session, draft: dict[str, Any]) -> None:
    """Find out formats, and what the model's bytes say of it, where the draft does not say."""
    store = session.writable()
    with store.workplace() as scratch:
        for role, artifact in draft["artifacts"].items():
            if artifact["format"] or role == PUSHED:
                continue
            form, about = _packaged(session, scratch, role, msgspec.convert(artifact, Artifact))
            artifact["format"] = form
            if role == "model":
                known = dataclasses.asdict(about)
                fields = ("framework", "algorithm", "hyperparameters")
                draft |= {name: known[name] for name in fields if known[name]}


def _packaged(
    session: Session, scratch: Path, role: str, artifact: Artifact
) -> tuple[str, Description]:
    session.open_store.blobs.require(artifact.files)
    path = session.open_store.blobs.materialize(artifact, scratch)
    packaged = formats.package(path, role, scratch)
    return packaged.format, packaged.description
