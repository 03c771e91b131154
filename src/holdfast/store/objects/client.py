"""The seam to obstore: every request passes here, is counted, and fails with errors of ours."""

import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

from holdfast.errors import HoldfastError, StoreError
from holdfast.store import MOST_READ
from holdfast.store.objects import client_errors

if TYPE_CHECKING:
    from obstore import GetResult, ListStream, ObjectMeta, PutMode, UpdateVersion

Kind = Literal["s3", "gs", "az"]
T = TypeVar("T")
_PAGE: Final = 1000


@dataclass(frozen=True, slots=True)
class Bucket:
    """A prefix of a bucket, as obstore reaches it.

    Attributes:
        kind: The protocol that is spoken.
        url: `s3://bucket/prefix` for messages, never with a secret.
        endpoint: Address of the service, empty for a cloud's own.
        patient: Repeats by itself what failed: for requests that may be done twice.
        once: Repeats nothing: for requests whose answer counts.
    """

    kind: Kind
    url: str
    endpoint: str
    patient: Any
    once: Any


class _Threads:
    """Those of obstore, which all its requests in a process need; a forked child has none."""

    def __init__(self) -> None:
        self._process: int | None = None

    def require(self, address: str) -> None:
        """Note that they are begun here, or refuse to wait for them for ever.

        Raises:
            StoreError: If they were begun in a process that this one was forked from.
        """
        if self._process not in {None, os.getpid()}:
            raise StoreError(
                address,
                "cannot be reached from here: this process was forked from one that used a bucket",
                'start it by multiprocessing\'s "spawn" or "forkserver", or fork before that',
            )
        self._process = os.getpid()


_threads: Final = _Threads()


