"""A lock that many share or one has alone, across processes, and that no dead process keeps."""

import contextlib
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.faults.tracing import unmeasured

from holdfast.errors import LockedError, StoreError
from holdfast.store import locks
from holdfast.store.locks import Limit

_PATIENCE_S = 30
_AT_ONCE = Limit(0)
_HOLDER = """
import sys
from holdfast.errors import LockedError
from holdfast.store import locks
from holdfast.store.locks import Limit

def hold(limit):
    with getattr(locks, sys.argv[1])(sys.argv[2], "testing", limit):
        print("held", flush=True)
        sys.stdin.read()

try:
    hold(Limit(0))
except LockedError:
    print("waits", flush=True)
    hold(Limit(60))
print("released", flush=True)
"""


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


def ran(program: str, *arguments: str) -> str:
    """Return what a program of its own process prints."""
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program, *arguments],
        capture_output=True,
        text=True,
        check=True,
        timeout=_PATIENCE_S,
        env=unmeasured(),  # what measures has locks that a fork does not let go
    )
    return ended.stdout


def test_many_share_a_lock(path: str) -> None:
    with (
        locks.shared(path, "testing"),
        another("shared", path) as first_holder,
        another("shared", path) as two,
    ):
        assert [says(first_holder), says(two)] == ["held", "held"]


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [("exclusive", "shared"), ("exclusive", "exclusive"), ("shared", "exclusive")],
)
def test_one_alone_excludes_all_others(path: str, mine: str, theirs: str) -> None:
    with contextlib.ExitStack() as stack:
        with getattr(locks, mine)(path, "testing"):
            rival = stack.enter_context(another(theirs, path))

            assert says(rival) == "waits"
        assert says(rival) == "held"


def test_threads_of_one_process_exclude_each_other_too(path: str) -> None:
    program = (
        "import os, sys, threading\n"
        "from holdfast.errors import LockedError\n"
        "from holdfast.store import locks\n"
        "from holdfast.store.locks import Limit\n"
        "waits = threading.Event()\n"
        "def rival():\n"
        "    try:\n"
        "        with locks.exclusive(sys.argv[1], 'testing', Limit(0)):\n"
        "            pass\n"
        "    except LockedError:\n"
        "        waits.set()\n"
        "    with locks.exclusive(sys.argv[1], 'testing'):\n"
        "        os.write(1, b'rival ')\n"
        "with locks.exclusive(sys.argv[1], 'testing'):\n"
        "    thread = threading.Thread(target=rival)\n"
        "    thread.start()\n"
        "    waits.wait()\n"
        "    os.write(1, b'first ')\n"
        "thread.join()\n"
    )

    assert ran(program, path) == "first rival "


def test_a_lock_that_is_not_free_in_time_names_its_holder(path: str) -> None:
    with another("exclusive", path) as holder:
        assert says(holder) == "held"
        with pytest.raises(LockedError) as caught, locks.shared(path, "testing", Limit(0.01)):
            pass

    assert caught.value.path == path
    assert caught.value.waited_s == 0.01
    description = f"process {holder.pid} on {os.uname().nodename} (testing, since 20"
    assert [holder_text[: len(description)] for holder_text in caught.value.holders] == [
        description
    ]
    assert str(caught.value).endswith(
        "waited 0.01 s; if it hangs, end it or let it continue, then call again"
    )


def test_a_stopped_holder_is_told_to_be_stopped(path: str) -> None:
    with another("shared", path) as holder:
        assert says(holder) == "held"
        os.kill(holder.pid, signal.SIGSTOP)
        assert os.WIFSTOPPED(os.waitpid(holder.pid, os.WUNTRACED)[1])
        with (
            pytest.raises(LockedError, match=f"process {holder.pid}, which is stopped, on "),
            locks.exclusive(path, "testing", _AT_ONCE),
        ):
            pass


def test_all_who_share_are_named_up_to_three(path: str) -> None:
    with contextlib.ExitStack() as stack:
        holders = [stack.enter_context(another("shared", path)) for _ in range(4)]
        assert [says(holder) for holder in holders] == ["held"] * 4
        with pytest.raises(LockedError) as caught, locks.exclusive(path, "testing", _AT_ONCE):
            pass

    pids = {int(holder_text.split()[1]) for holder_text in caught.value.holders}
    assert 1 <= len(pids) <= 3  # two may meet in a slot
    assert pids <= {holder.pid for holder in holders}


