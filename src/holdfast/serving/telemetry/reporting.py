"""Tells the store what a worker runs and counted, on a thread of its own.

A failure harms no answer: nothing depends on the files, and the next attempt rewrites them.
A worker that is killed leaves its last counts, and a report that goes stale.
"""

import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from msgspec.structs import replace

from holdfast.core.entry import format_time
from holdfast.core.fleet import Report
from holdfast.errors import HoldfastError
from holdfast.registry.fleet_reports import Fleet
from holdfast.registry.reader import Reader
from holdfast.serving.telemetry.rollout_counts import RolloutCountsSink
from holdfast.serving.worker_state import WorkerState

__all__ = ["Reporter"]

_log = logging.getLogger(__name__)
_END_S: Final = 2.0
_NEAR: Final = (2.0, 0.5)
_FAR: Final = (10.0, 2.0)
"""Seconds between two reports at most, and between two writings of counts at least."""


class Reporter:
    """Publishes reports and counts.

    Args:
        open_registry: Opens the store; the thread has it opened for itself.
        served: What the worker runs.
        counting: What it counted.
        seq: Tells the journal entry followed to, by model.
        wake: Set when what it runs changed: a report is due.
    """

    def __init__(
        self,
        open_registry: Callable[[], Reader],
        served: WorkerState,
        counting: RolloutCountsSink,
        seq: Callable[[str], int],
        wake: threading.Event,
    ) -> None:
        self._open = open_registry
        self._served = served
        self._counting = counting
        self._seq = seq
        self._wake = wake
        self._stopping = False
        self._every_s, self._pause_s = _NEAR
        self._reported: dict[str, Report] = {}
        self._due_s: dict[str, float] = {}
        self._counted: dict[tuple[str, int], int] = {}
        self._troubles: dict[str, str] = {}
        self._thread = threading.Thread(target=self._run, name="report", daemon=True)

    def start(self) -> None:
        """Begin to report."""
        self._thread.start()

    def stop(self) -> None:
        """Publish the counts a last time, and take the reports away."""
        self._stopping = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(_END_S)

    def _run(self) -> None:
        registry = self._open()
        self._every_s, self._pause_s = _NEAR if registry.is_local else _FAR
        fleet, count_at_s = registry.fleet, 0.0
        while not self._stopping:
            self._wake.clear()
            self._try(fleet, self._report)
            if time.monotonic() >= count_at_s:
                self._try(fleet, self._count)
                count_at_s = time.monotonic() + self._pause_s
            self._wake.wait(self._pause_s)
        self._try(fleet, self._count)
        self._try(fleet, self._leave)

    def _try(self, fleet: Fleet, publish: Callable[[Fleet, str], None]) -> None:
        try:
            for model in self._served.routing_tables:
                publish(fleet, model)
        except (HoldfastError, OSError) as error:
            if self._troubles.get(publish.__name__) != str(error):
                _log.error("this worker's state cannot be reported: %s", error)
            self._troubles[publish.__name__] = str(error)
        else:
            self._troubles.pop(publish.__name__, None)

    def _report(self, fleet: Fleet, model: str) -> None:
        report = self._made(model)
        same = replace(report, at="", latency_us=(), scores=())
        if same == self._reported.get(model) and time.monotonic() < self._due_s[model]:
            return
        fleet.report(report)
        self._reported[model] = same
        self._due_s[model] = time.monotonic() + self._every_s

    def _made(self, model: str) -> Report:
        routing_table = self._served.routing_tables[model]
        active = routing_table.active.version if routing_table.active else None
        rollout = routing_table.rollout
        asks = rollout is not None and rollout.baseline is None and rollout.analysis.drift
        return Report(
            model=model,
            worker=self._served.worker,
            at=_now(),
            every_s=self._every_s,
            seq=self._seq(model),
            active=active,
            rollout=rollout.number if rollout else None,
            step=rollout.step if rollout else None,
            versions=self._served.held.get(model, ()),
            latency_us=self._counting.latency_us(model, active) if active else (),
            scores=self._counting.scores(model, active) if active and asks else (),
        )

    def _count(self, fleet: Fleet, model: str) -> None:
        for number, counter in self._counting.news(model).items():
            if self._counted.get((model, number)) != counter:
                fleet.count(self._counting.counts(model, number, self._served.worker, _now()))
                self._counted[model, number] = counter

    def _leave(self, fleet: Fleet, model: str) -> None:
        fleet.leave(model, self._served.worker)


def _now() -> str:
    return format_time(datetime.now(UTC))
