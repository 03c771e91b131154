"""Each system call of each verb killed or made to fail: the old or the new, and said so."""

import hashlib
import random
import re
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.conftest import Extent, Tally
from tests.faults import shelf
from tests.faults.crash_states import is_temporary
from tests.faults.deeds import DEEDS, Judge
from tests.faults.shelf import Shelf
from tests.faults.tracing import Call, Run, calls_in, strace, traced
from tests.registry import disk
from tests.registry.crew import Crew, Job, Outcome

QUICK: dict[Extent, int] = {"short": 1, "whole": 3}
"""Calls of each verb that are hit with each fault in the short form, and in whole."""
TRACED = (
    "openat,read,write,copy_file_range,fsync,link,rename,renameat2,unlink,unlinkat,rmdir,mkdir,"
    "fchmod,utimensat,flock"
)
FAULTS = {"KILL": "signal=KILL"} | {
    name: f"error={name}" for name in ("EIO", "ENOSPC", "EACCES", "EINTR")
}
NEED_ROOM = {"openat", "write", "copy_file_range", "link", "linkat", "mkdir", "rename", "renameat2"}
_UNREADABLE = {"DamagedError", "InvalidInputError"}
ALLOWED: dict[str, set[str]] = {
    "EIO": _UNREADABLE | {"StoreError", "OutcomeUnknownError"},
    "ENOSPC": {"StoreFullError", "OutcomeUnknownError"},
    "EACCES": _UNREADABLE | {"StoreError", "ReadOnlyStoreError", "OutcomeUnknownError"},
    "EINTR": {"StoreError", "OutcomeUnknownError"},
    "KILL": set(),
}
"""What may be told; that a file cannot be read says nothing of its content."""
NAMED = re.compile(r"store/|store:|models/|blobs/|\.txt|\.pkl|sha256:[0-9a-f]{64}")
SEVERAL = {"import a model", "adopt", "purge"}
"""Verbs of several steps: an error in a later one leaves the earlier ones done."""
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


def that_write(calls: Iterable[Call]) -> list[Call]:
    """Leave out the calls that only read."""
    return [
        call
        for call in calls
        if call.name != "read" and (call.name != "openat" or "O_CREAT" in call.arguments)
    ]


@dataclass(frozen=True, slots=True)
class Hit:
    """A deed and the one call in it that is made to fail, on a store of its own."""

    name: str
    call: Call
    at: Path


class Range:
    """A place where deeds are hit: every verb on copies of one registry, under strace."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._kept = {deed.furnish: folder / deed.furnish.__name__ for deed in DEEDS.values()}
        for furnish, path in self._kept.items():
            path.mkdir()
            furnish(path)
        self._log = folder / "strace"
        warm = {name: self._copy(name, folder / f"warm-{name}" / "at") for name in DEEDS}
        with Crew((), folder) as crew:  # what this user remembers afterwards, all later ones do
            for name, at in warm.items():
                crew.work([Job(at / "store", [DEEDS[name].step(at)])])
        honest = {name: self._copy(name, folder / name.replace(" ", "-") / "at") for name in DEEDS}
        with Crew(strace(str(self._log), TRACED, most_data=16), folder) as crew:
            for name, at in honest.items():
                [[outcome]] = crew.work([Job(at / "store", [DEEDS[name].step(at)])])
                assert outcome.error is None, outcome.message
        calls = list(calls_in(self._log.read_text().splitlines()))
        last = Counter[str]()
        for call in calls:
            last[call.name] = max(last[call.name], call.ordinal)
        self._when = {name: last[name] + 60 for name in TRACED.split(",")}
        self.calls = {name: _made(calls, at) for name, at in honest.items()}

    def _copy(self, name: str, at: Path) -> Path:
        at.parent.mkdir()
        return disk.copy(self._kept[DEEDS[name].furnish], at)

    def hits(self, fault: str, most: int | None) -> list[Hit]:
        """Choose the calls that may end so: all, or *most* of each verb at random."""
        chance, chosen = random.Random(fault), []
        for name, calls in self.calls.items():
            able = that_write(calls) if fault == "KILL" else calls
            if fault == "ENOSPC":
                able = [call for call in that_write(calls) if call.name in NEED_ROOM]
            chosen += [
                (name, call)
                for call in (able if most is None else chance.sample(able, min(most, len(able))))
            ]
        return [
            Hit(name, call, self._folder / f"{fault}-{index}" / "at")
            for index, (name, call) in enumerate(chosen)
        ]

    def hit(self, fault: str, hits: Sequence[Hit]) -> tuple[list[Outcome | None], list[Call]]:
        """Do each deed with its call failing; return what was told, and all calls made."""
        inject = [f"{name}:{FAULTS[fault]}:when={when}" for name, when in self._when.items()]
        outcomes: list[Outcome | None] = []
        with Crew(strace(str(self._log), TRACED, inject, most_data=16), self._folder) as crew:
            for hit in hits:
                spends = (hit.call.name, self._when[hit.call.name] - hit.call.ordinal)
                asked = DEEDS[hit.name].step(self._copy(hit.name, hit.at))
                [heard] = crew.work([Job(hit.at / "store", [asked], spends=spends)])
                outcomes.append(heard[0] if heard else None)
        with self._log.open() as log:
            return outcomes, [call for call in calls_in(log) if _is_at(self._folder, call)]

    def violations(self, hit: Hit, fault: str, outcome: Outcome | None) -> Iterator[str]:
        """Name all that is wrong after a deed was hit."""
        deed, store = DEEDS[hit.name], hit.at / "store"
        before = disk.journals(self._kept[deed.furnish] / "store")
        if outcome is not None and outcome.error is not None:
            yield from _misreported(outcome, fault)
            written = len(disk.journals(store)) - len(before)
            if written and outcome.error != "OutcomeUnknownError" and hit.name not in SEVERAL:
                yield f"told {outcome.error}, and {written} entries were written"
        judge = Judge(deed, deed.step(hit.at), before)
        done = outcome is not None and outcome.error is None
        yield from judge.violations(store, acknowledged=done)


def _is_at(folder: Path, call: Call) -> bool:
    return f"{folder}/" in call.arguments or f"{folder}/" in call.result


def _made(calls: Sequence[Call], at: Path) -> list[Call]:
    """Return the calls that a worker's main thread made near its store."""
    near = [call for call in calls if f"{at}/store" in call.arguments + call.result]
    worker = Counter(call.thread for call in near).most_common(1)[0][0]
    return [call for call in near if call.thread == worker and call.name != "writev"]


