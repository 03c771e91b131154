"""The new version and the champion, scored alike on a run's rows; what a run claims is checked.

It is the scoring of `holdfast evaluate`: nothing rests on what a run says of itself, or on metrics
that were measured on other rows.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from holdfast import scratch
from holdfast.core.manifest import Manifest
from holdfast.core.state import State
from holdfast.errors import InvalidInputError, UnsupportedError
from holdfast.formats import loss_files
from holdfast.registry import Registry, scored_versions
from holdfast.registry.loading import Fetched
from holdfast.registry.losses import Measured
from holdfast.registry.retraining_conclusion import Score, ScoredPair
from holdfast.registry.scored_versions import Scored
from holdfast.retraining.labelled_rows import LabelledRows
from holdfast.retraining.run_results import RunResult
from holdfast.sandbox.restraint import Mode
from holdfast.scoring import comparison
from holdfast.scoring.alignment import AskedTask
from holdfast.scoring.comparison import LOSSES, Side
from holdfast.scoring.data_file import DataFile

__all__ = ["scorer"]

_NEAR: Final = 1e-6


def scorer(
    registry: Registry,
    model: str,
    result: RunResult,
    rows: LabelledRows | None,
    sandbox: Mode = "auto",
) -> Score:
    """Return what scores a draft and the champion of a state."""
    if rows is None:
        return lambda _draft, _stored, state: ScoredPair(champion=state.production)
    return _ScoredRun(registry, model, result, rows, sandbox).score


class _ScoredRun:
    def __init__(
        self, registry: Registry, model: str, result: RunResult, rows: LabelledRows, sandbox: Mode
    ) -> None:
        self._registry, self._model, self._sandbox = registry, model, sandbox
        self._result, self._rows = result, rows

    def score(self, draft: Manifest, stored: Path, state: State) -> ScoredPair:
        """Score both.

        Raises:
            InvalidInputError: If the run claims losses that its model does not have.
            UnsupportedError: If the new version does not answer the rows.
        """
        roles = {role: stored / artifact.path for role, artifact in draft.artifacts.items()}
        new = Fetched(f"{self._model}@new", draft, roles)
        scored, problem = self._scored(new, self._champion(state))
        own = scored.sides[0]
        beside = scored.sides[1] if len(scored.sides) > 1 else None
        measured = self._measured(new.ref, own)
        self._check_claims(own)
        names = {*self._result.metrics, *state.policy.metrics, *state.policy.required_metrics}
        metrics = {**_figures(own, names), **_means(measured)}
        remarks = [*scored.remarks, *_corrections(self._result.metrics, metrics)]
        old: dict[str, float] = {}
        old_measured = None
        if beside is not None:
            old_measured = Measured(
                self._rows.digest, comparison.kept_losses(beside, list(measured.rows))
            )
            old = {**_figures(beside, metrics.keys()), **_means(old_measured)}
        return ScoredPair(
            metrics=metrics,
            measured=measured,
            champion=state.production,
            champion_metrics=old,
            champion_measured=old_measured,
            remarks=(*remarks, problem) if problem else tuple(remarks),
        )

    def _champion(self, state: State) -> Fetched | None:
        if state.production is None:
            return None
        return self._registry.fetch(f"{self._model}@{state.production}")

    def _scored(self, new: Fetched, champion: Fetched | None) -> tuple[Scored, str | None]:
        """Score both; that the live version does not answer does not fail the new one."""
        if champion is None:
            return self._answered([new]), None
        try:
            return self._answered([new, champion]), None
        except (InvalidInputError, UnsupportedError) as error:
            if isinstance(error, UnsupportedError) and error.subject == new.ref:
                raise
            return self._answered([new]), f"the champion was not scored: {error}"

    def _answered(self, versions: Sequence[Fetched]) -> Scored:
        rows = self._rows
        with scratch.folder() as folder, DataFile(rows.path) as file:
            prepared = scored_versions.prepared(file, versions, rows.label, None, folder)
            trials = scored_versions.trials_of(self._sandbox)
            try:
                return scored_versions.score(versions, prepared, trials, self._task())
            except InvalidInputError as error:
                if error.subject != "task":
                    raise
                advice = "return 'loss': 'error_rate' or 'loss': 'mae'"
                raise InvalidInputError(error.subject, error.problem, advice) from error

    def _task(self) -> AskedTask:
        """Tell the task from the losses that the run names, where it names some."""
        names = [*self._result.loss, *self._result.losses]
        tasks = {LOSSES[name] for name in names if name in LOSSES}
        return tasks.pop() if len(tasks) == 1 else "auto"

    def _measured(self, ref: str, side: Side) -> Measured:
        wanted = self._result.loss
        unknown = [name for name in wanted if name not in LOSSES]
        if unknown:
            advice = f"use one of {', '.join(LOSSES)}"
            raise InvalidInputError(f"loss {unknown[0]!r}", "is unknown", advice)
        kept = comparison.kept_losses(side, wanted)
        lacking = [name for name in wanted if name not in kept]
        if lacking:
            why = getattr(side, "no_chances", "") or "it is of another task"
            problem = f"has no {lacking[0]} on the evaluation rows: {why}"
            raise UnsupportedError(ref, problem, "name another loss")
        return Measured(self._rows.digest, kept)

    def _check_claims(self, side: Side) -> None:
        """Hold the losses that a run tells against those that its model has on these rows."""
        known = comparison.kept_losses(side, list(LOSSES))
        for name, claim in self._result.losses.items():
            if name not in known:
                problem = f"cannot be checked; measured are {', '.join(known)}"
                raise InvalidInputError(f"losses {name!r}", f"are claimed, but it {problem}")
            claimed = loss_files.values(loss_files.taken(name, claim))
            own = loss_files.values(known[name])
            differing = [
                row
                for row, (claimed_value, had) in enumerate(zip(claimed, own, strict=False))
                if not math.isclose(claimed_value, had, rel_tol=_NEAR, abs_tol=_NEAR)
            ]
            if len(claimed) != len(own) or differing:
                row = differing[0] if differing else min(len(claimed), len(own))
                raise InvalidInputError(
                    f"losses {name!r}",
                    f"have other values than the model on the evaluation rows, from row {row} on",
                    "leave them out: they are measured anyway",
                )


def _figures(side: Side, names: Any) -> dict[str, float]:
    measured = {name: comparison.figure(side, name) for name in sorted(names)}
    return {name: value for name, value in measured.items() if value is not None}


def _means(measured: Measured) -> dict[str, float]:
    means: Mapping[str, Any] = measured.among({})
    return {name: float(value) for name, value in means.items()}


def _corrections(claimed: Mapping[str, float], measured: Mapping[str, float]) -> Iterator[str]:
    for name, value in measured.items():
        claim = claimed.get(name, value)
        if not math.isclose(claim, value, rel_tol=_NEAR, abs_tol=_NEAR):
            yield f"{name}: the run says {claim:g}, {value:g} was measured on its evaluation rows"
