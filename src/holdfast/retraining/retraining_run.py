"""One run, from its slot to one entry: a version that was judged, or a failure and its log."""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, cast

import msgspec
from msgspec import Struct, field
from msgspec.structs import asdict, replace

from holdfast import scratch
from holdfast.core.drift.drift_reference import ROLE
from holdfast.core.events import Retrained
from holdfast.core.lineage_record import DataUse
from holdfast.core.manifest import PATCH, plain
from holdfast.core.retraining.retraining_terms import ENTRY, Follow
from holdfast.core.retraining.slot_record import SlotRecord
from holdfast.core.retraining.slots import Window
from holdfast.core.version import Bump
from holdfast.errors import (
    ConflictError,
    InvalidInputError,
    MissingLibraryError,
    RefusedError,
    UnsupportedError,
    UntrustedError,
)
from holdfast.registry import Registry, trained_on
from holdfast.registry.facts import Facts
from holdfast.registry.retraining_conclusion import Attempt
from holdfast.registry.retraining_lease import PULSE, Lease, LeaseHolder, Pulse
from holdfast.retraining import (
    labelled_rows,
    run_code,
    run_context,
    run_data,
    run_results,
    scored_run,
    training_process,
)
from holdfast.retraining.labelled_rows import LabelledRows
from holdfast.retraining.run_code import RunCode
from holdfast.retraining.run_data import RunData
from holdfast.retraining.run_results import RunResult
from holdfast.retraining.training_process import OUT_OF_MEMORY, Ended, ProcessLimits, Training
from holdfast.sandbox.restraint import Mode

__all__ = ["EVALUATION", "RunOutcome", "RunRequest", "name_of_entry", "run"]

EVALUATION: Final = "evaluation"
"""Data of this name are rows to score on: no training data, and the run's set if it leaves none."""

_FAILURES: Final = (
    InvalidInputError,
    MissingLibraryError,
    RefusedError,
    UnsupportedError,
    UntrustedError,
)
"""What is the run's fault; whatever else goes wrong is the store's, and leaves no entry."""

_MOST_WHY: Final = 500


class RunRequest(Struct, frozen=True):
    """What is to be run.

    Attributes:
        entry: `package.module:function`, or empty where *command* runs.
        command: A program and its arguments, which leaves files.
        slot: As it is written (`core/retraining/slots.py`).
        data: Files and folders by name.
        data_refs: Versions of data by name, `sales@v3`, likewise.
        patch: Whether to keep what the work tree has changed since its commit.
        folder: Where it runs, from where its module is imported.
        environment: Of the caller.
        holder: Who runs it, for people.
        bump: `major` only here: no run raises it by itself.
        trust: Why files that run code outside the allow-list are accepted.
        then: What follows a version that passes the gate.
        pulse: How the lease beats.
    """

    model: str
    slot: str
    folder: Path
    environment: Mapping[str, str]
    entry: str = ""
    command: tuple[str, ...] = ()
    data: Mapping[str, Path] = field(default_factory=dict)
    data_refs: Mapping[str, str] = field(default_factory=dict)
    patch: bool = False
    window: Window | None = None
    seed: int = 0
    limits: ProcessLimits = field(default_factory=ProcessLimits)
    holder: str = ""
    bump: Bump = "auto"
    trust: str | None = None
    then: Follow = "stage"
    sandbox: Mode = "auto"
    pulse: Pulse = PULSE


class RunOutcome(Struct, frozen=True):
    """What a run came to.

    Attributes:
        record: What the journal says of its slot now.
        ran: False if the slot was done before.
        follows: What was begun with the version, or why nothing was; empty where nothing was to be.
        log: The end of what the run wrote, where it failed.
    """

    model: str
    record: SlotRecord
    ran: bool
    follows: str = ""
    log: str = ""


def name_of_entry(entry: str, command: tuple[str, ...]) -> str:
    """Return the name under which slots of an entry point or a command are kept.

    Arguments are hashed, not told: they may hold what a history should not.

    Raises:
        InvalidInputError: If neither is given, or both, or the entry point is malformed.
    """
    if bool(entry) == bool(command):
        advice = "give --entry package.module:function, or --command with a program"
        raise InvalidInputError("retraining", "needs one entry point or command", advice)
    if entry:
        if re.fullmatch(ENTRY, entry) is None:
            advice = "write package.module:function"
            raise InvalidInputError(f"entry {entry!r}", "is malformed", advice)
        return entry
    digest = hashlib.sha256("\0".join(command).encode()).hexdigest()
    return f"command {Path(command[0]).name} {digest[:12]}"


