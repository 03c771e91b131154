"""Whether a worker lives, is ready, and what it serves: the answers, without HTTP or gRPC."""

from typing import Any, Final

from holdfast.rows.loaded_version import Loaded
from holdfast.rows.refusal import Refusal
from holdfast.serving.routing_table import RoutingTable
from holdfast.serving.worker_state import WorkerState, in_memory

__all__ = ["index", "loaded_of", "models", "readiness", "routing_table_of", "unknown"]

_UNREADY: Final = 503


def routing_table_of(served: WorkerState, model: str) -> RoutingTable:
    """Return the routing table of a model.

    Raises:
        Refusal: 404 if the model is not served here.
    """
    routing_table = served.routing_tables.get(model)
    if routing_table is None:
        raise unknown(served, model)
    return routing_table


def loaded_of(served: WorkerState, model: str, version: str | None = None) -> Loaded:
    """Return the live version of a model, or the one that is asked for.

    Raises:
        Refusal: 404 if the model or version is not here, 503 if no version is ready.
    """
    routing_table = routing_table_of(served, model)
    loaded = routing_table.active if version is None else in_memory(routing_table).get(version)
    if loaded is None:
        message = f"no version of {model} is ready" if version is None else f"{model}@{version}"
        status = _UNREADY if version is None else 404
        raise Refusal(status, message if version is None else f"{message} is not in memory here")
    return loaded


def unknown(served: WorkerState, model: str) -> Refusal:
    """Return the refusal of a model that is not served here."""
    return Refusal(
        404, f"model {model!r} is not served here; these are: {', '.join(served.routing_tables)}"
    )


def readiness(served: WorkerState, version: str | None = None) -> tuple[bool, dict[str, Any]]:
    """Tell whether every model has a version that answers, or *version* itself, and what lacks.

    During a swap the old version answers, so the server stays ready.
    """
    missing = served.missing(version)
    if served.draining:
        missing = {"server": "is stopping"} | missing
    live = {
        model: routing_table.active.version
        for model, routing_table in served.routing_tables.items()
        if routing_table.active is not None
    }
    failed = {
        f"{model}@{version_status.version}": version_status.problem
        for model, version_statuses in served.held.items()
        for version_status in version_statuses
        if version_status.problem
    }
    document: dict[str, Any] = {"ready": not missing, "live": live, "sandbox": served.restraint}
    lost = served.unkept()
    if lost is not None:
        document["log"] = f"cannot be written, {lost} predictions lost; see the server's log"
    if missing:
        document["missing"] = missing
    if failed:
        document["failed"] = failed
    return not missing, document


def models(served: WorkerState) -> list[dict[str, Any]]:
    """Return what each model's routing table is."""
    documents = []
    for model, routing_table in served.routing_tables.items():
        rollout = routing_table.rollout
        document = {
            "name": model,
            "live": routing_table.active and routing_table.active.version,
            "candidate": routing_table.candidate and routing_table.candidate.version,
            "in_memory": sorted(in_memory(routing_table)),
            "rollout": None
            if rollout is None
            else {
                "number": rollout.number,
                "version": rollout.version,
                "step": rollout.step,
                "weight": rollout.weight,
                "phase": rollout.phase,
            },
        }
        documents.append(document)
    return documents


def index(served: WorkerState) -> list[dict[str, str]]:
    """Return every version that is held or failed, as Triton's index of a repository has it."""
    entries = []
    for model, routing_table in served.routing_tables.items():
        ready = in_memory(routing_table)
        entries += [{"name": model, "version": version, "state": "READY"} for version in ready]
        entries += [
            {
                "name": model,
                "version": version_status.version,
                "state": "LOADING" if version_status.state == "loading" else "UNAVAILABLE",
                "reason": version_status.problem or "",
            }
            for version_status in served.held.get(model, ())
            if version_status.version not in ready
        ]
    return entries
