"""A store behind a server, by the keys of a store: journals and blobs to read, blobs to add.

Nothing here is derived, locked or deleted, for that is the server's. Whatever bytes come are held
against digests: an entry against the one that its successor names, a blob against its own name.
"""

import contextlib
import io
import threading
from collections.abc import Iterable, Iterator, Mapping
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from holdfast.errors import NotFoundError, UnsupportedError
from holdfast.store import AbsentError, InDoubtError, Ingested, Item, StoreTraits, layout
from holdfast.store.journal import SEAL_BYTES
from holdfast.store.metering import Step, metered, unmetered
from holdfast.store.objects import sending
from holdfast.store.objects.cache import Cache
from holdfast.store.packs import MOST_BYTES as MOST_PACK
from holdfast.store.remote.http_client import AT_ONCE, HttpClient, HttpRequest
from holdfast.store.remote_journal import RemoteJournal, path_of
from holdfast.store.remote_names import RemoteNames
from holdfast.store.remote_owners import BlobOwners
from holdfast.store.remote_reports import RemoteReports
from holdfast.store.remote_uploads import Uploads

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer
    from urllib3 import BaseHTTPResponse

_SMALL: Final = 4 << 20
"""Length up to which a blob may be a manifest, which names others."""
_BUFFER: Final = 1 << 16
_RESUMES: Final = 5
"""How often in a row a download that broke off goes on without a byte more."""
_MOST_UNSIZED: Final = 1 << 30
"""Bytes of a blob that no manifest gives a length: a manifest, a signature, losses."""


