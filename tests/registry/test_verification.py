"""`verify` tells every kind of damage to every file of the truth, and what is derived heals."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from tests.registry import disk
from tests.registry.conftest import Grow, Text

import holdfast
from holdfast import Registry
from holdfast.errors import DamagedError, HoldfastError, NotAStoreError, NotFoundError
from holdfast.store import projections


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a store with two models, a purged version, a folder, and bytes nobody names."""
    root = tmp_path_factory.mktemp("pristine")
    registry = holdfast.open(root / "store", by="ann")
    folder = root / "saved"
    folder.mkdir()
    (root / "lonely.txt").write_text("in this version alone")
    registry.register("iris", root / "lonely.txt")
    for content in ("two", "three"):
        (folder / f"{content}.txt").write_text(content)
        registry.register("iris", folder / f"{content}.txt", folder, metrics={"auc": 0.5})
    registry.register("rose", folder)
    registry.promote("iris@1.1.0")
    registry.promote("iris@1.2.0")
    registry.purge("iris", versions=["1.0.0"])
    assert registry.verify().whole
    return root / "store"


@pytest.fixture
def hurt_store(pristine: Path, tmp_path: Path) -> Path:
    """Return a copy of that store to be hurt."""
    return disk.copy(pristine, tmp_path / "store")


def whole(store: Path) -> bool:
    """Verify a store as a new process would; a store that cannot be opened is not whole."""
    try:
        return holdfast.open(store, by="bob").verify().whole
    except HoldfastError:
        return False


def test_a_store_that_is_whole_is_told_so_with_its_counts(pristine: Path) -> None:
    verification = holdfast.open(pristine).verify()

    assert verification.whole
    assert (verification.models, verification.versions, verification.entries) == (2, 4, 7)
    assert verification.files == len(list(disk.files(pristine / "blobs")))
    assert verification.size_bytes == sum(p.stat().st_size for p in disk.files(pristine / "blobs"))


@pytest.mark.parametrize("hurt", disk.HURTS.values(), ids=disk.HURTS.keys())
def test_every_damage_to_every_file_of_the_truth_is_told(
    pristine: Path, tmp_path: Path, hurt: disk.Hurt
) -> None:
    unnamed = {"blobs/sha256/" + digest for digest in _unnamed(pristine)}
    unseen = []
    for index, key in enumerate(disk.truth(pristine)):
        store = disk.copy(pristine, tmp_path / str(index))
        hurt(store / key)
        if whole(store) and not (hurt is disk.delete and key in unnamed):
            unseen.append(key)

    assert unseen == []
    assert len(disk.truth(pristine)) == 14
    assert len(unnamed) == 1


@pytest.mark.parametrize("hurt", [disk.flip, disk.cut, disk.empty, disk.lengthen])
def test_damage_is_told_without_the_help_of_derived_files(
    pristine: Path, tmp_path: Path, hurt: disk.Hurt
) -> None:
    unseen = []
    for index, key in enumerate(disk.truth(pristine)):
        store = disk.copy(pristine, tmp_path / str(index))
        for path in derived(store):
            path.unlink()
        hurt(store / key)
        if whole(store):
            unseen.append(key)

    assert unseen == []


def _unnamed(store: Path) -> set[str]:
    """Return the digests of the blobs that no version needs: to lose one is no damage."""
    registry = holdfast.open(store)
    records = [*registry.versions("iris"), *registry.versions("rose")]
    digests = {info.digest.removeprefix("sha256:") for info in records}
    for info in records:
        if info.status != "purged":
            digests |= {file.sha256 for file in registry.manifest(info).files}
    return {path.name for path in disk.files(store / "blobs")} - digests


def test_every_swap_of_two_files_of_a_kind_is_told(pristine: Path, hurt_store: Path) -> None:
    kinds = (
        [key for key in disk.truth(pristine) if key.startswith("blobs/")],
        [key for key in disk.truth(pristine) if "/journal/" in key],
    )
    unseen = []
    for keys in kinds:
        for name, other in zip(keys, [*keys[1:], keys[0]], strict=True):
            disk.swap(hurt_store / name, hurt_store / other)
            if whole(hurt_store):
                unseen.append((name, other))
            disk.swap(hurt_store / name, hurt_store / other)

    assert unseen == []
    assert whole(hurt_store)


def test_every_file_of_the_truth_that_is_replaced_by_another_of_its_kind_is_told(
    pristine: Path, hurt_store: Path
) -> None:
    truth = disk.truth(pristine)
    unseen = []
    for key, content in truth.items():
        kind = key.split("/")[0]
        other = next(raw for name, raw in truth.items() if name.startswith(kind) and raw != content)
        disk.overwrite(hurt_store / key, other)
        if whole(hurt_store):
            unseen.append(key)
        disk.overwrite(hurt_store / key, content)

    assert unseen == []
    assert whole(hurt_store)


