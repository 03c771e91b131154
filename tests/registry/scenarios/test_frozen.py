"""A process that holds a lock is stopped: readers do not notice, writers are told for whom.

The holders are real processes, stopped by SIGSTOP inside what they do.
"""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.faults.tracing import unmeasured
from tests.registry.conftest import Grow

import holdfast
from holdfast import Registry
from holdfast.cli import exit_codes
from holdfast.errors import LockedError

_PATIENCE_S = 60
_HOLD = """
import sys
from datetime import UTC, datetime
from pathlib import Path
import holdfast
from holdfast.store.folder import FolderLocation
from holdfast.store.open_store import Claims

def hold(*_):
    print("holds", flush=True)
    sys.stdin.read()

def writer():  # asks for the time inside its lock
    registry = holdfast.open(store, by="ice", clock=lambda: hold() or datetime.now(UTC))
    registry.note("iris@1.0.0", "hi")

def collector():  # reads the journals first before, then inside its lock
    looks = []
    def needed():
        looks.append(1)
        if len(looks) == 2:
            hold()
        return Claims({path.name for path in Path(store, "blobs/sha256").iterdir()})
    FolderLocation(Path(store)).find().collect(needed, 0)

def projector():
    FolderLocation(Path(store)).find().projections.write("iris", hold)

store = sys.argv[2]
globals()[sys.argv[1]]()
"""
HOLDERS = ("writer", "collector", "projector")


@contextlib.contextmanager
def stopped(holder: str, store: Path) -> Iterator[subprocess.Popen[str]]:
    """Run a process until it holds a lock, and stop it there; it goes on at the end."""
    with subprocess.Popen(
        [sys.executable, "-c", _HOLD, holder, store],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=unmeasured(),
    ) as process:
        assert process.stdout is not None
        try:
            ready, _, _ = select.select([process.stdout], [], [], _PATIENCE_S)
            assert ready
            assert process.stdout.readline() == "holds\n"
            os.kill(process.pid, signal.SIGSTOP)
            assert os.WIFSTOPPED(os.waitpid(process.pid, os.WUNTRACED)[1])
            yield process
            os.kill(process.pid, signal.SIGCONT)
            process.communicate("", _PATIENCE_S)
            assert process.returncode == 0
        finally:
            process.kill()


