"""The side of a trial that runs apart: a process that waits, and forks what tries a model out.

```
keeper      started with a clean environment before anything is served; imports no more than this
  nursery   forked by the keeper, and again when it dies; imports libraries, waits
    warden  forked for each trial; measures its time, ends it, tells how it went
      trial forked by the warden; restrained, then reads the model and has it predict
```

The nursery runs nobody's code but that of installed libraries, so that a warden has them warm.
Only the trial sees the model, and what it tells its warden is a bounded text in JSON.
"""

import importlib
import json
import multiprocessing
import os
import select
import shutil
import signal
import socket
import struct
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from multiprocessing import context
from pathlib import Path
from typing import Any, Final, NoReturn

from holdfast.sandbox import kernel
from holdfast.sandbox.restraint import Restraint, TrialLimits, on_trial

__all__ = ["main", "receive", "send"]

_LONGEST_CALL: Final = 64 << 10
_LONGEST_REQUEST: Final = 256 << 20
_LONGEST_PROBLEM: Final = 300
_PIECE: Final = 1 << 16
_MEASURED_EVERY_S: Final = 0.5
_BLOCK_BYTES: Final = 4096
_LENGTH: Final = struct.Struct("<Q")
_YOUNG_S: Final = 5.0
_FIRST_PAUSE_S: Final = 0.05
_LONGEST_PAUSE_S: Final = 10.0