def test_a_copy_that_has_no_links_is_as_whole_as_the_original(
    pristine: Path, tmp_path: Path
) -> None:
    store = Path(shutil.copytree(pristine, tmp_path / "backup"))

    assert holdfast.open(store).verify().damages == ()


@pytest.mark.parametrize("model", ["iris", "rose"])
def test_a_journal_that_is_gone_is_told(hurt_store: Path, model: str) -> None:
    shutil.rmtree(hurt_store / "models" / model / "journal")

    assert not whole(hurt_store)


def test_a_journal_cut_behind_a_sound_entry_is_told(hurt_store: Path) -> None:
    holdfast.open(hurt_store).status("iris")  # a copy; what was seen of it here is remembered
    for seq in (6, 5):
        (hurt_store / f"models/iris/journal/{seq:010}.json").unlink()

    registry = holdfast.open(hurt_store)
    for _look in range(2):
        with pytest.raises(DamagedError, match="ends at entry 4, but entry 6 was seen"):
            registry.status("iris")
    assert not whole(hurt_store)


def test_a_damage_names_the_file_the_version_and_the_problem(hurt_store: Path) -> None:
    registry = holdfast.open(hurt_store)
    digest = registry.manifest("iris@1.1.0").artifacts["model"].digest
    disk.cut(disk.blob(hurt_store, digest))

    damages = [
        damage for damage in registry.verify().damages if damage.subject.startswith("model.txt")
    ]

    assert [(damage.model, damage.version) for damage in damages] == [("iris", "1.1.0")]
    assert damages[0].subject == f"model.txt (blobs/sha256/{digest})"
    assert damages[0].problem == "has 1 bytes instead of 3"


def test_one_blob_of_many_versions_is_told_for_each_of_them(
    registry: Registry, store: Path, text: Text
) -> None:
    for name in ("iris", "rose", "tulip"):
        registry.register(name, text("the same"))
    disk.flip(disk.blob_holding(store, b"the same"))

    verification = registry.verify()

    assert sorted(str(damage.model) for damage in verification.damages) == ["iris", "rose", "tulip"]


def test_one_model_or_one_version_can_be_verified_alone(
    registry: Registry, store: Path, grow: Grow
) -> None:
    grow(2)
    grow(1, name="rose")
    disk.flip(disk.blob_holding(store, b"iris 1\n"))

    assert [
        registry.verify(target).whole for target in ("rose", "iris@1.0.0", "iris", "iris@v2")
    ] == [
        True,
        True,
        False,
        False,
    ]
    assert registry.verify("iris@1.0.0").versions == 1
    with pytest.raises(NotFoundError):
        registry.verify("tulip")


def test_progress_rises_to_the_whole(registry: Registry, grow: Grow) -> None:
    grow(3)
    reports: list[tuple[int, int]] = []

    verification = registry.verify(progress=lambda done, total: reports.append((done, total)))

    assert [done for done, _ in reports] == sorted(done for done, _ in reports)
    assert reports[-1] == (verification.size_bytes, verification.size_bytes)


def derived(store: Path) -> list[Path]:
    paths = [*(store / "models").glob("*/versions/**/*"), *(store / "models").glob("*/*.json")]
    return sorted(path for path in paths if path.is_file())


@pytest.mark.parametrize("key", ["active_version.json", "versions/1.1.0/manifest.json"])
def test_a_derived_file_that_is_gone_is_no_damage(hurt_store: Path, key: str) -> None:
    (hurt_store / "models" / "iris" / key).unlink()

    assert whole(hurt_store)


def test_all_derived_files_heal_when_the_next_process_looks(
    pristine: Path, hurt_store: Path
) -> None:
    expected = {path.relative_to(pristine): disk.unplaced(path) for path in derived(pristine)}
    for model in ("iris", "rose"):
        shutil.rmtree(hurt_store / "models" / model / "versions")
        (hurt_store / "models" / model / "active_version.json").unlink()

    registry = holdfast.open(hurt_store)
    assert [info.model for info in registry.models()] == ["iris", "rose"]

    healed = {path.relative_to(hurt_store): disk.unplaced(path) for path in derived(hurt_store)}
    assert healed == expected
    assert registry.verify().whole


