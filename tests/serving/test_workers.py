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
import functools
from holdfast.serving.workers import supervise
from working import work

if __name__ == "__main__":
    supervise(2, functools.partial(work, {folder!r}))
"""
WORKING = """
import os, signal, time
from pathlib import Path
from holdfast.serving.workers import end_with_supervisor

def work(folder, index):
    if Path(folder, "deaf").exists():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    end_with_supervisor()
    Path(folder, f"{index}-{os.getpid()}").touch()
    for _ in range(1200):
        time.sleep(0.1)
"""


class Crew:
    """A supervisor in a process of its own, and the workers that it began."""

    def __init__(self, folder: Path) -> None:
        self.seen = folder / "seen"
        self.seen.mkdir()
        (folder / "working.py").write_text(WORKING)
        program = folder / "program.py"
        program.write_text(PROGRAM.format(folder=str(self.seen)))
        self.process = subprocess.Popen(
            [sys.executable, str(program)], env={**os.environ, "PYTHONPATH": str(folder)}
        )

    def begun(self, index: int) -> list[int]:
        return sorted(int(one.name.split("-")[1]) for one in self.seen.glob(f"{index}-*"))

    def ready(self) -> list[int]:
        until(lambda: bool(self.begun(0) and self.begun(1)))
        return self.begun(0) + self.begun(1)


@pytest.fixture
def crew(tmp_path: Path) -> Iterator[Crew]:
    made = Crew(tmp_path)
    try:
        yield made
    finally:
        made.process.kill()
        made.process.wait(20)
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

    assert crew.process.wait(30) == 0
    assert crew.begun(1) == [second]
    assert [one for one in (*crew.begun(0), second) if is_there(one)] == []


def test_a_worker_that_does_not_end_is_killed(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    crew = Crew(tmp_path / "inner")
    (crew.seen / "deaf").touch()
    workers = crew.ready()
    crew.process.terminate()

    assert crew.process.wait(60) == 0
    assert [one for one in workers if is_there(one)] == []


def test_workers_end_when_their_supervisor_was_killed(crew: Crew) -> None:
    workers = crew.ready()
    crew.process.kill()
    crew.process.wait(20)

    until(lambda: not any(map(is_there, workers)))
    assert len(workers) == 2
