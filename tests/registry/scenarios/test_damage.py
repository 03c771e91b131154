"""Every file of a store in every way damaged: told, named, never loaded, and put right by `repair`.

Only what is no loss is not told: bytes that no version needs, and derived files that are gone; they
are made anew.
"""

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from tests.conftest import Extent, Tally
from tests.registry import disk

import holdfast
from holdfast import HoldfastError, Registry

CONFIG = "holdfast.json"
_PATIENCE_S = 120
_SHARE: Final = 4
"""In the short form one file in so many meets a damage, and each file one damage in so many."""
_LOCKS = {"lock", "lock.turn", ".lock"}


def _part_from_its_blob(path: Path) -> None:
    """Have a file in a version's folder be a copy: by a link, its blob would be hurt."""
    if "versions" in path.parts:
        content = path.read_bytes()
        path.unlink()
        path.write_bytes(content)


def _swap(path: Path) -> None:
    """Let a file change places with another of its kind."""
    others = [other for other in disk.files(path.parent) if other != path]
    others += [other for other in disk.files(path.parents[1]) if other.name == path.name]
    chosen = [candidate for candidate in others if candidate.read_bytes() != path.read_bytes()]
    if not chosen:
        pytest.skip("there is no other")
    disk.swap(path, chosen[0])


def _grow(path: Path) -> None:
    disk.overwrite(path, path.read_bytes() * 2)


def _link_out(path: Path) -> None:
    """Put a symbolic link in a file's place, to a file elsewhere with the very same bytes."""
    root = next(parent for parent in path.parents if (parent / "lock").exists())
    target = root.parent / f"{root.name}-elsewhere"
    shutil.copyfile(path, target)
    path.unlink()
    path.symlink_to(target)


def _link_away(path: Path) -> None:
    path.unlink()
    path.symlink_to("/etc/passwd")


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