def test_who_shares_a_lock_for_a_moment_leaves_no_name(path: str) -> None:
    with locks.shared(path, None):
        assert locks.holders(path) == []
        with (
            pytest.raises(LockedError, match="did not identify"),
            locks.exclusive(path, "x", _AT_ONCE),
        ):
            pass


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff" * 300,
        b"{" * 20_000,
        b'{"pid": 1}',
        b'{"pid": 0, "host": "", "since": "", "what": ""}',
        b'{"pid": -1, "host": "", "since": "", "what": ""}',
        b'{"pid": 99999999999999999999, "host": "", "since": "", "what": ""}',
        b'{"pid": 1, "host": "\\u001b[2J", "since": "", "what": ""}',
        b'{"pid": 1, "host": "' + b"a" * 100 + b'", "since": "", "what": ""}',
    ],
)
def test_what_nobody_honest_wrote_into_a_lock_names_nobody(path: str, content: bytes) -> None:
    with locks.exclusive(path, "testing"):
        Path(path).write_bytes(content)
        with (
            pytest.raises(LockedError, match="by a process that did not identify itself"),
            locks.shared(path, "testing", _AT_ONCE),
        ):
            pass


def test_who_died_or_let_go_is_not_named(path: str) -> None:
    with another("exclusive", path) as killed:
        assert says(killed) == "held"
    killed.wait(_PATIENCE_S)
    with locks.shared(path, "testing"):
        pass
    with another("shared", path) as holder:
        assert says(holder) == "held"
        with pytest.raises(LockedError) as caught, locks.exclusive(path, "testing", _AT_ONCE):
            pass

    assert [holder_text.split()[1].strip(",") for holder_text in caught.value.holders] == [
        str(holder.pid)
    ]


def test_who_holds_a_lock_can_be_asked(path: str) -> None:
    assert locks.holders(path) == []
    with locks.exclusive(path, "testing"):
        assert [words[: len("process")] for words in locks.holders(path)] == ["process"]
    assert locks.holders(path) == []


def test_who_shares_a_lock_keeps_its_name_beside_others_of_the_same_thread(path: str) -> None:
    with locks.shared(path, "register"):
        with locks.shared(path, "promote"):
            assert len(locks.holders(path)) == 2
        (holder,) = locks.holders(path)

    assert "register" in holder
    assert locks.holders(path) == []


def test_a_lock_that_is_tried_is_not_waited_for(path: str) -> None:
    with locks.tried(path, "testing") as first, locks.tried(path, "testing") as second:
        assert (first, second) == (True, False)


def test_a_folder_is_locked_without_a_file(tmp_path: Path) -> None:
    with (
        locks.folder(str(tmp_path)),
        pytest.raises(LockedError),
        locks.folder(str(tmp_path), _AT_ONCE),
    ):
        pass

    assert list(tmp_path.iterdir()) == []


_FORKS = """
import os, sys, threading
from holdfast.errors import LockedError
from holdfast.store import locks
from holdfast.store.locks import Limit

def is_free():
    try:
        with locks.exclusive(sys.argv[1], "testing", Limit(0)):
            return "free"
    except LockedError as error:
        assert f"process {os.getpid()} on" in str(error) or os.getpid() != parent, error
        return "held"

parent = os.getpid()
ours, theirs = os.pipe()  # a child lives until the parent closes its end
"""


def test_a_forked_child_holds_no_lock_of_a_thread_of_its_parent(path: str) -> None:
    program = (
        _FORKS + "holds, go = threading.Event(), threading.Event()\n"
        "def hold():\n"
        "    with locks.shared(sys.argv[1], 'promoting'):\n"
        "        holds.set()\n"
        "        go.wait()\n"
        "thread = threading.Thread(target=hold)\n"
        "thread.start()\n"
        "holds.wait()\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    os.close(theirs)\n"
        "    os.read(ours, 1)\n"
        "    os._exit(0)\n"
        "print(is_free(), flush=True)\n"
        "go.set()\n"
        "thread.join()\n"
        "print(is_free(), flush=True)\n"
        "os.close(theirs)\n"
        "os.waitpid(child, 0)\n"
    )

    assert ran(program, path).split() == ["held", "free"]


