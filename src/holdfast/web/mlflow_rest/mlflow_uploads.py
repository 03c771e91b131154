"""Files that a client puts here before it registers them: each user's own, for some days.

Their bytes are stored like all others, under their digests; a note beside the receipts says under
which path somebody sent which, and goes when those do.
"""

import hashlib
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path, PurePosixPath
from typing import Final

import msgspec
from msgspec import Struct

from holdfast.core import strict_json
from holdfast.core.manifest import File
from holdfast.core.names import escape
from holdfast.errors import BusyError
from holdfast.gateways.mlflow.mlflow_errors import invalid
from holdfast.http.problems import Problem
from holdfast.registry import received
from holdfast.registry.session import Session
from holdfast.store import AbsentError
from holdfast.web import uploads
from holdfast.web.below import session_of
from holdfast.web.desk import Desk
from holdfast.web.exchange import Answer, Request, answered

__all__ = ["MlflowUploads"]

_FOLDER: Final = "access/receipts"
_NOTE: Final = "mlflow-"
_MOST_FILES: Final = 10_000
_LONGEST: Final = 500
_MOST_UNTOLD: Final = 1 << 20
"""Longest file whose length was not told: MLflow's client tells none of an empty one."""


class UploadNote(Struct, frozen=True):
    """Which bytes somebody sent under a path, and when, in seconds since 1970."""

    path: str
    sha256: str
    size_bytes: int
    at: int


class MlflowUploads:
    """What the users of one server have put here."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def put(self, request: Request, path: str) -> Answer:
        """Take a file in.

        Args:
            path: Where its sender wants it, below their own folder.
        """
        desk = self._desk
        _check(path)
        is_told = request.header("content-length") is not None
        size = uploads.length_of(request) if is_told else _MOST_UNTOLD
        pieces = request.pieces() if is_told else _bounded(request)
        files = await desk.work.do(lambda: uploads.files_of(desk))
        stack = ExitStack()
        try:
            await desk.work.do(lambda: stack.enter_context(files.room(size)))
            incoming = await desk.work.do(lambda: stack.enter_context(files.once()))
            await uploads.take_in(desk, pieces, incoming.write)
            store = session_of(desk.registry).writable()
            taken = await desk.work.do(lambda: incoming.keep(store, incoming.sha256))
        finally:
            stack.close()
        desk.figures.count("uploaded_bytes", taken.size_bytes)
        note = UploadNote(path, taken.sha256, taken.size_bytes, int(time.time()))
        await desk.work.do(lambda: self._keep(request, note))
        return answered({})

    def _keep(self, request: Request, note: UploadNote) -> None:
        store = session_of(self._desk.registry).writable().store
        folder = _folder(request)
        name = f"{_NOTE}{hashlib.sha256(note.path.encode()).hexdigest()}"
        if sum(item.name.startswith(_NOTE) for item in store.items(folder)) >= _MOST_FILES:
            problem = f"are {_MOST_FILES} already"
            raise BusyError("your files", problem, "register them, or wait until they are gone")
        store.replace(f"{folder}/{name}", msgspec.json.encode(note))

    def bring(self, request: Request, path: str, target: Path) -> None:
        """Write what somebody put below a path to a folder, every byte of it checked.

        Raises:
            MlflowProblem: If they put no model there.
        """
        session = session_of(self._desk.registry)
        prefix = f"{path.strip('/')}/"
        notes = [note for note in _notes(session, request) if note.path.startswith(prefix)]
        if f"{prefix}MLmodel" not in (note.path for note in notes):
            raise invalid(f"{path[:200]!r} has no MLmodel that you put there: put all files first")
        named = [
            File(note.path.removeprefix(prefix), note.sha256, note.size_bytes) for note in notes
        ]
        received.check_work(named)  # before any of it is copied
        files = uploads.files_of(self._desk)
        with files.room(sum(file.size_bytes for file in named)):
            self._copy(session, named, target)

    def _copy(self, session: Session, files: list[File], target: Path) -> None:
        for file in files:
            place = target / file.path
            try:
                place.parent.mkdir(parents=True, exist_ok=True)
            except FileExistsError as error:
                raise invalid(f"{file.path!r} is below a file that you put there") from error
            session.open_store.blobs.copy_out(file, place)


async def _bounded(request: Request) -> AsyncIterator[bytes]:
    size = 0
    async for piece in request.pieces():
        size += len(piece)
        if size > _MOST_UNTOLD:
            raise Problem(411, "length_required", "say how long the body is: Content-Length")
        yield piece


def _notes(session: Session, request: Request) -> Iterator[UploadNote]:
    store, folder = session.open_store.store, _folder(request)
    for item in list(store.items(folder)):
        if not item.name.startswith(_NOTE):
            continue
        try:
            with store.open(f"{folder}/{item.name}") as file:
                yield strict_json.decode(file.read(), UploadNote)
        except (AbsentError, ValueError):  # gone a moment ago, or not whole
            continue


def _folder(request: Request) -> str:
    return f"{_FOLDER}/{escape(request.identity.user.id)}"


def _check(path: str) -> None:
    """Refuse a path that could lead elsewhere, wherever it is written."""
    parts = path.split("/")
    is_plain = path.isprintable() and "\\" not in path and ":" not in path
    if not is_plain or len(path) > _LONGEST or {"", ".", ".."} & set(parts):
        raise invalid(f"Invalid path: {path[:200]!r}")
    if PurePosixPath(path).is_absolute() or len(parts) < len(("folder", "file")):
        raise invalid(f"Invalid path: {path[:200]!r}; put files into a folder")
