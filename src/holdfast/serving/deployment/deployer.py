"""One model in one worker: from what its journal says to the routing table that answers.

Versions are loaded on threads beside the one that answers. A routing table names a version only
once it is ready; until then, and if it fails, what answered before goes on answering.
"""

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Final, Protocol

from holdfast.core.fleet import LoadedVersion
from holdfast.core.views import DesiredState
from holdfast.errors import HoldfastError
from holdfast.rows.loaded_version import Loaded
from holdfast.serving.crash_strikes import Versions
from holdfast.serving.routing_table import RoutingTable
from holdfast.serving.worker_state import WorkerState

__all__ = ["Deployment", "Pool"]

_log = logging.getLogger(__name__)
_FIRST_PAUSE_S: Final = 1.0
_LONGEST_PAUSE_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class _Failure:
    """Why a version is not ready, and when it is tried again: the cause may pass."""

    problem: str
    tries: int
    again_at_s: float


class Pool(Protocol):
    """Where versions are loaded."""

    def submit(
        self, load: Callable[[str, str], Loaded], model: str, version: str
    ) -> Future[Loaded]:
        """Begin to load a version."""
        ...


class Deployment:
    """Keeps the routing table of one model.

    Everything here happens on the thread that calls `follow`, but for the loads.

    Args:
        model: Whose.
        served: Where the routing table stands.
        load: Makes a version ready; raises if it cannot.
        pool: Where that is done.
        now_s: Tells the time in seconds, by a clock that only rises.
        wake: Called when a load is over, from its thread: `follow` is due.

    Attributes:
        seq: The journal entry followed to.
        aside: Versions that ended workers, and are not to be loaded.
    """

    def __init__(
        self,
        model: str,
        served: WorkerState,
        load: Callable[[str, str], Loaded],
        pool: Pool,
        now_s: Callable[[], float],
        wake: Callable[[], None],
    ) -> None:
        self.model = model
        self.seq = 0
        self.aside: Versions = ()
        self._served = served
        self._load = load
        self._pool = pool
        self._now_s = now_s
        self._wake = wake
        self._ready: dict[str, Loaded] = {}
        self._loading: dict[str, Future[Loaded]] = {}
        self._failed: dict[str, _Failure] = {}

    @property
    def settled(self) -> bool:
        """True once it followed, and nothing is being loaded."""
        return self.seq > 0 and not self._loading

    def follow(self, situation: DesiredState) -> bool:
        """Do what a situation asks for, as far as it can be done by now.

        Returns:
            True if what answers, or what is told of it, changed.
        """
        if self.settled and situation.seq == self.seq and not self._failed:
            return False
        self._collect()
        versions = list(_wanted(situation))
        for version in self._due(situation, versions):
            future = self._pool.submit(self._load, self.model, version)
            self._loading[version] = future
            future.add_done_callback(lambda _future: self._wake())
        changed = self._assemble(situation, versions)
        self.seq = situation.seq
        return changed

    def _collect(self) -> None:
        for version, future in [*self._loading.items()]:
            if not future.done():
                continue
            del self._loading[version]
            try:
                self._ready[version] = future.result()
            except BaseException as error:  # noqa: BLE001 - a file may even ask for the exit
                self._fail(version, error)
            else:
                self._failed.pop(version, None)
                _log.info("%s@%s is ready", self.model, version)

    def _fail(self, version: str, error: BaseException) -> None:
        before = self._failed.get(version)
        tries = before.tries + 1 if before else 1
        pause_s = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2 ** (tries - 1))
        known = isinstance(error, HoldfastError)
        problem = str(error) if known else f"{type(error).__name__}: {error}"
        if before is None or before.problem != problem:
            _log.error("%s@%s takes no traffic: %s", self.model, version, problem)
        self._failed[version] = _Failure(problem, tries, self._now_s() + pause_s)

    def _due(self, situation: DesiredState, versions: list[str]) -> Iterator[str]:
        """Go through what is to be loaded now; what would only be kept waits for the others."""
        urgent = {situation.production, situation.rollout and situation.rollout.version}
        for version in versions:
            if version not in urgent and self._loading:
                return
            failure = self._failed.get(version)
            idle = version not in self._ready and version not in self._loading
            if idle and (failure is None or failure.again_at_s <= self._now_s()):
                yield version

    def _assemble(self, situation: DesiredState, versions: list[str]) -> bool:
        before = self._served.routing_tables[self.model]
        active = self._active(situation, before)
        rollout = situation.rollout
        candidate = self._candidate(situation)
        routed_versions = {side.version for side in (active, candidate) if side}
        stays = {*versions, *routed_versions, situation.left}
        self._ready = {
            version: loaded for version, loaded in self._ready.items() if version in stays
        }
        self._failed = {
            version: why for version, why in self._failed.items() if version in versions
        }
        kept_versions = {
            version: self._ready[version]
            for version in sorted(self._ready)
            if version not in routed_versions
        }
        after = RoutingTable(
            self.model, active, rollout, candidate, kept_versions, situation.findings
        )
        version_statuses = tuple(
            self._told(version) for version in sorted({*versions, *routed_versions, *self._ready})
        )
        swapped = not _same(before, after)
        if swapped:
            self._served.routing_tables[self.model] = after
            _tell(before, after)
        has_changed = (
            swapped
            or version_statuses != self._served.held.get(self.model)
            or situation.seq != self.seq
        )
        self._served.held[self.model] = version_statuses
        return has_changed

    def _active(self, situation: DesiredState, before: RoutingTable) -> Loaded | None:
        """Return what answers: the live version, or what answered before while it is not ready.

        A worker that is new has nothing from before. If the live version ended those before it,
        that is the version which was live before.
        """
        if situation.production is None:
            return None
        active = self._ready.get(situation.production, before.active)
        if active is None and (self.model, situation.production) in self.aside:
            return self._ready.get(situation.previous or "")
        return active

    def _candidate(self, situation: DesiredState) -> Loaded | None:
        """Return what is routed to beside the live version, once both are ready.

        While another version still answers in the place of the live one, what is counted would
        compare the candidate with the wrong one.
        """
        if situation.rollout is None or situation.production not in self._ready:
            return None
        return self._ready.get(situation.rollout.version)

    def _told(self, version: str) -> LoadedVersion:
        if version in self._ready:
            return LoadedVersion(version, "ready")
        failure = self._failed.get(version)
        if failure is not None:
            return LoadedVersion(version, "failed", failure.problem)
        active = self._served.routing_tables[self.model].active
        return LoadedVersion(
            version, "ready" if active and active.version == version else "loading"
        )


def _wanted(situation: DesiredState) -> Iterator[str]:
    """Go through the versions to be held, the most needed first, each once."""
    rollout = situation.rollout
    candidate, was = (rollout.version, rollout.was) if rollout else (None, None)
    versions = (situation.production, candidate, was, situation.previous)
    yield from dict.fromkeys(version for version in versions if version is not None)


def _same(routing_table: RoutingTable, other: RoutingTable) -> bool:
    """Tell whether two routing tables hold the very same versions, and route alike."""
    return (
        routing_table.active is other.active
        and routing_table.candidate is other.candidate
        and routing_table.rollout == other.rollout
        and routing_table.findings == other.findings
        and routing_table.kept.keys() == other.kept.keys()
        and all(other.kept[version] is loaded for version, loaded in routing_table.kept.items())
    )


def _tell(before: RoutingTable, after: RoutingTable) -> None:
    was, now = (
        routing_table.active.version if routing_table.active else "nothing"
        for routing_table in (before, after)
    )
    if was != now:
        _log.info("%s: %s answers, before it %s", after.model, now, was)