def _misreported(outcome: Outcome, fault: str) -> Iterator[str]:
    if outcome.error not in ALLOWED[fault]:
        yield f"told as {outcome.error}: {outcome.message}"
    if not NAMED.search(outcome.message) or "; " not in outcome.message:
        yield f"says neither which file nor what to do: {outcome.message}"


@pytest.fixture(scope="module")
def shooting(memory: Path) -> Range:
    """Return the place where deeds are hit."""
    folder = memory / "range"
    folder.mkdir()
    return Range(folder)


def all_violations(shooting: Range, fault: str, most: int | None, tally: Tally) -> list[str]:
    hits = shooting.hits(fault, most)
    outcomes, calls = shooting.hit(fault, hits)
    failed = [call for call in calls if call.error == fault]
    violations = []
    for hit, outcome in zip(hits, outcomes, strict=True):
        violations += [
            f"{hit.name}, {hit.call.name} {hit.call.arguments[-80:]}: {violation}"
            for violation in shooting.violations(hit, fault, outcome)
        ]
        shutil.rmtree(hit.at.parent)
    tally(f"faults injected into system calls of verbs: {fault}", len(hits))
    return violations + [
        f"{hit.name}, {hit.call.name} {hit.call.arguments[-80:]}: did not arrive"
        for hit, outcome in zip(hits, outcomes, strict=True)
        if not _arrived(shooting, hit, fault, outcome, failed)
    ]


def _arrived(
    shooting: Range, hit: Hit, fault: str, outcome: Outcome | None, failed: Sequence[Call]
) -> bool:
    if fault == "KILL":
        return outcome is None
    return any(
        call.name == hit.call.name
        and call.ordinal == shooting._when[call.name]
        and f"{hit.at}/" in call.arguments
        for call in failed
    )


@pytest.mark.parametrize("fault", FAULTS)
def test_a_verb_hit_at_a_system_call_leaves_the_old_or_the_new_and_says_which_file(
    shooting: Range, tally: Tally, extent: Extent, fault: str
) -> None:
    assert all_violations(shooting, fault, QUICK[extent], tally) == []


@pytest.mark.long
@pytest.mark.parametrize("fault", FAULTS)
def test_every_verb_hit_at_any_system_call_leaves_the_old_or_the_new_and_says_which_file(
    shooting: Range, tally: Tally, fault: str
) -> None:
    assert all_violations(shooting, fault, None, tally) == []


def test_a_file_that_could_not_be_synced_is_given_up(shooting: Range) -> None:
    hits = [hit for hit in shooting.hits("EIO", None) if _syncs_a_file(hit)]
    _told, calls = shooting.hit("EIO", hits)
    failed = [index for index, call in enumerate(calls) if call.error == "EIO"]
    given_up = {calls[index].file: calls[index + 1 :] for index in failed}
    for hit in hits:
        shutil.rmtree(hit.at.parent)

    assert len(given_up) == len(hits) > 10
    assert [
        call for path, later in given_up.items() for call in later if _goes_on_with(path, call)
    ] == []


def _syncs_a_file(hit: Hit) -> bool:
    return hit.call.name == "fsync" and is_temporary(hit.call.file)


def _goes_on_with(path: str, call: Call) -> bool:
    if call.name in ("link", "linkat", "rename", "renameat2"):
        return call.texts[0] == path
    return call.name == "fsync" and call.folder == path


def acknowledged(run: Run) -> list[str]:
    lines = [line.split() for line in run.stdout.splitlines()]
    return [key for line in lines if line[0] == "acknowledged" for key in line[1:]]


PERSISTENT: Sequence[str] = (
    "write:error=ENOSPC:when={write}+",
    "copy_file_range:error=ENOSPC:when=1+",
    "fsync:error=EIO:when=1+",
    "fsync:error=EIO:when=5+",
    "link:error=EDQUOT:when=1+",
    "linkat:error=EDQUOT:when=1+",
    "mkdir:error=EROFS:when=1+",
    "unlink:error=EIO:when=1+",
    "fchmod:error=EPERM:when=1+",
)


@pytest.mark.parametrize("fault", PERSISTENT)
def test_an_error_that_stays_leaves_nothing_torn_or_lost(root: Path, fault: str) -> None:
    honest = traced(shelf.PROGRAM, root, 1)
    first = next(call.ordinal for call in honest.calls if call.name == "write")
    shutil.rmtree(root)
    shelf.make_store(root)
    run = traced(shelf.PROGRAM, root, 1, inject=[fault.format(write=first)])
    tolerated = fault.startswith(("unlink", "fchmod", "linkat"))  # litter, modes, one way of two

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
