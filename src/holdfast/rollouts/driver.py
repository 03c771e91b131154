"""The driver: looks at a rollout, and does what the evidence says, once for all drivers.

A tick keeps nothing: it reads the journal, the reports and the counts, and writes at most one move
as the journal's next entry, which exists once. So it may be called at any time, by any number of
processes, and stopped anywhere.
"""

import dataclasses
import math
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from msgspec import UNSET, Struct
from msgspec.structs import replace

from holdfast.core.drift.drift_findings import DriftFinding
from holdfast.core.fleet import Counts, Report
from holdfast.core.rollout import aggregation, calibration, outcome_verdict
from holdfast.core.rollout.rollout_state import PREPARING, Rollout
from holdfast.core.rollout.step_verdict import Reason, StepVerdict
from holdfast.core.rollout.verdict import judge
from holdfast.core.rollout_commands import StepPosition, place_of
from holdfast.errors import ConflictError
from holdfast.registry import Registry
from holdfast.registry.reader import Reader
from holdfast.rollouts.count_sources import CountSource

_HOLDS_EVERY_S: Final = 60.0

Did = Literal[
    "nothing", "held", "began", "advanced", "completed", "passed", "undecided", "halted", "late"
]
"""What a tick did; *late* if a rival driver, or a person, was faster."""


@dataclass(frozen=True, slots=True)
class Look:
    """A rollout at one moment.

    Attributes:
        rollout: `None` if the model never had one.
        servers: Reports of the workers that are alive.
        verdict: On its step, as of now; the last one, if it ended.
        findings: Of drift, about the live version, that nobody acknowledged: they move nothing, and
            say that both sides are compared on inputs unlike those of training. `shown` asks.
    """

    rollout: Rollout | None
    servers: tuple[Report, ...]
    verdict: StepVerdict | None
    findings: tuple[DriftFinding, ...] = ()


class Ticked(Struct, frozen=True):
    """What a tick found and did.

    Attributes:
        rollout: As it stands after it; `None` if the model never had one.
        verdict: What it acted on.
    """

    model: str
    did: Did
    rollout: Rollout | None
    verdict: StepVerdict | None


def look(registry: Reader, model: str, source: CountSource, now: datetime) -> Look:
    """Judge a rollout as it stands, without doing anything.

    Args:
        registry: Where it is.
        model: Whose.
        source: Tells what was counted.
        now: Present time, aware.
    """
    rollout = registry.rollout(model)
    servers = tuple(report for report in registry.fleet.servers(model) if report.is_fresh(now))
    if rollout is None or not rollout.goes_on:
        verdict = rollout.verdict if rollout else None
    elif rollout.step == PREPARING:
        verdict = _preparing(rollout, servers)
    else:
        verdict = _step_verdict(rollout, servers, source, now)
    return Look(rollout, servers, verdict)


def _step_verdict(
    rollout: Rollout, servers: tuple[Report, ...], source: CountSource, now: datetime
) -> StepVerdict:
    counts = source.counts(rollout)
    proved = source.proved(counts)
    verdict = _judged(rollout, counts, source, now)
    if len(proved) < len(counts):
        doubt = Reason("unsigned_counts", _unsigned(len(counts) - len(proved), len(counts)))
        verdict = _allowed(verdict, _judged(rollout, proved, source, now), doubt)
    stays = _paused(rollout)
    if verdict.outcome == "advance":
        stays += _unready(rollout, servers)
    if verdict.outcome in ("advance", "end") and stays:
        verdict = _held(verdict, stays)
    return verdict


def _judged(
    rollout: Rollout, counts: list[Counts], source: CountSource, now: datetime
) -> StepVerdict:
    elapsed_s = _elapsed_s(rollout, now)
    verdict = judge(rollout.plan, rollout.analysis, aggregation.seen(rollout, counts, elapsed_s))
    if rollout.plan.strategy == "ab" and verdict.outcome != "halt":
        outcomes = source.outcomes(rollout, now)
        verdict = outcome_verdict.judge(
            rollout.plan, rollout.analysis, verdict, outcomes, elapsed_s, _matured(rollout)
        )
    return verdict


def _allowed(by_all: StepVerdict, by_proved: StepVerdict, doubt: Reason) -> StepVerdict:
    """Return what unsigned counts may bring about: they hold or halt a step, and advance none.

    Nor do they keep signed ones from halting it.
    """
    if by_proved.outcome == "halt" or by_all.outcome == by_proved.outcome == "advance":
        return by_proved
    if by_all.outcome == "advance":
        return _held(by_proved, [*by_proved.reasons, doubt])
    return by_all


def _unsigned(unsigned: int, workers: int) -> str:
    return (
        f"counts of {unsigned} of {workers} workers are signed by no listed signer; start servers "
        f"with --key-file, or count by --prometheus or --log"
    )


