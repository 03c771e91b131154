"""Uploads of one user to one model by Xet: xorbs as they come, and the files made of them.

What is made is an ordinary blob, hashed by us; of its xorbs only where each chunk lies in the blob
is kept then, so that no byte is stored twice, and files that come later may name them again. Nobody
can name what another sent.

Clients remember by the address of a session what they have sent there, and send it once. So the
session has a random name, which lives as long as what it has: a client begins anew with the next.
"""

import contextlib
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from io import BufferedReader
from pathlib import Path
from typing import Final

import msgspec

from holdfast.core import strict_json
from holdfast.core.manifest import digest_of, is_digest
from holdfast.errors import InvalidInputError, NotFoundError
from holdfast.gateways.hf import xet_format
from holdfast.gateways.hf.xet_format import Chunk, Term, XetFile
from holdfast.store import AbsentError, reserved
from holdfast.store.open_store import OpenStore

__all__ = ["XetSession", "name_of", "sweep"]

_PREFIX: Final = f"{reserved.TEMPORARY}xet-"
_NAME: Final = re.compile("[0-9a-f]{32}")
_LIFE_S: Final = 3 * 86_400.0
_SEND: Final = "send it first"

Place = tuple[str, int, int]
"""Where the bytes of a chunk are: a blob, the offset in it, their length."""


class _Xorb:
    """An open xorb and its chunks."""

    def __init__(self, file: BufferedReader) -> None:
        self.file = file
        self.chunks: list[Chunk] = xet_format.chunks_of(file)

    def read(self, number: int) -> bytes:
        chunk = self.chunks[number]
        self.file.seek(chunk.offset)
        return xet_format.unpacked(chunk, self.file.read(chunk.packed_bytes))


