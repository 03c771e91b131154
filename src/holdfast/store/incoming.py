"""Files that others send piece by piece: hashed on the way in, named once they are whole.

In a folder they are written beside the blobs, so that a whole one is linked and not copied once
more. What a crash leaves has a name that no reader looks at, and a collector sweeps it by its age.
"""

import contextlib
import hashlib
import os
import shutil
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from io import FileIO
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from holdfast import scratch
from holdfast.core import strict_json
from holdfast.errors import (
    ConflictError,
    InvalidInputError,
    NotFoundError,
    StoreError,
    StoreFullError,
)
from holdfast.store import Ingested, durable, layout, locks, reserved
from holdfast.store.local import LocalStore
from holdfast.store.open_store import OpenStore

__all__ = ["Incoming", "IncomingFiles", "UploadAbout"]

_SPARE_BYTES: Final = 64 << 20
_LIFE_S: Final = 86_400.0
_PREFIX: Final = f"{reserved.TEMPORARY}upload-"
_DATA: Final = "data"
_ABOUT: Final = "about.json"
_PIECE: Final = 1 << 20
_MOST_KNOWN: Final = 256
_LISTED_EVERY_S: Final = 60.0


class UploadAbout(Struct, frozen=True):
    """What was said of a file that is sent in parts.

    Attributes:
        owner: Who began it, and may go on.
        began: Seconds since the epoch.
    """

    sha256: str
    size_bytes: int
    owner: str
    began: float


class Incoming:
    """A file that comes; used by one thread at a time."""

    def __init__(self, file: FileIO, path: str) -> None:
        self._file = file
        self._path = path
        self._hash = hashlib.sha256()
        self._flushed = 0
        self.size_bytes = 0

    def write(self, data: bytes | memoryview) -> None:
        """Take in the next piece."""
        with durable.translate_errors(self._path):
            durable.write_all(self._file.fileno(), data)
            self.size_bytes += len(data)
            if (waiting := self.size_bytes - self._flushed) >= _PIECE:
                durable.begin_to_sync(self._file.fileno(), self._flushed, waiting)
                self._flushed = self.size_bytes
        self._hash.update(data)

    @property
    def sha256(self) -> str:
        """Digest of what has come so far."""
        digest: str = self._hash.hexdigest()
        return digest

    def read_again(self) -> None:
        """Hash what is there already, and go on behind it."""
        self._hash, self.size_bytes = hashlib.sha256(), 0
        self._file.seek(0)
        while piece := self._file.read(_PIECE):
            self._hash.update(piece)
            self.size_bytes += len(piece)
        self._flushed = self.size_bytes

    def keep(self, store: OpenStore, sha256: str) -> Ingested:
        """Give the whole file its name in a store.

        Raises:
            InvalidInputError: If its bytes are others; it is thrown away.
        """
        digest = self._hash.hexdigest()
        if digest != sha256:
            raise InvalidInputError(
                f"file sha256:{sha256}", f"has other bytes: sha256:{digest}", "send it again"
            )
        with store.sharing("taking in a file"):
            if isinstance(store.store, LocalStore):
                created = store.store.adopt(self._file, self._path, layout.blob(sha256))
                return Ingested(sha256, self.size_bytes, created)
            durable.sync(self._file.fileno())
            taken = store.store.ingest(Path(self._path), layout.BLOBS, sha256)
            store.rescue([sha256])
            return taken

    def go_on(self, known: "tuple[Any, int] | None") -> None:
        """Go on behind what is there: hashed before, if as much is known, else read once more."""
        if known is None or known[1] != os.fstat(self._file.fileno()).st_size:
            self.read_again()
            return
        self._hash, self.size_bytes = known[0].copy(), known[1]
        self._flushed = self.size_bytes
        self._file.seek(0, os.SEEK_END)

    def so_far(self) -> tuple[Any, int]:
        """Return what `go_on` takes."""
        return self._hash.copy(), self.size_bytes


