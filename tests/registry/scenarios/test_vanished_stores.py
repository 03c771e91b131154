"""A store that is gone, or another one, while a process has it open: every verb says so."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.registry import disk
from tests.registry.conftest import Clock, Grow
from tests.servers.running import Endpoint

import holdfast
from holdfast import Policy, Registry
from holdfast.core.fleet import Report
from holdfast.errors import DamagedError, HoldfastError, StoreError
from holdfast.store.objects.object_store import ObjectStore

Verb = Callable[[Registry, Path], object]

LOOKS: dict[str, Verb] = {
    "models": lambda one, _folder: one.models(),
    "overview": lambda one, _folder: one.overview(),
    "status": lambda one, _folder: one.status("iris"),
    "history": lambda one, _folder: one.history("iris"),
    "heads": lambda one, _folder: one.heads(),
    "verify": lambda one, _folder: one.verify(),
    "a model that is not there": lambda one, _folder: one.resolve("nelly@latest"),
    "copy from it": lambda one, folder: one.copy(holdfast.open(folder / "copy")),
    "repair plan": lambda one, _folder: one.repair_plan(),
}
WRITES: dict[str, Verb] = {
    "register": lambda one, folder: one.register("iris", folder / "model.txt"),
    "register a new model": lambda one, folder: one.register("tulip", folder / "model.txt"),
    "promote": lambda one, _folder: one.promote("iris@1.2.0"),
    "rollback": lambda one, _folder: one.rollback("iris"),
    "note": lambda one, _folder: one.note("iris@1.0.0", "seen"),
    "alias": lambda one, _folder: one.alias("iris@1.0.0", "eu"),
    "evaluate": lambda one, _folder: one.evaluate("iris@1.0.0", {"auc": 0.9}),
    "policy": lambda one, _folder: one.set_policy("iris", Policy(approvals=1)),
    "purge": lambda one, _folder: one.purge("iris", versions=["1.2.0"], grace_s=DAY_S),
    "delete": lambda one, _folder: one.delete("iris", reason="over", force=True),
    "gc": lambda one, _folder: one.gc(grace_s=DAY_S),
    "import a model": lambda one, folder: one.import_(folder / "lily.tar"),
    "import a version": lambda one, folder: one.import_(folder / "version.tar"),
    "copy to it": lambda one, folder: holdfast.open(folder / "other").copy(one),
    "repair": lambda one, _folder: one.repair(),
}
REPORT = Report(model="iris", worker="w", at="2026-03-02T09:00:00.000000Z", every_s=5, seq=1)
DAY_S = 86_400.0


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """Return a folder with what verbs bring along."""
    other = holdfast.open(tmp_path / "other", by="bob", clock=Clock())
    (tmp_path / "model.txt").write_text("lily")
    other.register("lily", tmp_path / "model.txt")
    other.export("lily", tmp_path / "lily.tar")
    other.export("lily@1.0.0", tmp_path / "version.tar")
    return tmp_path


@pytest.fixture
def process(registry: Registry, grow: Grow) -> Registry:
    """Return the registry of a process that has used its store."""
    grow(3)
    registry.promote("iris@1.0.0")
    registry.promote("iris@1.1.0")
    return registry


def _gone(store: Path) -> None:
    store.rename(store.with_name("away"))


def _empty(store: Path) -> None:
    _gone(store)
    store.mkdir()


def _another(store: Path) -> None:
    """Put a store there that has the same model and history, and is another."""
    copy = holdfast.open(store.with_name("twin"))
    holdfast.open(store).copy(copy)
    _gone(store)
    store.with_name("twin").rename(store)


def _without_configuration(store: Path) -> None:
    (store / "holdfast.json").unlink()


CHANGES = {
    "gone": _gone,
    "an empty folder": _empty,
    "another store": _another,
    "without its configuration": _without_configuration,
}


@pytest.mark.parametrize("change", CHANGES)
def test_every_verb_says_that_the_store_is_gone_and_writes_nothing(
    process: Registry, store: Path, sources: Path, change: str
) -> None:
    CHANGES[change](store)
    before = disk.listing(store)
    results = {}
    for name, verb in (LOOKS | WRITES).items():
        try:
            verb(process, sources)
            results[name] = "done"
        except StoreError as error:
            results[name] = "is gone" if "gone" in str(error) else "another"
        except HoldfastError as error:
            results[name] = str(error)

    expected = "another" if change == "another store" else "is gone"
    assert results == dict.fromkeys(LOOKS | WRITES, expected)
    assert disk.listing(store) == before
    assert store.exists() == (change != "gone")


def test_what_workers_report_does_not_fill_an_empty_mount_point(
    process: Registry, store: Path
) -> None:
    _empty(store)

    with pytest.raises(StoreError, match="is gone"):
        process.fleet.report(REPORT)

    assert list(store.iterdir()) == []


def test_a_store_that_is_back_is_gone_on_with(process: Registry, store: Path) -> None:
    _empty(store)
    with pytest.raises(StoreError):
        process.promote("iris@1.2.0")
    store.rmdir()
    store.with_name("away").rename(store)

    assert process.promote("iris@1.2.0").changed
    assert process.verify().whole


def test_a_configuration_that_cannot_be_read_any_more_is_damage(
    process: Registry, store: Path
) -> None:
    disk.overwrite(store / "holdfast.json", b"{")

    with pytest.raises(DamagedError, match=r"holdfast\.json"):
        process.promote("iris@1.2.0")


def test_a_store_that_vanishes_while_it_is_verified_is_not_called_whole(
    process: Registry, store: Path
) -> None:
    with pytest.raises(StoreError, match="is gone"):
        process.verify(progress=lambda _done, _all: _gone(store) if store.exists() else None)


def test_a_promotion_reads_an_unchanged_configuration_no_second_time(
    process: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    process.note("iris@1.0.0", "seen")
    opening = os.open
    opened: list[str] = []

    def noted(path: str, *rest: int, **named: int) -> int:
        opened.append(str(path))
        return opening(path, *rest, **named)

    monkeypatch.setattr(os, "open", noted)
    process.promote("iris@1.2.0")

    assert [path for path in opened if path.endswith("0000000007.json")]
    assert [path for path in opened if path.endswith("holdfast.json")] == []


# Buckets


@pytest.fixture
def bucket(stand_in_for_google: Endpoint, tmp_path: Path) -> ObjectStore:
    """Return the objects below a registry's prefix."""
    server = stand_in_for_google
    return server.store(server.make_bucket(), tmp_path)


