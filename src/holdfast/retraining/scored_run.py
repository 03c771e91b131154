"""The new version and the champion, scored alike on a run's rows; what a run claims is checked."""

import contextlib
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from holdfast.core.manifest import Manifest
from holdfast.core.state import State
from holdfast.errors import InvalidInputError, UnsupportedError
from holdfast.formats import loss_files
from holdfast.registry import Registry, trial_runs
from holdfast.registry import losses as measuring
from holdfast.registry.loading import Fetched
from holdfast.registry.losses import Measured
from holdfast.registry.retraining_conclusion import Score, ScoredPair
from holdfast.retraining import scoring
from holdfast.retraining.evaluation_rows import EvaluationRows
from holdfast.retraining.run_results import RunResult
from holdfast.retraining.scoring import Scores
from holdfast.sandbox import Trials
from holdfast.sandbox.restraint import Mode

__all__ = ["scorer"]

_NEAR: Final = 1e-6


@contextlib.contextmanager
def scorer(
    registry: Registry,
    model: str,
    result: RunResult,
    rows: EvaluationRows | None,
    sandbox: Mode = "auto",
) -> Iterator[Score]:
    """Give what scores a draft and the champion of a state, for as long as the block lasts."""
    if rows is None:
        yield lambda _draft, _stored, state: ScoredPair(champion=state.production)
        return
    nursery = trial_runs.begun(registry, [], sandbox, "holdfast.retraining.scoring")
    with nursery or contextlib.nullcontext() as trials:
        scored = _ScoredRun(registry, model, result, rows, trials)
        yield scored.score


class _ScoredRun:
    def __init__(
        self,
        registry: Registry,
        model: str,
        result: RunResult,
        rows: EvaluationRows,
        trials: Trials | None,
    ) -> None:
        self._registry, self._model, self._trials = registry, model, trials
        self._result, self._rows = result, rows

    def score(self, draft: Manifest, stored: Path, state: State) -> ScoredPair:
        """Score both.

        Raises:
            InvalidInputError: If the run claims losses that its model does not have.
            UnsupportedError: If the new version does not answer the rows.
        """
        roles = {role: stored / artifact.path for role, artifact in draft.artifacts.items()}
        new = scoring.score(
            Fetched(f"{self._model}@new", draft, roles), self._trials, self._rows, self._result.loss
        )
        self._check_claims(new)
        names = {*self._result.metrics, *state.policy.metrics, *state.policy.required_metrics}
        measured = self._measured(new)
        metrics = {name: value for name, value in new.metrics.items() if name in names}
        remarks = list(_corrections(self._result.metrics, {**metrics, **_means(measured)}))
        old, problem = self._champion(state, tuple(new.losses))
        if problem:
            remarks.append(problem)
        old_measured = self._measured(old) if old else None
        old_metrics = (
            {name: old.metrics[name] for name in metrics if name in old.metrics} if old else {}
        )
        return ScoredPair(
            metrics={**metrics, **_means(measured)},
            measured=measured,
            champion=state.production,
            champion_metrics={**old_metrics, **(_means(old_measured) if old_measured else {})},
            champion_measured=old_measured,
            remarks=tuple(remarks),
        )

    def _champion(self, state: State, wanted: tuple[str, ...]) -> tuple[Scores | None, str | None]:
        """Score the live version; that it does not answer does not fail the new one."""
        if state.production is None:
            return None, None
        fetched = self._registry.fetch(f"{self._model}@{state.production}")
        try:
            return scoring.score(fetched, self._trials, self._rows, wanted), None
        except UnsupportedError as error:
            return None, f"the champion was not scored: {error}"

    def _measured(self, scores: Scores) -> Measured:
        measured = measuring.read(scores.losses, f"sha256:{self._rows.digest}")
        assert measured is not None  # noqa: S101 - a version has at least one loss
        return measured

    def _check_claims(self, scores: Scores) -> None:
        """Hold the losses that a run tells against those that its model has on these rows."""
        for name, claim in self._result.losses.items():
            if name not in scores.losses:
                known = ", ".join(scores.losses)
                problem = f"cannot be checked; measured are {known}"
                raise InvalidInputError(f"losses {name!r}", f"are claimed, but it {problem}")
            claimed = loss_files.values(loss_files.taken(name, claim))
            own = scores.losses[name]
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


def _means(measured: Measured) -> dict[str, float]:
    means: Mapping[str, Any] = measured.among({})
    return {name: float(value) for name, value in means.items()}


def _corrections(claimed: Mapping[str, float], measured: Mapping[str, float]) -> Iterator[str]:
    for name, value in measured.items():
        claim = claimed.get(name, value)
        if not math.isclose(claim, value, rel_tol=_NEAR, abs_tol=_NEAR):
            yield f"{name}: the run says {claim:g}, {value:g} was measured on its evaluation rows"
