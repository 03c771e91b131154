"""A supervisor, and what becomes of its workers."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.serving.facing import until

PROGRAM = """
from pathlib import Path
from holdfast.serving.workers import WorkerTimeouts, supervise
from working import work

if __name__ == "__main__":
    supervise(2, Path({folder!r}), work, WorkerTimeouts(hang_s=1, young_s=0.5))
"""
WORKING = """
import os, signal, time
from pathlib import Path
from holdfast.serving.vitals import CallInProgress, Vitals
from holdfast.serving.workers import end_with_supervisor, lost_in, tell_where_it_hangs

def work(slot):
    if (slot.folder / "deaf").exists():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    end_with_supervisor()
    tell_where_it_hangs()
    vitals = Vitals(slot.vitals)
    for one in lost_in(slot.folder, slot.index):
        (slot.folder / f"lost-{one.model}@{one.version}-{one.requests}-{one.counted}").touch()
    for model, version in slot.aside:
        (slot.folder / f"aside-{slot.index}-{model}@{version}").touch()
    (slot.folder / f"{slot.index}-{os.getpid()}").touch()
    name = CallInProgress("iris", "1.2.0", "canary", 7, 1, 0.5).written()
    orders = slot.folder / f"order-{slot.index}"
    for _ in range(1200):
        time.sleep(0.02)
        vitals.beat()
        order = orders.read_text() if orders.exists() else ""
        if order:
            orders.unlink()
        if order == "leave":
            vitals.leave()
        if order in ("hang", "crash"):
            vitals.begin(name, 3, 2)
        if order == "crash":
            os.abort()
        if order == "load":
            with vitals.loading("iris", "1.3.0"):
                place = vitals.begin(name, 3, 2)
                time.sleep(3)
                vitals.end(place)
        if order in ("exit in load", "abort in load"):
            with vitals.loading("iris", "1.3.0"):
                os.abort() if order == "abort in load" else os._exit(0)
        if order == "hang":
            time.sleep(3600)
"""


class Crew:
    """A supervisor in a process of its own, and the workers that it began."""

    def __init__(self, folder: Path) -> None:
        self.seen = folder / "seen"
        self.seen.mkdir()
        (folder / "working.py").write_text(WORKING)
        program = folder / "program.py"
        program.write_text(PROGRAM.format(folder=str(self.seen)))
        self._log = folder / "log"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(program)],
                env={**os.environ, "PYTHONPATH": str(folder)},
                stderr=log,
            )

    @property
    def log(self) -> str:
        return self._log.read_text()

    def order(self, index: int, what: str) -> None:
        """Tell a worker what to do; written whole."""
        draft = self.seen / "draft"
        draft.write_text(what)
        draft.replace(self.seen / f"order-{index}")

    def begun(self, index: int) -> list[int]:
        return sorted(
            int(path.name.split("-")[1]) for path in self.seen.glob(f"{index}-*") if not path.suffix
        )

    def ready(self) -> list[int]:
        until(lambda: bool(self.begun(0) and self.begun(1)), 60)
        return self.begun(0) + self.begun(1)


@pytest.fixture
def crew(tmp_path: Path) -> Iterator[Crew]:
    made = Crew(tmp_path)
    try:
        yield made
    finally:
        made.process.kill()
        made.process.wait(300)
        for index in (0, 1):
            for worker in made.begun(index):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(worker, signal.SIGKILL)


def is_there(process: int) -> bool:
    """Tell whether a process runs; one that nobody waited for yet does not."""
    with contextlib.suppress(OSError):
        return ") Z " not in Path(f"/proc/{process}/stat").read_text()
    return False


def test_a_worker_that_dies_is_begun_anew_and_all_end_with_a_stop(crew: Crew) -> None:
    first, second = crew.ready()
    os.kill(first, signal.SIGKILL)
    until(lambda: len(crew.begun(0)) == 2)
    crew.process.terminate()

    assert crew.process.wait(300) == 0
    assert crew.begun(1) == [second]
    assert [pid for pid in (*crew.begun(0), second) if is_there(pid)] == []


def test_a_worker_that_does_not_end_is_killed(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    crew = Crew(tmp_path / "inner")
    (crew.seen / "deaf").touch()
    workers = crew.ready()
    crew.process.terminate()

    assert crew.process.wait(300) == 0
    assert [pid for pid in workers if is_there(pid)] == []


def test_workers_end_when_their_supervisor_was_killed(crew: Crew) -> None:
    workers = crew.ready()
    crew.process.kill()
    crew.process.wait(300)

    until(lambda: not any(map(is_there, workers)))
    assert len(workers) == 2


def test_a_worker_that_hangs_in_a_call_is_ended_and_its_successor_told_of_the_call(
    crew: Crew,
) -> None:
    first, second = crew.ready()
    crew.order(0, "hang")
    until(lambda: len(crew.begun(0)) == 2)

    assert (crew.seen / "lost-iris@1.2.0-3-2").exists()
    assert not is_there(first)
    assert crew.begun(1) == [second]
    assert "hangs in a call of iris@1.2.0 for 1 s and is ended" in crew.log
    assert "working.py" in crew.log  # where it hung


def test_a_worker_that_crashes_in_a_call_has_its_successor_told(crew: Crew) -> None:
    crew.ready()
    crew.order(1, "crash")
    until(lambda: len(crew.begun(1)) == 2)

    assert (crew.seen / "lost-iris@1.2.0-3-2").exists()
    assert "its process ended in a call of iris@1.2.0 for 3 requests" in crew.log


def test_a_worker_that_asks_to_leave_is_told_to_stop_once_another_one_answers(crew: Crew) -> None:
    first, _ = crew.ready()
    crew.order(0, "leave")
    until(lambda: len(crew.begun(0)) == 2 and not is_there(first))
    crew.process.terminate()

    assert crew.process.wait(300) == 0
    assert "ended with" not in crew.log
    assert list(crew.seen.glob("lost-*")) == []


def test_a_worker_that_loads_a_version_may_stand_still_for_it(crew: Crew) -> None:
    workers = crew.ready()
    crew.order(0, "load")
    crew.order(1, "hang")
    until(lambda: len(crew.begun(1)) == 2)

    assert crew.begun(0) == workers[:1]


def test_a_version_with_which_three_workers_ended_is_set_aside_for_those_that_follow(
    crew: Crew,
) -> None:
    """Whatever its code ends them with, a good status too."""
    crew.ready()
    for number, (index, order) in enumerate(
        ((0, "abort in load"), (1, "exit in load"), (0, "exit in load"))
    ):
        before = len(crew.begun(index))
        crew.order(index, order)
        until(lambda index=index, before=before: len(crew.begun(index)) > before)  # type: ignore[misc]
        assert list(crew.seen.glob("aside-*")) == [] or number == 2

    assert [path.name for path in crew.seen.glob("aside-*")] == ["aside-0-iris@1.3.0"]
    assert "its process ended while it loaded iris@1.3.0" in crew.log
    assert list(crew.seen.glob("lost-*")) == []
