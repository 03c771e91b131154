"""A small registry on the store's own faces, for processes that are to be hurt while they write.

Run as a program, `shelf.py ROOT COUNT` registers COUNT versions in a store that exists. It tells
each acknowledgement with all keys that must survive from then on, and tries once more after a
failure.
"""

import contextlib
import os
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from holdfast.core import entry as entries
from holdfast.core.entry import Stamp
from holdfast.core.events import Registered
from holdfast.core.manifest import Artifact, File, Manifest, decode, encode
from holdfast.core.state import State, empty, fold
from holdfast.errors import HoldfastError
from holdfast.store import config, layout, projections
from holdfast.store.blobs import Blobs
from holdfast.store.journal import Journal

MODEL = "iris"
PROGRAM = Path(__file__)
_NOW = datetime(2026, 3, 3, 14, tzinfo=UTC)


def make_store(root: Path) -> None:
    """Make an empty store."""
    config.make(root, lambda: "0" * 32, _NOW)


class Shelf:
    """The store at *root* and the one model in it."""

    def __init__(self, root: Path) -> None:
        stored_config = config.find(root)
        assert stored_config is not None
        self.store = config.local(root, stored_config)
        self.blobs = Blobs(self.store)
        self.journal = Journal(self.store, layout.model(MODEL))

    def state(self) -> State:
        """Fold all entries; refuse as a registry does if one is missing or changed."""
        state = empty(MODEL)
        for seq in range(1, self.journal.tail() + 1):
            raw = self.journal.read(seq)
            assert raw is not None
            entry = entries.read(raw, MODEL, seq, state.head)
            state = fold(state, [(entry, entries.digest(raw))])
        return state

    def register(self, source: Path) -> list[str]:
        """Register a file as the next version; return the keys it stands on."""
        state = self.state()
        taken = self.blobs.add(source)
        number = state.next_number
        manifest = Manifest(
            name=MODEL,
            version=f"1.{number}.0",
            number=number,
            registered_at=entries.format_time(_NOW),
            registered_by="ana",
            artifacts={
                "model": Artifact(
                    "model.bin", "file", (File("model.bin", taken.sha256, taken.size_bytes),)
                )
            },
        )
        digest = self.blobs.add_bytes(encode(manifest))
        event = Registered(
            version=manifest.version,
            number=number,
            manifest=digest,
            size_bytes=taken.size_bytes,
            metrics={},
            why="the next one",
        )
        stamp = Stamp(_NOW, "ana", f"{state.seq + 1:032x}")
        at = entries.next_time(_NOW, state.at)
        raw, _ = entries.write(MODEL, state.seq + 1, state.head, at, stamp, event)
        self.journal.append(state.seq + 1, raw, stamp.commit)
        return [self.journal.slot(state.seq + 1), layout.blob(digest), layout.blob(taken.sha256)]

    def project(self) -> None:
        """Write the projections, whose failure fails nothing."""
        with contextlib.suppress(HoldfastError, OSError):
            state = self.state()
            projections.write(self.store, self.blobs, state, list(state.versions)[-1:])

    def violations(self, acknowledged: list[str]) -> list[str]:
        """Name everything that no fault may leave behind."""
        lost = [f"{key} was acknowledged and is lost" for key in acknowledged if not self._has(key)]
        return [*lost, *self._torn()]

    def _has(self, key: str) -> bool:
        return self.store.size(key) is not None

    def _torn(self) -> Iterator[str]:
        for name in self.store.list(layout.BLOBS):
            if (damage := self.blobs.check(name)) is not None:
                yield f"blob {name}: {damage.problem}"
        try:
            state = self.state()
        except HoldfastError as error:
            yield f"the journal does not open: {error}"
            return
        for record in state.versions.values():
            manifest = decode(self.blobs.read(record.manifest), record.manifest)
            for file in manifest.artifacts["model"].files:
                if not self._has(layout.blob(file.sha256)):
                    yield f"{record.version} has no bytes"
        yield from self._broken_projections()

    def _broken_projections(self) -> Iterator[str]:
        if self._has(layout.pointer(MODEL)) and projections.read_pointer(self.store, MODEL) is None:
            yield "active_version.json is broken"
        for path in Path(self.store.path(layout.MODELS)).rglob("manifest.json"):
            try:
                msgspec.json.decode(path.read_bytes())
            except msgspec.MsgspecError:
                yield f"{path} is broken"


def say(*words: str) -> None:
    """Tell the reader of the pipe, by a system call that no fault is injected into."""
    os.writev(1, [(" ".join(words) + "\n").encode()])


def main() -> None:
    """Register, and tell how each attempt ended."""
    root, count = Path(sys.argv[1]), int(sys.argv[2])
    sources = [root.with_name(f"weights-{number}") for number in range(count)]
    for number, source in enumerate(sources):
        source.write_bytes(b"weight %d " % number * 1_000)
    shelf = Shelf(root)
    os.getsid(0)
    for source in sources:
        for _attempt in range(2):
            try:
                keys = shelf.register(source)
            except HoldfastError as error:
                say("refused", type(error).__name__)
            else:
                say("acknowledged", *keys)
                shelf.project()
                break
    os.getsid(0)


if __name__ == "__main__":
    main()