class IncomingFiles:
    """The files that are coming into one store.

    Args:
        store: The store.
    """

    def __init__(self, store: OpenStore) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._expected = 0
        self._known: OrderedDict[str, tuple[Any, int]] = OrderedDict()
        self._begun: set[str] = set()
        self._listed: float | None = None
        near = store.store
        if isinstance(near, LocalStore):
            self._folder = near.path(layout.BLOBS)
        else:
            self._folder = str(scratch.until_exit("holdfast-uploads-"))

    @property
    def folder(self) -> str:
        """Where they are written: beside the blobs, if these are on this machine."""
        return self._folder

    @contextlib.contextmanager
    def room(self, size_bytes: int) -> Iterator[None]:
        """Set room aside for a file while it comes.

        Raises:
            StoreFullError: If there is too little.
        """
        durable.make_folder(self._folder)
        with self._lock:
            free = shutil.disk_usage(self._folder).free - self._expected
            if size_bytes + _SPARE_BYTES > free:
                problem = f"has room for {max(0, free):,} bytes, and {size_bytes:,} are to come"
                raise StoreFullError("the store", problem, "free some, or ask who runs the server")
            self._expected += size_bytes
        try:
            yield
        finally:
            with self._lock:
                self._expected -= size_bytes

    @contextlib.contextmanager
    def once(self) -> Iterator[Incoming]:
        """Open a file that comes in one piece; nothing of it stays unless it is kept."""
        with durable.temporary(self._folder) as (file, path):
            yield Incoming(file, path)

    # In parts

    def begin(self, about: UploadAbout, upload: str) -> None:
        """Begin a file that comes in parts."""
        durable.make_folder(self._folder)
        folder = self._of(upload)
        with durable.translate_errors(folder):
            os.mkdir(folder, 0o700)
            Path(folder, _DATA).touch()
            durable.replace(os.path.join(folder, _ABOUT), msgspec.json.encode(about))
        self._begun.add(upload)

    def about(self, upload: str) -> tuple[UploadAbout, int]:
        """Return what was said of a file, and how much of it is there.

        Raises:
            NotFoundError: If there is none, or it was begun too long ago.
        """
        folder = self._of(upload)
        try:
            raw = Path(folder, _ABOUT).read_bytes()
            about = strict_json.decode(raw, UploadAbout)
            size = os.stat(os.path.join(folder, _DATA)).st_size
        except (OSError, ValueError):
            raise NotFoundError(f"upload {upload[:40]!r}", advice="begin it anew") from None
        if about.began + _LIFE_S < time.time():
            self.remove(upload)
            raise NotFoundError(f"upload {upload[:40]!r}", advice="it is too old; begin it anew")
        return about, size

    @contextlib.contextmanager
    def part(self, upload: str, offset: int) -> Iterator[Incoming]:
        """Open a file to go on with it, alone.

        Raises:
            ConflictError: If another request is at it, or it ends elsewhere than at *offset*.
            NotFoundError: If another request has ended it.
        """
        path = os.path.join(self._of(upload), _DATA)
        subject = f"upload {upload}"
        with contextlib.ExitStack() as stack:
            lock = os.path.join(self._of(upload), "lock")
            try:
                free = stack.enter_context(locks.tried(lock, "an upload"))
                file = stack.enter_context(FileIO(path, "r+"))
            except (StoreError, OSError):
                if os.path.exists(path):
                    raise
                raise NotFoundError(subject, advice="begin it anew") from None
            if not free:
                raise ConflictError(subject, "is being written by another request", "wait for it")
            incoming = Incoming(file, path)
            incoming.go_on(self._known.get(upload))
            stack.callback(self._remember, upload, incoming)
            if incoming.size_bytes != offset:
                problem = f"has {incoming.size_bytes} bytes, not {offset}"
                raise ConflictError(subject, problem, "ask where it ends, and go on there")
            yield incoming

    def _remember(self, upload: str, incoming: Incoming) -> None:
        self._known[upload] = incoming.so_far()
        if len(self._known) > _MOST_KNOWN:
            self._known.popitem(last=False)

    def remove(self, upload: str) -> None:
        """Throw a file away."""
        self._known.pop(upload, None)
        self._begun.discard(upload)
        with contextlib.suppress(StoreError):
            durable.remove(self._of(upload))

    def sweep(self) -> list[UploadAbout]:
        """Throw away what was begun too long ago; return what is still under way.

        What other servers began is looked for once a minute: it lies among all the blobs.
        """
        now = time.monotonic()
        if self._listed is None or self._listed + _LISTED_EVERY_S <= now:
            self._listed = now
            self._begun |= self._list()
        under_way = []
        for upload in list(self._begun):
            try:
                under_way.append(self.about(upload)[0])
            except NotFoundError:
                self._begun.discard(upload)
        return under_way

    def _list(self) -> set[str]:
        try:
            names = os.listdir(self._folder)
        except OSError:
            return set()
        return {name.removeprefix(_PREFIX) for name in names if name.startswith(_PREFIX)}

    def _of(self, upload: str) -> str:
        return os.path.join(self._folder, f"{_PREFIX}{upload}")
