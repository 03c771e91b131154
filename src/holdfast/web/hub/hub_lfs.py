"""Files on their way in by Git LFS: what is to be sent, where to, and the bytes themselves.

Clients send the bytes without their token, so that the address itself says who may send what:
it is signed, holds for one file of one user, as long as their rights do, and for half a day: files
of one batch are sent one after the other, and clients of the Hub do not ask for addresses anew.
"""

import base64
import hashlib
import hmac
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlencode

import msgspec
from msgspec import Struct

from holdfast.access import permissions
from holdfast.access.authentication import known_before
from holdfast.access.permissions import Narrowing
from holdfast.access.sessions import JOB
from holdfast.core import strict_json
from holdfast.core.manifest import is_digest
from holdfast.errors import InvalidInputError, UnauthenticatedError
from holdfast.gateways.hf import hub_paths
from holdfast.gateways.hf.hub_paths import HubTarget
from holdfast.http.problems import Problem
from holdfast.store import layout
from holdfast.web import registering, uploads
from holdfast.web.exchange import Answer, Request, Stream, answered, parsed
from holdfast.web.guard import TeamGuard
from holdfast.web.hub import hub_commit
from holdfast.web.hub.hub_face import Call, HubFace
from holdfast.web.rights import Rights

__all__ = ["CALLS"]

_LFS: Final = "application/vnd.git-lfs+json"
_LIFE_S: Final = 12 * 3600
_INLINE: Final = 16 << 10
"""Up to so many bytes a file comes within the commit, which spares two requests."""
_MOST: Final = 1000


class _Object(Struct):
    oid: str
    size: int


class _Batch(Struct):
    operation: str
    objects: list[_Object]


class _File(Struct):
    path: str
    size: int = 0
    sample: str = ""


class _Preupload(Struct):
    files: list[_File]


class _Proof(Struct, frozen=True):
    """What an address holds: who may send which bytes, for which model, until when.

    Attributes:
        how: By which token whoever asked was known; the address ends with it.
    """

    user: str
    how: str
    model: str
    sha256: str
    size_bytes: int
    until: int


async def preupload(hub: HubFace, request: Request, target: HubTarget) -> Answer:
    """Say how each file is to be sent, and which bytes are there already."""
    hub_commit.require_main(target.revision)
    asked = parsed(await request.body(), _Preupload)
    if len(asked.files) > _MOST:
        raise InvalidInputError("the request", f"must name up to {_MOST} files")

    def told() -> Answer:
        known = hub_commit.base_at(hub, target.model).files
        return answered({"files": [_mode(hub, file, known.get(file.path)) for file in asked.files]})

    return await hub.desk.work.do(told)


def _mode(hub: HubFace, file: _File, known: Any) -> dict[str, Any]:
    small = file.size <= _INLINE
    mode: dict[str, Any] = {
        "path": file.path,
        "uploadMode": "regular" if small else "lfs",
        "shouldIgnore": False,
    }
    if known is not None and known.size_bytes == file.size:
        mode["oid"] = _git_oid(hub, known.sha256) if small else known.sha256
    return mode


def _git_oid(hub: HubFace, sha256: str) -> str:
    """Return what Git calls a small file: that is how clients tell that they need not send it."""
    data = hub.session.open_store.blobs.read(sha256)
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


async def batch(hub: HubFace, request: Request, target: HubTarget) -> Answer:
    """Say where files are to be sent to, or read from."""
    asked = parsed(await request.body(), _Batch)
    if asked.operation not in ("upload", "download") or len(asked.objects) > _MOST:
        raise InvalidInputError("the batch", f"must upload or download up to {_MOST} files")
    uploading = asked.operation == "upload"

    def told() -> Answer:
        if uploading:
            request.rights.require("upload", target.model)
            hub.check_writable()
        objects = [
            _object(hub, request, target.model, wanted, uploading=uploading)
            for wanted in asked.objects
        ]
        document = {"transfer": "basic", "hash_algo": "sha256", "objects": objects}
        answer = answered(document)
        answer.media = _LFS
        return answer

    return await hub.desk.work.do(told)


def _object(
    hub: HubFace, request: Request, model: str, wanted: _Object, *, uploading: bool
) -> dict[str, Any]:
    if not is_digest(wanted.oid) or not 0 <= wanted.size < 1 << 50:
        raise InvalidInputError(f"object {wanted.oid[:80]!r}", "is not named by its SHA-256")
    about: dict[str, Any] = {"oid": wanted.oid, "size": wanted.size}
    if not uploading:
        if not _is_named(hub, model, wanted):
            problem = "no version of this model has this file; register what you sent"
            return about | {"error": {"code": 404, "message": problem}}
        if hub.blobs.has_changed(hub.session, model, wanted.oid):  # clients ask again and again
            problem = "the bytes have changed and are not handed out; `holdfast repair` is needed"
            return about | {"error": {"code": 410, "message": problem}}
        href = f"{hub.desk.base_of(request)}/{model}.git/info/lfs/objects/{wanted.oid}"
        return about | {"actions": {"download": {"href": href}}}
    if _is_theirs(hub, request, wanted):
        return about
    who = request.identity
    life = int(JOB.total_seconds()) if who.how.startswith("ci:") else _LIFE_S
    until = int(time.time()) + life
    proof = _Proof(who.user.id, who.how, model, wanted.oid, wanted.size, until)
    query = urlencode({"proof": _signed(hub, proof)})
    base = hub.desk.base_of(request)
    actions = {
        "upload": {"href": f"{base}{hub_paths.OWN}/lfs/{wanted.oid}?{query}", "expires_in": life},
        "verify": {"href": f"{base}/{model}.git/info/lfs/objects/verify"},
    }
    return about | {"actions": actions}


