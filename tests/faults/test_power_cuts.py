"""Every state that a power cut may leave, worked out from the system calls really made."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.faults import shelf
from tests.faults.crash_states import judge, without_syncs
from tests.faults.tracing import Call, Run, traced

IN_PLACE = """
import os, sys
os.getsid(0)
for number in range(3):
    name = f"models-{number}"
    file = os.open(f"{sys.argv[1]}/{name}", os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    os.write(file, b"entry")
    os.fsync(file)
    os.close(file)
    folder = os.open(sys.argv[1], os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)
    os.writev(1, [f"acknowledged {name}\\n".encode()])
os.getsid(0)
"""
ADD = """
import os, sys
from pathlib import Path
from holdfast.store.blobs import Blobs
from holdfast.store.local import LocalStore
blobs = Blobs(LocalStore(Path(sys.argv[1])))
os.getsid(0)
taken = blobs.add(Path(sys.argv[2]))
os.writev(1, [f"acknowledged blobs/sha256/{taken.sha256}\\n".encode()])
os.getsid(0)
"""
APPEND = """
import os, sys
from pathlib import Path
from holdfast.store.journal import Journal
from holdfast.store.local import LocalStore
journal = Journal(LocalStore(Path(sys.argv[1])), "models/iris")
os.getsid(0)
try:
    journal.append(1, b"entry", "c0" * 16)
    os.writev(1, [f"acknowledged {journal.slot(1)}\\n".encode()])
finally:
    os.getsid(0)
"""


def written(tmp_path: Path, text: str) -> Path:
    program = tmp_path / "program.py"
    program.write_text(text)
    return program


def completed(run: Run) -> Sequence[Call]:
    """Return the calls of a program that did what it was to do."""
    assert run.status == 0, run.stderr
    assert "acknowledged" in run.stdout
    return run.calls


def until_the_first_answer(calls: Sequence[Call]) -> Sequence[Call]:
    return calls[: [call.name for call in calls].index("writev") + 1]


@pytest.fixture
def registration(root: Path) -> Sequence[Call]:
    """Return the calls of one registration in an empty store, up to its acknowledgement."""
    return until_the_first_answer(completed(traced(shelf.PROGRAM, root, 1)))


def test_no_power_cut_tears_or_loses_anything(root: Path) -> None:
    verdict = judge(root, completed(traced(shelf.PROGRAM, root, 3)))

    assert (verdict.torn, verdict.lost) == (0, 0)
    assert verdict.states > 300


def test_the_states_show_what_the_sync_of_files_is_for(
    root: Path, registration: Sequence[Call]
) -> None:
    assert judge(root, registration).torn == 0
    assert judge(root, without_syncs(registration, of_folders=False)).torn > 0


def test_the_states_show_what_the_sync_of_folders_is_for(
    root: Path, registration: Sequence[Call]
) -> None:
    assert judge(root, registration).lost == 0
    assert judge(root, without_syncs(registration, of_folders=True)).lost > 0


def test_an_entry_needs_every_one_of_its_syncs(root: Path, tmp_path: Path) -> None:
    calls = completed(traced(written(tmp_path, APPEND), root))
    syncs = [index for index, call in enumerate(calls) if call.name == "fsync"]
    without_one = [judge(root, [*calls[:index], *calls[index + 1 :]]) for index in syncs]

    assert len(syncs) == 5
    assert all(verdict.torn + verdict.lost > 0 for verdict in without_one), without_one


def test_the_states_show_what_is_wrong_with_writing_in_place(root: Path, tmp_path: Path) -> None:
    verdict = judge(root, completed(traced(written(tmp_path, IN_PLACE), root)))

    assert verdict.torn > 0
    assert verdict.lost == 0


def stopped_at_last_sync(program: Path, *arguments: object) -> Sequence[Call]:
    """Kill a program at the sync of a folder before its first answer; return its calls."""
    honest = until_the_first_answer(completed(traced(program, *arguments)))
    last = [call for call in honest if call.name == "fsync"][-1]
    shutil.rmtree(str(arguments[0]))
    shelf.make_store(Path(str(arguments[0])))
    run = traced(program, *arguments, inject=[f"fsync:signal=KILL:when={last.ordinal}"])
    assert run.hits > 0
    assert "acknowledged" not in run.stdout
    return run.calls


def test_a_blob_of_a_killed_rival_is_durable_before_it_is_built_upon(
    root: Path, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"weights" * 1_000)
    program = written(tmp_path, ADD)
    theirs = stopped_at_last_sync(program, root, source)
    ours = completed(traced(program, root, source))

    assert [call.texts for call in theirs if call.name == "link"] != []
    assert [call for call in ours if call.name == "link"] == []
    assert judge(root, [*theirs, *ours]).lost == 0
    assert judge(root, [*theirs, *without_syncs(ours, of_folders=True)]).lost > 0


def test_an_entry_of_a_killed_process_is_durable_before_it_counts_as_written(
    root: Path, tmp_path: Path
) -> None:
    program = written(tmp_path, APPEND)
    theirs = stopped_at_last_sync(program, root)
    ours = completed(traced(program, root))

    assert judge(root, [*theirs, *ours]).lost == 0
    assert judge(root, [*theirs, *without_syncs(ours, of_folders=True)]).lost > 0


def test_an_entry_whose_folder_could_not_be_synced_is_not_acknowledged(
    root: Path, tmp_path: Path
) -> None:
    program = written(tmp_path, APPEND)
    honest = completed(traced(program, root))
    last = [call for call in honest if call.name == "fsync"][-1]
    shutil.rmtree(root)
    shelf.make_store(root)

    once = traced(program, root, inject=[f"fsync:error=EIO:when={last.ordinal}"])

    assert once.hits == 1
    assert judge(root, completed(once)).lost == 0


def test_an_entry_whose_folder_can_never_be_synced_is_of_unknown_outcome(
    root: Path, tmp_path: Path
) -> None:
    program = written(tmp_path, APPEND)
    last = [call for call in completed(traced(program, root)) if call.name == "fsync"][-1]
    shutil.rmtree(root)
    shelf.make_store(root)
    faults = [f"fsync:error=EIO:when={last.ordinal}+2"]  # files can be synced, the folder cannot

    run = traced(program, root, inject=faults)

    assert "OutcomeUnknownError" in run.stderr
    assert "acknowledged" not in run.stdout
    assert judge(root, run.calls).torn == 0


def test_a_folder_of_a_killed_rival_is_durable_before_it_is_built_upon(
    root: Path, tmp_path: Path
) -> None:
    program = written(tmp_path, APPEND)
    theirs = traced(program, root, inject=["fsync:signal=KILL:when=3"])
    ours = completed(traced(program, root))

    assert theirs.calls[-1].file == f"{root}/models/iris"
    assert judge(root, [*theirs.calls, *ours]).lost == 0


APPEND_ALL = """
import os, sys
from pathlib import Path
from holdfast.store.journal import Journal
from holdfast.store.local import LocalStore
journal = Journal(LocalStore(Path(sys.argv[1])), "models/iris")
os.getsid(0)
for number in range(journal.append_all(1, [b"entry"] * 4)):
    os.writev(1, [f"acknowledged {journal.slot(number + 1)}\\n".encode()])
os.getsid(0)
"""


def test_entries_written_at_once_are_whole_and_lost_by_no_power_cut(
    root: Path, tmp_path: Path
) -> None:
    calls = completed(traced(written(tmp_path, APPEND_ALL), root))
    verdict = judge(root, calls)
    torn = judge(root, without_syncs(calls, of_folders=False))
    lost = judge(root, without_syncs(calls, of_folders=True))

    assert (verdict.torn, verdict.lost) == (0, 0)
    assert torn.torn > 0
    assert lost.lost > 0
