"""The collector of a bucket, where no lock keeps writers away: lists, a grace time, and rescues.

```
gc/0000000007.json              the blobs that nothing named when the list was made
gc/0000000007/rescued/<hex>     a writer is about to name this one
gc/0000000007/closed.json       from here on no rescue counts, and what is left goes
```
A writer looks at the lists right before it appends an entry. If a blob it will name is listed, it
writes the rescue and then sees to it that the list is open: not closed, and after that still there,
for a list that was worked off is not closed any more either. A collector closes the list first,
looks for rescues and entries afterwards, and removes the list before the mark that it is closed. So
one of the two sees the other. While a closed list is worked off, who would name one of its blobs is
asked to wait; of a list that is gone nothing is removed any more.

A list's number is the time it was made, or higher, and is never given again: what a writer has read
of a list holds for ever.

A collector that stalled must not go on when another has taken its work over: it stops deleting
ten minutes after it began to close the list, by the clock on the wall or the one that stands still
while the machine sleeps, and one other takes over after an hour.
"""

import contextlib
import secrets
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final, Literal

import msgspec
from msgspec import Struct

from holdfast.core import strict_json
from holdfast.errors import ConflictError, DamagedError, HoldfastError
from holdfast.store import TakenError, layout
from holdfast.store.objects.object_store import ObjectStore
from holdfast.store.open_store import Collected, Needed

_LISTS: Final = "gc"
_CLOCK: Final = f"{_LISTS}/now"
_CLOSED: Final = "closed.json"
_WORK_S: Final = 600.0
_TAKEN_OVER_S: Final = 3_600.0
_FORMAT: Final = 1
_MOST_BLOBS: Final = 10_000
"""A list holds so many blobs at the most; what is left goes on the next one."""


class _List(Struct, frozen=True):
    """The content of a list: SHA-256 digests, sorted."""

    format: int
    blobs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Open:
    """A list that is not worked off yet, and when it was made, by the store's clock."""

    number: int
    made: float


class _Turn:
    """The time in which a collector may delete what is on a list that it closed."""

    def __init__(self) -> None:
        self._steady, self._wall = time.monotonic(), time.time()

    @property
    def over(self) -> bool:
        """True once it is another collector's turn."""
        elapsed = max(time.monotonic() - self._steady, time.time() - self._wall)
        return elapsed > _WORK_S


