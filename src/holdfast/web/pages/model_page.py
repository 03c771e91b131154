"""One model: what is live and against what, what served when, its metrics and versions."""

from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import urlencode

from holdfast.core.drawing.ribbon import ribbon
from holdfast.core.drawing.trend import trend
from holdfast.core.drift.drift_sentences import standing
from holdfast.core.metrics import direction_of
from holdfast.core.retraining.slot_record import TRIED, SlotRecord
from holdfast.core.views import VersionInfo, VersionPage
from holdfast.web.pages.drawing import markup
from holdfast.web.pages.page import Asked, Drawn, common
from holdfast.web.pages.page_paths import model_url
from holdfast.web.pages.visitor import Visitor

_PAGE: Final = 50
_DAYS: Final = 90
_COLUMNS: Final = 2
_SLOTS: Final = 5
_WIDE, _NARROW = 1180.0, 330.0
_TREND_WIDE, _TREND_HIGH = 700.0, 220.0


def page(visitor: Visitor, asked: Asked) -> Drawn:
    """Draw a model's page."""
    model, registry = asked.place.model, visitor.registry
    status = registry.status(model)
    shown = registry.version_page(model, below=asked.query.get("below"), count=_PAGE)
    versions = shown.versions
    by_metric = registry.trend(model, asked.query.get("metric") or None)
    periods = registry.served(model)
    metric = by_metric.metric or ""
    drawn = {
        "trend": trend(metric, by_metric.points, by_metric.gate, _TREND_WIDE, _TREND_HIGH),
        "trend_narrow": trend(metric, by_metric.points[-8:], by_metric.gate, _NARROW, _TREND_HIGH),
        "ribbon": ribbon(periods, asked.now, _DAYS, _WIDE),
        "ribbon_narrow": ribbon(periods, asked.now, _DAYS, _NARROW),
    }
    values = {
        "model": model,
        "status": status,
        "metric": metric,
        "metrics": _metrics(versions),
        "columns": _columns(versions, metric),
        "days": _DAYS,
        "count": shown.total,
        "events": f"{model_url(model)}:events",
        "notice": _notice(asked, status.moves),
        "findings": [(finding.finding, standing(finding)) for finding in status.findings],
    }
    values |= _retraining(registry.retrainings.slots(model))
    values |= {name: markup(drawing) for name, drawing in drawn.items()}
    return Drawn("model", common(visitor, asked, "models") | values | _window(asked, model, shown))


def _retraining(slots: Sequence[SlotRecord]) -> dict[str, Any]:
    """Return what came of the last slots, the newest first."""
    return {"slots": [_slot(slot) for slot in slots[: -_SLOTS - 1 : -1]], "slot_count": len(slots)}


def _slot(slot: SlotRecord) -> dict[str, Any]:
    outcome = slot.outcome or ", ".join(slot.marks)
    tries = f", attempt {slot.attempts}" if slot.outcome in TRIED else ""
    return {
        "slot": slot.slot,
        "entry": slot.entry,
        "outcome": f"{outcome}{tries}",
        "passed": slot.outcome == "registered",
        "failed": slot.outcome in (*TRIED, "blocked"),
        "why": slot.why,
        "version": slot.version,
    }


def _window(asked: Asked, model: str, shown: VersionPage) -> dict[str, Any]:
    """Return a page of versions, those below the one that the address names."""
    versions = shown.versions
    older = f"{model_url(model)}?{urlencode({'below': versions[-1].version})}" if shown.more else ""
    approved = any(info.approvals for info in versions)
    newer = model_url(model) if asked.query.get("below") else ""
    return {"versions": versions, "approved": approved, "older": older, "newer": newer}


def _metrics(versions: Sequence[VersionInfo]) -> list[str]:
    return list(dict.fromkeys(name for info in versions for name in info.metrics))


def _columns(versions: Sequence[VersionInfo], metric: str) -> list[str]:
    """Choose the metrics of the table: the leading one, then those that say which way is better."""
    names = [name for name in _metrics(versions) if name != metric and direction_of(name)]
    return [*([metric] if metric else []), *names][:_COLUMNS]


def _notice(asked: Asked, moves: Sequence[Any]) -> str:
    """Say what came of the form before; only what the journal has is shown."""
    done = asked.query.get("entry", "")
    return next((f"Done: {move.what}." for move in moves if str(move.seq) == done), "")
