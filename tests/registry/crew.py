"""Real processes for races and crashes.

`Crew` talks to one process, this file run as a program, that has everything imported and forks a
worker for each job, so that a worker costs milliseconds and not the start of an interpreter. A job
opens the store by itself and goes through its steps; it tells each step's outcome before it begins
the next.
"""

import contextlib
import json
import os
import secrets
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Self

import holdfast
from holdfast import HoldfastError, Registry
from holdfast.store import durable

if sys.platform == "win32":
    import pytest

    pytest.skip("there are no forks on Windows", allow_module_level=True)
else:
    import fcntl

PATIENCE_S: Final = 600.0
_NOBODY: Final = 65_534
_CLOSED: Final = 999
"""A descriptor that nobody opens."""
Step = tuple[str, list[Any], dict[str, Any]]
"""A verb with its arguments."""


def step(verb: str, *arguments: Any, **options: Any) -> Step:
    """Write down a call, paths as text."""
    return verb, [str(item) if isinstance(item, Path) else item for item in arguments], options


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one step: the version and number it gave, or an error's class and message.

    Attributes:
        began: When it was called, by the clock of all processes of this machine, nanoseconds.
        ended: When it returned.
        commits: Ids of the entries it tried to write.
        seen: What `look` read: number and digest of the last entry, and the live version.
    """

    verb: str
    version: str | None = None
    number: int | None = None
    changed: bool | None = None
    error: str | None = None
    message: str = ""
    began: int = 0
    ended: int = 0
    commits: Sequence[str] = ()
    seen: Sequence[Any] = ()


@dataclass(frozen=True, slots=True)
class Job:
    """What one worker does.

    Attributes:
        dies_at: Which file operation of Python's it does not live to do, counted from 1.
        humble: If true, it gives up being root first, where it is.
        meets: If true, it waits at its first look at the clock, in the middle of its first commit,
            until all workers stand there.
        spends: A system call, and how often the worker makes it in vain before it begins, so that
            a fault that strace keeps for the n-th call of a process hits the one that is meant.
    """

    store: Path
    steps: Sequence[Step]
    by: str = "ann"
    meets: bool = False
    humble: bool = False
    dies_at: int | None = None
    spends: tuple[str, int] | None = None


class Crew:
    """Workers for jobs; close it to let them go.

    Args:
        under: A command that runs them, such as strace with its options.
        folder: Where they work; a git checkout would be asked for its commit at each registration.
    """

    def __init__(self, under: Sequence[str] = (), folder: Path | None = None) -> None:
        self._boss = subprocess.Popen(
            [*under, sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=folder,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._boss.communicate()

    def work(self, jobs: Sequence[Job], kill_after_s: float | None = None) -> list[list[Outcome]]:
        """Let a worker for each job begin at the same moment; return what each one told.

        With *kill_after_s* they are killed that long after the beginning, wherever they are.
        """
        job_documents: list[dict[str, Any]] = [
            {
                "store": str(job.store),
                "steps": job.steps,
                "by": job.by,
                "meets": job.meets,
                "humble": job.humble,
                "dies_at": job.dies_at,
                "spends": job.spends,
            }
            for job in jobs
        ]
        assert self._boss.stdin is not None
        assert self._boss.stdout is not None
        self._boss.stdin.write(
            json.dumps({"jobs": job_documents, "kill_after_s": kill_after_s}) + "\n"
        )
        self._boss.stdin.flush()
        answers = json.loads(self._boss.stdout.readline())
        return [[Outcome(**outcome) for outcome in answer] for answer in answers]


def _serve() -> None:
    """Fork workers for the jobs that standard input asks for, until it ends.

    It reads and writes by calls of its own, so that faults meant for a worker's do not hit it.
    """
    _import_everything()
    heard = b""
    while piece := _read(0):
        heard += piece
        if heard.endswith(b"\n"):
            asked = json.loads(heard)
            heard = b""
            answers = json.dumps(_run(asked["jobs"], asked["kill_after_s"])) + "\n"
            left = memoryview(answers.encode())
            while left:
                left = left[os.writev(1, [left]) :]


def _read(pipe: int) -> bytes:
    buffer = bytearray(1 << 16)
    return bytes(buffer[: os.readv(pipe, [buffer])])


def _import_everything() -> None:
    """Use the library once: a worker that is not root may not be able to read Python's own."""
    with tempfile.TemporaryDirectory() as folder:
        attic = Path(folder, "attic")
        attic.mkdir()
        (attic / "model.pkl").write_bytes(b"\x80\x04}\x94.")
        registry = holdfast.open(Path(folder, "store"))
        registry.adopt("iris", attic, live="model.pkl")
        registry.register("iris", attic / "model.pkl")
        _replay(registry, "iris")