def run(registry: Registry, request: RunRequest) -> RunOutcome:
    """Run a slot, once: what a rival has done, or did before, is told and not done again.

    Raises:
        ConflictError: If another run holds the lease or took it, or the slot failed too often.
        InvalidInputError: If data cannot be read, or the request is malformed.
        UnsupportedError: If this system cannot hold a training to its limits (Windows).
    """
    training_process.require_system()
    verbs, name = registry.retrainings, name_of_entry(request.entry, request.command)
    record = verbs.record(request.model, request.slot, name)
    if record.is_final:
        return _followed(registry, request, RunOutcome(request.model, record, ran=False))
    holder = LeaseHolder(request.slot, request.holder)
    with verbs.lease(request.model, holder, request.pulse) as lease, scratch.folder() as home:
        record = verbs.record(request.model, request.slot, name)
        if record.is_final:  # by the one that held the lease until now
            return _followed(registry, request, RunOutcome(request.model, record, ran=False))
        outcome = _Run(registry, request, name, lease, home).outcome()
    return _followed(registry, request, outcome)


def _followed(registry: Registry, request: RunRequest, outcome: RunOutcome) -> RunOutcome:
    """Begin a rollout where the policy wants one; a key sees to it that a slot begins one only."""
    version = outcome.record.version
    if request.then != "rollout" or outcome.record.outcome != "registered":
        return outcome
    key = f"retrain {outcome.record.slot} {outcome.record.entry}"
    try:
        moved = registry.rollouts.start(
            f"{request.model}@{version}", reason=f"retrained {request.slot}", idempotency_key=key
        )
    except ConflictError as error:
        return replace(outcome, follows=f"no rollout begins: {error}")
    return replace(outcome, follows=moved.note)