def test_a_forked_child_outlives_a_killed_parent_without_its_lock(path: str) -> None:
    program = (
        _FORKS + "with locks.exclusive(sys.argv[1], 'promoting'):\n"
        "    if os.fork() == 0:\n"
        "        print('forked', flush=True)\n"
        "        sys.stdin.read()\n"
        "        os._exit(0)\n"
        "    os.kill(parent, 9)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert says(process) == "forked"
        assert process.wait(_PATIENCE_S) == -signal.SIGKILL
        with locks.exclusive(path, "testing", _AT_ONCE):
            let_go(process)


@pytest.mark.parametrize("end", ["sys.exit()", "raise SystemExit(3)", "raise KeyboardInterrupt"])
def test_a_child_that_leaves_the_block_lets_nothing_of_its_parent_go(path: str, end: str) -> None:
    program = (
        _FORKS + "with locks.exclusive(sys.argv[1], 'promoting'):\n"
        "    child = os.fork()\n"
        "    if child == 0:\n"
        f"        {end}\n"
        "    os.waitpid(child, 0)\n"
        "    print(is_free(), flush=True)\n"
        "print(is_free(), flush=True)\n"
    )

    assert ran(program, path).split() == ["held", "free"]


def test_a_child_may_take_the_lock_for_itself_inside_its_parents_block(path: str) -> None:
    program = (
        _FORKS + "with locks.shared(sys.argv[1], 'promoting'):\n"
        "    child = os.fork()\n"
        "    if child == 0:\n"
        "        with locks.shared(sys.argv[1], 'training'):\n"
        "            print('shares', flush=True)\n"
        "            os.close(theirs)\n"
        "            os.read(ours, 1)\n"
        "            os._exit(0)\n"
        "os.close(theirs)\n"
        "os.waitpid(child, 0)\n"
        "print(is_free(), flush=True)\n"
    )

    assert ran(program, path).split() == ["shares", "free"]


def test_a_process_may_fork_while_its_threads_take_locks(path: str) -> None:
    program = (
        _FORKS + "stop = threading.Event()\n"
        "def rush():\n"
        "    while not stop.is_set():\n"
        "        with locks.shared(sys.argv[1], 'promoting'):\n"
        "            pass\n"
        "threads = [threading.Thread(target=rush) for _ in range(3)]\n"
        "[thread.start() for thread in threads]\n"
        "open_files = []\n"
        "for _ in range(20):\n"
        "    reader, writer = os.pipe()\n"
        "    child = os.fork()\n"
        "    if child == 0:\n"
        "        files = [os.readlink(f'/proc/self/fd/{n}') for n in os.listdir('/proc/self/fd')\n"
        "                 if os.path.exists(f'/proc/self/fd/{n}')]\n"
        "        os.write(writer, str(files.count(sys.argv[1])).encode())\n"
        "        os._exit(0)\n"
        "    open_files.append(os.read(reader, 8).decode())\n"
        "    os.waitpid(child, 0)\n"
        "stop.set()\n"
        "[thread.join() for thread in threads]\n"
        "print(is_free(), set(open_files))\n"
    )
    if not Path("/proc/self/fd").exists():
        pytest.skip("this system does not tell which files a process has open")

    assert ran(program, path) == "free {'0'}\n"


@pytest.mark.parametrize(
    ("mode", "next_mode"),
    [("exclusive", "exclusive"), ("exclusive", "shared"), ("shared", "exclusive")],
)
def test_a_killed_holder_keeps_nothing(path: str, mode: str, next_mode: str) -> None:
    with another(mode, path) as holder:
        assert says(holder) == "held"
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait(_PATIENCE_S)
        with another(next_mode, path) as next_one:
            assert says(next_one) == "held"


def test_a_lock_that_was_let_go_can_be_taken(path: str) -> None:
    with another("exclusive", path) as holder:
        assert says(holder) == "held"
        let_go(holder)
        assert says(holder) == "released"
        with locks.exclusive(path, "testing"):
            assert Path(path).exists()


def test_a_failure_inside_lets_the_lock_go(path: str) -> None:
    with pytest.raises(RuntimeError, match="stopped"), locks.exclusive(path, "testing"):
        raise RuntimeError("stopped")

    with another("exclusive", path) as next_one:
        assert says(next_one) == "held"


def test_a_lock_that_cannot_be_opened_is_an_error_of_the_store(tmp_path: Path) -> None:
    (tmp_path / "lock").mkdir()

    with (
        pytest.raises(StoreError, match="lock cannot be used: Is a directory"),
        locks.shared(str(tmp_path / "lock"), "testing"),
    ):
        pass
