"""The side of a trial that asks: a model is tried out elsewhere before it is loaded here."""

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from holdfast.sandbox.child import LONGEST_ANSWER, receive, send
from holdfast.sandbox.restraint import Limits, Restraint

__all__ = ["Outcome", "Trial", "Trials"]

_START: Final = (
    "import sys; sys.path[:] = sys.argv[1:]; import holdfast.sandbox.child as c; c.main()"
)
_PASSED_ON: Final = (
    "PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "LD_LIBRARY_PATH", "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "KERAS_BACKEND",
)  # fmt: skip
_GRACE_S: Final = 60.0


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
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a trial went.

    Attributes:
        problem: Why it failed, in words of a process that is not to be believed; None if it passed.
        result: What the work returned.
    """

    problem: str | None
    result: Any = None


class Trials:
    """A process apart in which models are tried out, each in a child of its own.

    It is begun while this process may still start programs, and ends with it.

    Attributes:
        restraint: What trials are under.
    """

    def __init__(self, restraint: Restraint) -> None:
        self.restraint = restraint
        self._turn = threading.Lock()
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        searched = [path or os.getcwd() for path in sys.path]  # empty: where a notebook runs
        paths = [path for path in searched if os.path.exists(path)]
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - this very Python
                [sys.executable, "-I", "-c", _START, *paths],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={name: os.environ[name] for name in _PASSED_ON if name in os.environ},
                cwd="/",
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        """Give itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the process, and what it still tries out."""
        self.close()

    def close(self) -> None:
        """End the process, and what it still tries out."""
        self._control.close()
        self._process.wait()

    def prepare(self, modules: Sequence[str]) -> None:
        """Have libraries imported there, and do not wait for it."""
        with self._turn:
            self._control.send(_call(modules))

    def run(self, trial: Trial) -> Outcome:
        """Try something out; whatever it does, this process goes on."""
        request = {
            "work": trial.work,
            "argument": trial.argument,
            "files": [str(file) for file in trial.files],
            "limits": asdict(trial.limits),
            "restraint": asdict(self.restraint),
        }
        ours, theirs = socket.socketpair()
        with ours:
            ours.settimeout(trial.limits.time_s + _GRACE_S)
            try:
                with theirs, self._turn:
                    socket.send_fds(
                        self._control,
                        [_call((*trial.modules, trial.work.partition(":")[0]))],
                        [theirs.fileno()],
                    )
                send(ours, json.dumps(request).encode())
                told = json.loads(receive(ours, LONGEST_ANSWER))
            except (OSError, EOFError, ValueError) as error:
                return Outcome(f"its trial gave no answer: {error}")
        return _outcome(told)


def _call(modules: Sequence[str]) -> bytes:
    return json.dumps(list(modules)).encode()


def _outcome(told: Any) -> Outcome:
    if not isinstance(told, dict) or not told.keys() & {"problem", "result"}:
        return Outcome("its trial gave an answer of another form")
    problem = told.get("problem")
    if problem is None:
        return Outcome(None, told.get("result"))
    shown = "".join(sign if sign.isprintable() else " " for sign in str(problem))
    return Outcome(shown[:300])