@pytest.fixture
def client(bucket: ObjectStore, stand_in_for_google: Endpoint, sources: Path) -> Registry:
    """Return the registry of a process that has used its bucket."""
    registry = holdfast.open(
        bucket.url.partition("?")[0],
        by="ann",
        options=stand_in_for_google.options,
        cache=sources / "cache",
        clock=Clock(),
    )
    for words in ("one", "two", "three"):
        (sources / "iris.txt").write_text(words)
        registry.register("iris", sources / "iris.txt")
    registry.promote("iris@1.0.0")
    registry.promote("iris@1.1.0")
    return registry


def keys(bucket: ObjectStore, prefix: str = "") -> list[str]:
    """Return the keys of all objects below a prefix."""
    return sorted(
        metadata["path"].removeprefix("team/models/") for metadata in bucket.wire.below(prefix)
    )


def _remove(bucket: ObjectStore, prefix: str = "") -> None:
    for key in keys(bucket, prefix):
        bucket.delete(key)


@pytest.mark.parametrize("change", ["gone", "another store"])
def test_every_verb_says_that_a_bucket_s_store_is_gone_and_writes_no_entry(
    client: Registry, bucket: ObjectStore, sources: Path, change: str
) -> None:
    _remove(bucket)
    if change == "another store":
        other = holdfast.open(sources / "twin")
        other.init()
        bucket.replace("holdfast.json", (sources / "twin/holdfast.json").read_bytes())
    before = keys(bucket, "models")
    results = {}
    for name, verb in (LOOKS | WRITES).items():
        try:
            verb(client, sources)
            results[name] = "done"
        except StoreError as error:
            results[name] = "is gone" if "gone" in str(error) else "another"
        except HoldfastError as error:
            results[name] = str(error)

    assert results == dict.fromkeys(LOOKS | WRITES, "is gone" if change == "gone" else "another")
    assert keys(bucket, "models") == before


@pytest.mark.parametrize("prefix", ["models", "models/iris", "models/iris/journal"])
def test_a_bucket_that_lost_journals_loses_no_bytes_to_the_collector(
    client: Registry, bucket: ObjectStore, sources: Path, prefix: str
) -> None:
    _remove(bucket, prefix)
    before = keys(bucket)
    for write in (
        lambda: client.gc(grace_s=DAY_S),
        lambda: client.register("iris", sources / "model.txt"),
    ):
        with pytest.raises(DamagedError, match="models/iris"):
            write()

    assert set(before) <= set(keys(bucket))
    assert [info.damage is None for info in client.models()] == [False]
    assert not client.verify().whole


def test_a_promotion_in_a_bucket_knows_its_store_by_the_last_entry(
    client: Registry, bucket: ObjectStore
) -> None:
    """Entry and pointer are read, side by side; no other store has an entry of that digest."""
    wire = client._session.site._store.wire  # type: ignore[attr-defined]
    before = wire.requests["get"]

    client.promote("iris@1.2.0")

    assert wire.requests["get"] - before == 2
    assert bucket.read("holdfast.json") is not None


@pytest.mark.parametrize("change", CHANGES)
def test_what_was_read_of_a_folder_that_is_gone_is_not_told_as_if_it_were_there(
    process: Registry, store: Path, change: str
) -> None:
    CHANGES[change](store)
    for look in (
        lambda: process.versions("iris"),
        lambda: process.resolve("iris@production"),
        lambda: process.load("iris@production"),
        lambda: process.situation("iris"),
    ):
        with pytest.raises(StoreError):
            look()
