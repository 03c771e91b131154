"""The child of a run: held to its limits, ended with its parent, and nothing of it stays."""

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.serving.facing import until

from holdfast.retraining import process_tree, training_process
from holdfast.retraining.log_tail import KEPT_BYTES
from holdfast.retraining.training_process import Ended, ProcessLimits, Training

Run = Callable[..., Ended]
BRIEF = ProcessLimits(time_s=1.0, grace_s=0.3)


def code(text: str) -> str:
    return textwrap.dedent(text)


def alive(pid: int) -> bool:
    """Tell whether a process runs; one that waits to be reaped does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0]
    except OSError:
        return False
    return state not in (b"Z", b"X")


def test_a_run_ends_with_its_status_and_its_log(run_code: Run) -> None:
    ended = run_code("import sys; print('trained'); print('oh', file=sys.stderr); sys.exit(3)")

    assert (ended.why, ended.status) == ("ended", 3)
    assert sorted(ended.log.split()) == [b"oh", b"trained"]


def test_what_decides_about_results_is_set_and_no_token_goes_along(run_code: Run) -> None:
    ended = run_code(
        "import os; print(sorted((n, v) for n, v in os.environ.items() if n.isupper()))",
        HOLDFAST_OUT="/out",
    )

    assert ended.settings == {
        "PYTHONHASHSEED": "7",
        "OMP_NUM_THREADS": "3",
        "OPENBLAS_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
    }
    assert b"HOLDFAST_TOKEN" not in ended.log
    assert b"('HOLDFAST_OUT', '/out')" in ended.log
    assert b"('PYTHONHASHSEED', '7')" in ended.log


def test_a_signal_is_told_as_a_shell_tells_it(run_code: Run) -> None:
    ended = run_code("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")

    assert (ended.why, ended.status) == ("ended", 137)


def test_a_program_that_does_not_exist_is_a_failure(scratch: Path) -> None:
    training = Training(("no-such-program",), scratch, scratch, {}, {}, 0)
    ended = training_process.run(training, ProcessLimits())

    assert ended.status == 127
    assert b"'no-such-program' cannot be started" in ended.log


def test_nothing_is_read_from_the_terminal(run_code: Run) -> None:
    assert run_code("print(repr(input()))").status == 1


@pytest.mark.skipif(not process_tree.is_visible(), reason="needs /proc")
def test_one_that_hangs_and_ignores_the_request_is_ended(run_code: Run) -> None:
    ended = run_code(
        code("""
        import os, signal, time
        signal.signal(signal.SIGTERM, lambda *_: print("not now", flush=True))
        print(os.getpid(), flush=True)
        while True:
            time.sleep(60)
        """),
        BRIEF,
    )

    pid, *said = ended.log.split(b"\n", 1)
    assert ended.why == "time"
    assert said == [b"not now\n"]
    assert not alive(int(pid))


def test_one_that_hears_the_request_may_end_by_itself(run_code: Run) -> None:
    ended = run_code(
        code("""
        import signal, sys, time
        signal.signal(signal.SIGTERM, lambda *_: sys.exit("saved"))
        time.sleep(60)
        """),
        ProcessLimits(time_s=1.0, grace_s=30.0),
    )

    assert (ended.why, ended.log) == ("time", b"saved\n")


@pytest.mark.skipif(not process_tree.is_visible(), reason="needs /proc")
@pytest.mark.parametrize("how", ["plain", "own session", "forked twice"])
def test_what_it_forked_does_not_outlive_it(run_code: Run, tmp_path: Path, how: str) -> None:
    ended = run_code(
        code(f"""
        import os, signal, time
        if os.fork() == 0:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            if {how!r} != "plain":
                os.setsid()
            if {how!r} == "forked twice" and os.fork():
                os._exit(0)
            with open("pid.new", "w") as file:
                file.write(str(os.getpid()))
            os.rename("pid.new", "pid")
            while True:
                time.sleep(60)
        while not os.path.exists("pid"):
            time.sleep(0.01)
        print("done", flush=True)
        """)
    )

    assert (ended.why, ended.status, ended.log) == ("ended", 0, b"done\n")
    assert not alive(int((tmp_path / "pid").read_text()))


@pytest.mark.skipif(not process_tree.is_visible(), reason="needs /proc")
def test_memory_is_counted_over_all_its_processes(run_code: Run) -> None:
    """Neither alone is over the limit."""
    ended = run_code(
        code("""
        import os, time
        os.fork()
        held = bytearray(60_000_000)
        for index in range(0, len(held), 4096):
            held[index] = 1
        time.sleep(60)
        """),
        ProcessLimits(memory_bytes=100_000_000),
    )

    assert ended.why == "memory"
    assert ended.peak_bytes > 100_000_000


@pytest.mark.skipif(sys.platform != "linux", reason="address space is counted on Linux")
def test_a_hard_limit_asks_the_kernel(run_code: Run) -> None:
    ended = run_code("bytearray(10**9)", ProcessLimits(address_space_bytes=500_000_000))

    assert ended.status == 1
    assert b"MemoryError" in ended.log


@pytest.mark.skipif(not process_tree.is_visible(), reason="needs /proc")
def test_one_that_forks_without_end_is_ended(
    run_code: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("holdfast.retraining.training_process.MOST_PROCESSES", 40)
    ended = run_code(
        code("""
        import os, time
        for _ in range(60):
            if os.fork() == 0:
                time.sleep(60)
        time.sleep(60)
        """)
    )

    assert ended.why == "processes"


def test_of_a_flood_the_end_is_kept(run_code: Run, scratch: Path) -> None:
    ended = run_code(
        code("""
        import sys
        line = b"x" * 99_999 + b"\\n"
        for _ in range(600):
            sys.stdout.buffer.write(line)
        print("the end")
        """)
    )

    assert ended.status == 0
    assert ended.log.startswith(b"[60000008 bytes in all, the last 1000000 follow]\n")
    assert ended.log.endswith(b"x\nthe end\n")
    assert len(ended.log) < KEPT_BYTES + 100
    assert sum(path.stat().st_size for path in scratch.glob("log*")) < 3 * KEPT_BYTES


def test_a_log_that_cannot_be_kept_keeps_no_training_waiting(run_code: Run, scratch: Path) -> None:
    (scratch / "log.1").mkdir()  # so that the files cannot take turns

    ended = run_code("print('x' * 99 * 1000 * 30)")

    assert (ended.why, ended.status) == ("ended", 0)
    assert ended.log.startswith(b"[2970001 bytes in all")


def test_the_caller_may_stop_it(tmp_path: Path, scratch: Path) -> None:
    training = Training((sys.executable, "-c", HANG), tmp_path, scratch, {}, {}, 0)
    ended = training_process.run(training, ProcessLimits(), (tmp_path / "pid").exists)

    assert ended.why == "stopped"
    assert not alive(int((tmp_path / "pid").read_text()))


HANG = code("""
    import os, signal, time
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with open("pid.new", "w") as file:
        file.write(str(os.getpid()))
    os.rename("pid.new", "pid")
    while True:
        time.sleep(60)
