"""What waits for trials: it dies, is begun again, is shared, and leaves nothing behind."""

import multiprocessing
import os
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.sandbox import works
from tests.serving.facing import until

from holdfast.sandbox import Nursery, Trial, TrialLimits, TrialOutcome, Trials, chosen
from holdfast.sandbox.restraint import Restraint

RESTRAINT = chosen("auto")
pytestmark = pytest.mark.skipif(RESTRAINT is None, reason="this system restrains nothing")
SCRATCH = Trial("tests.sandbox.works:scratch", {}, [])


@pytest.fixture
def nursery() -> Iterator[Nursery]:
    assert RESTRAINT is not None
    with Nursery(RESTRAINT) as nursery:
        yield nursery


def children(process: int) -> list[int]:
    try:
        text = Path(f"/proc/{process}/task/{process}/children").read_text()
    except OSError:
        return []
    return [int(word) for word in text.split()]


def inner(nursery: Nursery) -> int:
    """Return the process that imports and forks."""
    until(lambda: bool(children(nursery.process.pid)))
    return children(nursery.process.pid)[0]


def test_what_forks_trials_is_begun_again_when_it_dies(nursery: Nursery) -> None:
    keeper = nursery.process.pid
    for _ in range(3):
        os.kill(inner(nursery), signal.SIGKILL)
        assert nursery.run(SCRATCH).problem is None

    assert nursery.process.pid == keeper


def test_what_begins_it_again_is_begun_again_itself(nursery: Nursery) -> None:
    before = inner(nursery)
    nursery.process.kill()

    assert nursery.run(SCRATCH).problem is None
    until(lambda: not Path(f"/proc/{before}").exists())


def test_a_trial_that_was_lost_with_it_is_tried_again(nursery: Nursery, tmp_path: Path) -> None:
    sign = tmp_path / "sign"
    outcomes: list[TrialOutcome] = []
    trial = Trial("tests.sandbox.works:wait_for", {"path": str(sign)}, [])
    thread = threading.Thread(target=lambda: outcomes.append(nursery.run(trial)))
    thread.start()
    first = inner(nursery)
    until(lambda: bool(children(first)))
    os.kill(first, signal.SIGKILL)
    until(lambda: inner(nursery) != first and bool(children(inner(nursery))))
    sign.touch()
    thread.join(120)

    assert outcomes == [TrialOutcome(None, "it is there")]


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGKILL])
def test_a_trial_that_dies_takes_nothing_with_it(nursery: Nursery, number: int) -> None:
    before = inner(nursery)
    dying = Trial("tests.sandbox.works:die_once", {"signal": number}, [])
    problems = [nursery.run(dying).problem for _ in range(3)]

    assert all(problem and signal.Signals(number).name in problem for problem in problems)
    assert nursery.run(SCRATCH).problem is None
    assert inner(nursery) == before


def test_another_process_asks_the_same_one(nursery: Nursery) -> None:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    other = context.Process(target=works.ask, args=(nursery, theirs))
    other.start()
    problem, scratch = ours.recv()
    other.join(120)

    assert problem is None
    assert "holdfast-trial-" in scratch
    assert nursery.run(SCRATCH).problem is None


def test_where_nobody_listens_there_is_no_answer() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    theirs.close()
    with ours:
        trials = Trials(Restraint(), ours)
        trials.prepare(["json"])
        outcome = trials.run(SCRATCH)

    assert outcome.problem is not None
    assert "gave no answer" in outcome.problem


def descriptors(process: int) -> int:
    return len(os.listdir(f"/proc/{process}/fd"))


@pytest.mark.parametrize("count", [60, pytest.param(1000, marks=pytest.mark.long)])
def test_trials_leave_no_descriptor_process_or_folder(nursery: Nursery, count: int) -> None:
    limits = TrialLimits(time_s=60.0)
    hopeless = Trial("tests.sandbox.works:die_once", {"signal": signal.SIGSEGV}, [], (), limits)
    nursery.run(SCRATCH)
    processes = os.getpid(), nursery.process.pid, inner(nursery)
    before = [descriptors(process) for process in processes]
    folders = set()
    for number in range(count):
        outcome = nursery.run(hopeless if number % 5 == 0 else SCRATCH)
        folders.add(outcome.result)

    assert [descriptors(process) for process in processes] == before
    assert [folder for folder in folders if folder and os.path.exists(folder)] == []
    until(lambda: children(inner(nursery)) == [])
    assert inner(nursery) == processes[2]


def test_it_ends_with_who_began_it() -> None:
    assert RESTRAINT is not None
    with Nursery(RESTRAINT) as nursery:
        processes = nursery.process.pid, inner(nursery)

    until(lambda: not any(Path(f"/proc/{process}").exists() for process in processes))
    assert nursery.process.returncode is not None
