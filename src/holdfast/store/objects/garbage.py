"""The collector of a bucket, where no lock keeps writers away: lists, a grace time, and rescues.

```
gc/0000000007.json              the blobs that nothing named when the list was made
gc/0000000007/rescued/<hex>     a writer is about to name this one
gc/0000000007/closed.json       from here on no rescue counts, and what is left goes
```
A writer looks at the lists right before it appends an entry. If a blob it will name is listed, it
writes the rescue and then sees to it that the list is not closed; a collector closes the list first
and looks for rescues and entries afterwards. So one of the two sees the other. While a closed list
is worked off, who would name one of its blobs is asked to wait.

A collector that stalled must not go on when another has taken its work over: it stops deleting
ten minutes after the list was closed, and another takes over after an hour.
"""

import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final

import msgspec
from msgspec import Struct

from holdfast.core import strict_json
from holdfast.errors import ConflictError, DamagedError
from holdfast.store import Item, TakenError, layout
from holdfast.store.objects.store import ObjectStore
from holdfast.store.place import Collected, Needed

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
            for digest in sorted(self._blobs(number) & set(digests)):
                self._store.replace(f"{_LISTS}/{layout.stem_of(number)}/rescued/{digest}", b"")
                if self._store.size(_closed(number)) is not None:
                    raise ConflictError(
                        f"blob sha256:{digest}",
                        "is being removed, for nothing named it",
                        "repeat in some minutes; after a collector was stopped, in an hour and "
                        "after `holdfast gc`",
                    )

    def collect(self, needed: Needed, grace_s: float) -> Collected:
        """List what nothing names by now, and work off the lists that are old enough."""
        now = self._now()
        sizes = {item.name: item.size_bytes for item in self._store.items(layout.BLOBS)}
        loose = sizes.keys() - needed()
        freed: list[str] = []
        listed: set[str] = set()
        for opened in self._open():
            if now - opened.made >= grace_s and self._close(opened.number, now):
                freed += self._work_off(opened.number, needed)
            else:
                listed |= self._blobs(opened.number)
        waiting = loose - set(freed)
        self._condemn(sorted(waiting - listed)[:_MOST_BLOBS])
        return Collected(
            freed_bytes=sum(sizes.get(digest, 0) for digest in freed),
            freed_blobs=len(freed),
            waiting_bytes=sum(sizes[digest] for digest in waiting),
            waiting_blobs=len(waiting),
            leftovers=0,
        )

    def _now(self) -> float:
        """Return the present time by the store's clock, which dates the lists."""
        self._store.replace(_CLOCK, b"")
        return next(item.modified for item in self._store.items(_LISTS) if item.name == "now")

    def _numbers(self) -> list[int]:
        found = (layout.number_of(name) for name in self._store.list(_LISTS))
        return sorted(number for number in found if number is not None)

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
                raise DamagedError(key, f"not readable: {error}", "delete it") from error
        return self._read[number]

    def _condemn(self, digests: list[str]) -> None:
        if not digests:
            return None
        raw = msgspec.json.encode(_List(_FORMAT, tuple(digests)))
        number = max(self._numbers(), default=0) + 1
        while True:
            try:
                return self._store.create(layout.numbered(_LISTS, number), raw)
            except TakenError:  # another collector's: its blobs may be others
                number += 1

    def _close(self, number: int, now: float) -> bool:
        """Close a list; False if another collector has and may still be at it."""
        try:
            self._store.create(_closed(number), b"{}\n")
        except TakenError:
            folder, _, name = _closed(number).rpartition("/")
            closed: list[Item] = [item for item in self._store.items(folder) if item.name == name]
            return bool(closed) and now - closed[0].modified >= _TAKEN_OVER_S
        return True

    def _work_off(self, number: int, needed: Needed) -> list[str]:
        """Remove what a closed list holds and nobody rescued or names, and then the list."""
        deadline = time.monotonic() + _WORK_S
        folder = f"{_LISTS}/{layout.stem_of(number)}"
        rescued = set(self._store.list(f"{folder}/rescued"))
        doomed = sorted(self._blobs(number) - rescued - needed())
        freed: list[str] = []
        for digest in doomed:
            if time.monotonic() > deadline:
                return freed  # the rest is for who takes the list over
            self._store.delete(layout.blob(digest))
            freed.append(digest)
        for name in sorted(rescued):
            self._store.delete(f"{folder}/rescued/{name}")
        self._store.delete(layout.numbered(_LISTS, number))
        self._store.delete(_closed(number))
        return freed


def _closed(number: int) -> str:
    return f"{_LISTS}/{layout.stem_of(number)}/{_CLOSED}"
