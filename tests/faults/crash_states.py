"""What a disk may hold after a power cut: every state that a trace of system calls allows.

Until a file is synced, its bytes may be missing; until a folder is synced, any of the changes of
its names since may be missing, each by itself. A power cut may come after every call. `judge`
counts what of that breaks a promise, without a file being touched; `replays` gives the states as
folders.
"""

import os
import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

from tests.faults.tracing import Call

from holdfast.store import reserved

_DERIVED = ("manifest.json", "active_version.json")
_EXHAUSTIVE = 6
"""Changes of names that are tried in all combinations; of more, a selection is."""
_SELECTED = 32
_LEFT = (1.0, 0.0, 0.5)
"""How much of a file that was not synced is there after the cut."""


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


Names = dict[str, tuple[int, int]]
"""By path: the number of the file or folder there, and that of the folder the name is in."""


@dataclass(frozen=True, slots=True)
class Change:
    """Names given or taken away by one call, until one of the folders is synced.

    Attributes:
        folders: Where the names are.
        names: What is there from now on, `None` for nothing.
    """

    folders: frozenset[str]
    names: Mapping[str, tuple[int, int] | None]


@dataclass(slots=True)
class Disk:
    """Names and files as they stand, and what of them would survive.

    Attributes:
        root: Only what is below counts.
        live: Number of the file or folder behind each path.
        durable: What is on the platter.
        pending: Changes that are not.
        written: Pieces written to each file by number.
        synced: How many of them are on the platter.
        old: Where the bytes of files are that were there before.
        folders: Numbers of folders.
        acknowledged: Keys that were told to be safe.
        told: Whether anything was.
    """

    root: str
    live: dict[str, int] = field(default_factory=dict)
    durable: Names = field(default_factory=dict)
    pending: list[Change] = field(default_factory=list)
    written: defaultdict[int, list[bytes]] = field(default_factory=lambda: defaultdict(list))
    synced: Counter[int] = field(default_factory=Counter)
    old: dict[int, Path] = field(default_factory=dict)
    folders: set[int] = field(default_factory=set)
    acknowledged: set[str] = field(default_factory=set)
    told: bool = False
    made: int = 0

    @classmethod
    def holding(cls, root: Path, copy_root: Path) -> "Disk":
        """Return the disk of a store at *root* whose files lie, unchanged, at *copy_root* too."""
        disk = cls(str(root))
        numbers: dict[int, int] = {}
        for path in sorted(copy_root.rglob("*")):
            inode = path.lstat().st_ino
            number = numbers[inode] = numbers.get(inode) or disk._new()
            disk.live[str(root / path.relative_to(copy_root))] = number
            if path.is_dir():
                disk.folders.add(number)
            else:
                disk.old[number] = path
        disk.durable = {path: (number, disk._above(path)) for path, number in disk.live.items()}
        return disk

    def _above(self, path: str) -> int:
        return self.live.get(os.path.dirname(path), 0)

    def apply(self, call: Call) -> None:
        """Do what a successful call does."""
        match call.name:
            case "openat" if "O_TMPFILE" in call.arguments:
                self.live[call.file] = self._new()
            case "openat" if "O_CREAT" in call.arguments and self._mine(call.file):
                if call.file not in self.live:
                    self._change({call.file: self._new()})
                elif "O_TRUNC" in call.arguments:
                    self.written[self.live[call.file]].clear()
            case "mkdir" if self._mine(call.texts[0]):
                self.folders.add(self._new())
                self._change({call.texts[0]: self.made})
            case "write" if call.file in self.live:
                self.written[self.live[call.file]].append(call.data)
            case "copy_file_range" if call.file and call.target in self.live:
                self._copy(call)
            case "link" | "linkat" | "rename" | "renameat2" if call.texts[0] in self.live:
                self._rename(call)
            case "unlink" | "rmdir" | "unlinkat":
                self._change({os.path.join(call.folder, call.texts[0]): None})
            case "fsync":
                self._sync(call.file)
            case "writev":
                self._tell(call.texts[0].removesuffix("\\n").split())

    def _mine(self, path: str) -> bool:
        return path.startswith(f"{self.root}/")

    def _new(self) -> int:
        self.made += 1
        return self.made

    def _copy(self, call: Call) -> None:
        pieces = self.written[self.live[call.target]]
        start = sum(map(len, pieces))
        if call.file in self.live:
            source = self.content(self.live[call.file])
        else:
            source = Path(call.file).read_bytes()
        if piece := source[start : start + int(call.result)]:
            pieces.append(piece)

    def _rename(self, call: Call) -> None:
        source, target = call.texts
        names: dict[str, int | None] = {target: self.live[source]}
        if "RENAME_EXCHANGE" in call.arguments:
            names[source] = self.live[target]
        elif call.name not in ("link", "linkat"):
            names[source] = None
        self._change(names)

    def _change(self, names: Mapping[str, int | None]) -> None:
        for path, number in names.items():
            if number is None:
                self.live.pop(path, None)
            else:
                self.live[path] = number
        lasting = {
            path: None if number is None else (number, self._above(path))
            for path, number in names.items()
            if not is_temporary(path)
        }
        if lasting:
            self.pending.append(Change(frozenset(map(os.path.dirname, lasting)), lasting))

    def _sync(self, path: str) -> None:
        if path not in self.live or self.live[path] in self.folders:
            for change in self.pending:
                if path in change.folders:
                    self.durable = _changed(self.durable, [change])
            self.pending = [change for change in self.pending if path not in change.folders]
        else:
            self.synced[self.live[path]] = len(self.written[self.live[path]])

    def _tell(self, words: Sequence[str]) -> None:
        self.told = True
        if words[0] == "acknowledged":
            self.acknowledged.update(os.path.join(self.root, key) for key in words[1:])

    def content(self, number: int, share: float = 1.0) -> bytes:
        """Return a file's bytes, and of those that are not synced no more than a *share*."""
        if number in self.old and number not in self.written:
            return self.old[number].read_bytes()
        pieces, safe = self.written[number], self.synced[number]
        loose = b"".join(pieces[safe:])
        return b"".join(pieces[:safe]) + loose[: int(len(loose) * share)]

    def is_loose(self, number: int) -> bool:
        """Tell whether a file has bytes that a cut may take."""
        return len(self.written.get(number, ())) > self.synced[number]

    def after_a_cut(self, *, derived: bool = True) -> Iterator[dict[str, int]]:
        """Go through the trees of names that a power cut may leave.

        Args:
            derived: Count the names of files that can be made anew, too; they promise nothing.
        """
        pending = [change for change in self.pending if derived or not _is_derived(change)]
        for selection in _selections(len(pending)):
            chosen = [change for change, stays in zip(pending, selection, strict=True) if stays]
            names = _changed(self.durable, chosen)
            yield self._reached(names)

    def _reached(self, names: Names) -> dict[str, int]:
        """Leave out what is in folders that are not there, or not the same any more."""
        numbers_by_path: dict[str, int] = {}
        for path, (number, above) in sorted(names.items()):
            if above == 0 or numbers_by_path.get(os.path.dirname(path)) == above:
                numbers_by_path[path] = number
        return numbers_by_path


