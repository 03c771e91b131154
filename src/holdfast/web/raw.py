"""What clients read that fold and verify by themselves: entries and blobs as they are."""

import zlib
from collections.abc import AsyncGenerator, Iterator
from itertools import islice
from typing import Any, Final

from msgspec import Struct

from holdfast import __version__
from holdfast.access.permissions import VERBS
from holdfast.core import names
from holdfast.errors import DamagedError, HoldfastError, InvalidInputError
from holdfast.http.problems import Problem
from holdfast.registry.session import Session
from holdfast.store import layout
from holdfast.store.journal import RESTORE, Journal
from holdfast.web import named_blobs
from holdfast.web.below import head_of, session_of
from holdfast.web.desk import Desk
from holdfast.web.exchange import Answer, Request, Stream, answered
from holdfast.web.followers import stream
from holdfast.web.work import Work

__all__ = ["blob", "events", "journal", "journals", "store", "whoami"]

_AT_ONCE: Final = 256
_NDJSON: Final = "application/x-ndjson"
_MOST_DIGITS: Final = 18
_FOLLOWS: Final = "holdfast-redirect"
_GZIP: Final = 16 + zlib.MAX_WBITS


class JournalHead(Struct, frozen=True):
    """A model that has a journal: the number and digest of its last entry."""

    model: str
    seq: int
    head: str


def whoami(desk: Desk, request: Request) -> Answer:
    """Tell who asks, and how the server knows.

    Raises:
        ForbiddenError: If verbs are named, and they may not do one of those.
        NotFoundError: If they may not see the model that is named.
    """
    verbs = request.parameters.get("verbs")
    model = request.parameters.get("model")
    if model is not None:
        names.check_model(model)
    for verb in verbs.split(",") if verbs else ():
        if verb not in VERBS:
            raise InvalidInputError(f"verb {verb[:40]!r}", "is not one that a role allows")
        request.rights.require(verb, model)
    identity = request.identity
    document = {
        "user": {
            "id": identity.user.id,
            "name": identity.user.name,
            "kind": identity.user.kind,
            "groups": identity.user.groups,
        },
        "how": identity.how,
        "local": desk.guard.is_local,
        "read_only": desk.settings.read_only,
    }
    return answered(document)


def store(desk: Desk, _request: Request) -> Answer:
    """Tell which store this is."""
    opened = session_of(desk.registry).open_store
    with opened.store.open(layout.CONFIG) as file:
        text = file.read()
    document = {
        "id": opened.config.id,
        "created_at": opened.config.created_at,
        "read_only": desk.settings.read_only,
        "server": f"holdfast {__version__}",
        "name": desk.settings.name,
        "config": text.decode(),
    }
    return answered(document)


def journals(desk: Desk, request: Request) -> Answer:
    """List every model that has a journal, deleted ones too; a damaged one hides no other."""
    session = session_of(desk.registry)
    survey = session.survey() if session.exists else None
    names = {*survey.names, *survey.hurt, *survey.lost} if survey else set()
    heads = [_journal_head(session, model) for model in sorted(names) if desk.sees(request, model)]
    return answered({"items": heads})


def _journal_head(session: Session, model: str) -> JournalHead:
    try:
        state = session.ledger(model).state()
    except HoldfastError:  # it shows when the journal is asked for
        return JournalHead(model, 0, "")
    return JournalHead(model, state.seq, state.head or "")


async def journal(desk: Desk, request: Request) -> Answer | Stream:
    """Send the entries behind one, their exact bytes, one per line."""
    model = request.values["model"]
    session = session_of(desk.registry)
    after = request.number("after", 0, 10**10)
    head = await desk.work.do(lambda: head_of(session, model))
    headers = {
        "ETag": f'"{head}"',
        "Holdfast-Last": str(head.seq),
        "Cache-Control": "private, no-cache",
        "Vary": "Accept-Encoding",
    }
    if request.knows(headers["ETag"]):
        return Answer(304, headers=headers)
    pieces = _entries(desk.work, session, model, after + 1, head.seq)
    if "gzip" in (request.header("accept-encoding") or ""):
        pieces = _packed(pieces)
        headers["Content-Encoding"] = "gzip"
    return Stream(pieces, media=_NDJSON, headers=headers)


async def _entries(
    work: Work, session: Session, model: str, first: int, last: int
) -> AsyncGenerator[bytes]:
    entries = Journal(session.open_store.store, layout.model(model))
    raws = entries.read_many(first, last)

    def some() -> bytes:
        return b"".join(_whole(raws))

    while piece := await work.do(some):
        yield piece


def _whole(raws: Iterator[bytes | None]) -> Iterator[bytes]:
    for raw in islice(raws, _AT_ONCE):
        if raw is None:  # since the journal was read a moment ago: the answer is cut short
            raise DamagedError("the journal", "has an entry missing", RESTORE)
        yield raw


async def _packed(pieces: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    packer: Any = zlib.compressobj(wbits=_GZIP)
    async for piece in pieces:
        packed = packer.compress(piece)
        if packed:
            yield packed
    yield packer.flush()


async def events(desk: Desk, request: Request) -> Stream:
    """Tell what happens to a model, as it happens."""
    model = request.values["model"]
    text = request.header("last-event-id") or request.parameters.get("after")
    after = None if text is None else _seq(text)
    session = session_of(desk.registry)
    await desk.work.do(lambda: head_of(session, model))

    def allowed() -> None:
        desk.guard.enter(request, writes=False).require("watch", model)

    watched = model, desk.watcher(request)
    return await stream(desk.followers, desk.work, watched, after, allowed)


def _seq(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS):
        raise Problem(422, "invalid_input", "the last event must be the number of an entry")
    return int(text)


async def blob(desk: Desk, request: Request) -> Answer | Stream:
    """Send the bytes of a digest that this model names, or say where to read them.

    Only callers who say that they follow are sent to the bucket: others would take the answer for
    an error, or their token along.
    """
    model, sha256 = request.values["model"], request.values["sha256"]
    session = session_of(desk.registry)
    follows = request.method == "GET" and request.header(_FOLLOWS) == "follow"
    if desk.settings.redirect and follows:  # what is signed is a GET
        url = await desk.work.do(lambda: named_blobs.signed(session, desk.named, model, sha256))
        if url is not None:
            return Answer(307, headers={"Location": url, "Cache-Control": "no-store"})
    opened = await desk.work.do(lambda: named_blobs.opened(session, desk.named, model, sha256))
    if request.knows(f'"{sha256}"'):
        opened[0].close()
        return Answer(304, headers={"ETag": f'"{sha256}"'})
    asked = request.header("range"), request.header("if-range")
    return named_blobs.sent(desk.work, opened, sha256, asked)