def test_all_derived_files_heal_by_the_next_writer(hurt_store: Path) -> None:
    registry = holdfast.open(hurt_store)
    registry.models()
    shutil.rmtree(hurt_store / "models" / "iris" / "versions")
    (hurt_store / "models" / "iris" / "active_version.json").unlink()

    registry.rollback("iris")

    folder = hurt_store / "models" / "iris"
    statuses = {
        path.parent.name: json.loads(path.read_bytes())["status"]
        for path in folder.glob("versions/*/manifest.json")
    }
    assert json.loads((folder / "active_version.json").read_bytes())["current"] == "1.1.0"
    assert statuses == {"1.0.0": "purged", "1.1.0": "production", "1.2.0": "archived"}


@pytest.mark.parametrize("hurt", [disk.flip, disk.cut, disk.empty, disk.lengthen])
def test_a_derived_file_that_says_something_else_is_told_and_rebuilt(
    hurt_store: Path, hurt: disk.Hurt
) -> None:
    path = hurt_store / "models" / "iris" / "versions" / "1.1.0" / "manifest.json"
    sound = path.read_bytes()
    hurt(path)
    subjects = [damage.subject for damage in holdfast.open(hurt_store).verify().damages]

    holdfast.open(hurt_store).repair("iris")

    assert subjects == ["models/iris/versions/1.1.0/manifest.json"]
    assert path.read_bytes() == sound
    assert whole(hurt_store)


def test_a_file_put_in_place_of_a_link_is_told_and_rebuilt(hurt_store: Path) -> None:
    path = hurt_store / "models" / "iris" / "versions" / "1.1.0" / "model.txt"
    path.unlink()
    path.write_text("planted")

    subjects = [damage.subject for damage in holdfast.open(hurt_store).verify().damages]
    holdfast.open(hurt_store).repair("iris")

    assert subjects == ["models/iris/versions/1.1.0/model.txt"]
    assert path.read_text() == "two"
    assert whole(hurt_store)


def test_a_pointer_whose_bytes_changed_is_made_anew_by_whoever_looks(hurt_store: Path) -> None:
    path = hurt_store / "models" / "iris" / "active_version.json"
    sound, expected = path.read_bytes(), disk.unplaced(path)
    path.write_bytes(sound.replace(b'"1.2.0"', b'"1.1.0"'))

    assert holdfast.open(hurt_store).verify().whole
    assert disk.unplaced(path) == expected


def test_a_pointer_that_says_something_else_is_told_and_rebuilt(hurt_store: Path) -> None:
    path = hurt_store / "models" / "iris" / "active_version.json"
    expected = disk.unplaced(path)
    pointer = projections.decode(path.read_bytes())
    assert pointer is not None
    path.write_bytes(projections.encode(msgspec.structs.replace(pointer, current="1.1.0")))

    subjects = [damage.subject for damage in holdfast.open(hurt_store).verify().damages]
    holdfast.open(hurt_store).repair("iris")

    assert subjects == ["models/iris/active_version.json"]
    assert disk.unplaced(path) == expected


@pytest.mark.parametrize(
    "hurt", [disk.cut, disk.empty, disk.delete], ids=["cut", "emptied", "deleted"]
)
def test_a_store_without_its_head_is_refused(hurt_store: Path, hurt: disk.Hurt) -> None:
    hurt(hurt_store / "holdfast.json")

    with pytest.raises((DamagedError, NotAStoreError), match=r"holdfast\.json"):
        holdfast.open(hurt_store)


def test_registering_the_same_file_again_mends_a_damaged_blob_as_the_message_says(
    registry: Registry, opened: Callable[..., Registry], store: Path, text: Text
) -> None:
    first = registry.register("iris", text("words that rot"))
    for hurt in (disk.flip, disk.cut, disk.delete):
        hurt(disk.blob_holding(store, b"words that rot"))
        with pytest.raises(DamagedError, match="or register the same file again"):
            registry.load(first)

        again = registry.register("iris", text("words that rot"))

        assert opened().load(again).model.read_text() == "words that rot"
        assert opened().load(first).model.read_text() == "words that rot"


_MOVING = """
import sys, holdfast
registry = holdfast.open(sys.argv[1], by="zoe")
for turn in range(150):
    version = ("1.2.0", "1.1.0")[turn % 2]
    registry.promote(f"iris@{version}", force=True, reason="again")
"""


def test_what_follows_from_entries_that_are_written_meanwhile_is_not_damaged(
    hurt_store: Path,
) -> None:
    """The journal is ahead of what derives from it for a moment, whoever writes."""
    with subprocess.Popen([sys.executable, "-c", _MOVING, str(hurt_store)]) as writer:
        found = []
        while writer.poll() is None:
            looking = holdfast.open(hurt_store)
            found += [looking.verify().damages, looking.verify("iris@1.1.0").damages]

    assert writer.returncode == 0
    assert len(found) > 2
    assert set(found) == {()}
