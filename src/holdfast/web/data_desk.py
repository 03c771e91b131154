"""Data by name: journals and bytes as they are, and versions of data that clients describe.

A name of data is open to whoever a model of that name would be open to: one pattern of a grant
holds for both.
"""

import base64
from collections.abc import Iterator
from typing import Any, Final

from msgspec import Struct

from holdfast.core import entry as entries
from holdfast.core.signers import Signer
from holdfast.core.signers import check as check_signers
from holdfast.datasets.data_journal import DataJournal
from holdfast.datasets.data_records import DataVersion
from holdfast.errors import InvalidInputError, NotFoundError
from holdfast.registry import Registry
from holdfast.registry.session import Keyring, Session
from holdfast.store import layout
from holdfast.web import named_blobs
from holdfast.web.below import session_of
from holdfast.web.deeds import acting
from holdfast.web.desk import Desk
from holdfast.web.entry_pens import Asking, Given, Key, PreparedError, Signature
from holdfast.web.exchange import Answer, Request, Stream, answered
from holdfast.web.routes import Parameter, Route
from holdfast.web.verb_bodies import Body, Sha256

__all__ = ["data_routes"]

_NDJSON: Final = "application/x-ndjson"
_BINARY: Final = "application/octet-stream"
_COUNT: Final = {"type": "integer", "minimum": 0, "maximum": 10**10}
_AFTER: Final = Parameter("after", "Number of the entry behind which to begin.", _COUNT)


