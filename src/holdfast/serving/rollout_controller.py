"""A serving process drives the rollouts of its models, as `holdfast rollout run` does."""

import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from holdfast.errors import HoldfastError
from holdfast.registry import Registry
from holdfast.rollouts import driver
from holdfast.rollouts.count_sources import Published
from holdfast.serving.worker_state import WorkerState

__all__ = ["RolloutController"]

_log = logging.getLogger(__name__)
_EVERY_S: Final = 1.0
_END_S: Final = 1.0
_QUIET: Final = frozenset(("nothing", "held", "late"))


class RolloutController:
    """Ticks once a second, on a thread of its own.

    Any number of drivers act as one: what one did, the others find in the journal.

    Args:
        open_registry: Opens the store; its author signs the moves.
        served: Whose routing tables tell which rollouts go on, so that no store is
            asked where none does.
    """

    def __init__(self, open_registry: Callable[[], Registry], served: WorkerState) -> None:
        self._open = open_registry
        self._served = served
        self._stopping = threading.Event()
        self._troubles: dict[str, str] = {}
        self._thread = threading.Thread(target=self._run, name="drive", daemon=True)

    def start(self) -> None:
        """Begin to drive."""
        self._thread.start()

    def stop(self) -> None:
        """Drive no further."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(_END_S)

    def _run(self) -> None:
        registry = self._open()
        while not self._stopping.wait(_EVERY_S):
            self._look(registry)

    def _look(self, registry: Registry) -> None:
        for model, routing_table in self._served.routing_tables.items():
            if routing_table.rollout is not None:
                self._tick(registry, model)

    def _tick(self, registry: Registry, model: str) -> None:
        try:
            ticked = driver.tick(registry, model, Published(registry, model), datetime.now(UTC))
        except (HoldfastError, OSError) as error:  # the next tick may succeed
            if self._troubles.get(model) != str(error):
                _log.error("%s: its rollout is not driven: %s", model, error)
            self._troubles[model] = str(error)
            return
        self._troubles.pop(model, None)
        if ticked.did not in _QUIET and ticked.rollout is not None:
            why = ticked.verdict.sentence if ticked.verdict else ""
            number, version = ticked.rollout.number, ticked.rollout.version
            _log.info("%s: rollout %d of %s %s: %s", model, number, version, ticked.did, why)