def _changed(names: Names, changes: Iterable[Change]) -> Names:
    changed: dict[str, tuple[int, int] | None] = {**names}
    for change in changes:
        changed |= change.names
    return {path: link for path, link in changed.items() if link is not None}


def _is_derived(change: Change) -> bool:
    return all(os.path.basename(path) in _DERIVED for path in change.names)


def _selections(count: int) -> Iterator[tuple[bool, ...]]:
    """Go through what may survive of so many changes: all combinations, or a selection."""
    if count <= _EXHAUSTIVE:
        yield from product((True, False), repeat=count)
        return
    for index in range(count + 1):
        yield (*[True] * index, *[False] * (count - index))
    for index in range(count):
        yield tuple(other != index for other in range(count))
        yield tuple(other == index for other in range(count))
    chance = random.Random(count)
    for _ in range(_SELECTED):
        yield tuple(chance.random() < 0.5 for _ in range(count))


def judge(root: Path, calls: Sequence[Call]) -> Verdict:
    """Look at every state that a power cut at any time may leave."""
    whole = Disk(str(root))
    for call in successful(calls):
        whole.apply(call)
    disk = Disk(str(root))
    counts = Counter[str]()
    for call in successful(calls):
        disk.apply(call)
        for names in disk.after_a_cut(derived=False):
            counts["states"] += 1
            counts["torn"] += any(
                disk.synced[number] < len(whole.written.get(number, ()))
                for path, number in names.items()
                if os.path.basename(path) not in _DERIVED
            )
            counts["lost"] += any(path not in names for path in disk.acknowledged & set(whole.live))
    return Verdict(counts["states"], counts["torn"], counts["lost"])