class RemoteStore:
    """What a server gives of a store.

    Args:
        client: The server.
        store_id: Of the store behind it.
        config: The bytes of its `holdfast.json`.
        cache: Where blobs are kept on this machine.

    Attributes:
        owners: Which models name which blobs.
    """

    traits = StoreTraits(is_local=False, concurrency=AT_ONCE, fold_every=100)

    def __init__(self, client: HttpClient, store_id: str, config: bytes, cache: Cache) -> None:
        self.client = client
        self.cache = cache
        self._id = store_id
        self._config = config
        self._journals: dict[str, RemoteJournal] = {}
        self._names = RemoteNames(client)
        self.owners = BlobOwners(lambda: self._journals)
        self._uploaded: dict[str, int] = {}
        self._uploads = Uploads(client)
        self._reports = RemoteReports(client)
        self._lock = threading.RLock()

    def journal(self, model: str) -> RemoteJournal:
        """Return a model's entries as far as they are known here."""
        with self._lock:
            if model not in self._journals:
                self._journals[model] = RemoteJournal(self.client, self._id, model)
            return self._journals[model]

    def _model(self, folder: str) -> str | None:
        """Return whose folder below `models` it is."""
        return self._names.owner(layout.MODELS, folder)

    # What a store does

    def open(self, key: str) -> BufferedReader:
        """Open an object for reading; `AbsentError` if there is none."""
        if key.startswith(f"{layout.BLOBS}/"):
            return BufferedReader(_Download(self, key.removeprefix(f"{layout.BLOBS}/")), _BUFFER)
        raw = self._config if key == layout.CONFIG else self._entries(key)
        if raw is None and (report := self._report(key)) is not None:
            raw = self._reports.raw(key.rpartition("/")[0], report[2])
        if raw is None:
            raise AbsentError(key)
        return BufferedReader(io.BytesIO(raw))

    def _entries(self, key: str) -> bytes | None:
        """Return an entry's bytes, or those of a pack of entries that are here already."""
        parts = key.split("/")
        model = self._names.owner(*parts[:2]) if len(parts) == 4 else None  # noqa: PLR2004 - models, folder, kind, name
        if model is None:
            return None
        if parts[2] == "journal" and parts[3] == layout.SEAL:
            return SEAL_BYTES  # for readers of the folder alone; the server's `verify` looks at it
        if parts[2] == "journal":
            seq = layout.number_of(parts[3])
            return self.journal(model).read(seq) if seq else None
        run = layout.run_of(parts[3]) if parts[2] == "packs" else None
        if run is None:
            return None
        lines = self.journal(model).lines(run[0])[: run[1] - run[0] + 1]
        raw = b"".join(lines)
        return raw if len(lines) == run[1] - run[0] + 1 and len(raw) <= MOST_PACK else None

    def _report(self, key: str) -> tuple[str, int | None, str] | None:
        """Return model, rollout and worker of a worker's document, `None` for any other key."""
        prefix, _, name = key.rpartition("/")
        position = self._reported(prefix)
        if position is None or not name.endswith(".json"):
            return None
        return (*position, unquote(name.removesuffix(".json")))

    def _reported(self, prefix: str) -> tuple[str, int | None] | None:
        """Return the model whose workers' documents are below a prefix, and the rollout."""
        match prefix.split("/"):
            case [layout.MODELS, folder, "servers"]:
                model, rollout = self._model(folder), None
            case [layout.MODELS, folder, "rollouts", number] if number.isdecimal():
                model, rollout = self._model(folder), int(number)
            case _:
                return None
        return None if model is None else (model, rollout)

    def create(self, key: str, data: bytes) -> None:
        """Send a small blob; nothing else is written from here."""
        sha256 = self._blob(key)
        self._uploads.put(sha256, data)
        self._uploaded[sha256] = len(data)

    def replace(self, key: str, data: bytes) -> None:
        """Send what a worker reports; the server writes whatever else is replaced."""
        report = self._report(key)
        if report is None:
            raise self._foreign(key)
        self._reports.write(*report, data)

    def delete(self, key: str) -> None:
        """Have what a worker reported removed; the server removes whatever else is."""
        report = self._report(key)
        if report is None:
            raise self._foreign(key)
        self._reports.remove(*report)

    def quarantine(self, key: str) -> None:
        """Refuse: the server sets damaged bytes aside."""
        raise self._foreign(key)

    def _blob(self, key: str) -> str:
        sha256 = key.removeprefix(f"{layout.BLOBS}/")
        if layout.blob(sha256) != key or key == sha256:
            raise self._foreign(key)
        return sha256

    def _foreign(self, key: str) -> UnsupportedError:
        return UnsupportedError(
            f"{self.client.address.url}/{key}", "is written by the server alone"
        )

    def list(self, prefix: str, after: str = "") -> Iterator[str]:
        """Go through the names directly below a prefix that sort after *after*, in no order."""
        if prefix in (layout.MODELS, layout.DATA):
            is_data = prefix == layout.DATA
            found = self._names.data() if is_data else self._names.models()
            prefixes = map(layout.data if is_data else layout.model, found)
            folders = (one.partition("/")[2] for one in prefixes)
            yield from (folder for folder in folders if folder > after)
            return
        parts = prefix.split("/")
        model = self._names.owner(*parts[:2]) if parts[2:] == ["journal"] else None
        position = self._reported(prefix)
        if position is not None:
            for worker in self._reports.names(*position, prefix):
                yield layout.of_worker(prefix, worker).rpartition("/")[2]
        elif model is not None:
            last = self.journal(model).update()
            first = (layout.number_of(after) or 0) + 1
            yield from map(layout.name_of, range(first, last + 1))

    def items(self, prefix: str, after: str = "") -> Iterator[Item]:
        """Go through the objects directly below a prefix; of blobs, none is told."""
        for name in self.list(prefix, after):
            yield Item(name, 0, 0.0)

    def size(self, key: str) -> int | None:
        """Return a blob's length in bytes, `None` if there is none that this model may have."""
        if not key.startswith(f"{layout.BLOBS}/"):
            raw = self._entries(key)
            return None if raw is None else len(raw)
        sha256 = self._blob(key)
        length = self._told_size(sha256)
        return self._uploaded.get(sha256) if length is None else length

    def _told_size(self, sha256: str) -> int | None:
        """Ask for the length of a blob that some model names."""
        try:
            answer = self.client.ask(HttpRequest("HEAD", self._path(sha256)))
        except (AbsentError, NotFoundError):
            return None
        length = answer.headers.get("content-length", "")
        return int(length[:18]) if length.isdecimal() else None

    def ingest(
        self,
        source: Path,
        prefix: str,
        expected: str | None,  # noqa: ARG002 - a store has it
        step: Step = unmetered,
    ) -> Ingested:
        """Send a file under its own digest; the cache keeps a copy, which is what is sent.

        Raises:
            InvalidInputError: If the file cannot be read or changes meanwhile.
        """
        if prefix != layout.BLOBS:
            raise self._foreign(prefix)
        if self.cache.fits(sending.size(source)):
            sha256, size_bytes, source = self.cache.admit(metered(sending.pieces(source), step))
        else:
            sha256, size_bytes = sending.digest(source, step)
        if self._told_size(sha256) == size_bytes:
            return Ingested(sha256, size_bytes, created=False)
        self._uploads.send(source, sha256, size_bytes, step)
        self._uploaded[sha256] = size_bytes
        return Ingested(sha256, size_bytes, created=True)

    def fetch(self, key: str, sha256: str, size_bytes: int, step: Step = unmetered) -> Path:
        """Return a file of this machine with a blob's bytes, checked; nobody may write to it.

        Raises:
            AbsentError: If there is none.
            DamagedError: If its bytes are not what its name says.
        """
        self._blob(key)
        return self.cache.file(
            sha256, size_bytes, lambda: metered(self.download(sha256, size_bytes + 1), step)
        )

    # Blobs

    def lenders(self, digests: Iterable[str], model: str) -> set[str]:
        """Name other models that have blobs which were therefore not sent for *model*."""
        unsent = (sha256 for sha256 in digests if sha256 not in self._uploaded)
        return {self.owners.of(sha256) or model for sha256 in unsent} - {model}

    def download(self, sha256: str, most_bytes: int | None = None) -> Iterator[bytes]:
        """Go through a blob's bytes; what broke off goes on where it stood.

        Args:
            sha256: Its digest.
            most_bytes: A longer one is left; by default one byte more than its manifest says.

        Raises:
            AbsentError: If there is none, or no journal read here names it.
            InDoubtError: If it breaks off again and again.
        """
        path, done, failures, whole = self._path(sha256), 0, 0, False
        if most_bytes is None:
            most_bytes = (self.owners.size(sha256) or _MOST_UNSIZED) + 1
        while not whole and done < most_bytes:  # where it is too long, its digest will tell
            before = done
            try:
                for piece in self._from(path, sha256, done, most_bytes):
                    done += len(piece)
                    yield piece
                whole = True
            except InDoubtError:
                failures = failures + 1 if done == before else 0
                if failures > _RESUMES:
                    raise

    def _from(self, path: str, sha256: str, offset: int, end: int) -> Iterator[bytes]:
        """Go through a blob's bytes from *offset* to *end*, or a little more, by one request."""
        headers = {"Accept-Encoding": "identity"}
        headers |= {"Range": f"bytes={offset}-", "If-Range": f'"{sha256}"'} if offset else {}
        with self._opened(path, headers) as (response, headers_told):
            skip = 0 if _starts_at(headers_told, offset) else offset
            for piece in self.client.pieces(response):
                fresh = piece[skip:]
                skip -= len(piece) - len(fresh)
                offset += len(fresh)
                yield fresh
                if offset >= end:
                    return

    @contextlib.contextmanager
    def _opened(
        self, path: str, headers: dict[str, str]
    ) -> Iterator[tuple["BaseHTTPResponse", Mapping[str, str]]]:
        try:
            with self.client.opened(
                HttpRequest("GET", path, headers=headers, follows=True)
            ) as opened:
                yield opened
        except NotFoundError:
            raise AbsentError(path) from None

    def _path(self, sha256: str) -> str:
        model = self.owners.of(sha256)
        if model is None:
            raise AbsentError(sha256)
        return f"{path_of(model)}:blobs/{sha256}"


