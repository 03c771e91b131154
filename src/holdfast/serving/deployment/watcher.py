"""Follows the journals of the models that are served, on a thread of its own.

To learn whether anything changed it asks for the next entry: locally one failed `open`, some
microseconds, fifty times a second; of a bucket one request a second.
"""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AbstractContextManager, nullcontext
from typing import Final

from holdfast.core.views import DesiredState
from holdfast.errors import NotFoundError
from holdfast.registry.reader import Reader
from holdfast.rows.loaded_version import Loaded
from holdfast.sandbox import Trials
from holdfast.serving import crash_strikes as set_aside
from holdfast.serving.deployment import preparation
from holdfast.serving.deployment.deployer import Deployment
from holdfast.serving.worker_state import WorkerState

__all__ = ["Watcher"]

_log = logging.getLogger(__name__)
_NEAR_S: Final = 0.02
_FAR_S: Final = 1.0
_END_S: Final = 1.0

Loading = Callable[[str, str], AbstractContextManager[None]]
"""Told a model and a version, gives what is entered while it is loaded."""


class Watcher:
    """Keeps the routing tables of a worker's models as their journals say.

    Args:
        open_registry: Opens the store; each thread has it opened for itself.
        served: Where the routing tables stand.
        changed: Called when what answers, or what is told of it, changed.
        trials: Where versions are tried out before they are loaded here; None if nowhere.
        aside: Versions that ended workers, and are not to be loaded.

    Attributes:
        settled: Set once every model was followed and what it needs is ready, or failed.
        loading: Entered while a version of a model is loaded.
    """

    def __init__(
        self,
        open_registry: Callable[[], Reader],
        served: WorkerState,
        changed: Callable[[], None],
        trials: Trials | None = None,
        aside: set_aside.Versions = (),
    ) -> None:
        self._trials = trials
        self._aside = aside
        self.loading: Loading = lambda _model, _version: nullcontext()
        self.settled = threading.Event()
        self._open = open_registry
        self._changed = changed
        self._due = threading.Event()
        self._stopping = False
        pool = _Pool()
        self._deployments = {
            model: Deployment(model, served, self._load, pool, time.monotonic, self._due.set)
            for model in served.routing_tables
        }
        for deployment in self._deployments.values():
            deployment.aside = aside
        self._troubles: dict[str, str] = {}
        self._thread = threading.Thread(target=self._run, name="follow", daemon=True)

    def seq(self, model: str) -> int:
        """Return the journal entry followed to."""
        return self._deployments[model].seq

    def start(self) -> None:
        """Begin to follow."""
        self._thread.start()

    def stop(self) -> None:
        """Follow no further; loads that began end by themselves, or with the process."""
        self._stopping = True
        self._due.set()
        if self._thread.is_alive():
            self._thread.join(_END_S)

    def _run(self) -> None:
        registry = self._open()
        pause_s = _NEAR_S if registry.is_local else _FAR_S
        while not self._stopping:
            self._due.clear()
            changes = [
                self._follow(registry, deployment) for deployment in self._deployments.values()
            ]
            if any(changes):
                self._changed()
            if all(deployment.settled for deployment in self._deployments.values()):
                self.settled.set()
            self._due.wait(pause_s)

    def _follow(self, registry: Reader, deployment: Deployment) -> bool:
        model = deployment.model
        try:
            situation = _situation(registry, model)
            has_changed = deployment.follow(situation)
        except Exception as error:  # noqa: BLE001 - this thread must not end; a later look may succeed
            if self._troubles.get(model) != str(error):
                _log.error("%s: its journal cannot be followed: %s", model, error)
            self._troubles[model] = str(error)
            return False
        if self._troubles.pop(model, None):
            _log.info("%s: its journal is followed again", model)
        return has_changed

    def _load(self, model: str, version: str) -> Loaded:
        set_aside.require(self._aside, model, version)
        with self.loading(model, version):
            return preparation.load(self._open(), model, version, self._trials)


class _Pool:
    """A thread for each load, none of which holds up another, nor the end of the process."""

    def submit(
        self, load: Callable[[str, str], Loaded], model: str, version: str
    ) -> Future[Loaded]:
        """Begin to load a version."""
        future: Future[Loaded] = Future()

        def run() -> None:
            try:
                future.set_result(load(model, version))
            except BaseException as error:  # noqa: BLE001 - told by the future
                future.set_exception(error)

        threading.Thread(target=run, name=f"load {model}@{version}", daemon=True).start()
        return future


def _situation(registry: Reader, model: str) -> DesiredState:
    try:
        return registry.situation(model)
    except NotFoundError:  # it was deleted
        return DesiredState(model, 0)
