"""Processes that want the same thing at once: one gets it, and everybody sees it whole."""

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from tests.faults import shelf
from tests.faults.shelf import Shelf
from tests.faults.tracing import unmeasured

RIVALS = 8
CREATOR = """
import sys
from pathlib import Path
from holdfast.store import TakenError
from holdfast.store.local import LocalStore
store = LocalStore(Path(sys.argv[1]), links=sys.argv[2] == "links")
mine = sys.argv[3].encode() * 1_000
for key in sys.stdin:
    try:
        store.create(key.strip(), mine)
    except TakenError:
        print("lost", flush=True)
    else:
        print("won", flush=True)
"""
ADDER = """
import sys
from pathlib import Path
from holdfast.store.blobs import Blobs
from holdfast.store.local import LocalStore
blobs = Blobs(LocalStore(Path(sys.argv[1]), links=sys.argv[2] == "links"))
for source in sys.stdin:
    taken = blobs.add(Path(source.strip()))
    print(taken.sha256, taken.created, flush=True)
"""
APPENDER = """
import os, sys
from pathlib import Path
from holdfast.store import layout
folder, first, last = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
for seq in range(first, last + 1):
    os.link(folder / "0000000001.json", folder / f"{seq:010d}.json")
"""
WAYS = pytest.mark.parametrize("method", ["links", "renames"])


class Rivals:
    """Processes that each answer a line with a line."""

    def __init__(self, program: str, root: Path, method: str, stack: contextlib.ExitStack) -> None:
        self._processes = [
            stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", program, root, method, f"rival {number} "],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
            for number in range(RIVALS)
        ]

    def all_do(self, line: str) -> list[str]:
        """Send one line to all; return their answers."""
        for process in self._processes:
            assert process.stdin is not None
            process.stdin.write(f"{line}\n")
            process.stdin.flush()
        return [self._answer(process) for process in self._processes]

    @staticmethod
    def _answer(process: subprocess.Popen[str]) -> str:
        assert process.stdout is not None
        return process.stdout.readline().strip()


@contextlib.contextmanager
def rivals(program: str, root: Path, method: str) -> Iterator[Rivals]:
    with contextlib.ExitStack() as stack:
        yield Rivals(program, root, method, stack)


def winners_of(root: Path, method: str, rounds: int) -> list[str]:
    """Let rivals race for many names; return what went wrong."""
    wrong = []
    with rivals(CREATOR, root, method) as racing:
        for turn in range(rounds):
            key = f"models/{turn % 7}/journal/{turn:010d}.json"
            answers = racing.all_do(key)
            content = (root / key).read_text()
            if sorted(answers) != ["lost"] * (RIVALS - 1) + ["won"]:
                wrong.append(f"{key}: {answers}")
            elif content != f"rival {answers.index('won')} " * 1_000:
                wrong.append(f"{key}: not the winner's bytes")
    return wrong


@WAYS
def test_of_processes_that_create_one_name_one_wins_and_its_bytes_stay(
    tmp_path: Path, method: str
) -> None:
    assert winners_of(tmp_path, method, rounds=100) == []
    assert not list(tmp_path.rglob(".tmp-*"))


@pytest.mark.long
@WAYS
def test_of_many_races_each_has_one_winner(tmp_path: Path, method: str) -> None:
    assert winners_of(tmp_path, method, rounds=2_000) == []


@WAYS
def test_of_processes_that_store_one_file_one_makes_the_blob(tmp_path: Path, method: str) -> None:
    wrong = []
    with rivals(ADDER, tmp_path / "store", method) as racing:
        for turn in range(30):
            source = tmp_path / "source"
            source.write_bytes(os.urandom(50_000))
            answers = [answer.split() for answer in racing.all_do(str(source))]
            made = [created for _digest, created in answers]
            if len({digest for digest, _created in answers}) != 1 or made.count("True") != 1:
                wrong.append(f"round {turn}: {answers}")

    assert wrong == []
    assert len(list((tmp_path / "store" / "blobs" / "sha256").iterdir())) == 30


def test_a_journal_that_grows_while_it_is_listed_has_no_gap(root: Path) -> None:
    journal = Shelf(root).journal
    journal.append(1, b"entry", "c0" * 16)
    folder = root / "models" / "iris" / "journal"
    subprocess.run([sys.executable, "-c", APPENDER, folder, "2", "5000"], check=True)
    tails = []
    with subprocess.Popen([sys.executable, "-c", APPENDER, folder, "5001", "9000"]) as appender:
        while appender.poll() is None:
            tails.append(journal.tail())
    tails.append(journal.tail())

    assert tails == sorted(tails)
    assert (tails[0] >= 5_000, tails[-1]) == (True, 9_000)


def kill_while_registering(root: Path, luck: random.Random, processes: int) -> list[str]:
    """Kill processes that register into one store at random; return the keys acknowledged."""
    with contextlib.ExitStack() as stack:
        rivals_of_each_other = [
            stack.enter_context(
                subprocess.Popen(
                    [sys.executable, shelf.PROGRAM, root, "40"],
                    stdout=subprocess.PIPE,
                    text=True,
                    env=unmeasured(),
                )
            )
            for _ in range(processes)
        ]
        lines: list[str] = []
        for process in rivals_of_each_other:
            assert process.stdout is not None
            lines += [process.stdout.readline() for _ in range(luck.randrange(1, 8))]
            process.send_signal(signal.SIGKILL)
            lines += process.stdout.readlines()
    return [key for line in lines if line.startswith("acknowledged") for key in line.split()[1:]]


def violations_after_kills(root: Path, seeds: Sequence[int]) -> list[str]:
    wrong = []
    for seed in seeds:
        acknowledged = kill_while_registering(root, random.Random(seed), processes=3)
        assert acknowledged
        wrong += [f"seed {seed}: {violation}" for violation in Shelf(root).violations(acknowledged)]
        shutil.rmtree(root)
        shelf.make_store(root)
    return wrong


def test_killed_rivals_leave_what_they_acknowledged(root: Path) -> None:
    assert violations_after_kills(root, range(6)) == []


@pytest.mark.long
def test_many_killed_rivals_leave_what_they_acknowledged(root: Path) -> None:
    assert violations_after_kills(root, range(300)) == []
