"""Each system call of a registration killed or made to fail: nothing torn, nothing lost."""

import hashlib
import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pytest
from tests.faults import shelf
from tests.faults.shelf import Shelf
from tests.faults.tracing import Call, Run, traced

FAULTS = {"KILL": "signal=KILL", "EIO": "error=EIO", "ENOSPC": "error=ENOSPC"}
NEED_ROOM = {"openat", "write", "copy_file_range", "link", "mkdir", "rename", "renameat2"}
ADD = """
import os, sys
from pathlib import Path
from holdfast.store.blobs import Blobs
from holdfast.store.local import LocalStore
blobs = Blobs(LocalStore(Path(sys.argv[1])))
os.getsid(0)
taken = blobs.add(Path(sys.argv[2]))
os.writev(1, [f"{taken.sha256} {taken.size_bytes}".encode()])
os.getsid(0)
"""


def registered(root: Path, count: int, *faults: str) -> Run:
    """Register versions in a new store, in a process that the faults hit."""
    shutil.rmtree(root)
    shelf.make_store(root)
    return traced(shelf.PROGRAM, root, count, inject=faults)


def hits(root: Path, calls: Iterable[Call], fault: str) -> Iterator[str]:
    """Go through the faults that hit each call near the store that may end so."""
    for call in calls:
        near = str(root.parent) in call.arguments
        if near and (fault != "ENOSPC" or call.name in NEED_ROOM):
            yield f"{call.name}:{FAULTS[fault]}:when={call.ordinal}"


def that_write(calls: Iterable[Call]) -> list[Call]:
    """Leave out the calls that only open something for reading."""
    return [call for call in calls if call.name != "openat" or "O_CREAT" in call.arguments]


def acknowledged(run: Run) -> list[str]:
    lines = [line.split() for line in run.stdout.splitlines()]
    return [key for line in lines if line[0] == "acknowledged" for key in line[1:]]


def violations(root: Path, run: Run, count: int) -> Iterator[str]:
    """Name all that is wrong after a program was hit once, and after the store is used again."""
    if run.hits == 0:
        yield "the fault did not arrive"
    if run.status != -9 and (run.status != 0 or len(acknowledged(run)) != 3 * count):
        yield f"the second attempt did not succeed: {run.stdout} {run.stderr}"
    yield from Shelf(root).violations(acknowledged(run))
    source = root.with_name("afterwards")
    source.write_bytes(b"afterwards")
    yield from Shelf(root).violations(Shelf(root).register(source))
    strangers = [path for path in root.rglob("*") if _is_stranger(path, root)]
    yield from (f"{path} is left over" for path in strangers)


def _is_stranger(path: Path, root: Path) -> bool:
    place = path.relative_to(root).parts
    known = {"holdfast.json", "active_version.json", "manifest.json", "model.bin"}
    return (
        path.is_file()
        and path.name not in known
        and not path.name.startswith(".tmp-")
        and place[:2] != ("blobs", "sha256")
        and place[2:3] not in {("journal",), ("snapshots",)}
    )


def all_violations(root: Path, count: int, faults: Iterable[str]) -> list[str]:
    found = []
    for fault in faults:
        run = registered(root, count, fault)
        found += [f"{fault}: {violation}" for violation in violations(root, run, count)]
    return found


@pytest.mark.parametrize("fault", FAULTS)
def test_a_registration_hit_at_any_call_leaves_nothing_torn_or_lost(root: Path, fault: str) -> None:
    honest = registered(root, 1)
    faults = list(hits(root, that_write(honest.calls), fault))

    assert len(faults) > 20
    assert all_violations(root, 1, faults) == []


@pytest.mark.long
@pytest.mark.parametrize("fault", FAULTS)
def test_several_registrations_hit_at_any_call_leave_nothing_torn_or_lost(
    root: Path, fault: str
) -> None:
    honest = registered(root, 4)

    assert all_violations(root, 4, hits(root, honest.calls, fault)) == []


PERSISTENT: Sequence[str] = (
    "write:error=ENOSPC:when={write}+",
    "copy_file_range:error=ENOSPC:when=1+",
    "fsync:error=EIO:when=1+",
    "fsync:error=EIO:when=5+",
    "link:error=EDQUOT:when=1+",
    "mkdir:error=EROFS:when=1+",
    "unlink:error=EIO:when=1+",
    "fchmod:error=EPERM:when=1+",
)


@pytest.mark.parametrize("fault", PERSISTENT)
def test_an_error_that_stays_leaves_nothing_torn_or_lost(root: Path, fault: str) -> None:
    honest = registered(root, 1)
    first = next(call.ordinal for call in honest.calls if call.name == "write")
    run = registered(root, 1, fault.format(write=first))
    tolerated = fault.startswith(("unlink", "fchmod"))  # litter and modes are no promises

    assert run.hits > 0
    assert run.status == 0, run.stderr
    assert ("refused" in run.stdout, "acknowledged" in run.stdout) == (not tolerated, tolerated)
    assert Shelf(root).violations(acknowledged(run)) == []


@pytest.mark.parametrize(
    "fault",
    [
        "copy_file_range:error=EXDEV:when=1+",
        "copy_file_range:error=EXDEV:when=2+",
        "copy_file_range:error=ENOSYS:when=1+",
        "copy_file_range:error=EINVAL:when=3",
        "copy_file_range:error=EOPNOTSUPP:when=1+",
    ],
)
def test_where_the_kernel_copies_no_ranges_the_bytes_are_the_same(
    tmp_path: Path, fault: str
) -> None:
    program, source = tmp_path / "add.py", tmp_path / "source"
    program.write_text(ADD)
    source.write_bytes(bytes(range(256)) * 40_000)
    digest = hashlib.sha256(source.read_bytes()).hexdigest()

    run = traced(program, tmp_path / "store", source, inject=[fault])

    assert run.hits > 0
    assert run.stdout == f"{digest} {source.stat().st_size}", run.stderr
    assert (tmp_path / "store" / "blobs" / "sha256" / digest).read_bytes() == source.read_bytes()
