"""What a disk may hold after a power cut: every state that a trace of system calls allows.

Until a file is synced, its bytes may be missing; until a folder is synced, any of the names given
in it since may be missing, each by itself. A power cut may come after every call. What is checked
is Holdfast's promise: no final name over unfinished bytes, nothing acknowledged missing.
Projections are not synced at all and promise nothing here.
"""

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

from tests.faults.tracing import Call

from holdfast.store import layout

_PROMISING_NOTHING = (layout.TEMPORARY, "manifest.json", "active_version.json")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found in all states.

    Attributes:
        states: How many there are.
        torn: In how many a final name stands over unfinished bytes.
        lost: In how many something acknowledged is missing.
    """

    states: int
    torn: int
    lost: int


@dataclass(slots=True)
class _Disk:
    """Names and files as they stand, and what of them would survive.

    Attributes:
        live: Number of the file or folder behind each path, for those made since the start.
        durable: The same, of what is on the platter.
        pending: Changes of names that are not, in order: folder, path, number.
        written: Writes to each file by number; *synced* are those on the platter.
    """

    root: str
    live: dict[str, int] = field(default_factory=dict)
    durable: dict[str, int] = field(default_factory=dict)
    pending: list[tuple[str, str, int]] = field(default_factory=list)
    written: Counter[int] = field(default_factory=Counter)
    synced: Counter[int] = field(default_factory=Counter)
    acknowledged: set[str] = field(default_factory=set)
    made: int = 0

    def apply(self, call: Call) -> None:
        """Do what a successful call does."""
        match call.name:
            case "openat" if "O_CREAT" in call.arguments and call.file.startswith(self.root):
                assert "O_EXCL" in call.arguments
                self._name(call.file, self._new())
            case "mkdir":
                self._name(call.texts[0], self._new())
            case "write" if call.file in self.live:
                self.written[self.live[call.file]] += 1
            case "copy_file_range" if call.result != "0":
                self.written[self.live[call.target]] += 1
            case "link" | "rename" | "renameat2":
                self._name(call.texts[1], self.live[call.texts[0]])
            case "fsync":
                self._sync(call.file)
            case "writev":
                keys = call.texts[0].removesuffix("\\n").split()
                if keys[0] == "acknowledged":
                    self.acknowledged.update(os.path.join(self.root, key) for key in keys[1:])

    def _new(self) -> int:
        self.made += 1
        return self.made

    def _name(self, path: str, number: int) -> None:
        self.live[path] = number
        if not os.path.basename(path).startswith(_PROMISING_NOTHING):
            self.pending.append((os.path.dirname(path), path, number))

    def _sync(self, path: str) -> None:
        if path in self.live and self.written[self.live[path]]:
            self.synced[self.live[path]] = self.written[self.live[path]]
            return
        self.durable |= {name: number for folder, name, number in self.pending if folder == path}
        self.pending = [change for change in self.pending if change[0] != path]

    def after_a_cut(self) -> Iterator[dict[str, int]]:
        """Go through all the trees of names that a power cut may leave."""
        for survives in product((True, False), repeat=len(self.pending)):
            chosen = [change for change, kept in zip(self.pending, survives, strict=True) if kept]
            names = self.durable | {path: number for _folder, path, number in chosen}
            yield {path: number for path, number in names.items() if self._reached(path, names)}

    def _reached(self, path: str, names: dict[str, int]) -> bool:
        parents = (str(parent) for parent in Path(path).parents)
        return all(parent in names for parent in parents if parent in self.live)


def judge(root: Path, calls: Sequence[Call]) -> Verdict:
    """Look at every state that a power cut at any time may leave."""
    whole = _Disk(str(root))
    for call in calls:
        _apply(whole, call)
    disk = _Disk(str(root))
    found = Counter[str]()
    for call in calls:
        _apply(disk, call)
        for names in disk.after_a_cut():
            found["states"] += 1
            found["torn"] += any(disk.synced[file] < whole.written[file] for file in names.values())
            found["lost"] += any(path not in names for path in disk.acknowledged & set(whole.live))
    return Verdict(found["states"], found["torn"], found["lost"])


def _apply(disk: _Disk, call: Call) -> None:
    if call.error is None and call.result != "?":
        disk.apply(call)


def without_syncs(calls: Iterable[Call], *, of_folders: bool) -> list[Call]:
    """Leave the syncs of folders, or those of files, out of a trace."""
    return [call for call in calls if call.name != "fsync" or is_temporary(call.file) == of_folders]


def is_temporary(path: str) -> bool:
    """Tell whether a file is being written; of what is synced, all else are folders."""
    return os.path.basename(path).startswith(layout.TEMPORARY)