class XetSession:
    """A session, in a folder of its own.

    Args:
        folder: Where incoming files are written.
        owner: User and model.
        name: The session's own, from `name_of`.
        store: Where blobs are.
    """

    def __init__(self, folder: str, owner: tuple[str, str], name: str, store: OpenStore) -> None:
        self._folder = Path(folder, f"{_prefix(owner)}{name}")
        self._is_named = _NAME.fullmatch(name) is not None
        self._store = store

    def require(self) -> None:
        """Check that the session is under way.

        Raises:
            NotFoundError: If it is not.
        """
        if not self._is_named or not self._folder.is_dir():
            raise NotFoundError("the session", advice="begin the upload anew")

    def end(self) -> None:
        """Forget all; the next upload has a session of another name."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def place(self) -> Path:
        """Return the path of a file that comes, whatever it is."""
        return self._folder / f"{os.urandom(8).hex()}.part"

    def keep(self, part: Path, xorb: str) -> bool:
        """Give a whole xorb its name; tell whether it is new.

        Raises:
            InvalidInputError: If it cannot be read.
        """
        path = self._path(xorb)
        with part.open("rb") as file:
            xet_format.chunks_of(file)
        is_new = not path.exists() and not self._index(xorb).exists()
        part.replace(path)
        return is_new

    def _path(self, xorb: str) -> Path:
        if not is_digest(xorb):
            raise InvalidInputError(f"xorb {xorb[:80]!r}", "is not 64 lower-case hex digits")
        return self._folder / f"{xorb}.xorb"

    def _index(self, xorb: str) -> Path:
        return self._folder / f"{xorb}.places"

    def make(self, file: XetFile, write: Callable[[bytes], object]) -> None:
        """Write the bytes of a file, in order.

        Raises:
            InvalidInputError: If a xorb was not sent, or is not as the file says.
        """
        with contextlib.ExitStack() as stack:
            open_xorbs: dict[str, _Xorb | list[Place]] = {}
            for term in file.terms:
                if len(open_xorbs) >= _MOST_OPEN and term.xorb not in open_xorbs:
                    stack.close()
                    open_xorbs.clear()
                if term.xorb not in open_xorbs:
                    open_xorbs[term.xorb] = self._opened(term.xorb, stack)
                self._make_term(open_xorbs[term.xorb], term, write)

    def _make_term(
        self, source: "_Xorb | list[Place]", term: Term, write: Callable[[bytes], object]
    ) -> None:
        if term.end > len(source.chunks if isinstance(source, _Xorb) else source):
            raise InvalidInputError(f"xorb {term.xorb}", "has fewer chunks", _SEND)
        size = 0
        for number in range(term.first, term.end):
            data = self._chunk(source, number)
            size += len(data)
            write(data)
        if size != term.size_bytes:
            raise InvalidInputError("a term", "has another length than it says", _SEND)

    def _opened(self, xorb: str, stack: contextlib.ExitStack) -> "_Xorb | list[Place]":
        try:
            return _Xorb(stack.enter_context(self._path(xorb).open("rb")))
        except FileNotFoundError:
            pass
        try:
            return strict_json.decode(self._index(xorb).read_bytes(), list[Place])
        except FileNotFoundError:
            raise self._gone(f"xorb {xorb}") from None

    def _chunk(self, source: "_Xorb | list[Place]", number: int) -> bytes:
        if isinstance(source, _Xorb):
            return source.read(number)
        sha256, offset, length = source[number]
        try:
            with self._store.blobs.open(sha256) as blob:
                blob.seek(offset)
                return blob.read(length)
        except AbsentError:
            raise self._gone(f"blob sha256:{sha256}") from None

    def _gone(self, subject: str) -> InvalidInputError:
        """End the session: the client counts on what is not here, and would do so again."""
        self.end()
        return InvalidInputError(subject, "is not here", "upload anew; all of it is sent then")

    def settle(self, files: list[XetFile]) -> None:
        """Let go of xorbs all of whose chunks lie in files that are stored by now."""
        places: dict[str, dict[int, Place]] = {}
        xorbs: dict[str, list[Chunk]] = {}
        for file in files:
            self._place(file, places, xorbs)
        for xorb, chunks in xorbs.items():
            held = places.get(xorb, {})
            if chunks and len(held) == len(chunks):
                listed = [held[number] for number in range(len(chunks))]
                part = self.place()
                part.write_bytes(msgspec.json.encode(listed))
                part.replace(self._index(xorb))
                self._path(xorb).unlink(missing_ok=True)

    def _place(
        self,
        file: XetFile,
        places: dict[str, dict[int, Place]],
        xorbs: dict[str, list[Chunk]],
    ) -> None:
        offset = 0
        for term in file.terms:
            if term.xorb not in xorbs:
                with contextlib.ExitStack() as stack:
                    source = self._opened(term.xorb, stack)
                xorbs[term.xorb] = source.chunks if isinstance(source, _Xorb) else []
            chunks = xorbs[term.xorb]
            if not chunks:
                offset += term.size_bytes
                continue
            for number in range(term.first, term.end):
                length = chunks[number].raw_bytes
                places.setdefault(term.xorb, {}).setdefault(number, (file.sha256, offset, length))
                offset += length


_MOST_OPEN: Final = 64


def _prefix(owner: tuple[str, str]) -> str:
    return f"{_PREFIX}{digest_of(chr(10).join(owner).encode())[:32]}-"


def name_of(folder: str, owner: tuple[str, str]) -> str:
    """Return the name of an owner's session, which begins here where there is none."""
    prefix = _prefix(owner)
    begun = sorted(path for path in _sessions(folder) if path.name.startswith(prefix))
    if begun:
        with contextlib.suppress(OSError):  # it was just ended
            os.utime(begun[0])
            return begun[0].name.removeprefix(prefix)
    name = os.urandom(16).hex()
    Path(folder, f"{prefix}{name}").mkdir(mode=0o700)
    return name


def sweep(folder: str) -> None:
    """Remove sessions that were not used for days."""
    for path in _sessions(folder):
        with contextlib.suppress(OSError):
            if path.stat().st_mtime + _LIFE_S < time.time():
                shutil.rmtree(path)


def _sessions(folder: str) -> Iterator[Path]:
    with contextlib.suppress(OSError):
        yield from (path for path in Path(folder).iterdir() if path.name.startswith(_PREFIX))
