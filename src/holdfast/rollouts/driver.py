"""The driver: looks at a rollout, and does what the evidence says, once for all drivers.

A tick keeps nothing: it reads the journal, the reports and the counts, and writes at most one move
as the journal's next entry, which exists once. So it may be called at any time, by any number of
processes, and stopped anywhere.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from msgspec import Struct
from msgspec.structs import replace

from holdfast.core.fleet import Report
from holdfast.core.rollout import calibration, merging
from holdfast.core.rollout.commands import Place, place_of
from holdfast.core.rollout.course import PREPARING, Rollout
from holdfast.core.rollout.verdict import Reason, Verdict, judge
from holdfast.errors import ConflictError
from holdfast.registry import Registry
from holdfast.registry.reader import Reader
from holdfast.rollouts.sources import Source

_HOLDS_EVERY_S: Final = 60.0

Did = Literal["nothing", "held", "began", "advanced", "completed", "passed", "halted", "late"]
"""What a tick did; *late* if a rival driver, or a person, was faster."""


@dataclass(frozen=True, slots=True)
class Look:
    """A rollout at one moment.

    Attributes:
        rollout: `None` if the model never had one.
        servers: Reports of the workers that are alive.
        verdict: On its step, as of now; the last one, if it ended.
    """

    rollout: Rollout | None
    servers: tuple[Report, ...]
    verdict: Verdict | None


class Ticked(Struct, frozen=True):
    """What a tick found and did.

    Attributes:
        rollout: As it stands after it; `None` if the model never had one.
        verdict: What it acted on.
    """

    model: str
    did: Did
    rollout: Rollout | None
    verdict: Verdict | None


def look(registry: Reader, model: str, source: Source, now: datetime) -> Look:
    """Judge a rollout as it stands, without doing anything.

    Args:
        registry: Where it is.
        model: Whose.
        source: Tells what was counted.
        now: Present time, aware.
    """
    rollout = registry.rollout(model)
    servers = tuple(one for one in registry.fleet.servers(model) if one.is_fresh(now))
    if rollout is None or not rollout.goes_on:
        return Look(rollout, servers, rollout.verdict if rollout else None)
    if rollout.step == PREPARING:
        return Look(rollout, servers, _preparing(rollout, servers))
    elapsed_s = max(0.0, (now - datetime.fromisoformat(rollout.since)).total_seconds())
    seen = merging.seen(rollout, source.counts(rollout), elapsed_s)
    verdict = judge(rollout.plan, rollout.analysis, seen)
    stays = [*_paused(rollout), *_unready(rollout, servers)]
    if verdict.outcome == "advance" and stays:
        verdict = _held(verdict, stays)
    return Look(rollout, servers, verdict)


def tick(registry: Registry, model: str, source: Source, now: datetime) -> Ticked:
    """Bring a rollout on by what is known now: one move, or none.

    Args:
        registry: Where it is; its author signs the moves.
        model: Whose.
        source: Tells what was counted.
        now: Present time, aware.

    Raises:
        HoldfastError: If the store cannot be read or written; the next tick tries again.
    """
    try:
        _calibrate(registry, model, now)
        found = look(registry, model, source, now)
        if found.rollout is None or not found.rollout.goes_on or found.verdict is None:
            return Ticked(model, "nothing", found.rollout, found.verdict)
        if found.verdict.outcome == "hold" and _told_lately(found.rollout, now):
            return Ticked(model, "held", found.rollout, found.verdict)
        did, verdict = _act(registry, model, found.rollout, found.verdict)
    except ConflictError:
        return Ticked(model, "late", registry.rollout(model), None)
    return Ticked(model, did, registry.rollout(model), verdict)


def _calibrate(registry: Registry, model: str, now: datetime) -> None:
    """Freeze what is slow for the active version, once it answered often enough."""
    rollout = registry.rollout(model)
    if rollout is None or not rollout.goes_on or rollout.baseline is not None:
        return
    if not (rollout.analysis.latency or rollout.analysis.drift):  # nothing asks for it
        return
    fresh = [one for one in registry.fleet.servers(model) if one.is_fresh(now)]
    measured = calibration.baseline(fresh, rollout.was, rollout.analysis)
    if measured is not None:
        registry.rollouts.calibrate(model, rollout.number, measured)


def _told_lately(rollout: Rollout, now: datetime) -> bool:
    """Tell whether a hold was written within the last minute.

    What it holds for may change back and forth at each look, and is not to fill the journal. It is
    a driver's own restraint: a journal that says more is as true.
    """
    if rollout.judged_at is None or rollout.verdict is None or rollout.verdict.outcome != "hold":
        return False
    age_s = (now - datetime.fromisoformat(rollout.judged_at)).total_seconds()
    return abs(age_s) < _HOLDS_EVERY_S  # one of the future was written by a clock that was wrong


def _act(registry: Registry, model: str, rollout: Rollout, verdict: Verdict) -> tuple[Did, Verdict]:
    verbs, place = registry.rollouts, place_of(rollout)
    if verdict.outcome == "halt":
        verbs.halt(model, place, verdict)
        return "halted", verdict
    if verdict.outcome == "hold":
        verbs.judge(model, place, verdict)
        return "held", verdict
    if rollout.step == PREPARING:
        verbs.step(model, place, None)
        return "began", verdict
    if not rollout.is_last:
        verbs.step(model, place, verdict)
        return "advanced", verdict
    if rollout.plan.strategy == "shadow":
        verbs.pass_(model, place, verdict)
        return "passed", verdict
    return _complete(registry, model, rollout, verdict)


def _complete(
    registry: Registry, model: str, rollout: Rollout, verdict: Verdict
) -> tuple[Did, Verdict]:
    """Let the candidate go live, unless the gate refuses: then the rollout stays where it is."""
    place: Place = place_of(rollout)
    refused = registry.judge(f"{model}@{rollout.version}").reasons
    if refused:
        held = _held(verdict, [Reason("gate", f"the gate refuses: {one}") for one in refused])
        registry.rollouts.judge(model, place, held)
        return "held", held
    registry.rollouts.judge(model, place, verdict)
    registry.rollouts.finish(model, place, verdict)
    return "completed", verdict


def _preparing(rollout: Rollout, servers: tuple[Report, ...]) -> Verdict:
    """Say whether every server that is alive could answer by the candidate."""
    doubts = [*_paused(rollout), *_unready(rollout, servers)]
    if not servers:
        doubts.append(Reason("no_server", "no server reports that it serves this model"))
    ready = Reason("ready", f"{len(servers)} of {len(servers)} servers have it ready")
    return Verdict(
        "hold" if doubts else "advance",
        conclusive=not doubts,
        weight=0.0,
        reasons=tuple(doubts) or (ready,),
        readings=(),
        canary=None,
        active=None,
    )


def _paused(rollout: Rollout) -> list[Reason]:
    return [Reason("paused", "it is paused")] if rollout.phase == "paused" else []


def _unready(rollout: Rollout, servers: tuple[Report, ...]) -> list[Reason]:
    """Say which servers could not answer by the candidate, and why."""
    doubts = []
    for server in servers:
        held = server.held(rollout.version)
        if held is None or held.state == "loading":
            doubts.append(Reason("not_ready", f"{server.worker} is loading {rollout.version}"))
        elif held.state == "failed":
            problem = f"{server.worker} cannot load {rollout.version}: {held.problem}"
            doubts.append(Reason("load_failed", problem))
    return doubts


def _held(verdict: Verdict, reasons: list[Reason]) -> Verdict:
    return replace(verdict, outcome="hold", conclusive=False, reasons=tuple(reasons))