def successful(calls: Iterable[Call]) -> list[Call]:
    """Leave the calls out that failed."""
    return [call for call in calls if call.error is None and call.result != "?"]


@dataclass(frozen=True, slots=True)
class Replay:
    """A state that a power cut may leave, to be made a folder.

    Attributes:
        call: After how many calls the cut came.
        names: File or folder behind each path, relative to the store.
        bytes_of: Where old files are to be linked from, or the bytes of new ones.
        told: Whether the deed was acknowledged before the cut.
    """

    call: int
    names: Mapping[str, int]
    bytes_of: Mapping[int, bytes | Path | None]
    told: bool

    def into(self, target: Path) -> Path:
        """Write the state to a new folder, names of one file being links."""
        target.mkdir()
        first: dict[int, Path] = {}
        for name, number in sorted(self.names.items()):
            path, content = target / name, self.bytes_of[number]
            if content is None:
                path.mkdir()
            elif number in first:
                os.link(first[number], path)
            elif isinstance(content, Path):
                os.link(content, path)
            else:
                path.write_bytes(content)
            first.setdefault(number, path)
        return target


def replays(disk: Disk, calls: Sequence[Call]) -> Iterator[Replay]:
    """Go through the different states that a power cut may leave while a store is written.

    Args:
        disk: As it was before the first call; it is as the last call leaves it afterwards.
    """
    seen = set()
    for count, call in enumerate(successful(calls), start=1):
        disk.apply(call)
        for names in disk.after_a_cut():
            loose = sorted({number for number in names.values() if disk.is_loose(number)})
            for share in _LEFT if loose else _LEFT[:1]:
                lengths = [(number, len(disk.content(number, share))) for number in loose]
                key = (frozenset(names.items()), tuple(lengths), disk.told)
                if key not in seen:
                    seen.add(key)
                    short = {path[len(disk.root) + 1 :]: names[path] for path in names}
                    bytes_of = {number: _bytes(disk, number, share) for number in names.values()}
                    yield Replay(count, short, bytes_of, disk.told)


def _bytes(disk: Disk, number: int, share: float) -> bytes | Path | None:
    if number in disk.folders:
        return None
    if number in disk.old and number not in disk.written:
        return disk.old[number]
    return disk.content(number, share)


def without_syncs(calls: Iterable[Call], *, of_folders: bool) -> list[Call]:
    """Leave the syncs of folders, or those of files, out of a trace."""
    return [call for call in calls if call.name != "fsync" or is_temporary(call.file) == of_folders]


def is_temporary(path: str) -> bool:
    """Tell whether a file is being written; of what is synced, all else are folders."""
    return f"/{reserved.TEMPORARY}" in path or "/#" in path  # so Linux calls those without a name