class _Run:
    """One attempt, under a lease, in a folder of its own."""

    def __init__(
        self, registry: Registry, request: RunRequest, name: str, lease: Lease, home: Path
    ) -> None:
        self.registry, self.request, self.name = registry, request, name
        self.lease, self.home = lease, home
        self.out = home / "out"
        self.facts: dict[str, Any] = {}

    def outcome(self) -> RunOutcome:
        """Train, look at what came of it, and write the one entry."""
        request = self.request
        data = run_data.taken(self.registry, request.data, request.data_refs, self.home / "data")
        code = run_code.of(request.folder, patch=request.patch)
        ended = self._trained(data.paths)
        if ended.why == "stopped":
            self.lease.require()
        self.facts |= self._recorded(ended, data.digests)
        problem = _problem(ended)
        try:
            if problem is None:
                data.require_same()
                return self._concluded(ended, data, code)
        except ConflictError:
            raise
        except _FAILURES as error:
            return self._failed(ended, "failed", str(error))
        return self._failed(ended, "limit" if ended.met_limit else "failed", problem)

    def _trained(self, data: Mapping[str, Path]) -> Ended:
        request = self.request
        self.out.mkdir()
        context = run_context.write(
            self.home / "context.json",
            out=self.out,
            data=data,
            slot=request.slot,
            window=request.window,
            seed=request.seed,
            champion=run_context.champion(self.registry, request.model, self._live()),
        )
        own = run_context.command(context, request.entry)
        training = Training(
            command=request.command or own,
            folder=request.folder,
            scratch=self.home,
            environment=request.environment,
            further=run_context.variables(self.out, context, request.slot, request.seed),
            seed=request.seed,
        )
        return training_process.run(training, request.limits, lambda: self.lease.is_lost)

    def _live(self) -> str | None:
        return self.registry.retrainings.state(self.request.model).production

    def _recorded(self, ended: Ended, digests: Mapping[str, str]) -> dict[str, Any]:
        """Return what is recorded of a run: a superset of the logs of training pipelines."""
        request = self.request
        window = str(request.window) if request.window else None
        identity = f"{request.model} {request.slot} {self.name} {self.lease.term}"
        return {
            "run_id": hashlib.sha256(identity.encode()).hexdigest()[:8],
            "triggered_at": request.slot,
            "data_window": window,
            "slot": request.slot,
            "entry": self.name,
            "term": self.lease.term,
            "seed": request.seed,
            "data": dict(digests),
            "settings": ended.settings,
            "limits": asdict(request.limits),
            **run_code.machine(),
            "status": ended.status,
            "ended": ended.why,
            "took_s": round(ended.took_s, 3),
            "peak_rss_bytes": ended.peak_bytes,
        }

    def _concluded(self, ended: Ended, data: RunData, code: RunCode) -> RunOutcome:
        result = run_results.read(self.out)
        if result.bump == "major" and self.request.bump != "major":
            advice = "a run does not raise it by itself: retrain with --bump major"
            raise InvalidInputError("result bump 'major'", "was not asked for", advice)
        bump = result.bump if self.request.bump == "auto" else self.request.bump
        uses = data.uses()
        rows = self._rows(result, data, uses)
        if rows is not None:
            self.facts["evaluation"] = f"sha256:{rows.digest}"
            self.facts["evaluation_rows"] = rows.rows
        attempt = Attempt(self.request.slot, self.name, bump, self._run(result), ended.log)
        asked, sources = self.request, dict[str, object](result.sources)
        if result.reference is not None:
            sources[ROLE] = result.reference
        if code.patch is not None:
            sources[PATCH] = code.patch
        score = scored_run.scorer(self.registry, asked.model, result, rows, asked.sandbox)
        record = self.registry.retrainings.conclude(
            asked.model, attempt, self.lease, sources, self._told(result, uses, code), score
        )
        return RunOutcome(self.request.model, record, ran=True)

    def _rows(
        self, result: RunResult, data: RunData, uses: Mapping[str, DataUse]
    ) -> LabelledRows | None:
        """Find the rows to score on, which nothing was trained on as far as digests can tell.

        Raises:
            InvalidInputError: If they are those of the training data.
        """
        path = result.evaluation or data.paths.get(EVALUATION)
        if path is None and result.losses:
            problem, advice = "are claimed without the rows that they are of", "leave both, or none"
            raise InvalidInputError("losses", problem, advice)
        if path is None:
            return None
        rows = labelled_rows.read(path, result.label)
        for name, digests in data.files.items():
            same_rows = rows.rows is not None and rows.rows == uses[name].rows
            if name != EVALUATION and (same_rows or rows.digest in digests.values()):
                problem = f"is the training data {name}"
                raise InvalidInputError("evaluation set", problem, "keep rows back that none saw")
        return rows

    def _told(self, result: RunResult, uses: Mapping[str, DataUse], code: RunCode) -> Facts:
        """Return the facts of a registration: the run's own, and what is known of it here."""
        lineage, _ = trained_on.as_facts(uses)
        _, of_training = trained_on.as_facts(
            {name: use for name, use in uses.items() if name != EVALUATION}
        )
        training = {
            **result.facts.get("training_data", {}),
            **of_training,
            "window": self.facts["data_window"],
        }
        window = self.facts["data_window"] or result.run_log.get("data_window")
        run_id = result.run_log.get("run_id") or self.facts["run_id"]
        told: dict[str, Any] = {
            **result.facts,
            "metrics": result.metrics,
            "training_data": {key: value for key, value in training.items() if value},
            "lineage": {
                **code.lineage,
                **lineage,
                "data_window": window and str(window),
                "entry": self.name,
                "run_id": str(run_id),
                "seed": self.request.seed,
                "slot": self.request.slot,
            },
            "metadata": {
                **result.facts.get("metadata", {}),
                "retraining": {"slot": self.request.slot, "entry": self.name},
            },
        }
        if self.request.trust:
            told["trust"] = self.request.trust
        return cast("Facts", told)

    def _run(self, result: RunResult | None = None) -> bytes:
        if result is None:
            return _encode(self.facts)
        own = {
            "winner_config": {
                "model_class": result.facts.get("algorithm"),
                "params": result.facts.get("hyperparameters", {}),
            },
            "val_metrics": result.metrics,
        }
        return _encode({**own, **result.run_log, **self.facts})

    def _failed(self, ended: Ended, outcome: Any, why: str) -> RunOutcome:
        event = Retrained(
            slot=self.request.slot,
            entry=self.name,
            outcome=outcome,
            term=self.lease.term,
            why=why.replace(str(self.out), "out")[:_MOST_WHY],
        )
        attempt = Attempt(self.request.slot, self.name, "auto", self._run(), ended.log)
        record = self.registry.retrainings.fail(self.request.model, attempt, event, self.lease)
        log = ended.log.decode(errors="replace")
        return RunOutcome(self.request.model, record, ran=True, log=log)


def _encode(record: Mapping[str, Any]) -> bytes:
    """Write the record of a run: equal records give equal bytes."""
    return msgspec.json.encode(plain(record), order="sorted") + b"\n"


def _problem(ended: Ended) -> str | None:
    """Say why a run made nothing, `None` if it may have."""
    match ended.why:
        case "time":
            return f"it took longer than its limit; it was ended after {ended.took_s:.0f} s"
        case "memory":
            return f"its processes held {ended.peak_bytes:,} bytes, more than their limit"
        case "processes":
            return f"it started more than {training_process.MOST_PROCESSES:,} processes"
        case _:
            pass
    if ended.status == OUT_OF_MEMORY:
        return "it asked for more memory than its limit"
    return f"it ended with status {ended.status}" if ended.status else None
