"""Whether a worker lives, is ready, and what it serves: the answers, without HTTP or gRPC."""

from typing import Any, Final

from holdfast.serving.lineup import Lineup, Loaded
from holdfast.serving.refusal import Refusal
from holdfast.serving.served import Served, in_memory

__all__ = ["index", "lineup_of", "loaded_of", "models", "readiness", "unknown"]

_UNREADY: Final = 503


def lineup_of(served: Served, model: str) -> Lineup:
    """Return the line-up of a model.

    Raises:
        Refusal: 404 if the model is not served here.
    """
    found = served.lineups.get(model)
    if found is None:
        raise unknown(served, model)
    return found


def loaded_of(served: Served, model: str, version: str | None = None) -> Loaded:
    """Return the live version of a model, or the one that is asked for.

    Raises:
        Refusal: 404 if the model or version is not here, 503 if no version is ready.
    """
    named = lineup_of(served, model)
    found = named.active if version is None else in_memory(named).get(version)
    if found is None:
        told = f"no version of {model} is ready" if version is None else f"{model}@{version}"
        status = _UNREADY if version is None else 404
        raise Refusal(status, told if version is None else f"{told} is not in memory here")
    return found


def unknown(served: Served, model: str) -> Refusal:
    """Return the refusal of a model that is not served here."""
    return Refusal(
        404, f"model {model!r} is not served here; these are: {', '.join(served.lineups)}"
    )


def readiness(served: Served, version: str | None = None) -> tuple[bool, dict[str, Any]]:
    """Tell whether every model has a version that answers, or *version* itself, and what lacks.

    During a swap the old version answers, so the server stays ready.
    """
    missing = served.missing(version)
    if served.draining:
        missing = {"server": "is stopping"} | missing
    live = {
        model: lineup.active.version
        for model, lineup in served.lineups.items()
        if lineup.active is not None
    }
    failed = {
        f"{model}@{one.version}": one.problem
        for model, held in served.held.items()
        for one in held
        if one.problem
    }
    told: dict[str, Any] = {"ready": not missing, "live": live, "sandbox": served.restraint}
    lost = served.unkept()
    if lost is not None:
        told["log"] = f"cannot be written, {lost} predictions lost; see the server's log"
    if missing:
        told["missing"] = missing
    if failed:
        told["failed"] = failed
    return not missing, told


def models(served: Served) -> list[dict[str, Any]]:
    """Return what each model's line-up is."""
    found = []
    for model, lineup in served.lineups.items():
        rollout = lineup.rollout
        told = {
            "name": model,
            "live": lineup.active and lineup.active.version,
            "candidate": lineup.candidate and lineup.candidate.version,
            "in_memory": sorted(in_memory(lineup)),
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
        found.append(told)
    return found


def index(served: Served) -> list[dict[str, str]]:
    """Return every version that is held or failed, as Triton's index of a repository has it."""
    found = []
    for model, lineup in served.lineups.items():
        ready = in_memory(lineup)
        found += [{"name": model, "version": one, "state": "READY"} for one in ready]
        found += [
            {
                "name": model,
                "version": one.version,
                "state": "LOADING" if one.state == "loading" else "UNAVAILABLE",
                "reason": one.problem or "",
            }
            for one in served.held.get(model, ())
            if one.version not in ready
        ]
    return found