def command(
    store: Path, *arguments: object, limit: str = "0"
) -> "subprocess.CompletedProcess[str]":
    """Run a command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "holdfast", *map(str, arguments), "--store", store],
        capture_output=True,
        text=True,
        check=False,
        timeout=_PATIENCE_S,
        env={**unmeasured(), "HOLDFAST_LOCK_TIMEOUT": limit},
    )


@pytest.fixture
def impatient(store: Path) -> Callable[[], Registry]:
    """Open the store as one who waits for nobody."""
    return lambda: holdfast.open(store, by="ben", lock_timeout_s=0)


@pytest.fixture
def lagging(grow: Grow, registry: Registry, store: Path) -> Path:
    """Return a store whose derived files lag behind, so that each reader would heal them."""
    grow(2)
    registry.promote("iris@1.0.0")
    pointer = store / "models" / "iris" / "active_version.json"
    old = pointer.read_bytes()
    registry.promote("iris@1.1.0")
    pointer.write_bytes(old)
    return store


@pytest.mark.parametrize("holder", HOLDERS)
def test_readers_do_not_wait_for_a_stopped_process(
    lagging: Path, holder: str, tmp_path: Path
) -> None:
    program = (
        "import sys\n"
        "from holdfast.cli.app import run\n"
        "for words in sys.argv[3:]:\n"
        "    print(words, run([*words.split(), '--store', sys.argv[1]]), flush=True)\n"
        "import holdfast\n"
        "registry = holdfast.open(sys.argv[1])\n"
        "print(registry.resolve('iris@production').ref)\n"
        "print(registry.paths('iris@1.0.0')['model'].name)\n"
        "print(registry.export('iris@1.0.0', sys.argv[2] + '/one.tar').path is not None)\n"
    )
    commands = [
        "ls",
        "status iris",
        "history iris",
        "show iris@production",
        "compare iris@1.0.0 iris@1.1.0",
        "head iris",
        "verify",
        f"checkout iris@1.0.0 {tmp_path / 'out'}",
    ]
    with stopped(holder, lagging):
        ended = subprocess.run(
            [sys.executable, "-c", program, lagging, tmp_path, *commands],
            capture_output=True,
            text=True,
            check=False,
            timeout=_PATIENCE_S,
        )

    assert ended.stderr == ""
    assert [line for line in ended.stdout.splitlines() if line[:-2] in commands] == [
        f"{words} {6 if words == 'verify' and holder == 'projector' else 0}" for words in commands
    ]
    assert ended.stdout.splitlines()[-2:] == ["model.txt", "True"]


def test_a_writer_names_the_stopped_collector(
    grow: Grow, store: Path, impatient: Callable[[], Registry], tmp_path: Path
) -> None:
    grow(1)
    (tmp_path / "new.txt").write_text("new")
    registry = impatient()
    verbs: list[Callable[[], object]] = [
        lambda: registry.promote("iris@1.0.0"),
        lambda: registry.note("iris@1.0.0", "hi"),
        lambda: registry.register("iris", tmp_path / "new.txt"),
        registry.gc,
    ]
    with stopped("collector", store) as process:
        pattern = (
            f"held by process {process.pid}, which is stopped, on .*collecting unreferenced bytes"
        )
        for verb in verbs:
            with pytest.raises(LockedError, match=pattern):
                verb()
        done = command(store, "promote", "iris@1.0.0", "--json")

    error = json.loads(done.stderr)["error"]
    assert done.returncode == exit_codes.BY_CODE["locked"]
    assert error["code"] == "locked"
    assert (
        f"process {process.pid}, which is stopped, on {os.uname().nodename}" in error["holders"][0]
    )
    assert error["message"].endswith("if it hangs, end it or let it continue, then call again")
    assert [info.version for info in registry.versions("iris")] == ["1.0.0"]
    assert registry.promote("iris@1.0.0").changed


def test_a_collector_names_the_stopped_writer_and_removes_nothing(
    grow: Grow, store: Path, impatient: Callable[[], Registry]
) -> None:
    grow(1)
    loose = store / "blobs" / "sha256" / ("a" * 64)
    loose.write_text("loose")
    with stopped("writer", store) as process:
        with pytest.raises(LockedError, match=f"process {process.pid}, which is stopped, .*noted"):
            impatient().gc(grace_s=0)

        assert loose.exists()
    assert impatient().gc(grace_s=0).freed_blobs == 1


def test_writers_share_with_a_stopped_writer(
    grow: Grow, store: Path, impatient: Callable[[], Registry]
) -> None:
    grow(1)
    with stopped("writer", store):
        assert impatient().promote("iris@1.0.0").changed
        assert impatient().verify().whole


def test_what_was_purged_is_said_though_a_stopped_writer_keeps_its_bytes(
    grow: Grow, store: Path, impatient: Callable[[], Registry], caplog: pytest.LogCaptureFixture
) -> None:
    grow(2)
    with stopped("writer", store) as process:
        done = impatient().purge("iris", versions=["iris@1.1.0"], grace_s=0)

        assert done.purged == ("1.1.0",)
        assert done.collected.freed_blobs == 0
        assert "their bytes stay until `holdfast gc` frees them" in caplog.text
        assert f"process {process.pid}, which is stopped" in caplog.text
        with pytest.raises(LockedError):
            impatient().purge("iris", versions=["iris@1.1.0"], grace_s=0)
    assert impatient().gc(grace_s=0).freed_blobs == 1


def test_a_commit_is_done_though_the_derived_files_are_held_and_the_next_writer_heals_them(
    grow: Grow,
    store: Path,
    impatient: Callable[[], Registry],
    caplog: pytest.LogCaptureFixture,
) -> None:
    grow(1)
    pointer = store / "models" / "iris" / "active_version.json"
    with stopped("projector", store) as process:
        assert impatient().promote("iris@1.0.0").changed
        assert "projections of iris lag behind its journal" in caplog.text
        assert f"held by process {process.pid}, which is stopped" in caplog.text
        assert impatient().resolve("iris@production").version == "1.0.0"
        assert json.loads(pointer.read_text())["current"] is None
    caplog.clear()
    impatient().models()

    assert json.loads(pointer.read_text())["current"] == "1.0.0"
    assert caplog.text == ""


def test_a_collector_waits_its_turn_before_those_who_come_later(
    grow: Grow, store: Path, impatient: Callable[[], Registry]
) -> None:
    """A collector that waits keeps newcomers out, and is itself kept out by those before it."""
    grow(1)
    waits = (
        "import sys\n"
        "from holdfast.store import locks\n"
        "with locks.exclusive(sys.argv[1], 'collecting'):\n"
        "    print('holds', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", waits, store / "lock.turn"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "holds\n"
        with pytest.raises(LockedError, match=f"process {process.pid} on"):
            impatient().promote("iris@1.0.0")
        process.communicate("", _PATIENCE_S)

    assert impatient().promote("iris@1.0.0").changed


@pytest.mark.parametrize("holder", HOLDERS)
def test_a_backup_waits_for_nobody(
    grow: Grow, store: Path, impatient: Callable[[], Registry], holder: str, tmp_path: Path
) -> None:
    grow(1)
    with stopped(holder, store):
        backup = holdfast.open(tmp_path / "kept")

        assert impatient().backup(backup).whole
        assert backup.verify().whole


def test_a_limit_below_zero_is_refused(store: Path) -> None:
    with pytest.raises(
        holdfast.errors.InvalidInputError, match="lock_timeout_s must be seconds from 0, not -1"
    ):
        holdfast.open(store, lock_timeout_s=-1)


def test_a_limit_that_is_no_span_is_refused(store: Path) -> None:
    done = command(store, "ls", limit="soon")

    assert done.returncode == exit_codes.INVALID
    assert "HOLDFAST_LOCK_TIMEOUT 'soon'" in done.stderr
