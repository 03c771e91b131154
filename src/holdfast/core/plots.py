"""Comparisons, histories and rollouts as pictures in files, which bring their own colours."""

from collections.abc import Sequence
from typing import Final

from holdfast.core import compare, wording
from holdfast.core.compare import Comparison
from holdfast.core.drawing import svg
from holdfast.core.drawing.change_bars import change_bars
from holdfast.core.drawing.curve_lines import CurveLine, curve_lines
from holdfast.core.drawing.lineage_graph import WIDTH, LineageNode, graph
from holdfast.core.drawing.ribbon import ribbon
from holdfast.core.drawing.svg import Drawing
from holdfast.core.drawing.trend import trend
from holdfast.core.period import Period
from holdfast.core.rollout import rollout_drawings
from holdfast.core.rollout.rollout_state import Rollout
from holdfast.core.rollout.step_verdict import StepVerdict
from holdfast.core.stage_matrix import Trend

_WIDE: Final = 760.0
_HIGH: Final = 240.0
_LONGEST: Final = 110
"""Signs of a sentence that fit into the picture."""


def comparison(beside: Comparison) -> str:
    """Draw the metrics of two versions."""
    bars = change_bars(compare.changes(beside), beside.a, beside.b, _WIDE)
    said = f"change as a share of {beside.a}" if bars else "neither version has metrics"
    drawing = bars or _blank()
    return svg.standalone(f"{beside.model} {beside.b} beside {beside.a}", [(said, drawing)], _WIDE)


def curve(model: str, name: str, lines: Sequence[CurveLine]) -> str:
    """Draw one learning curve of two versions over each other."""
    return svg.standalone(f"{model}: {name}", [("", curve_lines(name, lines, _WIDE, _HIGH))], _WIDE)


def history(model: str, periods: Sequence[Period], measured: Trend, now: str) -> str:
    """Draw what was live when, and the metric that says most by version."""
    metric = measured.metric or ""
    served = ribbon(periods, now, None, _WIDE)
    by_version = trend(metric, measured.points, measured.gate, _WIDE, _HIGH)
    live = "what served when" if served else "nothing was ever live"
    shown = [(live, served or _blank()), (f"{metric} by version", by_version)]
    return svg.standalone(f"{model}, as of {wording.moment(now)} UTC", shown, _WIDE)


def lineage(here: LineageNode, became: Sequence[LineageNode]) -> str:
    """Draw what a version was made from, and what it became."""
    drawing = graph(here, became)
    said = "what it was made from is on the left, what it became on the right"
    return svg.standalone(f"lineage of {here.text}", [(said, drawing)], WIDTH)


def rollout(model: str, now: Rollout | None, verdict: StepVerdict | None) -> str:
    """Draw where a rollout stands, what was counted and the evidence against it."""
    if now is None:
        return svg.standalone(f"{model}: no rollout", [("there was none", _blank())], _WIDE)
    stand = now.outcome or now.phase
    title = f"{model}: rollout {now.number} of {now.version} beside {now.was}"
    since = f"{stand}, started {wording.moment(now.started_at)} UTC by {now.by}"
    shown = [(since, rollout_drawings.steps(now.plan, now.step, now.outcome, _WIDE))]
    if verdict is not None:
        reasons = "; ".join(reason.sentence for reason in verdict.reasons)
        said = wording.shortened(f"{verdict.outcome}: {reasons}", _LONGEST)
        failures = rollout_drawings.failures(verdict, now.version, now.was, _WIDE)
        shown.append((said, failures or _blank()))
        shown.append(("evidence against it", rollout_drawings.evidence(verdict, _WIDE)))
    return svg.standalone(title, shown, _WIDE)


def _blank() -> Drawing:
    """Return an empty picture, so that a caption stands alone."""
    return svg.picture(_WIDE, 1.0, "nothing to draw", [], "blank")
