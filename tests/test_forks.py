"""What a forked child must not share: locks of threads, files of SQLite, random bits, a process."""

import subprocess
import sys
from pathlib import Path

import pytest
from tests.servers.postgres import Postgres

from holdfast.sandbox.restraint import chosen

_PATIENCE_S = 60
_PROGRAM = """
import os, sys, threading

def in_child(work):
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writer, str(work()).encode())
        except Exception as error:
            os.write(writer, f"{type(error).__name__}: {error}".encode())
        os._exit(0)
    os.close(writer)
    told = os.read(reader, 4096).decode()
    os.waitpid(child, 0)
    return told

"""


def ran(program: str, *arguments: object) -> list[str]:
    """Return the lines that a program of its own process prints."""
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _PROGRAM + program, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=_PATIENCE_S,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.splitlines()


def test_a_lock_that_a_thread_held_at_the_fork_is_free_in_the_child() -> None:
    program = (
        "from holdfast.predictions.ids import Mint\n"
        "holds, go, parent = threading.Event(), threading.Event(), os.getpid()\n"
        "def clock():\n"
        "    if os.getpid() == parent:\n"
        "        holds.set()\n"
        "        go.wait()\n"
        "    return 1\n"
        "mint = Mint('worker', clock)\n"
        "thread = threading.Thread(target=mint)\n"
        "thread.start()\n"
        "holds.wait()\n"
        "print(in_child(lambda: len(mint())))\n"
        "go.set()\n"
        "thread.join()\n"
    )

    assert ran(program) == ["36"]


def test_parent_and_child_make_other_ids_even_at_the_same_moment() -> None:
    program = (
        "from holdfast.predictions.ids import Mint\n"
        "mint = Mint('worker', lambda: 1)\n"
        "before = mint()\n"
        "theirs, ours = in_child(mint), mint()\n"
        "print(theirs[:18] == ours[:18], theirs == ours)\n"
    )

    assert ran(program) == ["True False"]


_ROWS = """
from holdfast.predictions import Recorder, open_log
from tests.predictions.rows import Rows
row = Rows("worker")
first, second, third = row(), row(), row()
log = open_log(sys.argv[1])
log.write([first])
log.get(first.prediction_id)
def found(row):
    return log.get(row.prediction_id).prediction_id == row.prediction_id
"""


def test_a_child_writes_and_reads_a_log_by_files_of_its_own(tmp_path: Path) -> None:
    program = (
        _ROWS + "print(in_child(lambda: (log.write([second]), found(first), found(second))))\n"
        "log.write([third])\n"
        "print(found(first), found(second), found(third))\n"
        "print(len([name for _, _, names in os.walk(sys.argv[1]) for name in names\n"
        "           if name.endswith('.sqlite')]))\n"
    )

    assert ran(program, tmp_path / "log") == ["(None, True, True)", "True True True", "2"]


def test_a_recorder_takes_no_rows_in_a_child_and_holds_nobody_up(tmp_path: Path) -> None:
    program = (
        _ROWS + "recorder = Recorder(log, 'worker')\n"
        "def work():\n"
        "    recorder.record(second)\n"
        "    failure = recorder.submit(second).exception()\n"
        "    return recorder.dropped, str(failure), recorder.flush(), recorder.close()\n"
        "print(in_child(work))\n"
        "recorder.submit(third).result()\n"
        "print(found(third), recorder.close(), recorder.dropped)\n"
    )

    assert ran(program, tmp_path / "log") == [
        "(2, 'prediction log is closed in this process; check its disk', False, False)",
        "True True 0",
    ]


@pytest.mark.skipif(chosen("auto") is None, reason="nothing can be tried out apart here")
def test_a_child_keeps_no_process_for_trials_alive() -> None:
    program = (
        "from holdfast.sandbox.restraint import chosen\n"
        "from holdfast.sandbox.trials import Nursery\n"
        "ours, theirs = os.pipe()\n"
        "trials = Nursery(chosen('auto'))\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    os.close(theirs)\n"
        "    os.read(ours, 1)\n"
        "    os._exit(0)\n"
        "trials.close()\n"  # waits for its end
        "os.close(theirs)\n"
        "os.waitpid(child, 0)\n"
        "print('ended')\n"
    )

    assert ran(program) == ["ended"]


def test_a_child_does_not_end_its_parents_session(database_server: Postgres) -> None:
    program = (
        _ROWS + "print(in_child(\n"
        "    lambda: (log.write([second]), found(first), found(second), log.close())\n"
        "))\n"
        "log.write([third])\n"
        "print(found(first), found(second), found(third))\n"
    )
    lines = ran(program, database_server.new_database())

    assert lines == ["(None, True, True, None)", "True True True"]