def _matured(rollout: Rollout) -> int:
    """Return the keys of an A/B test that had matured when its verdict was kept."""
    comparison = rollout.verdict.comparison if rollout.verdict else UNSET
    return 0 if comparison is UNSET else comparison.candidate.keys + comparison.active.keys


def _elapsed_s(rollout: Rollout, now: datetime) -> float:
    return max(0.0, (now - datetime.fromisoformat(rollout.since)).total_seconds())


def shown(registry: Reader, model: str, source: CountSource, now: datetime) -> Look:
    """Judge a rollout as it stands, for people, who also want to know of drift; see `look`."""
    observation = look(registry, model, source, now)
    return dataclasses.replace(observation, findings=registry.situation(model).findings)


def tick(registry: Registry, model: str, source: CountSource, now: datetime) -> Ticked:
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
        observation = look(registry, model, source, now)
        if (
            observation.rollout is None
            or not observation.rollout.goes_on
            or observation.verdict is None
        ):
            return Ticked(model, "nothing", observation.rollout, observation.verdict)
        if observation.verdict.outcome == "hold" and (
            _told_lately(observation.rollout, now) or _knows_nothing(observation.verdict)
        ):
            return Ticked(model, "held", observation.rollout, observation.verdict)
        did, verdict = _act(registry, model, observation, now)
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
    fleet = registry.fleet
    fresh = [report for report in fleet.proved(model, fleet.servers(model)) if report.is_fresh(now)]
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


def _knows_nothing(verdict: StepVerdict) -> bool:
    """Tell whether another driver is to say how an A/B test stands: this one cannot know."""
    return any(reason.code == "no_outcomes" for reason in verdict.reasons)


def _act(registry: Registry, model: str, look: Look, now: datetime) -> tuple[Did, StepVerdict]:
    rollout, verdict = look.rollout, look.verdict
    assert rollout is not None and verdict is not None  # noqa: S101, PT018 - `tick` has looked
    verbs, position = registry.rollouts, place_of(rollout)
    if verdict.outcome == "halt":
        verbs.halt(model, position, verdict)
        return "halted", verdict
    if verdict.outcome == "hold":
        verbs.record_verdict(model, position, verdict)
        return "held", verdict
    if verdict.outcome == "end":
        verbs.conclude(model, position, verdict)
        return "passed" if verdict.conclusive else "undecided", verdict
    if rollout.step == PREPARING:
        verbs.step(model, position, None)
        return "began", verdict
    if not rollout.is_last:
        verbs.step(model, position, verdict)
        return "advanced", verdict
    if rollout.plan.strategy == "shadow":
        verbs.pass_(model, position, verdict)
        return "passed", verdict
    return _complete(registry, model, look, now)


def _complete(registry: Registry, model: str, look: Look, now: datetime) -> tuple[Did, StepVerdict]:
    """Let the candidate go live, unless the gate refuses: then the rollout stays where it is.

    An A/B test stays until its deadline, and then it ends, for a share of the traffic is not to be
    the loser's for ever.
    """
    rollout, verdict = look.rollout, look.verdict
    assert rollout is not None and verdict is not None  # noqa: S101, PT018 - `tick` has looked
    position: StepPosition = place_of(rollout)
    refused = registry.judge(f"{model}@{rollout.version}").reasons
    if refused:
        hold_verdict = _held(
            verdict, [Reason("gate", f"the gate refuses: {reason}") for reason in refused]
        )
        deadline_s = rollout.plan.max_step_time_s or math.inf
        if rollout.plan.strategy == "ab" and _elapsed_s(rollout, now) >= deadline_s:
            ended = replace(hold_verdict, outcome="end")
            registry.rollouts.conclude(model, position, ended)
            return "undecided", ended
        registry.rollouts.record_verdict(model, position, hold_verdict)
        return "held", hold_verdict
    registry.rollouts.record_verdict(model, position, verdict)
    registry.rollouts.finish(model, position, verdict)
    return "completed", verdict


def _preparing(rollout: Rollout, servers: tuple[Report, ...]) -> StepVerdict:
    """Say whether every server that is alive could answer by the candidate."""
    doubts = [*_paused(rollout), *_unready(rollout, servers)]
    if not servers:
        doubts.append(Reason("no_server", "no server reports that it serves this model"))
    ready = Reason("ready", f"{len(servers)} of {len(servers)} servers have it ready")
    return StepVerdict(
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
        version_status = server.held(rollout.version)
        if version_status is None or version_status.state == "loading":
            doubts.append(Reason("not_ready", f"{server.worker} is loading {rollout.version}"))
        elif version_status.state == "failed":
            problem = f"{server.worker} cannot load {rollout.version}: {version_status.problem}"
            doubts.append(Reason("load_failed", problem))
    return doubts


def _held(verdict: StepVerdict, reasons: list[Reason]) -> StepVerdict:
    return replace(verdict, outcome="hold", conclusive=False, reasons=tuple(reasons))
