"""One request and its answer, as the parts of the application see them."""

import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar
from urllib.parse import parse_qsl

import msgspec

from holdfast.access.permissions import Identity
from holdfast.core import strict_json
from holdfast.http.asgi import Gone, Receive, Scope
from holdfast.http.content_types import is_json
from holdfast.http.problems import Problem
from holdfast.web.rights import Rights

__all__ = ["Answer", "Request", "Stream", "answered"]

_MOST_PARAMETERS: Final = 50
_NUMBER: Final = re.compile(r"0|[1-9][0-9]{0,17}")
_Kind = TypeVar("_Kind")


@dataclass(slots=True)
class Answer:
    """A whole answer.

    Attributes:
        headers: Those besides type and length of the content.
        more: Headers whose names are among them already.
    """

    status: int = 200
    content: bytes = b""
    media: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    more: list[tuple[str, str]] = field(default_factory=list)


@dataclass(slots=True)
class Stream:
    """An answer that is sent as it is made.

    Attributes:
        pieces: Its content; closed by whoever sends it. An empty piece is not sent: it lets the
            sender look whether the caller is still there.
        release: Called at the end, whether anything was sent or not.
    """

    pieces: AsyncGenerator[bytes]
    status: int = 200
    media: str = "application/octet-stream"
    headers: dict[str, str] = field(default_factory=dict)
    release: Callable[[], None] = lambda: None


def answered(value: object, status: int = 200, **headers: str) -> Answer:
    """Answer a value as JSON; header names are written with underscores."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Answer(status, msgspec.json.encode(value), headers=named)


class Request:
    """A request whose head was read.

    Attributes:
        id: Shown in the answer and in logs.
        raw_path: As it was sent, escapes and all.
        query: What stands behind the `?`, as it was sent.
        values: What its path names, such as `model`.
        route: The template of its path, for logs and figures; empty where none fits.
        operation: What is asked, such as `promote`.
    """

    def __init__(self, scope: Scope, receive: Receive, request_id: str) -> None:
        self.id = request_id
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.raw_path: bytes = scope.get("raw_path") or self.path.encode()
        self.headers: Mapping[bytes, bytes] = dict(scope["headers"])
        self.scheme: str = scope.get("scheme", "http")
        self.client: str = (scope.get("client") or ("", 0))[0]
        self.values: Mapping[str, str] = {}
        self.route = ""
        self.operation = ""
        self._rights: Rights | None = None
        self.query: bytes = scope.get("query_string", b"")
        self._receive = receive
        self._parameters: dict[str, str] | None = None

    @property
    def named(self) -> str | None:
        """The model or the data that its path names, None if it names neither."""
        return self.values.get("model", self.values.get("data"))

    @property
    def rights(self) -> Rights:
        """Who asks and what they may do, once that is known."""
        assert self._rights is not None  # noqa: S101 - no handler is called before
        return self._rights

    @rights.setter
    def rights(self, rights: Rights) -> None:
        self._rights = rights

    @property
    def identity(self) -> Identity:
        """Who asks, once that is known."""
        return self.rights.identity

    @property
    def known(self) -> Identity | None:
        """Who asks, None as long as that is not known."""
        return self._rights.identity if self._rights else None

    @property
    def user(self) -> str:
        """The id of whoever asks, for logs; empty while nobody is known."""
        return self._rights.identity.user.id if self._rights else ""

    def header(self, name: str) -> str | None:
        """Return a header as text, None if it was not sent."""
        raw = self.headers.get(name.encode())
        return None if raw is None else raw.decode("latin-1").strip()

    def knows(self, tag: str) -> bool:
        """Tell whether the caller has what *tag*, in its quotes, is of; `If-None-Match` lists it.

        A proxy that compresses makes tags weak (`W/"…"`): for this question they are the same.
        """
        listed = (self.header("if-none-match") or "").split(",")
        return tag in (text.strip().removeprefix("W/") for text in listed)

    @property
    def parameters(self) -> dict[str, str]:
        """The parameters behind the `?`, each once.

        Raises:
            Problem: 400 if they cannot be read, or one is there twice.
        """
        if self._parameters is None:
            self._parameters = _parameters(self.query)
        return self._parameters

    def number(self, name: str, default: int, most: int) -> int:
        """Return a parameter that is a whole number from 0 to *most*.

        Raises:
            Problem: 422 if it is anything else.
        """
        text = self.parameters.get(name)
        if text is None:
            return default
        if _NUMBER.fullmatch(text) is None or int(text) > most:
            problem = f"{name} must be a whole number from 0 to {most}, not {text[:40]!r}"
            raise Problem(422, "invalid_input", problem)
        return int(text)

    def pieces(self) -> AsyncIterator[bytes]:
        """Go through the body as it comes; it is read once.

        Raises:
            Gone: If the caller hangs up before its end.
        """
        return _pieces(self._receive)

    async def gone(self) -> None:
        """Wait until the caller hangs up; the body is thrown away."""
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def body(self) -> bytes:
        """Return the whole body; its connection bounds how long it may be."""
        return b"".join([piece async for piece in self.pieces()])

    async def read(self, kind: type[_Kind]) -> _Kind:
        """Return the body as a value of *kind*.

        Raises:
            Problem: 415 if it is not sent as JSON, 400 if it is not JSON, 422 if its fields are
                others.
        """
        if not is_json(self.headers.get(b"content-type")):
            raise Problem(415, "unsupported_media_type", "the body must be application/json")
        if self.headers.get(b"content-encoding", b"identity") != b"identity":
            raise Problem(415, "unsupported_media_type", "the body must not be compressed")
        return parsed(await self.body() or b"{}", kind)


def parsed(raw: bytes, kind: type[_Kind]) -> _Kind:
    """Read a value that came as JSON.

    Raises:
        Problem: 400 if it is not JSON, 422 if its fields are others.
    """
    try:
        return strict_json.decode(raw, kind)
    except msgspec.ValidationError as error:
        raise Problem(422, "invalid_input", f"the body cannot be used: {error}") from error
    except ValueError as error:
        raise Problem(400, "malformed", f"the body is not JSON: {error}") from error


async def _pieces(receive: Receive) -> AsyncIterator[bytes]:
    more = True
    while more:
        message: Mapping[str, Any] = await receive()
        if message["type"] != "http.request":
            raise Gone
        piece = message.get("body", b"")
        more = message.get("more_body", False)
        if piece:
            yield piece


def query_pairs(query: bytes, most: int) -> list[tuple[str, str]]:
    """Read the names and values of a query, in their order.

    Args:
        query: As it was sent.
        most: How many there may be.

    Raises:
        Problem: 400 if it cannot be read.
    """
    try:
        return parse_qsl(
            query.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=bool(query),
            errors="strict",
            max_num_fields=most,
        )
    except ValueError as error:
        raise Problem(400, "malformed", f"the query cannot be read: {error}") from error


def _parameters(query: bytes) -> dict[str, str]:
    pairs = query_pairs(query, _MOST_PARAMETERS)
    parameters = dict(pairs)
    if len(parameters) != len(pairs):
        raise Problem(400, "malformed", "a parameter of the query appears twice")
    return parameters
