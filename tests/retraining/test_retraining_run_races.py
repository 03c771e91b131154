"""Two machines, a process that dies, a clock that goes back: one version for one slot."""

import functools
import os
import signal
import subprocess
import sys
import textwrap
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.serving.facing import until

import holdfast
from holdfast.errors import ConflictError
from holdfast.registry import retraining_lease
from holdfast.registry.retraining_lease import PULSE, LeaseHolder, LeaseLostError, Pulse
from holdfast.retraining import process_tree, retraining_run
from holdfast.retraining.retraining_run import RunOutcome, RunRequest

SLOT = "2026-11-29T02:00:00Z"
WAITING = """
import os, time
def train(context):
    open("began", "w").close()
    while not os.path.exists("go"):
        time.sleep(0.01)
    return {"model": {"weight": 1}}
"""
PLAIN = 'def train(context):\n    return {"model": {"weight": context.seed}}\n'
MACHINE = textwrap.dedent("""
    import os, signal, sys
    from pathlib import Path
    import holdfast
    from holdfast.retraining import retraining_run
    from holdfast.retraining.retraining_run import RunRequest
    from holdfast.store.journal import Journal

    def killed(when):
        append = Journal.append
        def dying(self, *given):
            if when == "after":
                append(self, *given)
            os.kill(os.getpid(), signal.SIGKILL)
        Journal.append = dying

    if len(sys.argv) > 3:
        killed(sys.argv[3])
    request = RunRequest("churn", sys.argv[2], Path.cwd(), dict(os.environ), entry="jobs:train")
    try:
        outcome = retraining_run.run(holdfast.open(sys.argv[1]), request)
        print(outcome.record.outcome, outcome.record.version, outcome.ran)
    except holdfast.errors.ConflictError as error:
        print("conflict", error)
""")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with an entry point that waits, and a store that is made."""
    (tmp_path / "jobs.py").write_text(WAITING)
    holdfast.open(tmp_path / "store", by="ann").init()
    return tmp_path


def machine(folder: Path, *further: str) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-c", MACHINE, str(folder / "store"), SLOT, *further]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE)


def said(process: "subprocess.Popen[bytes]") -> bytes:
    with process:
        return process.communicate(timeout=60)[0].strip()


def run(folder: Path, pulse: Pulse = PULSE) -> RunOutcome:
    registry = holdfast.open(folder / "store", by="bob")
    environment = dict(os.environ)
    request = RunRequest("churn", SLOT, folder, environment, entry="jobs:train", pulse=pulse)
    return retraining_run.run(registry, request)


def grow_old(folder: Path) -> None:
    """Have the files of the lease be as old as they are when their holder was long silent."""
    for path in (folder / "store" / "models" / "churn" / "retraining").iterdir():
        os.utime(path, (path.stat().st_mtime - 100,) * 2)


def versions(folder: Path) -> list[str]:
    return [info.version for info in holdfast.open(folder / "store").versions("churn")]


def test_of_two_machines_on_one_slot_one_trains_and_the_other_says_so(folder: Path) -> None:
    first = machine(folder)
    until((folder / "began").exists)
    second = machine(folder)

    assert said(second).startswith(b"conflict retraining of churn is going on: term 1")
    (folder / "go").touch()
    assert said(first) == b"registered 1.0.0 True"
    assert said(machine(folder)) == b"registered 1.0.0 False"
    assert versions(folder) == ["1.0.0"]


def test_without_any_lease_the_journal_alone_lets_one_of_two_write(folder: Path) -> None:
    """Both train to the end, each sure of its lease: somebody removed the files of leases."""
    first = machine(folder)
    until((folder / "began").exists)
    for path in (folder / "store" / "models" / "churn" / "retraining").iterdir():
        path.unlink()
    (folder / "began").unlink()
    second = machine(folder)
    until((folder / "began").exists)
    (folder / "go").touch()

    answers = {said(first), said(second)}

    assert answers == {b"registered 1.0.0 True"}
    assert versions(folder) == ["1.0.0"]
    ops = [past.op for past in holdfast.open(folder / "store").history("churn")]
    assert ops == ["retrained"]


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_parent_that_is_killed_at_its_entry_leaves_it_done_or_to_do(
    folder: Path, when: str
) -> None:
    (folder / "go").touch()
    dying = machine(folder, when)

    assert said(dying) == b""
    assert dying.returncode == -signal.SIGKILL
    registry = holdfast.open(folder / "store")
    done = when == "after"
    assert registry.retrainings.state("churn").seq == int(done)
    grow_old(folder)
    again = run(folder)
    assert (again.record.version, again.ran) == ("1.0.0", not done)
    assert versions(folder) == ["1.0.0"]
    assert registry.verify().damages == ()


def test_a_parent_that_is_killed_during_training_registers_nothing_later(folder: Path) -> None:
    first = machine(folder)
    until((folder / "began").exists)
    first.kill()
    assert said(first) == b""
    until(lambda: not any(b"jobs:train" in line for line in commands()))
    (folder / "go").touch()

    assert holdfast.open(folder / "store").retrainings.state("churn").seq == 0
    with pytest.raises(ConflictError, match="is going on"):
        run(folder)  # for 90 s nobody knows that it is dead
    grow_old(folder)
    assert run(folder).record.version == "1.0.0"


def commands() -> list[bytes]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(path.read_bytes())
        except OSError:
            continue
    return found


def test_a_run_whose_lease_was_taken_stops_and_writes_nothing(folder: Path) -> None:
    caught: list[BaseException] = []

    def sleeper() -> None:
        try:
            run(folder, pulse=Pulse(every_s=0.05, silence_s=30.0))
        except LeaseLostError as error:
            caught.append(error)

    thread = threading.Thread(target=sleeper)
    thread.start()
    until((folder / "began").exists)
    session = holdfast.open(folder / "store")._session
    with retraining_lease.take(session, "churn", LeaseHolder(SLOT, "x"), Pulse(silence_s=0.0)):
        thread.join()

    assert "term 2 began" in str(caught[0])
    assert holdfast.open(folder / "store").retrainings.state("churn").seq == 0


@pytest.mark.skipif(not process_tree.is_visible(), reason="needs /proc")
def test_a_keeper_that_is_killed_is_a_failed_attempt(folder: Path) -> None:
    outcomes: list[RunOutcome] = []
    thread = threading.Thread(target=lambda: outcomes.append(run(folder)))
    thread.start()
    until((folder / "began").exists)
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            text = path.read_bytes()
        except OSError:
            continue
        if b"retraining.keeper" in text and str(folder).encode() not in text:
            parent = (path.parent / "status").read_text().partition("PPid:\t")[2].split()[0]
            if int(parent) == os.getpid():
                os.kill(int(path.parent.name), signal.SIGKILL)
    thread.join()

    assert (outcomes[0].record.outcome, outcomes[0].record.why) == (
        "failed", "it ended with status -9"
    )  # fmt: skip


def _same(moment: datetime) -> datetime:
    return moment


def test_a_clock_that_was_set_back_a_day_changes_nothing(folder: Path) -> None:
    (folder / "jobs.py").write_text(PLAIN)
    now = datetime.now(UTC)
    for number, back in enumerate((0, 1)):
        moment = now - timedelta(days=back)
        registry = holdfast.open(folder / "store", clock=functools.partial(_same, moment))
        slot = f"2026-11-29T0{number}:00:00Z"
        request = RunRequest(
            "churn", slot, folder, dict(os.environ), entry="jobs:train", seed=number
        )
        outcome = retraining_run.run(registry, request)
        assert (outcome.record.outcome, outcome.ran) == ("registered", True)
        assert not retraining_run.run(registry, request).ran

    assert versions(folder) == ["1.0.0", "1.1.0"]
    assert holdfast.open(folder / "store").verify().damages == ()