def _run(jobs: list[dict[str, Any]], kill_after_s: float | None) -> list[list[dict[str, Any]]]:
    begin, arrive, go = os.pipe(), os.pipe(), os.pipe()
    workers: dict[int, int] = {}
    for job in jobs:
        reading, writing = os.pipe()
        worker = os.fork()
        if worker == 0:
            os.close(begin[1])
            os.close(go[1])
            _work(job, writing, begin[0], lambda: _meet(arrive[1], go[0]))
        os.close(writing)
        workers[reading] = worker
    os.close(arrive[1])
    os.close(begin[1])  # all begin
    if any(job["meets"] for job in jobs):
        _gather(arrive[0], len(jobs))
    os.close(go[1])  # all go on
    heard = _listen(workers, kill_after_s)
    for worker in workers.values():
        os.waitpid(worker, 0)
    for pipe in (begin[0], arrive[0], go[0]):
        os.close(pipe)
    return [[json.loads(line) for line in text.decode().splitlines()] for text in heard]


def _meet(arrive: int, go: int) -> None:
    os.write(arrive, b".")
    os.read(go, 1)


def _gather(arrive: int, count: int) -> None:
    """Wait until all workers stand at their clock."""
    here = 0
    while here < count and select.select([arrive], [], [], PATIENCE_S)[0]:
        here += len(_read(arrive)) or count


def _listen(workers: dict[int, int], kill_after_s: float | None) -> list[bytes]:
    """Hear what workers tell until they end, or until their time has come."""
    output = dict.fromkeys(workers, b"")
    deadline = time.monotonic() + (PATIENCE_S if kill_after_s is None else kill_after_s)
    open_ = set(workers)
    killed = False
    while open_:
        left = None if killed else max(0.0, deadline - time.monotonic())
        ready = select.select(list(open_), [], [], left)[0]
        if not ready:
            for worker in workers.values():
                os.kill(worker, signal.SIGKILL)
            killed = True
        for pipe in ready:
            piece = _read(pipe)
            output[pipe] += piece
            if not piece:
                os.close(pipe)
                open_.discard(pipe)
    return list(output.values())


def _work(job: dict[str, Any], tell: int, begin: int, meet: Callable[[], None]) -> None:
    """Go through a job's steps in a process of its own, and end it."""
    os.read(begin, 1)
    _spend(*(job["spends"] or ("", 0)))
    if job["humble"] and os.geteuid() == 0:
        os.setuid(_NOBODY)
    if job["dies_at"] is not None:
        sys.addaudithook(_death(job["dies_at"]))
    has_met = not job["meets"]

    def clock() -> datetime:
        nonlocal has_met
        if not has_met:
            has_met = True
            meet()
        return datetime.now(UTC)

    commits: list[str] = []

    def new_id() -> str:
        commits.append(secrets.token_hex(16))
        return commits[-1]

    registry: Registry | None = None
    for verb, arguments, options in job["steps"]:
        commits.clear()
        outcome: dict[str, Any] = {"verb": verb, "began": time.monotonic_ns()}
        try:
            registry = registry or holdfast.open(
                job["store"], by=job["by"], clock=clock, new_id=new_id
            )
            outcome |= _facts(_call(registry, verb, arguments, options))
        except HoldfastError as error:
            outcome |= {"error": type(error).__name__, "message": str(error)}
        except BaseException as error:  # noqa: BLE001 - whatever it is, the test is to see it
            outcome |= {"error": f"raw {type(error).__name__}", "message": str(error)}
        outcome |= {"ended": time.monotonic_ns(), "commits": commits}
        os.writev(tell, [json.dumps(outcome).encode() + b"\n"])
    os._exit(0)