""")
PARENT = code("""
    import sys
    from pathlib import Path
    from holdfast.retraining import training_process
    from holdfast.retraining.training_process import ProcessLimits, Training
    command = (sys.executable, "-c", sys.argv[1])
    training = Training(command, Path("."), Path(sys.argv[2]), {}, {}, 0)
    ended = training_process.run(training, ProcessLimits())
    print(ended.why, ended.status)
""")


@contextlib.contextmanager
def parent_of(
    program: str, folder: Path, scratch: Path
) -> Iterator[tuple["subprocess.Popen[bytes]", int]]:
    """Start a process that runs a training, and give it with the training's own number."""
    command = [sys.executable, "-c", PARENT, program, str(scratch)]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE) as parent:
        try:
            until((folder / "pid").exists)
            yield parent, int((folder / "pid").read_text())
        finally:
            parent.kill()


@pytest.mark.skipif(not process_tree.is_visible(), reason="needs /proc")
def test_a_parent_that_is_killed_takes_the_training_along(tmp_path: Path, scratch: Path) -> None:
    with parent_of(HANG, tmp_path, scratch) as (parent, worker):
        assert alive(worker)
        parent.kill()
        parent.wait()

        until(lambda: not alive(worker))


@pytest.mark.skipif(not process_tree.is_visible(), reason="needs /proc")
def test_what_left_the_session_goes_along_with_a_parent_that_is_killed(
    tmp_path: Path, scratch: Path
) -> None:
    escaped = (
        code("""
        import os, time
        if os.fork():
            time.sleep(60)
        os.setsid()
        if os.fork():
            os._exit(0)
    """)
        + HANG
    )
    with parent_of(escaped, tmp_path, scratch) as (parent, worker):
        parent.kill()
        parent.wait()

        until(lambda: not alive(worker))


@pytest.mark.skipif(not process_tree.is_visible(), reason="needs /proc")
@pytest.mark.parametrize("victim", ["worker", "keeper"])
def test_a_child_that_is_killed_is_a_failure_and_leaves_nothing(
    tmp_path: Path, scratch: Path, victim: str
) -> None:
    with parent_of(HANG, tmp_path, scratch) as (parent, worker):
        keeper = int(Path(f"/proc/{worker}/stat").read_text().rpartition(")")[2].split()[1])
        os.kill(worker if victim == "worker" else keeper, signal.SIGKILL)
        assert parent.stdout is not None
        said = parent.stdout.read().split()

        assert said == [b"ended", b"137" if victim == "worker" else b"-9"]
        assert not alive(worker)
