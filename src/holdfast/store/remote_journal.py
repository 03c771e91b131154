"""The entries of one model as a server sends them, and how far they were seen and accepted here.

What was accepted is remembered on disk, in a folder of this user's alone: the entries, so that they
are not sent twice, and the number and digest of the last one. A server whose journal is shorter by
then, or has other bytes, is refused, also by the next process. Only what a reader has folded is
accepted: an entry that the fold refuses leaves no trace.
"""

import itertools
import threading
from typing import Final

import msgspec
from msgspec import Struct

from holdfast.core import entry as entries
from holdfast.core import strict_json
from holdfast.errors import DamagedError, NotFoundError, StoreError
from holdfast.store import private_cache
from holdfast.store.remote.http_client import HttpAnswer, HttpClient, HttpRequest, quoted
from holdfast.store.remote.server_address import ServerAddress

OF_DATA: Final = "@data/"
"""Begins what entries of data name in the place of a model."""

_HEADS: Final = "server-heads"
_ENTRIES: Final = "server-journals"
_RUN: Final = 256
"""Entries of one file; only the last file of a journal is ever written again."""
_MOST_HEAD: Final = 4096
_MOST_RUN: Final = 64 << 20
_MOST_ANSWER: Final = 512 << 20
_FORGET: Final = "if the store behind it was put back on purpose, run `holdfast logout --forget`"
_ASK: Final = f"ask its admin what happened; {_FORGET}"


class _Seen(Struct):
    seq: int = 0
    head: str | None = None


class _Place(Struct):
    """Where an entry says that it stands."""

    model: str
    seq: int
    prev: str | None