_IN_VAIN: Final[dict[str, Callable[[], object]]] = {
    "": lambda: None,
    "openat": lambda: os.open("", os.O_RDONLY),
    "read": lambda: os.read(_CLOSED, 1),
    "write": lambda: os.write(_CLOSED, b""),
    "copy_file_range": lambda: os.copy_file_range(_CLOSED, _CLOSED, 1),
    "fsync": lambda: os.fsync(_CLOSED),
    "fchmod": lambda: os.fchmod(_CLOSED, 0),
    "flock": lambda: fcntl.flock(_CLOSED, fcntl.LOCK_UN),
    "link": lambda: os.link("", ""),
    "mkdir": lambda: os.mkdir(""),
    "rename": lambda: os.rename("", ""),
    "renameat2": lambda: durable._rename("", "", durable._SWAPPING),
    "rmdir": lambda: os.rmdir(""),
    "unlink": lambda: os.unlink(""),
    "unlinkat": lambda: os.unlink("", dir_fd=_CLOSED),
    "utimensat": lambda: os.utime(""),
}
"""Calls that fail without doing anything; they count all the same."""


def _spend(call: str, times: int) -> None:
    for _ in range(times):
        with contextlib.suppress(OSError):
            _IN_VAIN[call]()


def _death(at: int) -> Callable[[str, tuple[Any, ...]], None]:
    """Return a hook that kills this process right before a file operation."""
    left = at

    def count(event: str, _arguments: tuple[Any, ...]) -> None:
        nonlocal left
        if event == "open" or event.startswith(("os.", "fcntl.", "shutil.")):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    return count


def _call(registry: Registry, verb: str, arguments: list[Any], options: dict[str, Any]) -> object:
    if verb == "verify":
        verification = registry.verify()
        assert verification.whole, verification.damages
        return verification
    if verb == "look":
        return _look(registry, *arguments, **options)
    if verb == "replay":
        _replay(registry, *arguments)
        return None
    return getattr(registry, verb)(*arguments, **options)


def _look(registry: Registry, model: str, *, afresh: bool = False) -> dict[str, Any]:
    """Read how far a model's journal goes and what is live, as this process or as a new one."""
    if afresh:
        registry = holdfast.open(registry.location)
    state = registry._session.state(model)
    live = [info.version for info in registry.versions(model) if info.status == "production"]
    assert len(live) == 1, live
    return {"seen": (state.seq, state.head, state.production)}


def _replay(registry: Registry, model: str) -> None:
    """Read a model in every way; what is told must fit together whatever rivals write."""
    status = registry.status(model)
    assert status.live is not None
    assert registry.load(status.live).ref == status.live.ref
    live = [info.version for info in registry.versions(model) if info.status == "production"]
    assert len(live) == 1, live
    numbers = [past.seq for past in registry.history(model)]
    assert numbers == list(range(1, len(numbers) + 1))
    pointer = json.loads(
        (Path(registry.location) / "models" / model / "active_version.json").read_bytes()
    )
    assert pointer["current"] in {info.version for info in registry.versions(model)}


def _facts(result: Any) -> dict[str, Any]:
    """Take from a verb's result what a test asks about."""
    if isinstance(result, dict):
        return result
    inner = getattr(result, "version", None)
    number = getattr(result, "number", getattr(inner, "number", None))
    changed = getattr(result, "changed", getattr(result, "created", None))
    version = getattr(inner, "version", inner)
    return {"version": version, "number": number, "changed": changed}


if __name__ == "__main__":
    import holdfast.registry

    _serve()