class Condemned:
    """The lists of one bucket."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._read: dict[int, frozenset[str]] = {}

    def rescue(self, digests: Collection[str]) -> None:
        """Take blobs off every list; to be done right before the entry that names them.

        Raises:
            ConflictError: If a collector is removing one of them just now.
        """
        for number in self._numbers():
            listed_digests = sorted(self._blobs(number) & set(digests))
            marks = [f"{_folder(number)}/rescued/{digest}" for digest in listed_digests]
            for mark in marks:
                self._store.replace(mark, b"")
            match self._standing(number) if listed_digests else "open":
                case "closed":
                    raise ConflictError(
                        f"blob sha256:{listed_digests[0]}",
                        "is being removed, as nothing named it",
                        "repeat in some minutes; if a collector was stopped, in an hour and "
                        "after `holdfast gc`",
                    )
                case "gone":
                    for mark in marks:
                        self._store.delete(mark)

    def _standing(self, number: int) -> Literal["open", "closed", "gone"]:
        """Tell how a list stands; in this order, for it is removed before its mark."""
        if self._store.size(_closed(number)) is not None:
            return "closed"
        there = self._store.size(layout.numbered(_LISTS, number)) is not None
        return "open" if there else "gone"

    def collect(self, needed: Needed, grace_s: float) -> Collected:
        """List what nothing names by now, and work off the lists that are old enough."""
        now = self._now()
        sizes = {item.name: item.size_bytes for item in self._store.items(layout.BLOBS)}
        claims = needed()
        loose = sizes.keys() - claims.named
        freed: list[str] = []
        listed: set[str] = set()
        for opened in self._open():
            turn = _Turn()
            if now - opened.made >= grace_s and self._close(opened.number, now):
                freed += self._work_off(opened.number, needed, turn)
            else:
                listed |= self._blobs(opened.number)
        waiting = loose - set(freed)
        condemned = sorted(digest for digest in waiting - listed if digest not in claims)
        self._condemn(condemned[:_MOST_BLOBS], now)
        return Collected(
            freed_bytes=sum(sizes.get(digest, 0) for digest in freed),
            freed_blobs=len(freed),
            waiting_bytes=sum(sizes[digest] for digest in waiting),
            waiting_blobs=len(waiting),
            leftovers=self._sweep(),
        )

    def _now(self) -> float:
        """Return the present time by the store's clock, which dates the lists."""
        self._store.replace(_CLOCK, b"")
        return next(item.modified for item in self._store.items(_LISTS) if item.name == "now")

    def _numbers(self) -> list[int]:
        numbers = (layout.number_of(name) for name in self._store.list(_LISTS))
        return sorted(number for number in numbers if number is not None)

    def _open(self) -> Iterator[_Open]:
        for item in sorted(self._store.items(_LISTS), key=lambda item: item.name):
            number = layout.number_of(item.name)
            if number is not None:
                yield _Open(number, item.modified)

    def _blobs(self, number: int) -> frozenset[str]:
        """Return the digests on a list, which never changes; none if it is worked off by now."""
        if number not in self._read:
            key = layout.numbered(_LISTS, number)
            raw = self._store.read(key)
            if raw is None:
                return frozenset()
            try:
                self._read[number] = frozenset(strict_json.decode(raw, _List).blobs)
            except ValueError as error:
                raise DamagedError(key, f"cannot be read: {error}", "delete it") from error
        return self._read[number]

    def _condemn(self, digests: list[str], now: float) -> None:
        if not digests:
            return None
        raw = msgspec.json.encode(_List(_FORMAT, tuple(digests)))
        number = max(int(now), max(self._numbers(), default=0) + 1)
        while True:
            try:
                return self._store.create(layout.numbered(_LISTS, number), raw)
            except TakenError:  # another collector's: its blobs may be others
                number += 1

    def _close(self, number: int, now: float) -> bool:
        """Close a list; False if another collector has and may still be at it."""
        mine = b'{"by":"%s"}\n' % secrets.token_hex(16).encode()
        try:
            self._store.create(_closed(number), mine)
        except TakenError:
            return self._take_over(number, now, mine)
        return True

    def _take_over(self, number: int, now: float, mine: bytes) -> bool:
        """Close a list anew that a stopped collector closed, unless a rival does at this moment."""
        snapshot = self._store.tagged(_closed(number))
        folder, _, name = _closed(number).rpartition("/")
        ages = [now - item.modified for item in self._store.items(folder) if item.name == name]
        if snapshot is None or not ages or ages[0] < _TAKEN_OVER_S:
            return False
        return self._store.replace_tagged(_closed(number), mine, snapshot[1])

    def _work_off(self, number: int, needed: Needed, turn: _Turn) -> list[str]:
        """Remove what a closed list holds and nobody rescued or names, and then the list."""
        try:
            rescued = set(self._store.list(f"{_folder(number)}/rescued"))
            claims = needed()
            listed = self._blobs(number) - rescued
            doomed = sorted(digest for digest in listed if digest not in claims)
        except BaseException:  # nothing was removed: writers need not wait
            with contextlib.suppress(HoldfastError):
                self._store.delete(_closed(number))
            raise
        freed: list[str] = []
        for digest in doomed:
            if turn.over:
                return freed  # the rest is for who takes the list over
            self._store.delete(layout.blob(digest))
            freed.append(digest)
        self._store.delete(layout.numbered(_LISTS, number))
        self._clear(number)
        return freed

    def _sweep(self) -> int:
        """Remove the marks of lists that are gone, which stopped collectors and writers left."""
        names = set(self._store.list(_LISTS))
        numbers = [
            number
            for name in names
            if (number := layout.number_of(f"{name}.json")) and f"{name}.json" not in names
        ]
        gone = [n for n in numbers if self._store.size(layout.numbered(_LISTS, n)) is None]
        return sum(map(self._clear, gone))

    def _clear(self, number: int) -> int:
        """Remove the marks of a list that is gone; return how many there were."""
        marks = [
            f"{_folder(number)}/rescued/{name}"
            for name in self._store.list(f"{_folder(number)}/rescued")
        ]
        for mark in marks:
            self._store.delete(mark)
        self._store.delete(_closed(number))
        return len(marks) + 1


def _folder(number: int) -> str:
    return f"{_LISTS}/{layout.stem_of(number)}"


def _closed(number: int) -> str:
    return f"{_folder(number)}/{_CLOSED}"
