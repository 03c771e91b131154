"""Slices of the last evaluation that has some, for a version's page."""

from collections.abc import Sequence
from typing import Any, Final

from holdfast.core import events
from holdfast.core.evaluation import Evaluation, Figure, PastEvaluation, Slice
from holdfast.web.below import entry_at, session_of
from holdfast.web.pages.visitor import Visitor

__all__ = ["of_version"]

_SHOWN: Final = {
    "classification": ("accuracy", "f1", "roc_auc", "log_loss"),
    "regression": ("mae", "rmse", "r2"),
}


def of_version(
    visitor: Visitor, model: str, version: str, known: Sequence[PastEvaluation]
) -> dict[str, Any] | None:
    """Return what is drawn of the last one; None where no evaluation has slices."""
    for past in sorted(known, key=lambda past: -past.seq):
        event = entry_at(session_of(visitor.registry), model, past.seq)[0].event
        if not isinstance(event, events.Evaluated) or event.version != version:
            continue  # there it was the champion beside another
        if event.measured and event.measured.slices:
            return _section(event.measured)
    return None


def _section(measured: Evaluation) -> dict[str, Any]:
    there = {figure.name for part in measured.slices for figure in part.figures}
    names = [name for name in _SHOWN[measured.task] if name in there]
    return {
        "name": measured.name,
        "by": measured.slice_by,
        "names": names,
        "beside": measured.champion.version if measured.champion else None,
        "rows": [_row(part, names) for part in measured.slices],
        "left_out": measured.slices_left_out,
    }


def _row(part: Slice, names: Sequence[str]) -> dict[str, Any]:
    figures = {figure.name: figure for figure in part.figures}
    return {
        "value": part.value,
        "rows": part.rows,
        "figures": [(name, _cell(figures.get(name))) for name in names],
    }


def _cell(figure: Figure | None) -> tuple[float, str] | None:
    """Return a value, and whether it is better or worse than the champion's beyond chance."""
    if figure is None or figure.value is None:
        return None
    return figure.value, figure.verdict if figure.verdict in ("better", "worse") else ""
