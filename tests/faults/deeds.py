"""Every verb that writes, to be done on a small registry while it is hurt, and judged then."""

import pickle
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.registry import disk
from tests.registry.crew import Step, step

import holdfast
from holdfast import HoldfastError, Registry
from holdfast.core.views import Damage
from holdfast.store.local import LocalStore

_DERIVED = ("/active_version.json", "/versions/")


def furnish(folder: Path) -> Path:
    """Make a registry with a bit of everything in *folder*, and beside it what the deeds need."""
    store = folder / "store"
    registry = holdfast.open(store, by="ann")
    for index in range(5):
        registry.register(
            "iris", _text(folder, f"iris {index}"), _text(folder, f"scaler {index}", "scaler.txt")
        )
    for version in ("1.0.0", "1.1.0", "1.2.0"):
        registry.promote(f"iris@{version}")
    registry.archive("iris@1.3.0")
    registry.register("loose", _text(folder, "loose"))
    registry.register("loose", _text(folder, "kept"))
    registry.purge("loose", versions=["1.0.0"])  # its bytes wait for their grace time
    _furnish_bundles(folder)
    _text(folder, "new").rename(folder / "new.txt")
    (folder / "old").mkdir()
    for number in (1, 2):
        (folder / "old" / f"model_v{number}.pkl").write_bytes(pickle.dumps({"weights": number}))
    return store


def furnish_long(folder: Path) -> Path:
    """Make a registry whose next entry is followed by a fold that its reader keeps."""
    store = folder / "store"
    registry = holdfast.open(store, by="ann")
    made = registry.register("iris", _text(folder, "iris"))
    for turn in range(LocalStore.traits.fold_every - 2):
        registry.note(made, str(turn))
    return store


def furnish_damaged(folder: Path) -> Path:
    """Make a registry with a rotten blob, a lost one and a stale file; `files` has the bytes."""
    store = furnish(folder)
    (folder / "files").mkdir()
    for index, content in enumerate((b"iris 0", b"scaler 1")):
        (folder / "files" / str(index)).write_bytes(content)
    disk.flip(disk.blob_holding(store, b"iris 0"))
    (store / "models/iris/versions/1.1.0/preprocessor.txt").unlink()
    disk.delete(disk.blob_holding(store, b"scaler 1"))
    (store / "models/iris/active_version.json").write_text("{}")
    return store


def _text(folder: Path, content: str, name: str = "model.txt") -> Path:
    path = folder / name
    path.write_text(content)
    return path


def _furnish_bundles(folder: Path) -> None:
    other = holdfast.open(folder / "other", by="zoe")
    for index in range(2):
        other.register("lily", _text(folder, f"lily {index}"))
        other.promote("lily@latest")
    other.export("lily", folder / "lily.tar")
    other.export("lily@1.0.0", folder / "version.tar")


@dataclass(frozen=True, slots=True)
class Deed:
    """One verb.

    Attributes:
        step: The call, given the folder that was furnished.
        entries: How many entries it writes.
        again: Errors that doing it a second time may end with.
        mends: Whether what it is done on is damaged, and it is to put that right.
        furnish: Makes what it is done on.
    """

    step: Callable[[Path], Step]
    entries: int = 1
    again: frozenset[str] = frozenset()
    mends: bool = False
    furnish: Callable[[Path], Path] = field(default=furnish)


def _done(*errors: str) -> frozenset[str]:
    return frozenset(errors)


DEEDS: Final[dict[str, Deed]] = {
    "register": Deed(lambda at: step("register", "iris", at / "new.txt", at / "new.txt")),
    "register a new model": Deed(lambda at: step("register", "tulip", at / "new.txt")),
    "promote": Deed(lambda _at: step("promote", "iris@1.4.0")),
    "rollback": Deed(lambda _at: step("rollback", "iris")),
    "stage": Deed(lambda _at: step("stage", "iris@1.4.0")),
    "archive": Deed(lambda _at: step("archive", "iris@1.4.0")),
    "alias": Deed(lambda _at: step("alias", "iris@1.4.0", "eu")),
    "note": Deed(lambda _at: step("note", "iris@1.4.0", "seen")),
    "purge": Deed(lambda _at: step("purge", "iris", keep=0, grace_s=0)),
    "gc": Deed(lambda _at: step("gc", grace_s=0), entries=0),
    "delete": Deed(
        lambda _at: step("delete", "iris", reason="over", force=True),
        again=_done("NotFoundError"),
    ),
    "import a model": Deed(lambda at: step("import_", at / "lily.tar"), entries=4),
    "import a version": Deed(lambda at: step("import_", at / "version.tar")),
    "adopt": Deed(lambda at: step("adopt", "rose", at / "old"), entries=2),
    "repair": Deed(
        lambda at: step("repair", source=str(at / "files")),
        entries=0,
        mends=True,
        furnish=furnish_damaged,
    ),
    "fold": Deed(lambda _at: step("note", "iris@1.0.0", "seen"), furnish=furnish_long),
}


def do(store: Path, asked: Step) -> Any:
    """Do a deed in this process, as the next user would."""
    verb, arguments, options = asked
    return getattr(holdfast.open(store, by="next"), verb)(*arguments, **options)


@dataclass(frozen=True, slots=True)
class Judge:
    """Knows what a store held before a deed, and what it may hold after it was hurt in it."""

    deed: Deed
    asked: Step
    before: dict[str, bytes]

    def violations(self, store: Path, *, acknowledged: bool) -> Iterator[str]:
        """Name all that no fault may leave behind; the store is used, and changes by that.

        Args:
            store: Opened, verified, repaired where files derived from the journal are concerned,
                and the deed done again.
            acknowledged: Whether the deed was told to be done before the fault came.
        """
        try:
            yield from self._violations(store, acknowledged=acknowledged)
        except (HoldfastError, OSError, AssertionError) as error:
            yield f"{type(error).__name__}: {error}"

    def _violations(self, store: Path, *, acknowledged: bool) -> Iterator[str]:
        registry = holdfast.open(store, by="next")
        registry.models()
        now = disk.journals(store)
        if not self.before.items() <= now.items():
            yield "an entry changed or is lost"
        written = len(now) - len(self.before)
        if not 0 <= written <= self.deed.entries:
            yield f"{written} entries were written instead of {self.deed.entries}"
        if acknowledged and written < self.deed.entries:
            yield f"acknowledged, and {self.deed.entries - written} entries are lost"
        if not self.deed.mends:
            yield from self._healed(registry)
        try:
            do(store, self.asked)
        except HoldfastError as error:
            if type(error).__name__ not in self.deed.again:
                yield f"done again: {type(error).__name__}: {error}"
        yield from _damages(holdfast.open(store))
        holdfast.open(store).gc(grace_s=0)
        yield from disk.leftovers(store)
        yield from _damages(holdfast.open(store))

    def _healed(self, registry: Registry) -> Iterator[str]:
        """Have what is derived repaired; name what was damaged beyond that."""
        stale = registry.verify().damages
        yield from (
            f"{damage.subject}: {damage.problem}" for damage in stale if not _is_derived(damage)
        )
        if stale:
            registry.repair()
            yield from _damages(registry)


def _damages(registry: Registry) -> Iterator[str]:
    for damage in registry.verify().damages:
        yield f"{damage.model}@{damage.version} {damage.subject}: {damage.problem}"


def _is_derived(damage: Damage) -> bool:
    return damage.subject.startswith("models/") and any(part in damage.subject for part in _DERIVED)