def _starts_at(headers: Mapping[str, str], offset: int) -> bool:
    """Tell whether an answer begins where it was asked to, and not at the beginning."""
    return not offset or headers.get("content-range", "").startswith(f"bytes {offset}-")


class _Download(io.RawIOBase):
    """The bytes of a blob as they come; what may be a manifest is looked through for digests."""

    def __init__(self, store: RemoteStore, sha256: str) -> None:
        super().__init__()
        self._store = store
        self._sha256 = sha256
        self._pieces = store.download(sha256)
        self._head: bytearray | None = bytearray()
        self._place = 0
        self._piece = memoryview(next(self._pieces, b""))

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def readinto(self, buffer: "WriteableBuffer") -> int:
        target = memoryview(buffer).cast("B")
        if not self._piece:
            self._piece = memoryview(next(self._pieces, b""))
        length = min(len(target), len(self._piece))
        target[:length] = self._piece[:length]
        self._note(self._piece[:length])
        self._piece = self._piece[length:]
        self._place += length
        return length

    def _note(self, piece: memoryview) -> None:
        if self._head is None:
            return
        self._head += piece
        model = self._store.owners.of(self._sha256)
        if not piece and model is not None and self._head.startswith(b"{"):
            self._store.owners.claim(model, bytes(self._head))
        if not piece or len(self._head) > _SMALL:
            self._head = None
