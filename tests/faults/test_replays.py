"""Every verb cut off at every step: what a power cut may leave is opened, checked and gone on with.

The system calls of real processes are recorded; each state of the disk that they allow is written
to a folder of its own, and used as the next process would use it.
"""

import random
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.conftest import Extent, Tally
from tests.faults.crash_states import Disk, is_temporary, replays, successful
from tests.faults.deeds import DEEDS, Judge
from tests.faults.tracing import Call, calls_in, strace
from tests.registry import disk
from tests.registry.crew import Crew, Job

QUICK: dict[Extent, int] = {"short": 12, "whole": 40}
"""States of each recording that are replayed in the short form, and in whole."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """A deed and what the disk was told while it was done.

    Attributes:
        store: As the deed left it.
        kept: As it was before.
    """

    judge: Judge
    store: Path
    kept: Path
    calls: Sequence[Call]

    def disk(self) -> Disk:
        """Return the disk as it was before the deed."""
        return Disk.holding(self.store, self.kept)


@pytest.fixture(scope="module")
def recordings(memory: Path) -> dict[str, Recorded]:
    """Do every deed once, on a copy of its own; return what was recorded."""
    folder = memory
    folders = {
        furnish: folder / furnish.__name__ for furnish in {d.furnish for d in DEEDS.values()}
    }
    for furnish, path in folders.items():
        path.mkdir()
        furnish(path)
    log = folder / "strace"
    done = {}
    with Crew(strace(str(log)), folder) as crew:
        for name, deed in DEEDS.items():
            at = disk.copy(folders[deed.furnish], folder / name.replace(" ", "-"))
            asked = deed.step(at)
            [[outcome]] = crew.work([Job(at / "store", [asked])])
            assert outcome.error is None, outcome.message
            done[name] = (Judge(deed, asked, disk.journals(folders[deed.furnish] / "store")), at)
    calls = list(calls_in(log.read_text().splitlines()))
    return {
        name: Recorded(judge, at / "store", folders[judge.deed.furnish] / "store", _of(calls, at))
        for name, (judge, at) in done.items()
    }


def _of(calls: Sequence[Call], at: Path) -> list[Call]:
    """Return the calls of the process that worked there, up to its answer."""
    near = [call for call in calls if f"{at}/store/" in call.arguments + call.result]
    worker = max({call.thread for call in near}, key=[call.thread for call in near].count)
    return [call for call in calls if call.thread == worker]


def without_locks(files: dict[str, bytes]) -> dict[str, bytes]:
    """Leave out what locks say of their holders: it is written apart, and decides nothing."""
    locks = {"lock", "lock.turn", ".lock"}
    return {path: data for path, data in files.items() if Path(path).name not in locks}


@pytest.mark.parametrize("name", DEEDS)
def test_the_recording_leads_to_the_files_that_were_written(
    recordings: dict[str, Recorded], name: str
) -> None:
    recorded = recordings[name]
    model = recorded.disk()
    for call in successful(recorded.calls):
        model.apply(call)
    names = {path: number for path, number in model.live.items() if not is_temporary(path)}
    files = {path: model.content(n) for path, n in names.items() if n not in model.folders}

    assert model.told
    assert set(names) == {str(path) for path in recorded.store.rglob("*")}
    assert without_locks(files) == without_locks(
        {str(path): path.read_bytes() for path in disk.files(recorded.store)}
    )


def violations(recorded: Recorded, folder: Path, most: int | None, tally: Tally) -> Iterator[str]:
    """Replay the states of a recording, or *most* of them at random; name what is broken."""
    all_replays = list(replays(recorded.disk(), recorded.calls))
    chosen = (
        all_replays
        if most is None or len(all_replays) <= most
        else random.Random(7).sample(all_replays, most)
    )
    tally("crash states replayed into a folder and opened", len(chosen))
    tally(
        "crash points: calls after which the power was cut",
        len({chosen_replay.call for chosen_replay in chosen}),
    )
    for index, replay in enumerate(chosen):
        store = replay.into(folder / str(index))
        for violation in recorded.judge.violations(store, acknowledged=replay.told):
            yield f"after call {replay.call}, state {index}: {violation}"
        shutil.rmtree(store)


@pytest.mark.parametrize("name", DEEDS)
def test_a_power_cut_leaves_the_old_or_the_new_and_the_verb_can_be_done_again(
    recordings: dict[str, Recorded], memory: Path, tally: Tally, extent: Extent, name: str
) -> None:
    assert list(violations(recordings[name], memory, QUICK[extent], tally)) == []


@pytest.mark.long
@pytest.mark.parametrize("name", DEEDS)
def test_every_power_cut_leaves_the_old_or_the_new_and_the_verb_can_be_done_again(
    recordings: dict[str, Recorded], memory: Path, tally: Tally, name: str
) -> None:
    assert list(violations(recordings[name], memory, None, tally)) == []
