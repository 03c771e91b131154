"""What a disk must be able to do, tried on real ones and on ones made worse by injected errors."""

import json
import os
import re
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.faults.disks import formatted, in_memory
from tests.faults.tracing import Run, traced

import holdfast
from holdfast.errors import StoreError, UnfitStoreError
from holdfast.store import TakenError, config
from holdfast.store import probe as probing
from holdfast.store.probe import Probe, probe

PROGRAM = """
import os, sys
from pathlib import Path
import msgspec
from holdfast.errors import HoldfastError
from holdfast.store.probe import probe
os.getsid(0)
try:
    outcome = msgspec.json.encode(probe(Path(sys.argv[1])))
except HoldfastError as error:
    outcome = f"{type(error).__name__} {error}".encode()
os.writev(1, [outcome])
os.getsid(0)
"""
NO_LINKS = ("link:error=EPERM", "linkat:error=EPERM")
NO_RENAMES = ("renameat2:error=EINVAL",)
LYING_LINKS = ("link:retval=0", "linkat:retval=0")
LYING_RENAMES = ("renameat2:retval=0",)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "store"
    path.mkdir()
    return path


def probed(folder: Path, *inject: str) -> Run:
    """Probe a folder in a process of its own whose system calls fail."""
    program = folder.with_name("probe.py")
    program.write_text(PROGRAM)
    run = traced(program, folder, inject=inject, environment=os.environ)
    assert run.status == 0, run.stderr
    return run


def test_a_plain_disk_has_everything(folder: Path) -> None:
    capabilities = probe(folder)

    assert capabilities == Probe(links=True, case_sensitive=True, locks=True)


def test_probing_leaves_nothing(folder: Path) -> None:
    probe(folder)

    assert os.listdir(folder) == []


def test_probing_minds_no_files_that_are_there(folder: Path) -> None:
    (folder / "case").touch()
    probe(folder)

    assert os.listdir(folder) == ["case"]


def test_without_links_exclusive_renames_will_do(folder: Path) -> None:
    run = probed(folder, *NO_LINKS)

    assert json.loads(run.stdout)["links"] is False
    assert run.hits == 16  # a file without a name is tried first
    assert os.listdir(folder) == []


def test_without_exclusive_renames_links_will_do(folder: Path) -> None:
    assert json.loads(probed(folder, *NO_RENAMES).stdout)["links"] is True


@pytest.mark.parametrize("errors", [("EPERM", "EINVAL"), ("EOPNOTSUPP", "ENOSYS"), ("EIO", "EIO")])
def test_a_disk_with_neither_is_refused(folder: Path, errors: tuple[str, str]) -> None:
    link, rename = errors
    run = probed(folder, f"link:error={link}", f"linkat:error={link}", f"renameat2:error={rename}")

    assert re.match(r"UnfitStoreError .*does not protect new files from being replaced", run.stdout)
    assert "choose a folder on another file system" in run.stdout
    assert os.listdir(folder) == []


@pytest.mark.parametrize(
    ("links", "renames"),
    [(LYING_LINKS, NO_RENAMES), (NO_LINKS, LYING_RENAMES), (LYING_LINKS, LYING_RENAMES)],
)
def test_a_disk_that_lets_several_rivals_win_is_refused(
    folder: Path, links: tuple[str, ...], renames: tuple[str, ...]
) -> None:
    run = probed(folder, *links, *renames)

    assert run.stdout.startswith("UnfitStoreError ")
    assert os.listdir(folder) == []


@pytest.mark.parametrize("error", ["ENOSPC", "EDQUOT", "EFBIG"])
def test_a_full_disk_is_not_called_unfit(folder: Path, error: str) -> None:
    run = probed(folder, f"write:error={error}:when=1+")

    assert run.stdout.startswith("StoreFullError ")
    assert os.listdir(folder) == []


def test_a_folder_that_may_not_be_written_is_told(folder: Path) -> None:
    run = probed(folder, "mkdir:error=EROFS")

    assert run.stdout.startswith("ReadOnlyStoreError ")


