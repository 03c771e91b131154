"""Versions that ended workers: written down while they are called, found by the next worker.

A native crash leaves nobody to tell what happened. So each load and each call of a version is
marked in a file that is mapped into memory, for some nanoseconds, and the mark is taken away after
it. A file whose process is gone, with a mark in it, says which version was running. A version that
ended several workers within an hour is set aside: no worker of this server loads it any more.
"""

import contextlib
import importlib.util
import mmap
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, Final

import msgspec

from holdfast.core import strict_json
from holdfast.errors import UnsupportedError
from holdfast.serving.lineup import Loaded

__all__ = ["Aside"]

_LOCKS: Final = importlib.util.find_spec("fcntl") is not None
_MOST: Final = 3
_WITHIN_S: Final = 3600.0
_SLOTS: Final = 4096
_SLOT_BYTES: Final = 512
_MARKS: Final = 16
_HEAD_BYTES: Final = _MARKS + 2  # marks, one for each of several calls at once; length of the name
_SUFFIX: Final = ".running"
_STRIKES: Final = "ended-workers"
_MOST_BYTES: Final = 1 << 20


class _Strike(msgspec.Struct, frozen=True):
    """A worker that ended while it loaded or called a version."""

    model: str
    version: str
    at_s: float


class Aside:
    """What ended workers of this server, and what this one is running.

    Args:
        folder: Shared by the workers, and by nobody else; None where nobody begins another one.
        worker: Names this one.
        now_s: Tells the time.
    """

    def __init__(
        self, folder: Path | None, worker: str, now_s: Callable[[], float] = time.time
    ) -> None:
        self._folder = folder if _LOCKS else None
        self._now_s = now_s
        self._slots: dict[tuple[str, str], int] = {}
        self._adding = threading.Lock()
        self._map: mmap.mmap | None = None
        if self._folder is not None:
            self._collect(self._folder)
            path = self._folder / f"{worker}{_SUFFIX}"
            held = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
            _lock(held)  # until this process ends, however it does
            os.ftruncate(held, _SLOTS * _SLOT_BYTES)
            self._map = mmap.mmap(held, _SLOTS * _SLOT_BYTES)

    def holds(self, model: str, version: str) -> bool:
        """Tell whether a version is set aside."""
        since_s = self._now_s() - _WITHIN_S
        strikes = [one for one in self._strikes() if (one.model, one.version) == (model, version)]
        return sum(one.at_s >= since_s for one in strikes) >= _MOST

    def require(self, model: str, version: str) -> None:
        """Refuse a version that is set aside.

        Raises:
            UnsupportedError: If it is.
        """
        if self.holds(model, version):
            problem = f"ended {_MOST} workers within an hour and is set aside"
            advice = "roll back, or restart the server to try it again"
            raise UnsupportedError(f"{model}@{version}", problem, advice)

    @contextlib.contextmanager
    def loading(self, model: str, version: str) -> Iterator[None]:
        """Mark a version while it is loaded."""
        at = self._slot(model, version)
        if self._map is None or at is None:
            yield
            return
        self._map[at] = 1
        try:
            yield
        finally:
            self._map[at] = 0

    def watched(self, loaded: Loaded) -> Loaded:
        """Mark a version while it is called."""
        marks, at, predict = self._map, self._slot(loaded.model, loaded.version), loaded.predict
        if marks is None or at is None:
            return loaded
        free = list(range(at + 1, at + _MARKS))

        def marked(rows: Any) -> Any:
            try:
                place = free.pop()
            except IndexError:  # others are marked; that is enough
                return predict(rows)
            marks[place] = 1
            try:
                return predict(rows)
            finally:
                marks[place] = 0
                free.append(place)

        return replace(loaded, predict=marked)

    def _slot(self, model: str, version: str) -> int | None:
        """Return where a version is marked; None if there is no room for it."""
        name = msgspec.json.encode((model, version))
        with self._adding:
            at = self._slots.get((model, version))
            if at is None and self._map is not None:
                if len(self._slots) == _SLOTS or len(name) > _SLOT_BYTES - _HEAD_BYTES:
                    return None
                at = self._slots[model, version] = len(self._slots) * _SLOT_BYTES
                head = bytes(_MARKS) + len(name).to_bytes(2, "little")
                self._map[at : at + _HEAD_BYTES + len(name)] = head + name
        return at

    def _collect(self, folder: Path) -> None:
        """Find what workers that are gone were running."""
        for path in sorted(folder.glob(f"*{_SUFFIX}")):
            with contextlib.suppress(OSError), path.open("rb") as file:  # it lives, or was found
                _lock(file.fileno())
                if os.fstat(file.fileno()).st_nlink:
                    path.unlink()
                    self._note(folder, _marked(file))

    def _note(self, folder: Path, versions: Iterator[tuple[str, str]]) -> None:
        lines = [
            msgspec.json.encode(_Strike(model, version, self._now_s())) + b"\n"
            for model, version in versions
        ]
        with (folder / _STRIKES).open("ab") as file:
            file.write(b"".join(lines))

    def _strikes(self) -> list[_Strike]:
        """Read what ended workers; what is not readable was written by a model, and is left out."""
        found: list[_Strike] = []
        if self._folder is None:
            return found
        with contextlib.suppress(OSError), (self._folder / _STRIKES).open("rb") as file:
            for line in file.read(_MOST_BYTES).splitlines():
                with contextlib.suppress(ValueError):
                    found.append(strict_json.decode(line, _Strike))
        return found


def _lock(descriptor: int) -> None:
    """Lock a file for this process, unless another one has it locked: then `OSError` is raised."""
    import fcntl

    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _marked(file: BinaryIO) -> Iterator[tuple[str, str]]:
    """Go through the versions that are marked in a file."""
    while len(slot := file.read(_SLOT_BYTES)) == _SLOT_BYTES:
        length = int.from_bytes(slot[_MARKS:_HEAD_BYTES], "little")
        if not length:  # the rest was never used
            return
        if any(slot[:_MARKS]):
            with contextlib.suppress(ValueError):
                name = slot[_HEAD_BYTES : _HEAD_BYTES + length]
                yield strict_json.decode(name, tuple[str, str])