DAMAGES: Final[dict[str, disk.Hurt]] = disk.HURTS | {
    "swapped": _swap,
    "grown": _grow,
    "a link to the same bytes": _link_out,
    "a link to others": _link_away,
    "a folder": _folder,
    "a pipe": _pipe,
}


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a store with two models, versions with a folder, and a purged one."""
    root = tmp_path_factory.mktemp("pristine")
    registry = holdfast.open(root / "store", by="ann")
    (root / "saved").mkdir()
    for content in ("one", "two", "three"):
        (root / "model.txt").write_text(content)
        (root / "saved" / f"{content}.txt").write_text(f"saved {content}")
        registry.register("iris", root / "model.txt", root / "saved")
    registry.register("rose", root / "model.txt")
    registry.promote("iris@1.1.0")
    registry.promote("iris@1.2.0")
    registry.purge("iris", versions=["1.0.0"])
    registry.note("rose@1.0.0", "seen")
    assert registry.verify().whole
    return root / "store"


@pytest.fixture(autouse=True)
def _nothing_hangs() -> Iterator[None]:
    signal.alarm(_PATIENCE_S)
    yield
    signal.alarm(0)


def files(store: Path) -> dict[str, Path]:
    """Return all files but the locks, which hold nothing."""
    keys = {path.relative_to(store).as_posix(): path for path in disk.files(store)}
    return {key: path for key, path in keys.items() if path.name not in _LOCKS}


def hit(store: Path, name: str, extent: Extent) -> list[str]:
    """Return the files that meet a damage: all, or a share that is another for each damage."""
    first, step = 0, 1
    if extent == "short":
        first, step = list(DAMAGES).index(name) % _SHARE, _SHARE
    return list(files(store))[first::step]


def told(store: Path) -> list[str]:
    """Return what opening and verifying tell as a new process."""
    try:
        registry = holdfast.open(store, by="bob")
        return [f"{damage.subject}: {damage.problem}" for damage in registry.verify().damages]
    except HoldfastError as error:
        return [str(error)]


def contents(registry: Registry) -> dict[str, object]:
    """Load every version; what is refused is told by the name of its error."""
    results: dict[str, object] = {}
    for model, version in (("iris", "1.1.0"), ("iris", "1.2.0"), ("rose", "1.0.0")):
        try:
            pair = registry.load(f"{model}@{version}")
            saved = pair.preprocessor
            results[f"{model}@{version}"] = (
                pair.model.read_text(),
                sorted(path.read_text() for path in saved.rglob("*.txt")) if saved else None,
            )
        except HoldfastError as error:
            results[f"{model}@{version}"] = type(error).__name__
    return results


def wrong(store: Path, sound: dict[str, object]) -> list[str]:
    """Name the versions that were loaded with other bytes than were registered."""
    try:
        results = contents(holdfast.open(store, by="bob"))
    except HoldfastError:
        return []
    return [
        ref for ref, loaded in results.items() if isinstance(loaded, tuple) and loaded != sound[ref]
    ]


def is_truth(key: str) -> bool:
    return key == CONFIG or key.startswith("blobs/") or "/journal/" in key


def names(key: str, messages: list[str]) -> bool:
    """Tell whether a message names a damaged file: a blob by digest, an entry by its number."""
    stem = Path(key).stem
    marks = [Path(key).name if key == CONFIG else key, stem if key.startswith("blobs/") else key]
    if "/journal/" in key:
        seq = int(stem)
        marks += [f"entry {near} of" for near in (seq, seq + 1)]
        marks += [key.replace(stem, f"{near:010}") for near in (seq, seq + 1)]
        marks += [f"but entry {seq} was seen"]
    return any(mark in message for mark in marks for message in messages)


@pytest.mark.parametrize("name", DAMAGES)
def test_every_damage_to_every_file_is_told_or_healed_and_never_loaded(
    pristine: Path, tmp_path: Path, tally: Tally, extent: Extent, name: str
) -> None:
    sound = contents(holdfast.open(pristine))
    unneeded = _unneeded(pristine)
    failures = []
    for index, key in enumerate(hit(pristine, name, extent)):
        store = disk.copy(pristine, tmp_path / str(index))
        holdfast.open(store).models()  # from now on it is known how far its journals go here
        try:
            _part_from_its_blob(store / key)
            DAMAGES[name](store / key)
        except pytest.skip.Exception:
            continue
        failures += [f"{key}: loaded {ref}" for ref in wrong(store, sound)]
        messages = told(store)
        if (
            is_truth(key)
            and not names(key, messages)
            and not (name == "deleted" and key in unneeded)
        ):
            failures.append(f"{key}: not told: {messages}")
        if not is_truth(key):
            failures += [f"{key}: {problem}" for problem in _not_healed(pristine, store, key)]
        tally("damages to files of the truth, all told", int(is_truth(key)))
        tally("damages to derived files, all told or healed", int(not is_truth(key)))
        disk.remove(store)

    assert failures == []


def _unneeded(store: Path) -> set[str]:
    registry = holdfast.open(store)
    infos = [*registry.versions("iris"), *registry.versions("rose")]
    digests = {info.digest.removeprefix("sha256:") for info in infos}
    for info in infos:
        if info.status != "purged":
            digests |= {file.sha256 for file in registry.manifest(info).files}
    return {f"blobs/sha256/{path.name}" for path in disk.files(store / "blobs")} - {
        f"blobs/sha256/{digest}" for digest in digests
    }


def _not_healed(pristine: Path, store: Path, key: str) -> Iterator[str]:
    """Repair what is derived, without any copy; name what is not as it was."""
    left = holdfast.open(store).repair().left
    yield from (f"left {damage.subject}: {damage.problem}" for damage in left)
    path = store / key
    if path.exists() and (
        path.is_symlink() or disk.unplaced(path) != disk.unplaced(pristine / key)
    ):
        yield "is not as it was"
    yield from told(store)


@pytest.mark.parametrize("name", DAMAGES)
def test_every_damage_to_the_truth_is_put_right_from_a_copy(
    pristine: Path, tmp_path: Path, tally: Tally, extent: Extent, name: str
) -> None:
    truth = disk.truth(pristine)
    unneeded = _unneeded(pristine)
    failures = []
    for index, key in enumerate(hit(pristine, name, extent)):
        if not is_truth(key) or key in unneeded or key == CONFIG:
            continue
        store = disk.copy(pristine, tmp_path / str(index))
        try:
            DAMAGES[name](store / key)
        except pytest.skip.Exception:
            continue
        done = holdfast.open(store).repair(source=holdfast.open(pristine))
        failures += [f"{key}: left {damage.subject}: {damage.problem}" for damage in done.left]
        failures += [f"{key}: {problem}" for problem in told(store)]
        if disk.truth(store) != truth:
            failures.append(f"{key}: is not as it was")
        tally("damages put right from a copy, all", 1)
        disk.remove(store)

    assert failures == []


def test_what_a_link_leads_to_is_not_read(pristine: Path, tmp_path: Path) -> None:
    store = disk.copy(pristine, tmp_path / "store")
    digest = holdfast.open(store).manifest("iris@1.2.0").artifacts["model"].digest
    _link_out(disk.blob(store, digest))

    messages = told(store)

    assert [message for message in messages if "is a symbolic link, not a file" in message]
    assert contents(holdfast.open(store))["iris@1.2.0"] == "DamagedError"
