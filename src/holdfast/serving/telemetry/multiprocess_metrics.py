"""One page of metrics for all workers at an address, whichever of them is asked for it.

Each writes its tally into a folder that they share, twice a second and when it is asked; what one
of them says is the sum of all files. Of workers that are gone the counters stay, for a counter
never falls, and what they had under way does not.
"""

import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from holdfast.serving.telemetry import metric_totals
from holdfast.serving.telemetry.metric_totals import MetricTotals

__all__ = ["MultiprocessMetrics"]

_log = logging.getLogger(__name__)
_EVERY_S: Final = 0.5
_END_S: Final = 1.0
_SUFFIX: Final = ".tally"


def is_there(process: int) -> bool:
    """Tell whether a process of this user's runs; one that nobody waited for yet is taken to."""
    if os.name != "posix":
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # of somebody else's, or a restrained worker may not ask
        return Path(f"/proc/{process}").exists() if Path("/proc/self").exists() else True
    return True


class MultiprocessMetrics:
    """A worker's part in the common account.

    Args:
        folder: Shared by all workers of one supervisor, and by nobody else.
        worker: Names this one.
        own: Returns what this worker counted.
    """

    def __init__(self, folder: Path, worker: str, own: Callable[[], MetricTotals]) -> None:
        self._folder = folder
        self._path = folder / f"{worker}{_SUFFIX}"
        self._own = own
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="crew", daemon=True)

    def start(self) -> None:
        """Write what is counted so far, and go on writing."""
        self._write()
        self._thread.start()

    def stop(self) -> None:
        """Write a last time, with nothing under way any more."""
        self._stopping.set()
        self._thread.join(_END_S)
        self._write()

    def together(self) -> MetricTotals:
        """Return what all workers counted, the others up to half a second ago."""
        self._write()
        whole = MetricTotals()
        for path in sorted(self._folder.glob(f"*{_SUFFIX}")):
            try:
                worker_tally = metric_totals.read(path.read_bytes())
                whole.add(
                    worker_tally
                    if is_there(worker_tally.process)
                    else metric_totals.ended(worker_tally)
                )
            except (OSError, ValueError) as error:
                _log.warning("the metrics of a worker are left out: %s: %s", path, error)
        return whole

    def _run(self) -> None:
        while not self._stopping.wait(_EVERY_S):
            self._write()

    def _write(self) -> None:
        with self._lock:
            draft = self._path.with_suffix(".draft")
            try:
                own = self._own()
                own.process = os.getpid()
                draft.write_bytes(metric_totals.written(own))
                os.replace(draft, self._path)
            except OSError as error:
                _log.warning("the metrics of this worker are not shared: %s", error)