class Client:
    """The requests of one store.

    Attributes:
        bucket: Where they go.
        requests: How many were made by `get`, `head`, `put`, `create`, `copy`, `list` and `delete`;
            what obstore repeats, parts of an upload and pages after the first are not counted.
    """

    def __init__(self, bucket: Bucket) -> None:
        import obstore  # noqa: PLC0415 - an extra

        self.bucket = bucket
        self.requests: Counter[str] = Counter()
        self._counting = threading.Lock()
        self._obstore = obstore

    def address(self, key: str) -> str:
        """Return what messages call an object."""
        return f"{self.bucket.url}/{key}"

    def get(self, key: str, *, start: int = 0, if_match: str | None = None) -> "GetResult":
        """Begin to read an object at byte *start*."""
        options: dict[str, Any] = {"if_match": if_match} if if_match else {}
        if start:
            options["range"] = {"offset": start}
        answer: GetResult = self._ask(
            "get", key, lambda: self._obstore.get(self.bucket.patient, key, options=options)
        )
        return answer

    def signed(self, key: str, seconds: float) -> str:
        """Return a URL by which anybody can read an object for so long."""
        span = timedelta(seconds=seconds)
        return self._told(
            key, lambda: str(self._obstore.sign(self.bucket.patient, "GET", key, span))
        )

    def read(self, key: str) -> tuple[bytes, str]:
        """Read an object, cut where no honest one is so long, with its version's tag."""
        answer = self.get(key)
        if int(answer.meta["size"]) > MOST_READ:
            data = bytes(self.piece(key, 0, MOST_READ))
        else:
            data = self._told(key, lambda: bytes(answer.bytes()))
        return data, str(answer.meta["version" if self.bucket.kind == "gs" else "e_tag"])

    def version(self, tag: str) -> "UpdateVersion":
        """Return the condition that an object still is the version of that tag."""
        return {"version": tag} if self.bucket.kind == "gs" else {"e_tag": tag}

    def pieces(self, answer: "GetResult", key: str, least: int) -> Iterator[memoryview]:
        """Go through what `get` began to read, in pieces of at least so many bytes."""
        stream = iter(answer.stream(min_chunk_size=least))
        while piece := self._told(key, lambda: next(stream, None)):
            yield memoryview(piece)

    def piece(self, key: str, start: int, end: int) -> memoryview:
        """Read bytes *start* to *end*, or to the last if that comes sooner."""
        return memoryview(
            self._ask(
                "get",
                key,
                lambda: self._obstore.get_range(self.bucket.patient, key, start=start, end=end),
            )
        )

    def piece_of(self, key: str, start: int, end: int, tag: str | None) -> memoryview:
        """Read bytes *start* to *end* of the version of an object that has *tag*."""
        options: dict[str, Any] = {"range": (start, end)}
        if tag:
            options["if_match"] = tag
        answer: GetResult = self._ask(
            "get", key, lambda: self._obstore.get(self.bucket.patient, key, options=options)
        )
        return self._told(key, lambda: memoryview(answer.bytes()))

    def copy(self, source: str, target: str) -> None:
        """Have the service copy an object over another."""
        store = self.bucket.patient
        self._ask("copy", source, lambda: self._obstore.copy(store, source, target))

    def head(self, key: str) -> "ObjectMeta":
        """Ask for an object's size, time and tag."""
        metadata: ObjectMeta = self._ask(
            "head", key, lambda: self._obstore.head(self.bucket.patient, key)
        )
        return metadata

    def create(self, key: str, data: bytes) -> None:
        """Ask once that an object be made if there is none; `TakenError` may mean "later"."""
        store = self.bucket.once
        self._ask(
            "create",
            key,
            lambda: self._obstore.put(store, key, data, mode="create", use_multipart=False),
        )

    def put(self, key: str, data: bytes, mode: "PutMode" = "overwrite") -> None:
        """Write a small object by one request."""
        store = self.bucket.patient
        self._ask(
            "put",
            key,
            lambda: self._obstore.put(store, key, data, mode=mode, use_multipart=False),
        )

    def upload(self, key: str, pieces: Iterator[bytes], part_bytes: int, at_once: int) -> None:
        """Write a large object in parts; if *pieces* raises, nobody ever sees any of it."""
        self._ask(
            "put",
            key,
            lambda: self._obstore.put(
                self.bucket.patient,
                key,
                pieces,
                use_multipart=True,
                chunk_size=part_bytes,
                max_concurrency=at_once,
            ),
        )

    def copy(self, source: str, key: str) -> None:
        """Write an object by the bytes of another one of the bucket, which do not come here."""
        store = self.bucket.patient
        self._ask("copy", key, lambda: self._obstore.copy(store, source, key))

    def delete(self, key: str) -> None:
        """Remove an object; some services answer `AbsentError` if there is none."""
        self._ask("delete", key, lambda: self._obstore.delete(self.bucket.patient, key))

    def level(self, prefix: str) -> tuple[Sequence[str], Sequence["ObjectMeta"]]:
        """List one level: the keys of what is like a folder, and the objects."""
        listing = self._ask(
            "list",
            prefix,
            lambda: self._obstore.list_with_delimiter(self.bucket.patient, prefix or None),
        )
        return listing["common_prefixes"], listing["objects"]

    def below(self, prefix: str, after: str = "") -> Iterator["ObjectMeta"]:
        """Go through all that is below *prefix* with a key after *after*, page by page."""
        pages: ListStream[Sequence[ObjectMeta]] = self._obstore.list(
            self.bucket.patient, prefix or None, offset=after or None, chunk_size=_PAGE
        )
        page = self._ask("list", prefix, lambda: next(pages, ()))
        while page:
            for metadata in page:
                if metadata["path"] > after:  # some services begin where they like
                    yield metadata
            page = self._told(prefix, lambda: next(pages, ()))

    def _ask(self, verb: str, key: str, request: Callable[[], T]) -> T:
        _threads.require(self.address(key))  # before a lock that nobody may be left to let go
        with self._counting:
            self.requests[verb] += 1
        return self._told(key, request)

    def _told(self, key: str, request: Callable[[], T]) -> T:
        _threads.require(self.address(key))
        try:
            return request()
        except HoldfastError:  # from what yields the pieces of an upload
            raise
        except Exception as error:  # noqa: BLE001 - obstore raises many; a cause would quote secrets
            failure = client_errors.translate_error(error, self.address(key))
        raise failure