def _is_named(hub: HubFace, model: str, wanted: _Object) -> bool:
    """Tell whether a version of a model has a file: bytes that nobody registered may yet go."""
    session = hub.session
    if not session.exists:
        return False
    state = session.ledger(model).state()
    size = session.open_store.store.size(layout.blob(wanted.oid))
    return size == wanted.size and hub.desk.named.has(session, state, wanted.oid)


async def send(hub: HubFace, request: Request, target: HubTarget) -> Answer | Stream:
    """Send a file of a version, checked on the way."""
    return await hub.blobs.send(hub.session, request, target.model, target.path)


def _is_theirs(hub: HubFace, request: Request, wanted: _Object) -> bool:
    """Tell whether bytes are here that whoever asks has already: no others are told of."""
    session = hub.session
    if not session.exists:
        return False
    if session.open_store.store.size(layout.blob(wanted.oid)) != wanted.size:
        return False
    try:
        registering.require_sent(hub.desk, request, session, wanted.oid)
    except InvalidInputError:
        return False
    return True


def _signed(hub: HubFace, proof: _Proof) -> str:
    content = msgspec.json.encode(proof)
    mark = hmac.digest(hub.key, content, "sha256")
    return base64.urlsafe_b64encode(mark + content).decode()


def _proof(hub: HubFace, request: Request, sha256: str) -> _Proof:
    """Return what an address holds.

    Raises:
        Problem: 403 if this server did not sign it, or it is over.
    """
    try:
        raw = base64.b64decode(request.parameters.get("proof", ""), altchars=b"-_", validate=True)
        mark, content = raw[:32], raw[32:]
        if hmac.compare_digest(mark, hmac.digest(hub.key, content, "sha256")):
            proof = strict_json.decode(content, _Proof)
            if proof.sha256 == sha256 and proof.until >= time.time():
                return proof
    except ValueError:
        pass
    raise Problem(403, "forbidden", "the address is not this server's, or is over; ask again")


async def take(hub: HubFace, request: Request, target: HubTarget) -> Answer:
    """Take a file in whose address was given out."""
    proof = _proof(hub, request, target.path)
    hub.check_writable()
    if request.header("content-length") != str(proof.size_bytes):
        raise InvalidInputError("the file", f"must have the {proof.size_bytes} bytes announced")
    request.rights = await hub.desk.work.do(lambda: _rights(hub, proof))
    request.values = {"sha256": proof.sha256}
    return await uploads.put(hub.desk, request)


def _rights(hub: HubFace, proof: _Proof) -> Rights:
    """Return what whom an address was given to may do at this moment, in its model alone.

    Raises:
        Problem: 403 if their token is no longer worth anything.
        ForbiddenError: If they may not send files any more.
    """
    guard = hub.desk.guard
    if not isinstance(guard, TeamGuard):
        return guard.rights  # type: ignore[attr-defined,no-any-return]
    state = guard.state(writes=True)
    try:
        who = known_before(state, proof.user, proof.how, datetime.now(UTC))
    except UnauthenticatedError as error:
        detail = f"whom the address was given to is not known any more: {error}"
        raise Problem(403, "forbidden", detail) from error
    permissions.require(state, who, "upload", proof.model)
    roles = who.narrowing.roles if who.narrowing is not None else None
    return Rights(state, replace(who, narrowing=Narrowing(roles, (proof.model,))))


async def verify(hub: HubFace, request: Request, target: HubTarget) -> Answer:
    """Confirm that a file was taken in."""
    wanted = parsed(await request.body(), _Object)
    del target
    if await hub.desk.work.do(lambda: _is_theirs(hub, request, wanted)):
        return answered({})
    raise Problem(404, "not_found", f"{wanted.oid[:80]} was not sent; send it first")


async def validate(_hub: HubFace, request: Request, _target: HubTarget) -> Answer:
    """Accept a model card: its text is kept as it is. Clients ask without their token.

    So nothing of it is held: anybody could send many at once.
    """
    async for _ in request.pieces():
        pass
    return answered({"errors": [], "warnings": []})


CALLS: Final = {
    ("POST", "preupload"): Call(preupload, "register", writes=True),
    ("POST", "lfs-batch"): Call(batch),
    ("POST", "lfs-verify"): Call(verify),
    ("GET", "lfs-file"): Call(send),
    ("PUT", "lfs-object"): Call(take, None, writes=True, is_open=True),
    ("POST", "validate-yaml"): Call(validate, None, is_open=True),
}
