"""Uploads by Xet, which the Hub's clients use by default: xorbs in, blobs made of them.

The address that a client is given names the session that its user has for the model.
"""

import asyncio
import functools
import time
from collections.abc import AsyncGenerator
from contextlib import ExitStack
from io import FileIO
from pathlib import Path
from typing import Final

import msgspec

from holdfast.errors import HoldfastError, InvalidInputError
from holdfast.gateways.hf import hub_paths, xet_format, xet_session
from holdfast.gateways.hf.hub_paths import HubTarget
from holdfast.gateways.hf.xet_format import XetFile
from holdfast.gateways.hf.xet_session import XetSession
from holdfast.http.problems import Problem
from holdfast.store import durable
from holdfast.web import uploads
from holdfast.web.below import session_of
from holdfast.web.exchange import Answer, Request, Stream, answered
from holdfast.web.guard import bearer
from holdfast.web.hub.hub_face import Call, HubFace

__all__ = ["CALLS"]

_LIFE_S: Final = 3600
_MOST_BYTES: Final = 72 << 20
_STILL_S: Final = 10.0
"""So often a client hears that its files are still being made."""


async def token(hub: HubFace, request: Request, target: HubTarget) -> Answer:
    """Say where xorbs are to be sent; the token is the caller's own."""
    model = target.model if "/" in target.model else f"{hub_paths.NAMESPACE}/{target.model}"
    owner = request.identity.user.id, target.model
    name = await hub.desk.work.do(lambda: xet_session.name_of(_folder(hub), owner))
    url = f"{hub.desk.base_of(request)}{hub_paths.OWN}/xet/{model}/{name}"
    until = int(time.time()) + _LIFE_S
    await hub.desk.work.do(lambda: xet_session.sweep(_folder(hub)))
    secret = bearer(request) or ""
    document = {"casUrl": url, "accessToken": secret, "exp": until}
    return answered(
        document,
        X_Xet_Cas_Url=url,
        X_Xet_Access_Token=secret,
        X_Xet_Token_Expiration=str(until),
    )


async def take(hub: HubFace, request: Request, target: HubTarget) -> Answer | Stream:
    """Take in a xorb, or the shard that says what the xorbs are."""
    match target.path.split("/"):
        case ["v1", "xorbs", _, xorb]:
            part, session = await _received(hub, request, target)
            try:
                is_new = await hub.desk.work.do(lambda: session.keep(part, xorb))
            finally:
                part.unlink(missing_ok=True)
            return answered({"was_inserted": is_new})
        case [("v1" | "v2") as version, "shards"]:
            part, session = await _received(hub, request, target)
            make = functools.partial(_make, hub, request, session, part)
            if version == "v1":
                await hub.desk.work.do(make)
                return answered({"result": 1})
            return Stream(_told(hub, make), media="application/x-ndjson")
    raise Problem(404, "not_found", "the Xet transport has no such path here")


def look(_hub: HubFace, _request: Request, _target: HubTarget) -> Answer:
    """Tell that no chunk is known: who sends bytes may not learn what others sent."""
    return Answer(404, b"{}")


def _folder(hub: HubFace) -> str:
    folder = uploads.files_of(hub.desk).folder
    durable.make_folder(folder)
    return folder


def _session(hub: HubFace, request: Request, target: HubTarget) -> XetSession:
    """Return the session that an address names, if it is the caller's and under way."""
    owner = request.identity.user.id, target.model
    store = session_of(hub.desk.registry).writable()
    session = XetSession(_folder(hub), owner, target.revision, store)
    session.require()
    return session


async def _received(hub: HubFace, request: Request, target: HubTarget) -> tuple[Path, XetSession]:
    """Write a body to a file of the session."""
    size = uploads.length_of(request)
    if size > _MOST_BYTES:
        raise InvalidInputError("the body", f"is longer than {_MOST_BYTES:,} bytes", "send less")
    files = await hub.desk.work.do(lambda: uploads.files_of(hub.desk))
    session = await hub.desk.work.do(lambda: _session(hub, request, target))
    with ExitStack() as stack:
        await hub.desk.work.do(lambda: stack.enter_context(files.room(size)))
        part = session.place()
        try:
            with FileIO(part, "x") as file:  # thrown away soon: neither hashed nor made durable
                write = functools.partial(_write, str(part), file.fileno())
                await uploads.take_in(hub.desk, request.pieces(), write)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
    return part, session


def _write(path: str, descriptor: int, data: memoryview) -> None:
    with durable.translate_errors(path):
        durable.write_all(descriptor, data)


def _make(hub: HubFace, request: Request, session: XetSession, part: Path) -> None:
    """Make the files of a shard and store each under the SHA-256 that its bytes have."""
    try:
        with part.open("rb") as shard:
            files = list(xet_format.files_of_shard(shard))
    finally:
        part.unlink(missing_ok=True)
    for file in files:
        _store(hub, request, session, file)
    session.settle(files)


def _store(hub: HubFace, request: Request, session: XetSession, file: XetFile) -> None:
    files = uploads.files_of(hub.desk)
    store = session_of(hub.desk.registry).writable()
    with files.room(file.size_bytes), files.once() as incoming:
        session.make(file, incoming.write)
        taken = incoming.keep(store, file.sha256)
    hub.desk.figures.count("uploaded_bytes", taken.size_bytes)
    hub.desk.receipts.give(request.rights, taken.sha256)


async def _told(hub: HubFace, make: functools.partial[None]) -> AsyncGenerator[bytes]:
    """Tell a client that it goes on, and how it ended."""
    making = asyncio.ensure_future(hub.desk.work.do(make))
    while not making.done():
        yield _frame({"type": "validating", "verified": 0, "total": 1})
        await asyncio.wait({making}, timeout=_STILL_S)
    error = making.exception()
    if error is None:
        yield _frame({"type": "result"})
        return
    if not isinstance(error, HoldfastError):
        raise error
    yield _frame({"type": "error", "message": str(error), "retryable": False})


def _frame(document: dict[str, object]) -> bytes:
    return msgspec.json.encode(document) + b"\n"


CALLS: Final = {
    ("GET", "xet-write-token"): Call(token, "upload", writes=True),
    ("POST", "xet"): Call(take, "upload", writes=True),
    ("GET", "xet"): Call(look, "upload"),
}
