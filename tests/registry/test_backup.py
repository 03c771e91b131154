"""Backups: by the command and by the system's tools, beside a process that writes."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.conftest import Tally
from tests.faults.tracing import unmeasured
from tests.registry.conftest import Clock, Grow, Text
from tests.servers.running import Endpoint

import holdfast
from holdfast import Registry
from holdfast.errors import ConflictError, DamagedError, InvalidInputError, StoreError
from holdfast.store import projections

_PATIENCE_S = 60
_BUSY = """
import itertools, sys, threading
from pathlib import Path
import holdfast

registry = holdfast.open(sys.argv[1], by="busy")
stop = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), stop.set()), daemon=True).start()
file = Path(sys.argv[2])
for number in itertools.count():
    for model in ("iris", "churn"):
        file.write_text(f"{model} {number}")
        registry.register(model, file)
        registry.promote(f"{model}@latest")
    if number == 2:
        print("busy", flush=True)
    if stop.is_set():
        break
print(number, flush=True)
"""


@dataclass
class Writer:
    """A process that registers and promotes two models until it is to stop."""

    store: Path
    process: "subprocess.Popen[str]"

    def stop(self) -> None:
        output, _ = self.process.communicate("", _PATIENCE_S)
        assert self.process.returncode == 0
        assert int(output) > 2


@pytest.fixture
def busy(store: Path, tmp_path: Path) -> Iterator[Writer]:
    command = [sys.executable, "-c", _BUSY, str(store), str(tmp_path / "model.txt")]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=unmeasured()
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "busy\n"
        try:
            yield Writer(store, process)
        finally:
            process.kill()


def by_cp(store: Path, target: Path) -> None:
    subprocess.run(["cp", "-r", store, target], check=False, capture_output=True)


def by_archiving_cp(store: Path, target: Path) -> None:
    subprocess.run(["cp", "-a", store, target], check=False, capture_output=True)


def by_tar(store: Path, target: Path) -> None:
    target.mkdir()
    archive = target.parent / "store.tar"
    subprocess.run(["tar", "-C", store, "-cf", archive, "."], check=False, capture_output=True)
    subprocess.run(["tar", "-C", target, "-xf", archive], check=True)


def by_rsync(store: Path, target: Path) -> None:
    if shutil.which("rsync") is None:
        pytest.skip("rsync is not installed")
    subprocess.run(["rsync", "-a", f"{store}/", f"{target}/"], check=False, capture_output=True)


TOOLS = [by_cp, by_archiving_cp, by_tar, by_rsync]
ROUNDS = [pytest.param(3, id="quick"), pytest.param(50, id="long", marks=pytest.mark.long)]


def look(registry: Registry) -> None:
    """Ask what a reader asks."""
    for model in ("iris", "churn"):
        assert registry.resolve(f"{model}@production").version
        assert registry.history(model)


@pytest.mark.parametrize("rounds", ROUNDS)
@pytest.mark.parametrize("copy", TOOLS)
def test_a_copy_made_beside_a_writer_opens_and_is_repaired(
    busy: Writer, copy: Callable[[Path, Path], None], rounds: int, tmp_path: Path, tally: Tally
) -> None:
    for number in range(rounds):
        target = tmp_path / f"copy {number}"
        copy(busy.store, target)
        look(holdfast.open(target))
        holdfast.open(target).repair()
        look(holdfast.open(target))

        assert holdfast.open(target).repair(source=holdfast.open(busy.store)).whole
        assert holdfast.open(target).verify().whole
        shutil.rmtree(target)
    busy.stop()
    tally(f"copies by {copy.__name__.removeprefix('by_')} beside a writer that opened", rounds)


@pytest.mark.parametrize("rounds", ROUNDS)
def test_a_backup_made_beside_a_writer_is_whole_each_time(
    busy: Writer, rounds: int, tmp_path: Path, tally: Tally
) -> None:
    registry, backup = holdfast.open(busy.store), holdfast.open(tmp_path / "kept")
    entries = 0
    for number in range(rounds):
        fresh = holdfast.open(tmp_path / f"fresh {number}")
        for target in (fresh, backup):
            assert registry.backup(target).whole
            assert target.verify().damages == ()
            look(target)
        assert sum(head.seq for head in backup.heads()) > entries
        entries = sum(head.seq for head in backup.heads())
    busy.stop()
    tally("backups beside a writer that were whole", 2 * rounds)


@pytest.fixture
def backup(tmp_path: Path, clock: Clock) -> Registry:
    """Return the registry of a backup that is not there yet."""
    return holdfast.open(tmp_path / "kept", by="bea", clock=clock)


def files_of(folder: Path) -> dict[str, bytes]:
    """Return the truth of a store by path."""
    paths = [*folder.glob("blobs/sha256/*"), *folder.glob("models/*/journal/*")]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def test_a_backup_is_the_same_store(
    grow: Grow, registry: Registry, backup: Registry, store: Path, tmp_path: Path
) -> None:
    grow(2)
    registry.promote("iris@1.1.0")
    done = registry.backup(backup)

    assert (done.models, done.entries, done.new_entries, done.new_files) == (("iris",), 3, 3, 4)
    assert done.whole
    assert backup.identity == registry.identity
    assert files_of(tmp_path / "kept") == files_of(store)
    assert backup.heads("iris") == registry.heads("iris")
    assert backup.verify().whole
    assert backup.paths("iris@production")["model"].read_text() == "iris 1\n"


def test_a_backup_is_brought_up_to_date(grow: Grow, registry: Registry, backup: Registry) -> None:
    grow(2)
    registry.backup(backup)
    nothing = registry.backup(backup)
    grow(1)
    registry.promote("iris@1.2.0")
    registry.purge("iris", versions=["iris@1.0.0"], grace_s=0)
    new = registry.backup(backup)

    assert (nothing.new_entries, nothing.new_files, nothing.size_bytes) == (0, 0, 0)
    assert (new.entries, new.new_entries, new.new_files) == (5, 3, 2)
    assert backup.resolve("iris@production").version == "1.2.0"
    assert backup.verify().whole
    assert backup.gc(grace_s=0).freed_blobs == 1


def test_what_is_purged_while_a_backup_runs_is_purged_in_it(
    grow: Grow, registry: Registry, backup: Registry, opened: Callable[..., Registry], text: Text
) -> None:
    grow(2)
    registry.register("later", text("later\n"))
    other = opened(by="ben")
    purged: list[object] = []

    def purge(_done: int, _total: int) -> None:  # told after each file of the first model
        if not purged:
            purged.append(other.purge("iris", versions=["iris@1.0.0", "iris@1.1.0"], grace_s=0))

    done = registry.backup(backup, progress=purge)

    assert done.damages == ()
    assert done.entries == sum(head.seq for head in registry.heads())
    assert [version.status for version in backup.versions("iris")] == ["purged", "purged"]
    assert backup.verify().whole


def test_a_backup_that_was_stopped_goes_on(
    grow: Grow, registry: Registry, backup: Registry, tmp_path: Path
) -> None:
    grow(2)
    grow(1, "later")

    def stop(done: int, total: int) -> None:
        if done == total:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        registry.backup(backup, progress=stop)

    assert holdfast.open(tmp_path / "kept").verify().whole
    assert holdfast.open(tmp_path / "kept").models() == []
    done = registry.backup(holdfast.open(tmp_path / "kept"))
    assert (done.new_entries, done.new_files) == (3, 2)
    assert holdfast.open(tmp_path / "kept").verify().whole


def test_what_is_damaged_is_told_and_the_rest_taken_along(
    grow: Grow, registry: Registry, backup: Registry, store: Path
) -> None:
    grow(2)
    grow(1, "churn")
    grow(1, "gone")
    blobs = store / "blobs" / "sha256"
    (blobs / registry.manifest("iris@1.0.0").artifacts["model"].files[0].sha256).unlink()
    manifest = blobs / registry.resolve("iris@1.1.0").digest.removeprefix("sha256:")
    manifest.chmod(0o644)
    manifest.write_bytes(b"{}")
    (store / "models" / "gone" / "journal" / "0000000001.json").unlink()
    done = registry.backup(backup)

    assert not done.whole
    assert {(damage.model, damage.version) for damage in done.damages} == {
        ("iris", "1.0.0"),
        ("iris", "1.1.0"),
        (None, None),
    }
    assert done.models == ("churn", "iris")
    assert backup.verify("churn").whole


def test_bytes_that_changed_are_not_taken_for_what_they_were(
    grow: Grow, registry: Registry, backup: Registry, store: Path
) -> None:
    grow(1)
    sha256 = registry.manifest("iris@1.0.0").artifacts["model"].files[0].sha256
    blob = store / "blobs" / "sha256" / sha256
    blob.chmod(0o644)
    blob.write_bytes(b"other\n!")
    (damage,) = registry.backup(backup).damages

    assert "has changed" in damage.problem
    assert sha256 in damage.subject
    with pytest.raises(DamagedError, match="missing"):
        backup.paths("iris@1.0.0")


def test_another_store_is_not_written_over(
    grow: Grow, registry: Registry, backup: Registry, text: Text
) -> None:
    grow(1)
    backup.register("iris", text("theirs\n"))
    with pytest.raises(ConflictError, match="is another store"):
        registry.backup(backup)

    assert len(backup.versions("iris")) == 1


def test_a_backup_that_went_its_own_way_is_left_alone(
    grow: Grow, registry: Registry, backup: Registry
) -> None:
    grow(1)
    registry.backup(backup)
    backup.note("iris@1.0.0", "written in the backup")
    with pytest.raises(ConflictError, match="2 entries in the backup, but 1 in the store"):
        registry.backup(backup)
    registry.note("iris@1.0.0", "written in the store")
    with pytest.raises(ConflictError, match="a different history in the backup"):
        registry.backup(backup)


def test_a_store_is_no_backup_of_itself(grow: Grow, registry: Registry, store: Path) -> None:
    grow(1)
    (store.parent / "link").symlink_to(store)
    for same in (registry, holdfast.open(store.parent / "link")):
        with pytest.raises(InvalidInputError, match="is the store itself"):
            registry.backup(same)


def test_there_is_no_backup_of_nothing(registry: Registry, backup: Registry) -> None:
    with pytest.raises(StoreError, match="is not a store yet"):
        registry.backup(backup)

    assert not Path(backup.location).exists()


def test_a_bucket_is_backed_up_and_restored(
    moto: Endpoint, grow: Grow, registry: Registry, tmp_path: Path
) -> None:
    grow(2)
    registry.promote("iris@1.0.0")
    bucket = holdfast.open(
        f"s3://{moto.make_bucket()}/models", options=moto.options, cache=tmp_path / "cache"
    )
    there = registry.backup(bucket)
    back = holdfast.open(tmp_path / "restored")
    here = bucket.backup(back)

    assert (there.whole, here.whole) == (True, True)
    assert (there.new_files, here.new_files) == (4, 4)
    assert back.identity == registry.identity
    assert back.heads("iris") == bucket.heads("iris") == registry.heads("iris")
    assert back.verify().whole


# A copy whose pointer is ahead of its journal


@pytest.fixture
def torn(grow: Grow, registry: Registry, store: Path, tmp_path: Path) -> Path:
    """Return a copy of a store of four entries whose pointer was copied after two more."""
    grow(3)
    registry.promote("iris@1.0.0")
    target = tmp_path / "torn"
    shutil.copytree(store, target)
    registry.promote("iris@1.1.0")
    registry.promote("iris@1.2.0")
    pointer = "models/iris/active_version.json"
    shutil.copyfile(store / pointer, target / pointer)
    return target


def warned(caplog: pytest.LogCaptureFixture) -> bool:
    return "journal of iris ends at entry 4, but its active_version.json" in caplog.text


def test_a_copy_whose_pointer_is_ahead_opens_at_its_journals_end_with_a_remark(
    torn: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pointer = torn / "models" / "iris" / "active_version.json"
    before = pointer.read_bytes()

    assert holdfast.open(torn).resolve("iris@production").version == "1.0.0"
    assert warned(caplog)
    (damage,) = holdfast.open(torn).verify().damages
    assert "is ahead of the journal: the store was copied" in damage.problem
    assert pointer.read_bytes() == before  # a reader leaves the sign of it


def test_a_copy_that_is_ahead_is_repaired_without_its_original(
    torn: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert holdfast.open(torn).repair().whole
    caplog.clear()
    assert holdfast.open(torn).verify().whole
    assert holdfast.open(torn).resolve("iris@production").version == "1.0.0"
    assert not warned(caplog)


def test_a_copy_that_is_ahead_is_made_whole_by_its_original(torn: Path, registry: Registry) -> None:
    assert holdfast.open(torn).repair(source=registry).whole
    assert holdfast.open(torn).heads("iris") == registry.heads("iris")
    assert holdfast.open(torn).verify().whole


def test_a_copy_that_is_ahead_takes_what_a_shorter_copy_has(
    torn: Path, registry: Registry, store: Path, tmp_path: Path
) -> None:
    shutil.copytree(store, tmp_path / "shorter")
    (tmp_path / "shorter" / "models" / "iris" / "active_version.json").unlink()
    (tmp_path / "shorter" / "models" / "iris" / "journal" / "0000000006.json").unlink()
    assert holdfast.open(torn).repair(source=holdfast.open(tmp_path / "shorter")).whole

    assert holdfast.open(torn).heads("iris")[0].seq == 5
    assert holdfast.open(torn).verify().whole
    assert registry.heads("iris")[0].seq == 6


def test_a_copy_that_is_ahead_can_be_written_to(
    torn: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert holdfast.open(torn).promote("iris@1.2.0", reason="goes on here").changed
    assert warned(caplog)
    caplog.clear()
    again = holdfast.open(torn)

    assert again.resolve("iris@production").version == "1.2.0"
    assert again.verify().whole
    assert json.loads((torn / "models/iris/active_version.json").read_text())["seq"] == 5
    assert not warned(caplog)


def test_a_writer_that_was_stopped_before_the_derived_files_leaves_a_copy_that_opens(
    torn: Path,
) -> None:
    pointer = torn / "models" / "iris" / "active_version.json"
    before = pointer.read_bytes()
    holdfast.open(torn).promote("iris@1.1.0", reason="goes on here")
    holdfast.open(torn).promote("iris@1.2.0", reason="goes on here")
    pointer.write_bytes(before)  # by now there is another entry of its number

    assert holdfast.open(torn).resolve("iris@production").version == "1.2.0"
    assert holdfast.open(torn).note("iris@1.0.0", "on it goes").changed
    assert holdfast.open(torn).verify().whole


def test_a_store_that_lost_its_end_where_it_is_stays_refused(grow: Grow, store: Path) -> None:
    grow(2)
    (store / "models" / "iris" / "journal" / "0000000002.json").unlink()
    renamed = store.rename(store.parent / "renamed")

    for path in (renamed, store):
        renamed = renamed.rename(path)
        with pytest.raises(DamagedError, match="ends at entry 1, but entry 2 was seen"):
            holdfast.open(path).resolve("iris@latest")
        assert not holdfast.open(path).repair().whole


def test_an_older_copy_in_the_place_of_a_store_that_was_seen_stays_refused(
    torn: Path, store: Path, registry: Registry
) -> None:
    assert registry.heads("iris")[0].seq == 6
    shutil.rmtree(store)
    torn.rename(store)
    with pytest.raises(DamagedError, match="ends at entry 4, but entry 6 was seen"):
        holdfast.open(store).resolve("iris@production")
    with pytest.raises(DamagedError, match="was seen"):
        registry.promote("iris@1.1.0")

    assert holdfast.open(store).repair().whole  # somebody decides that it is to be so
    assert holdfast.open(store).resolve("iris@production").version == "1.0.0"


def test_a_store_without_a_place_in_its_pointer_stays_refused(torn: Path) -> None:
    path = torn / "models" / "iris" / "active_version.json"
    pointer = projections.decode(path.read_bytes())
    assert pointer is not None
    path.write_bytes(projections.encode(replace(pointer, sum="", place=None)))
    with pytest.raises(DamagedError, match="ends at entry 4, but entry 6 was seen"):
        holdfast.open(torn).resolve("iris@production")


def test_a_pin_is_held_against_a_copy_that_is_ahead(torn: Path, registry: Registry) -> None:
    (head,) = registry.heads("iris")
    with pytest.raises(DamagedError, match=r"ends at entry 4, but the head 6:.* was pinned"):
        holdfast.open(torn, pins={"iris": str(head)}).resolve("iris@production")


def test_a_copy_with_a_hole_is_refused_until_its_original_fills_it(
    torn: Path, registry: Registry
) -> None:
    (torn / "models" / "iris" / "journal" / "0000000003.json").unlink()
    with pytest.raises(DamagedError, match=r"0000000003\.json is missing"):
        holdfast.open(torn).resolve("iris@production")

    assert not holdfast.open(torn).repair().whole
    assert holdfast.open(torn).repair(source=registry).whole
    assert holdfast.open(torn).heads("iris") == registry.heads("iris")


def test_what_is_remembered_of_a_store_is_the_users_and_may_be_lost(
    torn: Path, tmp_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    holdfast.open(store).resolve("iris@production")
    (head_path,) = (tmp_path / "home/.cache/holdfast-checked/heads").iterdir()
    shutil.rmtree(store)
    torn.rename(store)
    with pytest.raises(DamagedError, match="but entry 6 was seen"):
        holdfast.open(store).resolve("iris@production")
    head_path.write_bytes(b"{")

    assert holdfast.open(store).resolve("iris@production").version == "1.0.0"


def test_a_copy_of_a_bucket_that_is_ahead_opens_and_its_original_does_not(
    moto: Endpoint, tmp_path: Path, text: Text
) -> None:
    buckets = [moto.make_bucket(), moto.make_bucket()]
    stores = [moto.store(bucket, tmp_path) for bucket in buckets]
    registry, copied = (
        holdfast.open(store.url.partition("?")[0], options=moto.options, cache=tmp_path / "cache")
        for store in stores
    )
    registry.register("iris", text("0"))
    registry.promote("iris@1.0.0")
    names = [
        "holdfast.json",
        "models/iris/journal/0000000001.json",
        "models/iris/active_version.json",
    ]
    for name in names:
        stores[1].replace(name, stores[0].read(name) or b"")
    assert copied.resolve("iris@latest").version == "1.0.0"
    stores[0].delete("models/iris/journal/0000000002.json")
    fresh = holdfast.open(
        stores[0].url.partition("?")[0], options=moto.options, cache=tmp_path / "cache"
    )
    with pytest.raises(DamagedError, match="ends at entry 1, but entry 2 was seen"):
        fresh.resolve("iris@latest")
