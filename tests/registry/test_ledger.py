"""The commit: entries in order, folds, and journals that are not as they were written."""

import json
import logging
import shutil
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
from tests.registry import disk
from tests.registry.conftest import Clock, Grow, Text

import holdfast
from holdfast import Registry
from holdfast.core import entry as entries
from holdfast.core.state import empty, fold
from holdfast.errors import BusyError, DamagedError, HoldfastError, NewerFormatError
from holdfast.registry import ledger
from holdfast.store.local import LocalStore

EVERY = LocalStore.traits.fold_every


@pytest.fixture(scope="module")
def long_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a store whose one journal is longer than two folds."""
    root = tmp_path_factory.mktemp("long")
    registry = holdfast.open(root / "store", by="ann", clock=Clock())
    (root / "model.txt").write_text("words")
    registry.register("iris", root / "model.txt", idempotency_key="first")
    registry.register("iris", root / "model.txt", idempotency_key="second")
    for turn in range((2 * EVERY + 10) // 2):
        registry.tag("iris@1.0.0", {"turn": str(turn)})
        registry.evaluate("iris@1.1.0", {"auc": turn / 1000})
    registry.promote("iris@1.0.0")
    registry.promote("iris@1.1.0", idempotency_key="third")
    return root / "store"


@pytest.fixture
def long_copy(long_store: Path, tmp_path: Path) -> Path:
    """Return a copy of that store."""
    return disk.copy(long_store, tmp_path / "store")


def told(store: Path) -> tuple[object, ...]:
    """Return all that a new process tells of the model, the screen for the on-call aside."""
    registry = holdfast.open(store, by="ann", clock=Clock())
    status = registry.status("iris")
    return registry.versions("iris"), status.live, status.moves, registry.served("iris")


def test_each_entry_names_the_one_before_it(registry: Registry, store: Path, grow: Grow) -> None:
    grow(2)
    registry.promote("iris@1.0.0", idempotency_key="k", reason="why")

    raws = list(disk.journals(store).values())
    read = [json.loads(raw) for raw in raws]
    assert [entry["seq"] for entry in read] == [1, 2, 3]
    assert [entry["prev"] for entry in read] == [None, *map(entries.digest, raws[:-1])]
    assert len({entry["commit"] for entry in read}) == 3
    assert (read[-1]["key"], read[-1]["reason"], read[-1]["by"]) == ("k", "why", "ann")
    assert list(read[0]) == (
        "v min_reader model seq prev commit at by reason key op data sum".split()
    )


def test_the_commit_id_is_the_one_that_was_handed_in(store: Path, text: Text) -> None:
    ids = iter(f"{number:032x}" for number in range(10))

    registry = holdfast.open(store, by="ann", clock=Clock(), new_id=lambda: next(ids))
    registry.register("iris", text("one"))

    assert json.loads((store / "holdfast.json").read_bytes())["id"] == f"{0:032x}"
    (raw,) = disk.journals(store).values()
    assert json.loads(raw)["commit"] == f"{1:032x}"


def test_a_fold_spares_reading_what_is_before_it(long_copy: Path) -> None:
    (long_copy / "models/iris/journal/0000000003.json").chmod(0o644)
    (long_copy / "models/iris/journal/0000000003.json").write_bytes(b"rotten")
    registry = holdfast.open(long_copy)

    assert registry.status("iris").live is not None
    assert not registry.verify().whole


def test_idempotency_keys_live_on_in_folds(long_copy: Path, tmp_path: Path) -> None:
    (tmp_path / "model.txt").write_text("words")
    registry = holdfast.open(long_copy, by="ann", clock=Clock())

    again = registry.register("iris", tmp_path / "model.txt", idempotency_key="second")

    assert (again.created, again.version.version) == (False, "1.1.0")


def test_the_fold_of_all_entries_is_what_a_process_that_wrote_them_holds(
    registry: Registry, opened: Callable[..., Registry], store: Path, grow: Grow
) -> None:
    grow(4, metrics={"auc": 0.9, "count": 3})
    registry.promote("iris@1.0.0")
    registry.promote("iris@1.1.0")
    registry.rollback("iris", idempotency_key="k")
    registry.purge("iris", versions=["1.3.0"], grace_s=0)

    state = empty("iris")
    for seq, raw in enumerate(disk.journals(store).values(), start=1):
        read = entries.read(raw, "iris", seq, state.head)
        state = fold(state, [(read, entries.digest(raw))])

    assert registry._session.state("iris") == state
    assert opened()._session.state("iris") == state


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ((b'"v":1', b'"v":2'), NewerFormatError, "entry format 2"),
        ((b'"min_reader":1', b'"min_reader":2'), NewerFormatError, "entry format 2"),
        ((b'"op":"promoted"', b'"op":"teleported"'), NewerFormatError, "teleported"),
        ((b'"seq":3', b'"seq":4'), DamagedError, "holds entry 4 of iris"),
        ((b'"model":"iris"', b'"model":"rose"'), DamagedError, "holds entry 3 of rose"),
        ((b'"prev":"', b'"prev":"00'), DamagedError, "does not follow"),
        ((b'"data":{', b'"data":{"version":1,'), DamagedError, "twice"),
        ((b'"forced":false', b'"forced":"no"'), DamagedError, "not an entry"),
        ((b'"forced":false', b'"forced":NaN'), DamagedError, "is not strict JSON"),
        ((b'"by":"ann"', b'"by":null'), DamagedError, "not an entry"),
        ((b'"version":"1.0.0"', b'"version":"7.0.0"'), DamagedError, ""),
    ],
    ids=lambda value: value[1].decode() if isinstance(value, tuple) else "",
)
def test_an_entry_that_cannot_be_true_is_refused_though_its_sum_is_right(
    registry: Registry,
    opened: Callable[..., Registry],
    grow: Grow,
    change: tuple[bytes, bytes],
    error: type[HoldfastError],
    match: str,
) -> None:
    grow(2)
    store = Path(registry.location)
    registry.promote("iris@1.0.0")
    path = store / "models/iris/journal/0000000003.json"
    disk.overwrite(path, disk.sealed(path.read_bytes().replace(*change)))
    (store / "models/iris/active_version.json").unlink()
    before = disk.truth(store)

    for verb in ("status", "verify", "rollback"):
        try:
            result = getattr(opened(), verb)("iris")
        except error as caught:
            assert match in str(caught)  # noqa: PT017 - `verify` tells instead of raising
        else:
            assert verb == "verify"
            assert not result.whole

    assert disk.truth(store) == before


def test_keys_in_an_entry_that_are_not_known_are_passed_over(
    registry: Registry, opened: Callable[..., Registry], store: Path, grow: Grow
) -> None:
    grow(2)
    registry.promote("iris@1.0.0")
    path = store / "models/iris/journal/0000000003.json"
    changed = path.read_bytes().replace(b'"data":{', b'"data":{"mood":"cheerful",')
    disk.overwrite(path, disk.sealed(changed))
    (store / "models/iris/active_version.json").unlink()

    assert opened().resolve("iris@production").version == "1.0.0"


@pytest.mark.parametrize("seq", [1, 2, 3])
def test_nothing_is_written_past_a_gap(
    opened: Callable[..., Registry],
    store: Path,
    grow: Grow,
    text: Text,
    seq: int,
) -> None:
    grow(4)
    (store / f"models/iris/journal/{seq:010}.json").unlink()
    before = disk.journals(store)

    with pytest.raises(DamagedError, match=f"{seq:010}.json"):
        opened().register("iris", text("more"))

    assert disk.journals(store) == before


def test_nothing_is_written_behind_a_journal_that_was_cut(
    opened: Callable[..., Registry], store: Path, grow: Grow, text: Text
) -> None:
    grow(4)
    (store / "models/iris/journal/0000000004.json").unlink()
    before = disk.journals(store)

    with pytest.raises(DamagedError, match="entry 4 was seen"):
        opened().register("iris", text("more"))

    assert disk.journals(store) == before


def test_a_process_that_saw_an_entry_notices_that_it_is_gone(
    registry: Registry, store: Path, grow: Grow, text: Text
) -> None:
    grow(4)
    (store / "models/iris/journal/0000000004.json").unlink()
    before = disk.journals(store)

    with pytest.raises(DamagedError):
        registry.register("iris", text("more"))

    assert disk.journals(store) == before


def test_a_journal_that_was_replaced_by_another_is_noticed(
    opened: Callable[..., Registry],
    store: Path,
    tmp_path: Path,
    grow: Grow,
    text: Text,
) -> None:
    grow(2)
    other = holdfast.open(tmp_path / "other", by="eve", clock=Clock())
    for content in ("one", "two"):
        other.register("iris", text(content))
    journal = store / "models/iris/journal"
    journal.rename(tmp_path / "away")  # so that the new folder is another to the disk as well
    shutil.copytree(tmp_path / "other/models/iris/journal", journal)
    shutil.copytree(tmp_path / "other/blobs", store / "blobs", dirs_exist_ok=True)
    before = disk.journals(store)

    with pytest.raises(DamagedError, match="is another entry than"):
        opened().register("iris", text("more"))

    assert disk.journals(store) == before


def test_a_writer_gives_up_when_rivals_are_always_faster(
    registry: Registry,
    opened: Callable[..., Registry],
    store: Path,
    grow: Grow,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    grow(1)
    monkeypatch.setattr(ledger, "_ATTEMPTS", 4)
    rival = opened(by="bob")
    clock = Clock()

    def overtaken() -> datetime:
        rival.note("iris@1.0.0", "first")
        return clock()

    slow = holdfast.open(store, by="ann", clock=overtaken)
    with pytest.raises(BusyError, match="4 times"):
        slow.note("iris@1.0.0", "too late")

    assert registry.resolve("iris@1.0.0").notes == ("first",) * 4


def test_a_writer_that_was_overtaken_once_decides_again(
    registry: Registry, opened: Callable[..., Registry], store: Path, grow: Grow
) -> None:
    grow(2)
    rival = opened(by="bob")
    clock = Clock()
    times = iter([True])

    def overtaken() -> datetime:
        if next(times, False):
            rival.promote("iris@1.0.0")
        return clock()

    moved = holdfast.open(store, by="ann", clock=overtaken).promote("iris@1.1.0")

    assert (moved.version, moved.was) == ("1.1.0", "1.0.0")
    assert registry.verify().whole


def test_files_that_are_no_entries_are_passed_over(
    opened: Callable[..., Registry], store: Path, grow: Grow
) -> None:
    grow(2)
    for name in (".tmp-9-aa", "README", "0000000003.json.bak", "3.json", "00000000003.json"):
        (store / "models/iris/journal" / name).write_text("not an entry")

    assert [info.version for info in opened().versions("iris")] == ["1.0.0", "1.1.0"]


def test_derived_files_that_cannot_be_written_fail_no_commit(
    registry: Registry,
    opened: Callable[..., Registry],
    store: Path,
    grow: Grow,
    caplog: pytest.LogCaptureFixture,
) -> None:
    grow(2)
    shutil.rmtree(store / "models/iris/versions")
    (store / "models/iris/versions").write_text("in the way")

    with caplog.at_level(logging.WARNING):
        moved = registry.promote("iris@1.0.0")

    assert moved.changed
    assert "lag behind" in caplog.text
    assert opened().resolve("iris@production").version == "1.0.0"


def test_a_manifest_of_a_newer_format_is_refused(
    registry: Registry, opened: Callable[..., Registry], store: Path, grow: Grow
) -> None:
    grow(1)
    info = registry.resolve("iris@1.0.0")
    newer = disk.blob(store, info.digest).read_bytes().replace(b'"format":1,"', b'"format":2,"')
    digest = entries.digest(newer)
    disk.blob(store, digest).write_bytes(newer)
    path = store / "models/iris/journal/0000000001.json"
    pointed = path.read_bytes().replace(
        info.digest.removeprefix("sha256:").encode(), digest.encode()
    )
    disk.overwrite(path, disk.sealed(pointed))
    (store / "models/iris/active_version.json").unlink()

    with pytest.raises(NewerFormatError, match="manifest format 2"):
        opened().manifest("iris@1.0.0")
    assert not opened().verify().whole