class RemoteJournal:
    """One model's entries.

    Args:
        client: The server.
        store_id: Of the store behind it.
        model: The model.
    """

    def __init__(self, client: HttpClient, store_id: str, model: str) -> None:
        self._client = client
        self._model = model
        self._key = f"{store_id}/{model}"
        self._heads, self._entries = kinds(client.address)
        self._lock = threading.RLock()
        self._seen = _decoded(private_cache.read(self._heads, self._key, _MOST_HEAD))
        self._lines = self._remembered()
        self._accepted = len(self._lines)

    @property
    def subject(self) -> str:
        """What errors call it."""
        return f"journal of {self._model} at {self._client.address.url}"

    @property
    def accepted(self) -> int:
        """Number of the last entry that a reader has accepted, now or before."""
        return max(self._accepted, self._seen.seq)

    def lines(self, first: int) -> list[bytes]:
        """Return what is here of the entries from number *first* on, without a look at others."""
        with self._lock:
            return self._lines[first - 1 :]

    def read(self, seq: int) -> bytes | None:
        """Return an entry's bytes; the server is asked for what is not here."""
        with self._lock:
            if seq > len(self._lines):
                self.update()
            return self._lines[seq - 1] if 0 < seq <= len(self._lines) else None

    def update(self) -> int:
        """Ask the server what follows; return the number of the last entry.

        Raises:
            DamagedError: If it has not what was seen here, or sends what does not follow it.
        """
        with self._lock:
            try:
                answer = self._client.ask(self._request())
            except NotFoundError as error:
                self._require_nothing(error)
                return 0
            if answer.is_unchanged:
                del self._lines[self._accepted :]
            else:
                self._take(answer)
            return len(self._lines)

    def _request(self) -> HttpRequest:
        headers = {"Accept": "application/x-ndjson"}
        if self._accepted:
            head = entries.digest(self._lines[self._accepted - 1])
            headers["If-None-Match"] = f'"{self._accepted}:{head}"'
        return HttpRequest(
            "GET",
            f"{path_of(self._model)}:journal",
            query={"after": self._accepted},
            headers=headers,
            most_bytes=_MOST_ANSWER,
        )

    def _require_nothing(self, error: NotFoundError) -> None:
        """Refuse that there is no journal where one was seen."""
        if self.accepted:
            raise DamagedError(
                self.subject,
                f"is not shown any more, but entry {self.accepted} was seen here",
                f"ask its admin whether you may still read it; {_FORGET}",
            ) from error
        self._lines = []

    def _take(self, answer: HttpAnswer) -> None:
        """Put what was sent behind what was accepted, if it follows."""
        *lines, rest = answer.body.split(b"\n")
        known = self._lines[: self._accepted]
        last = self._accepted + len(lines)
        told = answer.headers.get("holdfast-last", "")
        if rest or not told.isdecimal():
            raise StoreError(self.subject, "was not sent as whole entries", "try again")
        if int(told[:18]) < self.accepted:
            raise DamagedError(
                self.subject,
                f"ends at entry {told[:18]}, but entry {self.accepted} was seen here",
                _ASK,
            )
        if int(told[:18]) != last:
            raise DamagedError(
                self.subject, f"has {told[:18]} entries, but {last} were sent", "try again"
            )
        head = entries.digest(known[-1]) if known else None
        for seq, line in enumerate(lines, start=self._accepted + 1):
            head = self._next(seq, line + b"\n", head)
        self._require_head(answer, last, head)
        self._lines = [*known, *(line + b"\n" for line in lines)]

    def _next(self, seq: int, raw: bytes, head: str | None) -> str:
        """Return the digest of an entry that follows the one with digest *head*."""
        try:
            position = strict_json.decode(raw, _Place)
        except ValueError as error:
            problem = f"has an entry {seq} that is not an entry"
            raise DamagedError(self.subject, problem, "try again") from error
        if (position.model, position.seq, position.prev) != (self._model, seq, head):
            raise DamagedError(
                self.subject,
                f"has an entry {seq} that does not follow the entry before it",
                _ASK,
            )
        digest = entries.digest(raw)
        if seq == self._seen.seq and digest != self._seen.head:
            raise DamagedError(
                self.subject,
                f"has another entry {seq} than was seen here",
                _ASK,
            )
        return digest

    def _require_head(self, answer: HttpAnswer, last: int, head: str | None) -> None:
        """Refuse a server that names another head than its entries have."""
        tag = answer.headers.get("etag", "").removeprefix("W/").strip('"')
        if tag != f"{last}:{head or ''}":
            raise DamagedError(
                self.subject,
                f"has another entry {last} at the server than was seen or sent here",
                _ASK,
            )

    def accept(self, seq: int) -> None:
        """Remember that a reader has folded the entries up to number *seq*."""
        with self._lock:
            before, last = self._accepted, min(seq, len(self._lines))
            if last <= before:
                return
            self._accepted = last
            self._seen = _Seen(last, entries.digest(self._lines[last - 1]))
            for run in range(before // _RUN, (last - 1) // _RUN + 1):
                lines = self._lines[run * _RUN : min(last, (run + 1) * _RUN)]
                private_cache.keep(self._entries, f"{self._key} #{run}", b"".join(lines))
            private_cache.keep(self._heads, self._key, msgspec.json.encode(self._seen))

    def _remembered(self) -> list[bytes]:
        """Return the entries that were accepted, as many as are still here and fit each other."""
        lines: list[bytes] = []
        for run in range((self._seen.seq + _RUN - 1) // _RUN):
            raw = private_cache.read(self._entries, f"{self._key} #{run}", _MOST_RUN)
            count = min(_RUN, self._seen.seq - run * _RUN)
            parts = [line + b"\n" for line in (raw or b"").split(b"\n")[:-1]][:count]
            lines += parts
            if len(parts) < count:
                break
        whole = len(lines) == self._seen.seq and (
            not lines or entries.digest(lines[-1]) == self._seen.head
        )
        return lines if whole and _is_chain(lines) else []


def path_of(owner: str) -> str:
    """Return the path of a model at a server, or of data, whose entries name it `@data/NAME`."""
    if owner.startswith(OF_DATA):
        return f"/data/{quoted(owner.removeprefix(OF_DATA))}"
    return f"/models/{quoted(owner)}"


def kinds(address: ServerAddress) -> tuple[str, str]:
    """Return the kinds under which heads and entries of a server are kept."""
    server = entries.digest(address.url.encode())[:16]
    return f"{_HEADS}-{server}", f"{_ENTRIES}-{server}"


def forget(address: ServerAddress) -> None:
    """Forget what was seen of a server's journals."""
    for kind in kinds(address):
        private_cache.clear(kind)


def _is_chain(lines: list[bytes]) -> bool:
    """Tell whether each line holds the digest of the one before it."""
    pairs = itertools.pairwise(lines)
    return all(entries.digest(raw).encode() in following for raw, following in pairs)


def _decoded(raw: bytes | None) -> _Seen:
    try:
        return msgspec.json.decode(raw, type=_Seen) if raw is not None else _Seen()
    except (ValueError, RecursionError):
        return _Seen()
