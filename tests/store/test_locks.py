"""A lock that many share or one has alone, across processes, and that no dead process keeps."""

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.faults.tracing import unmeasured

from holdfast.errors import StoreError
from holdfast.store import locks

_PATIENCE_S = 30
_HOLDER = """
import sys
from holdfast.store import locks
with getattr(locks, sys.argv[1])(sys.argv[2]):
    print("held", flush=True)
    sys.stdin.read()
print("released", flush=True)
"""
WAITS = pytest.mark.skipif(
    not Path("/proc/locks").exists(), reason="this system does not tell who waits for a lock"
)


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "lock")


@contextlib.contextmanager
def another(how: str, path: str) -> Iterator[subprocess.Popen[str]]:
    """Start a process that takes the lock, and keeps it until its input ends."""
    with subprocess.Popen(
        [sys.executable, "-c", _HOLDER, how, path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=unmeasured(),
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def says(process: subprocess.Popen[str]) -> str:
    """Return the next line of a process; fail if there is none for long."""
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], _PATIENCE_S)
    return process.stdout.readline().strip() if ready else "nothing"


def let_go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.close()


def waits(process: subprocess.Popen[str]) -> bool:
    """Tell whether the system has the process queue for a lock, once it says either."""
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        for line in Path("/proc/locks").read_text().splitlines():
            fields = line.split()
            if str(process.pid) in fields:
                return "->" in fields
    raise AssertionError("it neither holds the lock nor waits for it")


def test_many_share_a_lock(path: str) -> None:
    with locks.shared(path), another("shared", path) as one, another("shared", path) as two:
        assert [says(one), says(two)] == ["held", "held"]


@WAITS
@pytest.mark.parametrize(
    ("mine", "theirs"), [("alone", "shared"), ("alone", "alone"), ("shared", "alone")]
)
def test_one_alone_excludes_all_others(path: str, mine: str, theirs: str) -> None:
    with contextlib.ExitStack() as stack:
        with getattr(locks, mine)(path):
            rival = stack.enter_context(another(theirs, path))

            assert waits(rival)
        assert says(rival) == "held"


@WAITS
def test_threads_of_one_process_exclude_each_other_too(path: str) -> None:
    program = (
        "import os, sys, threading\n"
        "from holdfast.store import locks\n"
        "def rival():\n"
        "    with locks.alone(sys.argv[1]):\n"
        "        os.write(1, b'rival ')\n"
        "with locks.alone(sys.argv[1]):\n"
        "    thread = threading.Thread(target=rival)\n"
        "    thread.start()\n"
        "    while not any(\n"
        "        {'->', str(os.getpid())} <= set(line.split()) for line in open('/proc/locks')\n"
        "    ):\n"
        "        pass\n"
        "    os.write(1, b'first ')\n"
        "thread.join()\n"
    )
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program, path],
        capture_output=True,
        text=True,
        check=True,
        timeout=_PATIENCE_S,
    )

    assert ended.stdout == "first rival "


@pytest.mark.parametrize(
    ("held", "wanted"), [("alone", "alone"), ("alone", "shared"), ("shared", "alone")]
)
def test_a_killed_holder_keeps_nothing(path: str, held: str, wanted: str) -> None:
    with another(held, path) as holder:
        assert says(holder) == "held"
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait(_PATIENCE_S)
        with another(wanted, path) as next_one:
            assert says(next_one) == "held"


def test_a_lock_that_was_let_go_can_be_taken(path: str) -> None:
    with another("alone", path) as holder:
        assert says(holder) == "held"
        let_go(holder)
        assert says(holder) == "released"
        with locks.alone(path):
            assert Path(path).exists()


def test_a_failure_inside_lets_the_lock_go(path: str) -> None:
    with pytest.raises(RuntimeError, match="stopped"), locks.alone(path):
        raise RuntimeError("stopped")

    with another("alone", path) as next_one:
        assert says(next_one) == "held"


def test_a_lock_that_cannot_be_opened_is_an_error_of_the_store(tmp_path: Path) -> None:
    (tmp_path / "lock").mkdir()

    with (
        pytest.raises(StoreError, match="lock: Is a directory"),
        locks.shared(str(tmp_path / "lock")),
    ):
        pass
