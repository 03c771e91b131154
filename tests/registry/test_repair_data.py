"""Journals of data and what they name, put right from a copy."""

import shutil
from pathlib import Path

import pytest

import holdfast
from holdfast import Registry
from holdfast.errors import HoldfastError
from holdfast.store import layout


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    return tmp_path / "rows.csv"


@pytest.fixture
def near(tmp_path: Path, rows: Path) -> Registry:
    """Return a store with three versions of data, the second with its bytes."""
    registry = holdfast.open(tmp_path / "store", by="ann")
    for number in range(3):
        rows.write_text(f"a\n{number}\n")
        registry.data.add("risk/sales", str(rows), keep=number == 1)
    return registry


@pytest.fixture
def copy(near: Registry, tmp_path: Path) -> Registry:
    shutil.copytree(near.location, tmp_path / "copy")
    return holdfast.open(tmp_path / "copy")


def entry(near: Registry, seq: int) -> Path:
    return Path(near.location) / layout.data("risk/sales") / "journal" / f"{seq:010}.json"


def blob(near: Registry, sha256: str) -> Path:
    return Path(near.location) / layout.blob(sha256)


def damage(path: Path) -> None:
    path.chmod(0o600)
    path.write_bytes(b"damaged")


def test_a_whole_store_needs_nothing(near: Registry, copy: Registry) -> None:
    assert near.repair(source=copy).mends == ()
    assert near.repair().left == ()


@pytest.mark.parametrize("seqs", [(1,), (2,), (3,), (2, 3), (1, 2, 3)])
@pytest.mark.parametrize("how", ["damaged", "missing"])
def test_entries_are_fetched_from_a_copy(
    near: Registry, copy: Registry, seqs: tuple[int, ...], how: str
) -> None:
    before = near.data.versions("risk/sales")
    for seq in seqs:
        damage(entry(near, seq)) if how == "damaged" else entry(near, seq).unlink()
    plan = near.repair_plan(source=copy)
    done = near.repair(source=copy)

    assert plan == done
    assert [mend.action for mend in done.mends] == ["fetch"] * len(seqs)
    assert done.left == ()
    assert near.data.versions("risk/sales") == before
    assert near.verify().damages == ()


def test_a_journal_of_which_nothing_is_left_is_brought_back(
    near: Registry, copy: Registry, tmp_path: Path, rows: Path
) -> None:
    other = holdfast.open(tmp_path / "copy", by="bob")
    rows.write_text("other\n")
    other.data.add("elsewhere", str(rows))
    shutil.rmtree(Path(near.location) / layout.data("risk/sales"))
    done = near.repair(source=copy)

    assert len(done.mends) == 3
    assert near.data.names() == ["risk/sales"]


def test_descriptions_and_kept_bytes_are_fetched(near: Registry, copy: Registry) -> None:
    versions = near.data.versions("risk/sales")
    kept = near.data.describe(versions[1]).files[0].sha256
    damage(blob(near, kept))
    damage(blob(near, versions[0].added.description))
    blob(near, versions[1].added.description).unlink()
    done = near.repair(source=copy)

    assert {mend.subject for mend in done.mends} == {
        layout.blob(sha256)
        for sha256 in (kept, versions[0].added.description, versions[1].added.description)
    }
    assert done.left == ()
    assert near.verify().damages == ()


def test_without_a_copy_the_damage_is_listed_and_nothing_is_lost(near: Registry) -> None:
    versions = near.data.versions("risk/sales")
    stray = blob(near, near._session.open_store.blobs.add_bytes(b"stray"))
    damage(stray)
    damage(entry(near, 2))
    damage(blob(near, versions[0].added.description))
    done = near.repair()

    assert done.mends == ()
    assert len(done.left) == 3
    assert stray.exists()
    for seq in (1, 2, 3):
        damage(entry(near, seq))
    assert "nothing tells whose data it is" in {one.problem for one in near.repair().left}


def test_an_entry_of_another_history_is_not_taken(
    near: Registry, tmp_path: Path, rows: Path
) -> None:
    other = holdfast.open(tmp_path / "other", by="bob")
    for number in range(3):
        rows.write_text(f"b\n{number}\n")
        other.data.add("risk/sales", str(rows))
    damage(entry(near, 2))
    done = near.repair(source=other)

    assert done.mends == ()
    assert "does not follow" in done.left[0].problem
    with pytest.raises(HoldfastError):
        near.data.versions("risk/sales")


def test_a_description_that_says_nonsense_is_listed(near: Registry, copy: Registry) -> None:
    session = near._session
    raw = b'{"kind":"file","source":"x","kept":true,"files":[{"path":"../x"}]}\n'
    sha256 = session.open_store.blobs.add_bytes(raw)
    from holdfast.core.entry import Stamp
    from holdfast.datasets.data_journal import DataJournal
    from holdfast.datasets.data_records import DataAdded

    added = DataAdded(
        description=sha256, digest=None, rows=None, row_count=None, size_bytes=0, kept=True
    )
    journal = DataJournal(session.open_store.store, "odd")
    journal.append(added, lambda: Stamp(session.clock(), "ann", session.new_id(), None))

    assert [damage.subject for damage in near.repair(source=copy).left] == [layout.blob(sha256)]
