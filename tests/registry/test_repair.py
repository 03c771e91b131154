"""`repair` puts right what a copy or the journal can tell, lists the rest, and loses nothing."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.registry import disk
from tests.registry.conftest import Grow

import holdfast
from holdfast import Registry
from holdfast.core.views import Damage
from holdfast.errors import InvalidInputError, NotFoundError

Hurt = Callable[[Path], None]
JOURNAL = "models/iris/journal"


@pytest.fixture
def furnished(registry: Registry, store: Path, grow: Grow) -> Path:
    """Return a store with two models and some moves."""
    grow(3)
    grow(1, name="rose")
    registry.promote("iris@1.0.0")
    registry.promote("iris@1.1.0")
    return store


@pytest.fixture
def backup(furnished: Path, tmp_path: Path) -> Path:
    """Return a copy of it as a backup makes one."""
    return Path(shutil.copytree(furnished, tmp_path / "backup"))


def kept(store: Path) -> list[bytes]:
    """Return the bytes that were set aside."""
    return [path.read_bytes() for path in disk.files(store / "trash" / "damaged")]


def entry(store: Path, seq: int) -> Path:
    return store / JOURNAL / f"{seq:010}.json"


def test_a_store_that_is_whole_needs_nothing(furnished: Path) -> None:
    before = disk.listing(furnished)

    done = holdfast.open(furnished).repair()

    assert (done.mends, done.left) == ((), ())
    assert disk.listing(furnished) == before


@pytest.mark.parametrize("hurt", disk.HURTS.values(), ids=disk.HURTS.keys())
def test_every_file_of_the_truth_is_fetched_from_a_copy(
    furnished: Path, backup: Path, tmp_path: Path, hurt: disk.Hurt
) -> None:
    truth = disk.truth(furnished)
    for index, key in enumerate(truth):
        store = disk.copy(furnished, tmp_path / str(index))
        hurt(store / key)
        rotten = (store / key).read_bytes() if (store / key).exists() else None

        done = holdfast.open(store).repair(source=holdfast.open(backup))

        assert done.left == (), key
        assert key in {mend.subject for mend in done.mends if mend.action == "fetch"}
        assert disk.truth(store) == truth
        assert holdfast.open(store).verify().whole
        assert kept(store) == ([] if rotten is None else [rotten])


def test_all_of_the_truth_at_once_is_fetched_from_a_copy(furnished: Path, backup: Path) -> None:
    truth = disk.truth(furnished)
    for key in truth:
        disk.flip(furnished / key)

    done = holdfast.open(furnished).repair(source=holdfast.open(backup))

    assert done.left == ()
    assert disk.truth(furnished) == truth
    assert holdfast.open(furnished).verify().whole
    assert len(kept(furnished)) == len(truth)


def test_a_plan_changes_nothing_and_is_what_is_done(furnished: Path, backup: Path) -> None:
    disk.flip(entry(furnished, 2))
    disk.flip(disk.blob_holding(furnished, b"iris 1\n"))
    before = disk.listing(furnished)

    plan = holdfast.open(furnished).repair_plan(source=holdfast.open(backup))
    after = disk.listing(furnished)
    done = holdfast.open(furnished).repair(source=holdfast.open(backup))

    assert after == before
    assert done == plan
    assert [mend.action for mend in plan.mends] == ["fetch", "fetch", "rebuild"]


def test_without_a_copy_the_rest_is_repaired_and_the_damage_is_left(furnished: Path) -> None:
    disk.flip(disk.blob_holding(furnished, b"iris 1\n"))
    disk.cut(furnished / "models/rose/active_version.json")
    rotten = disk.truth(furnished)

    done = holdfast.open(furnished).repair()

    assert [mend.subject for mend in done.mends] == ["models/rose/active_version.json"]
    assert [(damage.model, "no copy found" in damage.problem) for damage in done.left] == [
        ("iris", True)
    ]
    assert disk.truth(furnished) == rotten
    assert kept(furnished) == []


def test_a_copy_that_is_rotten_too_is_of_no_use(furnished: Path, backup: Path) -> None:
    for store in (furnished, backup):
        disk.flip(disk.blob_holding(store, b"iris 1\n"))
        disk.flip(entry(store, 2))

    done = holdfast.open(furnished).repair(source=holdfast.open(backup))

    assert done.mends == ()
    assert [damage.subject for damage in done.left] == [
        f"{JOURNAL}/0000000002.json",
        f"blobs/sha256/{hashlib.sha256(b'iris 1' + bytes([10])).hexdigest()}",
    ]
    assert "does not match its checksum" in done.left[0].problem


def test_a_lost_blob_is_brought_back_by_the_link_in_its_versions_folder(furnished: Path) -> None:
    blob = disk.blob_holding(furnished, b"iris 1\n")
    disk.delete(blob)

    done = holdfast.open(furnished).repair()

    assert [(mend.action, mend.source) for mend in done.mends] == [
        ("fetch", "models/iris/versions/1.1.0"),
        ("rebuild", None),
    ]
    assert blob.read_bytes() == b"iris 1\n"
    assert holdfast.open(furnished).verify().whole


def test_bytes_are_found_in_a_folder_under_any_name(furnished: Path, tmp_path: Path) -> None:
    (tmp_path / "laptop" / "deep").mkdir(parents=True)
    (tmp_path / "laptop" / "deep" / "weights").write_text("iris 1\n")
    (tmp_path / "laptop" / "model.txt").write_text("something else")
    disk.flip(disk.blob_holding(furnished, b"iris 1\n"))

    done = holdfast.open(furnished).repair(source=tmp_path / "laptop")

    assert [mend.source for mend in done.mends][:1] == [f"{tmp_path}/laptop/deep/weights"]
    assert holdfast.open(furnished).load("iris@1.1.0").model.read_text() == "iris 1\n"


def diverged(backup: Path) -> None:
    """Let a copy go on by itself from its second entry on."""
    for seq in range(3, 6):
        entry(backup, seq).unlink()
    disk.remove(backup / "models" / "iris" / "versions")
    (backup / "models" / "iris" / "active_version.json").unlink()
    registry = holdfast.open(backup, by="zoe")
    for turn in range(3):
        registry.note("iris@1.0.0", f"another history {turn}")


@pytest.mark.parametrize("seq", [3, 4, 5])
def test_entries_of_another_history_are_never_taken(
    furnished: Path, backup: Path, seq: int
) -> None:
    diverged(backup)
    disk.flip(entry(furnished, seq))
    rotten = disk.truth(furnished)

    done = holdfast.open(furnished).repair(source=holdfast.open(backup))

    assert [damage.subject for damage in done.left] == [f"{JOURNAL}/{seq:010}.json"]
    assert done.mends == ()
    assert disk.truth(furnished) == rotten


def test_an_entry_that_was_rewritten_with_a_sum_of_its_own_is_replaced(
    furnished: Path, backup: Path
) -> None:
    truth = disk.truth(furnished)
    raw = entry(furnished, 4).read_bytes().replace(b'"by":"ann"', b'"by":"eve"')
    disk.overwrite(entry(furnished, 4), disk.sealed(raw))

    done = holdfast.open(furnished).repair(source=holdfast.open(backup))

    assert [mend.subject for mend in done.mends][:1] == [f"{JOURNAL}/0000000004.json"]
    assert done.left == ()
    assert disk.truth(furnished) == truth


def test_a_tail_that_was_cut_off_is_brought_back_as_the_witness_says(
    furnished: Path, backup: Path
) -> None:
    truth = disk.truth(furnished)
    entry(furnished, 5).unlink()
    entry(furnished, 4).unlink()

    done = holdfast.open(furnished).repair("iris", source=holdfast.open(backup))

    assert done.left == ()
    assert disk.truth(furnished) == truth
    assert holdfast.open(furnished).resolve("iris@production").version == "1.1.0"


def test_a_journal_of_which_nothing_is_left_is_brought_back(furnished: Path, backup: Path) -> None:
    truth = disk.truth(furnished)
    disk.remove(furnished / JOURNAL)
    without = holdfast.open(furnished).repair()

    done = holdfast.open(furnished).repair(source=holdfast.open(backup))

    assert [damage.subject for damage in without.left] == [f"{JOURNAL}/0000000001.json"]
    assert done.left == ()
    assert disk.truth(furnished) == truth


def test_a_copy_that_went_on_gives_back_what_is_missing_and_no_more(
    furnished: Path, backup: Path
) -> None:
    truth = disk.truth(furnished)
    holdfast.open(backup, by="zoe").note("iris@1.0.0", "later")
    disk.delete(entry(furnished, 2))

    done = holdfast.open(furnished).repair(source=holdfast.open(backup))

    assert done.left == ()
    assert disk.truth(furnished) == truth


def test_a_stray_whose_bytes_changed_is_set_aside(furnished: Path) -> None:
    stray = furnished / "blobs" / "sha256" / ("0" * 64)
    stray.write_bytes(b"nobody's")

    done = holdfast.open(furnished).repair()

    assert [(mend.action, mend.subject) for mend in done.mends] == [
        ("set aside", f"blobs/sha256/{'0' * 64}")
    ]
    assert kept(furnished) == [b"nobody's"]
    assert holdfast.open(furnished).gc(grace_s=0).freed_blobs == 0
    assert kept(furnished) == [b"nobody's"]


def _link_out(path: Path) -> None:
    """Put a symbolic link to a file with the right bytes in a file's place."""
    target = path.parent.parent / "elsewhere"
    path.rename(target)
    path.symlink_to(target)


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "inside").write_text("x")