def test_a_file_cannot_be_probed(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(StoreError, match="Not a directory"):
        probe(tmp_path / "file")


def test_a_disk_that_folds_case_is_noticed(folder: Path) -> None:
    program = folder.with_name("probe.py")
    program.write_text(PROGRAM)
    honest = traced(program, folder, calls="stat,statx,newfstatat", environment=os.environ)
    [look] = [call for call in honest.calls if any(text.endswith("/CASE") for text in call.texts)]

    run = probed(folder, f"{look.name}:retval=0:when={look.ordinal}")

    assert json.loads(honest.stdout)["case_sensitive"] is True
    assert json.loads(run.stdout)["case_sensitive"] is False


def test_a_disk_in_memory_has_everything(tmp_path: Path) -> None:
    with in_memory(tmp_path / "disk", "size=1m") as disk:
        assert probe(disk.path) == Probe(links=True, case_sensitive=True, locks=True)


@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs"])
def test_disks_of_linux_have_everything(tmp_path: Path, kind: str) -> None:
    with formatted(tmp_path / "disk", kind) as disk:
        stored_config = config.make(disk.path / "store", lambda: "0" * 32, datetime.now(UTC))

    assert (stored_config.probe.links, stored_config.probe.case_sensitive) == (True, True)


def test_a_memory_stick_has_neither_links_nor_case_and_will_do(tmp_path: Path) -> None:
    with formatted(tmp_path / "disk", "vfat") as disk:
        stored_config = config.make(disk.path / "store", lambda: "0" * 32, datetime.now(UTC))
        store = config.local(disk.path / "store", stored_config)
        store.create("models/iris/journal/0000000001.json", b"entry")
        with pytest.raises(TakenError):
            store.create("models/iris/journal/0000000001.json", b"rival")
        entry_bytes = store.read("models/iris/journal/0000000001.json")

    assert (stored_config.probe.links, stored_config.probe.case_sensitive) == (False, False)
    assert entry_bytes == b"entry"


def test_a_store_copied_to_exfat_is_read_and_says_why_it_is_not_written(tmp_path: Path) -> None:
    """exFAT beside the kernel has neither links nor renames that refuse a taken name."""
    (tmp_path / "model.txt").write_text("words")
    registry = holdfast.open(tmp_path / "store", by="ann")
    registry.register("iris", tmp_path / "model.txt")
    with formatted(tmp_path / "disk", "exfat-fuse") as disk:
        shutil.copytree(tmp_path / "store", disk.path / "store")
        copied = holdfast.open(disk.path / "store", by="ann")
        whole = copied.verify().whole
        (tmp_path / "model.txt").write_text("other words")
        for write in (
            lambda: copied.register("iris", tmp_path / "model.txt"),
            lambda: copied.promote("iris@1.0.0"),
            lambda: holdfast.open(disk.path / "new").init(),
        ):
            with pytest.raises(UnfitStoreError, match="neither hard links nor exclusive renames"):
                write()
        versions = [entry.seq for entry in copied.entries("iris")]

    assert (whole, versions) == (True, [1])


MOUNTS = """\
/dev/vda / ext4 rw,relatime 0 0
proc /proc proc rw 0 0
server:/export {root}/nfs nfs4 rw 0 0
//server/share {root}/with\\040space cifs rw 0 0
/dev/vdb {root}/nfs/disk ext4 rw 0 0
none {root}/fuse fuse.sshfs rw 0 0
/dev/vdc {root}/twice ext4 rw 0 0
server:/other {root}/twice nfs rw 0 0
"""


@pytest.mark.parametrize(
    ("relative_path", "locks"),
    [
        ("plain", True),
        ("nfs", False),
        ("nfs/deep/er", False),
        ("nfs2", True),
        ("nfs/disk", True),
        ("nfs/disk2", False),
        ("with space/store", False),
        ("fuse/store", False),
        ("twice", False),
    ],
)
def test_locks_are_trusted_on_a_disk_of_this_machine_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, relative_path: str, *, locks: bool
) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(MOUNTS.format(root=tmp_path))
    monkeypatch.setattr(probing, "_MOUNTS", mounts)
    (tmp_path / relative_path).mkdir(parents=True)

    assert probe(tmp_path / relative_path).locks is locks


def test_a_link_to_a_store_counts_as_where_the_store_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(MOUNTS.format(root=tmp_path))
    monkeypatch.setattr(probing, "_MOUNTS", mounts)
    (tmp_path / "nfs").mkdir()
    (tmp_path / "link").symlink_to("nfs")

    assert probe(tmp_path / "link").locks is False


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells its mounts there")
def test_a_system_that_does_not_tell_its_mounts_is_trusted(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probing, "_MOUNTS", folder / "none")

    assert probe(folder).locks is True
