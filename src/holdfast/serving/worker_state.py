"""What a worker serves, shared by those who answer and by the one who swaps."""

from collections.abc import Callable
from dataclasses import dataclass, field

from holdfast.core.fleet import LoadedVersion
from holdfast.rows.loaded_version import Loaded
from holdfast.serving.routing_table import RoutingTable

__all__ = ["WorkerState"]


@dataclass(slots=True)
class WorkerState:
    """The routing tables of all models of a worker.

    Values are replaced whole, by plain assignment, from the thread of the event loop or another.
    The models are those of the start: none is added or taken away later.

    Attributes:
        worker: Names the process, as in its reports.
        routing_tables: By model; what answers now.
        held: By model; what the worker holds or failed to, for `/ready` and metrics.
        restraint: What this process and the trials of versions are under, in words.
        unkept: Tells how many predictions the log has lost if it cannot be written now; None if it
            can, or none is kept.
        draining: True once the worker is told to stop: `/ready` then says so, and goes on serving.
    """

    worker: str
    routing_tables: dict[str, RoutingTable]
    held: dict[str, tuple[LoadedVersion, ...]] = field(default_factory=dict)
    draining: bool = False
    restraint: str = "off"
    unkept: Callable[[], int | None] = field(default=lambda: None)

    def missing(self, version: str | None = None) -> dict[str, str]:
        """Tell what is not ready, and why, by model; of the live versions, or of *version*."""
        return {
            model: self._problem(model, version)
            for model, routing_table in self.routing_tables.items()
            if _ready(routing_table, version) is None
        }

    def _problem(self, model: str, version: str | None) -> str:
        version_statuses = [
            version_status
            for version_status in self.held.get(model, ())
            if version in (None, version_status.version)
        ]
        for version_status in version_statuses:
            if version_status.problem:
                return f"{version_status.version} failed: {version_status.problem}"
        if version_statuses:
            return f"{version_statuses[0].version} is loading"
        return "no version is loaded" if version is None else f"{version} is not in memory here"


def _ready(routing_table: RoutingTable, version: str | None) -> Loaded | None:
    if version is None:
        return routing_table.active
    return in_memory(routing_table).get(version)


def in_memory(routing_table: RoutingTable) -> dict[str, Loaded]:
    """Return every version of a routing table that can answer, by number."""
    loaded_versions = [
        loaded for loaded in (routing_table.candidate, routing_table.active) if loaded is not None
    ]
    return {**routing_table.kept, **{loaded.version: loaded for loaded in loaded_versions}}