def main() -> NoReturn:
    """Keep a nursery at the socket that is standard input, until its other end is closed."""
    control = socket.socket(fileno=os.dup(0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of the terminal: the parent says when to end
    quiet = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(quiet, stream)
    early = 0
    while True:
        born_s = time.monotonic()
        _keep(control)
        early = early + 1 if time.monotonic() - born_s < _YOUNG_S else 0
        pause_s = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2**early) if early else 0.0
        if _closed(control, pause_s):
            os._exit(0)


def _keep(control: socket.socket) -> None:
    """Fork a nursery and wait until it ends, or end it when nobody can ask it any more."""
    keeper = os.getpid()
    ends, liveness_fd = os.pipe()
    nursery = os.fork()
    if not nursery:
        os.close(ends)
        _wait_for_trials(control, liveness_fd, keeper)
    os.close(liveness_fd)
    closed, ended = select.poll(), False
    closed.register(control, 0)
    closed.register(ends, 0)
    while not ended:
        ended = bool(closed.poll())
    os.close(ends)
    with suppress(ProcessLookupError):
        os.kill(nursery, signal.SIGKILL)
    os.waitpid(nursery, 0)


def _closed(control: socket.socket, within_s: float) -> bool:
    """Wait so long for the other end to be closed."""
    poll = select.poll()
    poll.register(control, 0)
    return bool(poll.poll(within_s * 1000))


def _wait_for_trials(control: socket.socket, liveness_fd: int, keeper: int) -> NoReturn:
    """Be a nursery: import what is asked for, and fork a warden for each trial.

    Args:
        control: Where they are asked for.
        liveness_fd: A descriptor that the keeper sees closed when this process ends; no other
            has it.
        keeper: The process to end with.
    """
    try:
        kernel.pass_on_death(signal.SIGKILL, keeper)
        while True:
            signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # wardens that end leave nothing behind
            _reap()
            called, descriptors, _, _ = socket.recv_fds(control, _LONGEST_CALL, 1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # libraries may wait for theirs
            if not called:
                break
            _import(json.loads(called))
            for descriptor in descriptors:
                _begin(descriptor, (control.fileno(), liveness_fd))
    finally:
        os._exit(0)


def _import(modules: Iterable[str]) -> None:
    for module in modules:
        with suppress(Exception):  # the trial that needs it says why it cannot be imported
            importlib.import_module(module)


def _begin(descriptor: int, own: tuple[int, ...]) -> None:
    """Fork a warden for the trial at the other end of a socket; *own* is the nursery's alone."""
    parent = os.getpid()
    try:
        if os.fork():
            return
    finally:
        if os.getpid() == parent:
            os.close(descriptor)
    try:
        kernel.pass_on_death(signal.SIGKILL, parent)
        for own_descriptor in own:
            os.close(own_descriptor)
        with socket.socket(fileno=descriptor) as caller:
            send(caller, _guarded(json.loads(receive(caller, _LONGEST_REQUEST))))
    finally:
        os._exit(0)


def _reap() -> None:
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _guarded(request: dict[str, Any]) -> bytes:
    """Run a trial, and tell how it went whatever it does."""
    limits = TrialLimits(**request["limits"])
    scratch = tempfile.mkdtemp(prefix="holdfast-trial-")
    reading, writing = os.pipe()
    warden = os.getpid()
    process = os.fork()
    if not process:
        _try(request, limits, Path(scratch), (writing, warden))
    os.close(writing)
    try:
        text, problem = _listen(reading, limits, scratch)
        os.kill(process, signal.SIGKILL)
        status = os.waitpid(process, 0)[1]
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    problem = problem or _ended(status, text)
    return json.dumps({"problem": problem}).encode() if problem else text


def _listen(reading: int, limits: TrialLimits, scratch: str) -> tuple[bytes, str | None]:
    """Read what a trial tells, until it has told all, or takes too much time or room."""
    now_s = time.monotonic()
    deadline_s, measured_s = now_s + limits.time_s, now_s
    text = bytearray()
    while True:
        is_told = bool(select.select([reading], [], [], _MEASURED_EVERY_S)[0])
        now_s = time.monotonic()
        if now_s >= deadline_s:
            return bytes(text), f"took longer than {limits.time_s:g} s"
        if now_s - measured_s >= _MEASURED_EVERY_S:
            if _exceeds(scratch, limits.folder_bytes):
                return b"", f"wrote more than {limits.folder_bytes} bytes"
            measured_s = time.monotonic()
        if not is_told:
            continue
        piece = os.read(reading, _PIECE)
        text += piece
        if len(text) > limits.answer_bytes:
            return b"", f"answered with more than {limits.answer_bytes} bytes"
        if not piece or text.endswith(b"\n"):
            return bytes(text), None


def _exceeds(folder: str, most_bytes: int) -> bool:
    """Tell whether a folder takes more of the disk than it may, while files in it come and go.

    Each name counts as a block at least. What cannot be looked into is taken for too much: a trial
    could hide files there.
    """
    left = most_bytes
    try:
        for taken in _taken_bytes(folder):
            left -= max(_BLOCK_BYTES, taken)
            if left < 0:
                return True
    except OSError:
        return True
    return False


def _taken_bytes(folder: str) -> Iterator[int]:
    """Go through what each name below a folder takes of the disk."""
    folders = [folder]
    while folders:
        with suppress(FileNotFoundError), os.scandir(folders.pop()) as entries:
            for entry in entries:
                folders += [entry.path] if entry.is_dir(follow_symlinks=False) else []
                yield _size(entry)


def _size(entry: "os.DirEntry[str]") -> int:
    try:
        return 512 * entry.stat(follow_symlinks=False).st_blocks
    except FileNotFoundError:  # a file that goes while others stay hides none of them
        return 0


def _ended(status: int, text: bytes) -> str | None:
    """Say how a process ended that told nothing whole."""
    if text.endswith(b"\n"):
        return None
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        limit = "; its time or memory may be used up" if number in _LIMITS else ""
        return f"the process ended by {signal.Signals(number).name}{limit}"
    return f"the process ended by itself with status {os.waitstatus_to_exitcode(status)}"


_LIMITS: Final = (signal.SIGKILL, signal.SIGXCPU) if sys.platform != "win32" else ()


def _try(
    request: dict[str, Any], limits: TrialLimits, scratch: Path, ends: tuple[int, int]
) -> NoReturn:
    """Restrain this process, do the work, tell it, end."""
    writing, warden = ends
    try:
        _settle(writing, warden, scratch)
        answer = _answered(request, limits, scratch)
        with open(writing, "wb", closefd=False) as pipe:
            pipe.write(answer + b"\n")
    finally:
        os._exit(1)


def _settle(writing: int, warden: int, scratch: Path) -> None:
    """Keep nothing of the parent's but where to tell, be the first that memory is taken from."""
    os.setsid()
    kernel.pass_on_death(signal.SIGKILL, warden)
    os.closerange(3, writing)
    os.closerange(writing + 1, 1 << 16)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    os.chdir(scratch)
    os.environ.update(HOME=str(scratch), TMPDIR=str(scratch))
    tempfile.tempdir = str(scratch)
    sys.dont_write_bytecode = True


def _answered(request: dict[str, Any], limits: TrialLimits, scratch: Path) -> bytes:
    """Restrain this process and do the work; whatever goes wrong is the answer."""
    try:
        module, _, name = request["work"].partition(":")
        work: Callable[[dict[str, Any]], Any] = getattr(importlib.import_module(module), name)
        files = [Path(file) for file in request["files"]]
        _share_with_threads_alone()
        on_trial(Restraint(**request["restraint"]), limits, scratch, files)
        return json.dumps({"result": work(request["argument"])}).encode()
    except BaseException as error:  # noqa: BLE001 - a file may even ask for the exit
        problem = f"{type(error).__name__}: {error}"
        return json.dumps({"problem": problem[:_LONGEST_PROBLEM]}).encode()


def _share_with_threads_alone() -> None:
    """Have locks for several processes be locks for threads: a trial is one process for ever.

    Those for several are files in `/dev/shm`, where other processes have theirs. Thread pools of
    joblib ask for them.
    """
    for name in ("Lock", "RLock", "Semaphore", "BoundedSemaphore", "Condition", "Event"):
        made: Callable[..., Any] = getattr(threading, name)
        setattr(multiprocessing, name, made)
        setattr(context.BaseContext, name, lambda _self, *args, made=made: made(*args))


def send(connection: socket.socket, text: bytes) -> None:
    """Send a text with its length before it."""
    connection.sendall(_LENGTH.pack(len(text)) + text)


def receive(connection: socket.socket, longest: int) -> bytes:
    """Receive a text that has its length before it.

    Raises:
        EOFError: If the other end is closed before all of it came, or it is too long.
    """
    (length,) = _LENGTH.unpack(_exactly(connection, _LENGTH.size))
    if length > longest:
        raise EOFError(f"a text of {length} bytes, more than {longest}")
    return _exactly(connection, length)


def _exactly(connection: socket.socket, length: int) -> bytes:
    text = bytearray()
    while len(text) < length:
        piece = connection.recv(min(length - len(text), _PIECE))
        if not piece:
            raise EOFError("the other end is closed")
        text += piece
    return bytes(text)
