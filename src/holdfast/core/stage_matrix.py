"""One row for each model: what is live, the way back, what is rolling out, staged and newest."""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from holdfast.core import approvals, wording
from holdfast.core.approvals import Mover
from holdfast.core.drawing.trend import TrendPoint
from holdfast.core.fleet import Serving
from holdfast.core.metrics import direction_of
from holdfast.core.rollout.rollout_state import Rollout
from holdfast.core.standing import ModelSummary, standing
from holdfast.core.state import Record, State

_SIZE: Final = (640.0, 220.0)
TREND: Final = 12
"""Versions whose metric is shown."""


class MatrixRow(Struct, frozen=True):
    """One model.

    Attributes:
        summary: What is live, since when and why, and what needs attention.
        forced: True if the live version was promoted by force.
        tags: Of the live version, else of the newest.
        rollout: The one that goes on, `None` without one.
        staging: The staged version.
        approvals: How many of those that count the staged version has.
        approvals_needed: How many the policy demands.
        latest_at: When the newest version was registered.
        versions: How many have their bytes.
        metric: The one that the trend shows, `None` if there is none.
        trend: Its values in the last versions, oldest first.
        serving: How far the servers are, `None` where none ever reported.
        previous_digest: SHA-256 of the manifest of what a rollback goes to, `None` without one.
    """

    summary: ModelSummary
    forced: bool = False
    tags: dict[str, str] = {}
    rollout: Rollout | None = None
    staging: str | None = None
    approvals: int = 0
    approvals_needed: int = 0
    latest_at: str | None = None
    versions: int = 0
    metric: str | None = None
    trend: tuple[TrendPoint, ...] = ()
    serving: Serving | None = None
    previous_digest: str | None = None

    @property
    def model(self) -> str:
        """The model's name."""
        return self.summary.model


class Trend(Struct, frozen=True):
    """One metric by version.

    Attributes:
        metric: Its name; `None` if nothing was measured.
        points: Its values, lowest version first.
        gate: The value that a version may not be worse than to go live now, `None` without one.
    """

    metric: str | None
    points: tuple[TrendPoint, ...] = ()
    gate: float | None = None

    def _repr_html_(self) -> str:
        """Draw it in a notebook."""
        from holdfast.core import notebook  # noqa: PLC0415 - only notebooks need it
        from holdfast.core.drawing.trend import trend  # noqa: PLC0415 - the same

        metric = self.metric or ""
        drawing = trend(metric, self.points, self.gate, *_SIZE)
        title = f"{metric} by version" if drawing else "no version has metrics"
        return notebook.view(notebook.heading(title), drawing)


def table(rows: Sequence[MatrixRow]) -> str:
    """Show models in a notebook."""
    from holdfast.core import notebook  # noqa: PLC0415 - only notebooks need it

    header = ["model", "live", "since (UTC)", "before it", "rolling out", "staging", "newest"]
    header += ["versions", "trend", "what asks for a look"]
    if not rows:
        return notebook.view(notebook.line("no models yet", "m"))
    return notebook.view(notebook.table(header, map(_cells, rows)))


def _cells(row: MatrixRow) -> tuple[object, ...]:
    from holdfast.core import notebook  # noqa: PLC0415 - only notebooks need it
    from holdfast.core.drawing.trend import spark  # noqa: PLC0415 - the same

    summary, rollout = row.summary, row.rollout
    canary = f"{rollout.version}, {wording.share(rollout.weight)}" if rollout else ""
    concerns = "; ".join(summary.concerns)
    return (
        summary.model,
        notebook.span(f"●\N{NO-BREAK SPACE}{summary.production}", "g")
        if summary.production
        else None,
        notebook.when(summary.since),
        summary.previous,
        notebook.span(canary, "c") if canary else None,
        row.staging,
        summary.latest,
        row.versions,
        spark(row.metric, row.trend, 70, 18) if row.metric else None,
        notebook.span(concerns, "b") if concerns else "",
    )


def row(state: State, serving: Serving | None) -> MatrixRow:
    """Summarise a model.

    Args:
        state: The model.
        serving: How far its servers are; `None` where none ever reported.
    """
    latest = state.versions[version] if (version := state.latest()) else None
    live = state.versions[state.production] if state.production else None
    staged = state.versions[state.staging] if state.staging else None
    metric = leading_metric(state)
    shown = live or latest
    return MatrixRow(
        summary=standing(state, serving),
        forced=bool(live and state.live and state.live.forced),
        tags=shown.tags if shown else {},
        rollout=state.running,
        staging=state.staging,
        approvals=_approvals(state, staged) if staged else 0,
        approvals_needed=state.policy.approvals,
        latest_at=latest.registered_at if latest else None,
        versions=sum(1 for _ in state.present()),
        metric=metric,
        trend=trend_of(state, metric, TREND) if metric else (),
        serving=serving,
        previous_digest=state.versions[state.previous].manifest if state.previous else None,
    )


def _approvals(state: State, staged: Record) -> int:
    return len(approvals.counted(state.policy, staged, Mover("")))


def leading_metric(state: State) -> str | None:
    """Choose the metric that says most about a model.

    It is the first that the policy has a rule for, else the first of the live or newest version
    of which more is better, then of which less is, else the first of all.
    """
    version = state.production or state.latest()
    measured = state.versions[version].metrics if version else {}
    ruled = [name for name in state.policy.metrics if name in measured]
    telling = [name for name in measured if direction_of(name) == "higher"]
    telling += [name for name in measured if direction_of(name) == "lower"]
    return next(iter([*ruled, *telling, *measured]), None)


def trend_of(state: State, metric: str, count: int) -> tuple[TrendPoint, ...]:
    """Return a metric's values in the *count* highest versions, lowest first."""
    return tuple(
        TrendPoint(record.version, record.metrics.get(metric), record.version == state.production)
        for record in state.ordered()[-count:]
    )
