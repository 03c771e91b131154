"""What a worker shows its supervisor, by a small file that both have mapped into memory.

A worker that hangs in a call which keeps the interpreter's lock can tell nobody, and one that
crashes has no time to. So each call of a model is written down before it begins and struck out
when it ends: whoever finds the file later knows which version was being called, for whom.
"""

import contextlib
import itertools
import mmap
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from holdfast.core import strict_json
from holdfast.predictions.row import Role

__all__ = ["CallInProgress", "Vitals", "Watched"]

_SLOTS: Final = 64
_SLOT_BYTES: Final = 1024
_HEAD_BYTES: Final = 64
_BYTES: Final = _HEAD_BYTES + _SLOTS * _SLOT_BYTES
_BEAT, _LOADING, _LEAVING = range(3)
_WORDS: Final = struct.Struct("<4Q")  # serial, requests, those that are evidence, bytes of name
_NAME_BYTES: Final = _SLOT_BYTES - _WORDS.size
_MOST_REQUESTS: Final = 1_000_000
_LONGEST_LOOK_S: Final = 1.0


class CallInProgress(Struct, frozen=True, forbid_unknown_fields=True):
    """A version's call that is under way.

    Attributes:
        rollout: Number of the rollout that the routing table is in; None without one.
        step: Of that rollout, with its weight.
        requests: Requests that share the call; 0 while the version is loaded.
        counted: Of these, those that are evidence of the rollout.
        serial: No two calls of a worker have the same.
    """

    model: str
    version: str
    role: Role
    rollout: int | None = None
    step: int = 0
    weight: float = 0.0
    requests: int = 0
    counted: int = 0
    serial: int = 0

    def written(self) -> bytes:
        """Write what stays the same from call to call; empty if there is no room for it."""
        name = msgspec.json.encode((self.model, self.version, self.role))
        where = msgspec.json.encode((self.rollout, self.step, self.weight))
        whole = b"[%s,%s]" % (name, where)
        return whole if len(whole) <= _NAME_BYTES else b""


class Vitals:
    """A worker's side of the file.

    Args:
        path: Of the file that its supervisor made.
    """

    def __init__(self, path: Path) -> None:
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), _BYTES)
        self._words = memoryview(self._map)[:_HEAD_BYTES].cast("Q")
        self._free = [_HEAD_BYTES + number * _SLOT_BYTES for number in range(_SLOTS)]
        self._serial = itertools.count(1)

    def beat(self) -> None:
        """Show that the event loop turns."""
        self._words[_BEAT] += 1

    def leave(self) -> None:
        """Ask the supervisor for a successor, and to be told to stop once it answers."""
        self._words[_LEAVING] = 1

    @property
    def leaves(self) -> bool:
        """Whether a successor was asked for."""
        return bool(self._words[_LEAVING])

    @contextlib.contextmanager
    def loading(self, model: str, version: str) -> Iterator[None]:
        """Write down that a version is loaded, which may keep the interpreter for long."""
        offset = self.begin(CallInProgress(model, version, "active").written(), 0, 0)
        self._words[_LOADING] += 1
        try:
            yield
        finally:
            self._words[_LOADING] -= 1
            self.end(offset)

    def begin(self, name: bytes, requests: int, counted: int) -> int:
        """Write down a call.

        Args:
            name: As `CallInProgress.written` gave it.

        Returns:
            Its place, for `end`; 0 if it could not be written down.
        """
        if not name or not self._free:
            return 0
        offset = self._free.pop()
        start = offset + _WORDS.size
        self._map[start : start + len(name)] = name
        _WORDS.pack_into(self._map, offset, next(self._serial), requests, counted, len(name))
        return offset

    def end(self, offset: int) -> None:
        """Strike out a call."""
        if offset:
            self._map[offset : offset + 8] = bytes(8)
            self._free.append(offset)


class Watched:
    """A supervisor's side of the file.

    Args:
        path: Where the file is made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.ftruncate(descriptor, _BYTES)
            self._map = mmap.mmap(descriptor, _BYTES, prot=mmap.PROT_READ)
        finally:
            os.close(descriptor)
        self._words = memoryview(self._map)[:_HEAD_BYTES].cast("Q")
        self._beat = 0
        self._serials: frozenset[int] = frozenset()
        self._looked_s = self._stood_s = 0.0

    @property
    def answers(self) -> bool:
        """Whether the worker's event loop has begun to turn."""
        return self._words[_BEAT] > 0

    @property
    def leaves(self) -> bool:
        """Whether the worker asks for a successor."""
        return bool(self._words[_LEAVING])

    def calls(self) -> list[CallInProgress]:
        """Return what is under way; what a worker wrote is not believed to be sound."""
        calls = []
        for offset in range(_HEAD_BYTES, _BYTES, _SLOT_BYTES):
            serial, requests, counted, size = _WORDS.unpack_from(self._map, offset)
            if not serial:
                continue
            start = offset + _WORDS.size
            raw = self._map[start : start + min(size, _NAME_BYTES)]
            try:
                identity, where = strict_json.decode(raw, tuple[_Named, _Where])
            except ValueError:  # it was just being written
                continue
            least = min(requests, _MOST_REQUESTS)
            calls.append(CallInProgress(*identity, *where, least, min(counted, least), serial))
        return calls

    def stuck(self, now_s: float, limit_s: float) -> list[CallInProgress]:
        """Return the calls in which the worker hangs: its loop does not turn, and they do not end.

        Args:
            now_s: A clock that only rises.
            limit_s: How long that must have been so.
        """
        beat, loading, _ = self._words[:3]
        calls = [call for call in self.calls() if call.requests] if beat else []
        same = [call for call in calls if call.serial in self._serials]
        pause_s, self._looked_s = now_s - self._looked_s, now_s
        if beat != self._beat or not same or loading:
            self._beat, self._serials = beat, frozenset(call.serial for call in calls)
            self._stood_s = 0.0
            return []
        self._stood_s += min(pause_s, _LONGEST_LOOK_S)  # longer ones: the machine itself stood
        return same if self._stood_s >= limit_s else []

    def close(self) -> None:
        """Remove the file."""
        self._words.release()
        self._map.close()
        self.path.unlink(missing_ok=True)


_Named = tuple[str, str, Role]
_Where = tuple[int | None, int, float]