class Add(Body, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A description that was sent before, by its digest."""

    description: Sha256


class PrepareData(Add, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The same with the Ed25519 key that will sign the entry, in base64."""

    key: Key


class CommitData(PrepareData, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The same once more, with the bytes that were signed and the signature."""

    bytes: str
    signature: Signature


class Added(Struct, frozen=True):
    """Which version it became, and whether that is new."""

    number: int
    created: bool


class PreparedData(Struct, frozen=True):
    """The bytes of the entry that would be written, or what is there already."""

    bytes: str | None
    result: Added | None


def data(desk: Desk, request: Request) -> Answer:
    """List all data that whoever asks may see."""
    return answered(
        {
            "items": [
                {"name": name} for name in desk.registry.data.names() if desk.sees(request, name)
            ]
        }
    )


def journal(desk: Desk, request: Request) -> Answer:
    """Send the entries behind one, their exact bytes, one per line."""
    name = request.values["data"]
    after = request.number("after", 0, 10**10)
    raws = _journal(session_of(desk.registry), name).raws()
    if not raws:
        raise NotFoundError(f"data {name}")
    head = f'"{len(raws)}:{entries.digest(raws[-1])}"'
    headers = {
        "ETag": head,
        "Holdfast-Last": str(len(raws)),
        "Cache-Control": "private, no-cache",
    }
    if request.knows(head):
        return Answer(304, headers=headers)
    return Answer(200, b"".join(raws[after:]), _NDJSON, headers)


def _journal(session: Session, name: str) -> DataJournal:
    """Return a journal of data.

    Raises:
        NotFoundError: If there is no store yet, or no data can have that name.
    """
    try:
        if session.exists:
            return DataJournal(session.open_store.store, name)
    except InvalidInputError:
        pass
    raise NotFoundError(f"data {name[:250]}")


async def blob(desk: Desk, request: Request) -> Stream:
    """Send the bytes of a digest that this data names."""
    name, sha256 = request.values["data"], request.values["sha256"]
    session = session_of(desk.registry)

    def names_it() -> bool:
        versions = _journal(session, name).versions()
        return any(_names(desk, session, version, sha256) for version in versions)

    opened = await desk.work.do(
        lambda: named_blobs.opened_if(
            session, names_it, f"blob {sha256[:64]} of data {name}", sha256
        )
    )
    asked = request.header("range"), request.header("if-range")
    return named_blobs.sent(desk.work, opened, sha256, asked)


def _names(desk: Desk, session: Session, version: DataVersion, sha256: str) -> bool:
    added = version.added
    if sha256 == added.description:
        return True
    return added.kept and desk.named.keeps(session, version, sha256)


async def add(desk: Desk, request: Request) -> Answer:
    """Add a version of data that the client described; what it keeps was sent before."""
    body = await request.read(Add)
    registry = acting(desk, request, body.by)
    return await desk.work.do(lambda: answered({"result": _added(desk, request, registry, body)}))


async def prepare(desk: Desk, request: Request) -> Answer:
    """Return the bytes of the entry that would add a version of data, to be signed."""
    body = await request.read(PrepareData)
    return await desk.work.do(lambda: _prepared(desk, request, body))


def _prepared(desk: Desk, request: Request, body: PrepareData) -> Answer:
    registry = _signing(desk, request, body, Asking(body.key))
    try:
        result = PreparedData(None, _added(desk, request, registry, body))
    except PreparedError as prepared:
        result = PreparedData(base64.b64encode(prepared.message).decode(), None)
    return answered({"result": result})


async def commit(desk: Desk, request: Request) -> Answer:
    """Add a version of data by an entry that the caller signed."""
    body = await request.read(CommitData)
    return await desk.work.do(lambda: _committed(desk, request, body))


def _committed(desk: Desk, request: Request, body: CommitData) -> Answer:
    pen, at = Given.of(body.key, body.bytes, body.signature)
    registry = _signing(desk, request, body, pen)
    session = session_of(registry)
    session.clock = lambda: at
    session.new_id = lambda: pen.commit
    return answered({"result": _added(desk, request, registry, body)})


def _signing(desk: Desk, request: Request, body: PrepareData, pen: Any) -> Registry:
    """Return the registry of whoever asks, whose entries have their signature."""
    check_signers({request.identity.user.name: Signer(ed25519=body.key)})
    registry = acting(desk, request, body.by)
    session_of(registry).keyring = Keyring(lambda: pen)
    return registry


def _added(desk: Desk, request: Request, registry: Registry, body: Add) -> Added:
    name = request.values["data"]
    session = session_of(registry)
    known = _journal(session, name).versions() if session.exists else []

    def require(sha256: str) -> None:
        """Check that whoever asks has these bytes themselves, or may read them below this name."""
        if not any(_names(desk, session, version, sha256) for version in known):
            desk.receipts.require(request.rights, sha256)

    require(body.description)
    store = session.open_store
    size = store.store.size(layout.blob(body.description))
    if size is None:
        problem = "was not sent"
        raise InvalidInputError(f"blob sha256:{body.description}", problem, "send it first")
    for file in registry.data.kept_files(name, body.description):
        require(file.sha256)
    added = registry.data.receive(name, body.description, reason=body.reason)
    return Added(added.version.number, added.created)


def data_routes() -> tuple[Route, ...]:
    """Return the routes of data."""
    named = "/data/{data}"
    text = {"type": "string"}
    headers = (
        Parameter("Range", "One range of bytes.", text, is_header=True),
        Parameter("If-Range", "The tag it is of.", text, is_header=True),
        Parameter("If-None-Match", "The tag that is known.", text, is_header=True),
    )
    return (
        Route("GET", "/data", data, "data", "All data by name."),
        Route(
            "GET",
            f"{named}:journal",
            journal,
            "data-journal",
            "The exact bytes of the entries of data, one per line.",
            access="read",
            parameters=(_AFTER, headers[2]),
            answers={200: ("application/x-ndjson", bytes), 304: ("", None)},
        ),
        Route(
            "GET",
            f"{named}:blobs/{{sha256}}",
            blob,
            "data-blob",
            "The bytes of a digest that the journal of data names.",
            access="read",
            parameters=headers[:2],
            answers={200: (_BINARY, bytes), 206: (_BINARY, bytes)},
            problems=(416,),
        ),
        *_adding(named),
    )


def _adding(named: str) -> Iterator[Route]:
    added, prepared = dict[str, Added], dict[str, PreparedData]
    verbs: tuple[tuple[str, Any, str, type[Add], Any], ...] = (
        ("add", add, "Add a version of data, whose description was sent before.", Add, added),
        (
            "prepare",
            prepare,
            "Return the bytes of the entry that would add a version of data, to be signed.",
            PrepareData,
            prepared,
        ),
        (
            "commit",
            commit,
            "Add a version of data by an entry that the caller signed.",
            CommitData,
            added,
        ),
    )
    for verb, handler, about, body, result in verbs:
        yield Route(
            "POST",
            f"{named}:{verb}",
            handler,
            f"data-{verb}",
            about,
            access="register",
            writes=True,
            body=body,
            answers={200: ("application/json", result)},
            problems=(409, 413, 415, 507),
        )