@pytest.mark.parametrize("hurt", [_link_out, _folder])
def test_what_is_no_file_is_set_aside_as_it_is(
    furnished: Path, backup: Path, tmp_path: Path, hurt: Hurt
) -> None:
    truth = disk.truth(backup)
    for index, key in enumerate(truth):
        store = disk.copy(furnished, tmp_path / str(index))
        hurt(store / key)

        done = holdfast.open(store).repair(source=holdfast.open(backup))

        assert done.left == ()
        assert (store / key).read_bytes() == truth[key]
        assert len(list((store / "trash" / "damaged").iterdir())) == 1


def test_one_model_is_repaired_alone(furnished: Path, backup: Path) -> None:
    for content in (b"iris 1\n", b"rose 0\n"):
        disk.flip(disk.blob_holding(furnished, content))

    done = holdfast.open(furnished).repair("rose", source=holdfast.open(backup))

    assert {mend.model for mend in done.mends} == {"rose"}
    assert holdfast.open(furnished).verify("rose").whole
    assert not holdfast.open(furnished).verify("iris").whole


def test_a_source_must_be_another_store_that_exists(furnished: Path, tmp_path: Path) -> None:
    registry = holdfast.open(furnished)

    with pytest.raises(InvalidInputError, match="is not a store"):
        registry.repair(source=holdfast.open(tmp_path / "nowhere"))
    with pytest.raises(InvalidInputError, match="is the store to be repaired"):
        registry.repair(source=holdfast.open(furnished))
    with pytest.raises(InvalidInputError, match="neither a store nor a folder"):
        registry.repair(source=tmp_path / "nowhere")
    with pytest.raises(NotFoundError):
        registry.repair("tulip")


def test_what_is_left_names_the_file_and_the_problem(furnished: Path) -> None:
    registry = holdfast.open(furnished)
    digest = registry.resolve("iris@1.2.0").digest
    disk.delete(disk.blob(furnished, digest))

    done = holdfast.open(furnished).repair("iris")

    assert done.left == (
        Damage(
            "iris",
            None,
            f"blobs/sha256/{digest.removeprefix('sha256:')}",
            "manifest.json: missing; no copy found",
        ),
    )
    assert not done.whole


def test_a_repair_can_be_read_as_json(furnished: Path) -> None:
    disk.empty(furnished / "models/iris/active_version.json")
    holdfast.open(furnished).repair()
    pointer = json.loads((furnished / "models/iris/active_version.json").read_bytes())

    assert (pointer["current"], pointer["previous"]) == ("1.1.0", "1.0.0")
