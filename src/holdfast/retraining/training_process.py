"""The parent's side of a run: starts the keeper, holds it to its limits, and ends it."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from io import BufferedReader
from pathlib import Path
from typing import Final, Literal

from msgspec import Struct

from holdfast.errors import UnsupportedError
from holdfast.retraining import process_tree
from holdfast.retraining.log_tail import LogTail

__all__ = ["Ended", "ProcessLimits", "Training", "is_setting", "require_system", "run"]

MOST_PROCESSES: Final = 2_000
OUT_OF_MEMORY: Final = 91
"""Status of a worker to which its own limit gave no more memory."""

_START: Final = (
    "import sys; sys.path[:] = sys.argv[2:]; import holdfast.retraining.keeper as k; k.main()"
)
_LOOK_S: Final = 0.5
_GRACE_S: Final = 10.0
_READ_S: Final = 5.0
_THREADS: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

Why = Literal["ended", "time", "memory", "processes", "stopped"]
"""Why a run is over: by itself, by one of its limits, or because the caller wanted it."""


class ProcessLimits(Struct, frozen=True):
    """What a run may take.

    Attributes:
        time_s: Seconds.
        memory_bytes: Resident memory of all its processes together.
        address_space_bytes: Address space of each process, which asks the kernel; `None` does not,
            because CUDA and Java reserve far more than they use.
        threads: For numerical libraries, where the environment does not say.
        grace_s: Seconds between the request to end and the end.
    """

    time_s: float = 4 * 3600.0
    memory_bytes: int = 8_000_000_000
    address_space_bytes: int | None = None
    threads: int = 1
    grace_s: float = _GRACE_S


class Training(Struct, frozen=True):
    """What is run.

    Attributes:
        command: A program and its arguments.
        folder: Where it runs.
        scratch: An empty folder for what the run needs besides.
        environment: Of the caller; what begins with `HOLDFAST_` is left out, for it holds tokens.
        further: Added to the environment.
        seed: Of Python's own hashes.
    """

    command: Sequence[str]
    folder: Path
    scratch: Path
    environment: Mapping[str, str]
    further: Mapping[str, str]
    seed: int


class Ended(Struct, frozen=True):
    """How a run ended.

    Attributes:
        status: Exit status of the training, 128 + n if signal n ended it.
        log: The last 1 MB of what it wrote.
        settings: Variables of the environment that decide about its result.
        peak_bytes: Most resident memory that was seen; 0 where none can be.
    """

    why: Why
    status: int
    log: bytes
    took_s: float
    peak_bytes: int
    settings: dict[str, str]

    @property
    def met_limit(self) -> bool:
        """Whether one of its limits ended it, or refused it memory."""
        return self.why in ("time", "memory", "processes") or self.status == OUT_OF_MEMORY


def require_system() -> None:
    """Check that this system can end all the processes of a training at once.

    Raises:
        UnsupportedError: If it has no groups of processes, as Windows.
    """
    if not hasattr(os, "killpg"):
        raise UnsupportedError(
            "a training",
            "cannot be run here: Windows has no process groups to end it by",
            "run it on Linux, macOS or in WSL, or train and call `holdfast register` yourself",
        )


def run(
    training: Training, limits: ProcessLimits, must_stop: Callable[[], bool] = lambda: False
) -> Ended:
    """Run it to its end, or to a limit; nothing of it is left when this returns.

    Args:
        must_stop: Asked every half second whether to end at once.
    """
    settings = _settings(training, limits)
    orders = training.scratch / "orders.json"
    orders.write_text(
        json.dumps(
            {
                "command": list(training.command),
                "folder": str(training.folder),
                "address_space_bytes": limits.address_space_bytes,
            }
        ),
        encoding="utf-8",
    )
    kept = {
        name: value
        for name, value in training.environment.items()
        if not name.startswith("HOLDFAST_")
    }
    paths = [os.path.abspath(path) for path in sys.path if os.path.exists(path or ".")]
    began = time.monotonic()
    with subprocess.Popen(  # noqa: S603 - this very Python
        [sys.executable, "-I", "-c", _START, str(orders), *paths],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**kept, **settings, **training.further},
        start_new_session=True,
    ) as keeper:
        assert isinstance(keeper.stdout, BufferedReader)  # noqa: S101 - it was asked for
        tail = LogTail(training.scratch, keeper.stdout)
        try:
            why, peak_bytes = _wait(keeper, limits, must_stop, began)
        finally:
            _end(keeper)
            log = tail.end(_READ_S)
            with contextlib.suppress(OSError, ValueError):  # a reader that waits still has it
                os.set_blocking(keeper.stdout.fileno(), False)
    took_s = time.monotonic() - began
    return Ended(why, keeper.returncode, log, took_s, peak_bytes, settings)


def is_setting(name: str, value: str) -> bool:
    """Tell whether a variable is one that `run` sets and records, with a number as its value."""
    return name in ("PYTHONHASHSEED", *_THREADS) and value.isascii() and value.isdecimal()


def _settings(training: Training, limits: ProcessLimits) -> dict[str, str]:
    """Return what decides about results, said where the caller's environment does not say it."""
    threads = {name: training.environment.get(name, str(limits.threads)) for name in _THREADS}
    return {"PYTHONHASHSEED": str(training.seed % (1 << 32)), **threads}


def _wait(
    keeper: "subprocess.Popen[bytes]",
    limits: ProcessLimits,
    must_stop: Callable[[], bool],
    began: float,
) -> tuple[Why, int]:
    """Wait for the end, and end it at a limit: softly where only time is short."""
    peak_bytes = 0
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            keeper.wait(_LOOK_S)
            return "ended", peak_bytes
        tree = process_tree.members(keeper.pid) if process_tree.is_visible() else []
        rss_bytes = sum(process.rss_bytes for process in tree)
        peak_bytes = max(peak_bytes, rss_bytes)
        if must_stop():
            return "stopped", peak_bytes
        if rss_bytes > limits.memory_bytes:
            return "memory", peak_bytes
        if len(tree) > MOST_PROCESSES:
            return "processes", peak_bytes
        if time.monotonic() - began > limits.time_s:
            process_tree.terminate(keeper.pid)
            with contextlib.suppress(subprocess.TimeoutExpired):
                keeper.wait(limits.grace_s)
            return "time", peak_bytes


def _end(keeper: "subprocess.Popen[bytes]") -> None:
    """End all that is left: what escaped a keeper that was killed is found by its session."""
    process_tree.kill(keeper.pid)
    assert keeper.stdin is not None  # noqa: S101 - it was asked for
    keeper.stdin.close()
    try:
        keeper.wait(_READ_S)
    except subprocess.TimeoutExpired:
        keeper.send_signal(signal.SIGKILL)
        keeper.wait()
