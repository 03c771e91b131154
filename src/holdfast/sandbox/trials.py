"""The side of a trial that asks: a model is tried out elsewhere before it is loaded here."""

import json
import logging
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from holdfast import forks
from holdfast.core import strict_json
from holdfast.sandbox.child import receive, send
from holdfast.sandbox.restraint import Restraint, TrialLimits

__all__ = ["Nursery", "Trial", "TrialOutcome", "Trials"]

_log = logging.getLogger(__name__)
_START: Final = (
    "import sys; sys.path[:] = sys.argv[1:]; import holdfast.sandbox.child as c; c.main()"
)
_PASSED_ON: Final = (
    "PATH", "TMPDIR", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "LD_LIBRARY_PATH", "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "KERAS_BACKEND",
)  # fmt: skip
_FIRST_PAUSE_S: Final = 0.05
_LONGEST_PAUSE_S: Final = 10.0
_GRACE_S: Final = 60.0
_ATTEMPTS: Final = 3
_LONGEST_PROBLEM: Final = 300
_FRAME_BYTES: Final = 4096
"""What a warden may say itself, where the trial says nothing."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What is to be tried.

    Attributes:
        work: A function as `module:name`; it takes *argument*, and returns plain JSON.
        files: What it may read.
        modules: Libraries to be imported first, before the time is taken.
    """

    work: str
    argument: dict[str, Any]
    files: Sequence[Path]
    modules: Sequence[str] = ()
    limits: TrialLimits = field(default_factory=TrialLimits)


@dataclass(frozen=True, slots=True)
class TrialOutcome:
    """How a trial went.

    Attributes:
        problem: Why it failed, in words of a process that is not to be believed; None if it passed.
        result: What the work returned.
    """

    problem: str | None
    result: Any = None


class Trials:
    """Has models tried out in a process apart, each in a child of its own.

    It can be sent to a process that this one begins, which then asks the same process.

    Args:
        restraint: What trials are under.
        control: Where the process is asked.
    """

    def __init__(self, restraint: Restraint, control: socket.socket) -> None:
        self.restraint = restraint
        self._control = control

    def __reduce__(self) -> tuple[type["Trials"], tuple[Restraint, socket.socket]]:
        """Go to another process without what only the one that began it can do."""
        return Trials, (self.restraint, self._control)

    def prepare(self, modules: Sequence[str]) -> None:
        """Have libraries imported there, and do not wait for it."""
        with suppress(OSError):  # whoever has something tried out is told
            self._control.send(_call(modules))

    def run(self, trial: Trial) -> TrialOutcome:
        """Try something out; whatever it does, this process goes on."""
        request = {
            "work": trial.work,
            "argument": trial.argument,
            "files": [str(file) for file in trial.files],
            "limits": asdict(trial.limits),
            "restraint": asdict(self.restraint),
        }
        text = json.dumps(request).encode()
        problem = ""
        for _ in range(_ATTEMPTS):
            try:
                return _outcome(self._ask(trial, text))
            except TimeoutError:
                return TrialOutcome("its trial gave no answer in time")
            except (OSError, EOFError) as error:  # what waits for trials died, not the trial
                problem = f"its trial gave no answer: {error}"
        return TrialOutcome(problem)

    def _ask(self, trial: Trial, request: bytes) -> bytes:
        ours, theirs = socket.socketpair()
        with ours:
            ours.settimeout(trial.limits.time_s + _GRACE_S)
            with theirs:
                call = _call((*trial.modules, trial.work.partition(":")[0]))
                socket.send_fds(self._control, [call], [theirs.fileno()])
            send(ours, request)
            return receive(ours, trial.limits.answer_bytes + _FRAME_BYTES)


class Nursery(Trials):
    """Begins the process that models are tried out in, begins it again if it dies, and ends it.

    It is begun while this process may still start programs. What it forks dies alone: it forks
    another. A trial that was lost with either is tried again.
    """

    def __init__(self, restraint: Restraint) -> None:
        control, self._theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        super().__init__(restraint, control)
        self._ending = threading.Event()
        self.process = _started(self._theirs)
        self._thread = threading.Thread(target=self._watch, name="watch trials", daemon=True)
        self._thread.start()
        forks.tell(self)

    def after_fork(self) -> None:
        """Leave the process to the parent: it ends when nobody can ask it any more."""
        self._control.close()
        self._theirs.close()

    def __enter__(self) -> Self:
        """Give itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the process, and what it still tries out."""
        self.close()

    def close(self) -> None:
        """End the process, and what it still tries out."""
        self._ending.set()
        self._control.close()
        self._theirs.close()
        with suppress(PermissionError):  # a restrained process; then nobody else can ask it
            self.process.terminate()
        self._thread.join()

    def _watch(self) -> None:
        pause_s = _FIRST_PAUSE_S
        while True:
            self.process.wait()
            if self._ending.wait(pause_s):
                return
            try:
                self.process = _started(self._theirs)
            except OSError as error:  # this process is restrained by now
                _log.error("the process for trials is gone, so no version is tried out: %s", error)
                self._theirs.close()
                return
            pause_s = min(_LONGEST_PAUSE_S, 2 * pause_s)


def _started(theirs: socket.socket) -> "subprocess.Popen[bytes]":
    """Start the process at its end of the socket."""
    paths = [os.path.abspath(path) for path in sys.path if os.path.exists(path or ".")]
    return subprocess.Popen(  # noqa: S603 - this very Python
        [sys.executable, "-I", "-c", _START, *paths],
        stdin=theirs.fileno(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={name: os.environ[name] for name in _PASSED_ON if name in os.environ},
        cwd="/",
        start_new_session=True,
    )


def _call(modules: Sequence[str]) -> bytes:
    return json.dumps(list(modules)).encode()


def _outcome(text: bytes) -> TrialOutcome:
    """Read an answer, which the model may have written itself: strictly, and none of it believed.

    It can claim to have passed. That gains it no more than passing does: to be loaded, under the
    restraint of the process that loads it.
    """
    try:
        answer = json.loads(text, object_pairs_hook=strict_json.distinct)
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict) or len(answer) != 1 or answer.keys() - {"problem", "result"}:
        return TrialOutcome("its trial gave an answer of another form")
    if "result" in answer:
        return TrialOutcome(None, answer["result"])
    problem = answer["problem"] if isinstance(answer["problem"], str) else "it does not say why"
    shown = "".join(sign if sign.isprintable() else " " for sign in problem)
    return TrialOutcome(shown[:_LONGEST_PROBLEM])
