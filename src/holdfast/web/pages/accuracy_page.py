"""How often each version was right, by the labels that came later: measured, or said not to be."""

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from datetime import datetime, timedelta
from typing import Any, Final

from msgspec import Struct

from holdfast.core.entry import format_timestamp
from holdfast.core.rollout.confidence_sequence import confidence_sequence
from holdfast.core.views import VersionInfo
from holdfast.errors import HoldfastError
from holdfast.predictions import Filter, open_log
from holdfast.predictions.stats import Accuracy, ServedVersion, stats
from holdfast.web.pages.page import Asked, Drawn, common
from holdfast.web.pages.visitor import Visitor

_log = logging.getLogger(__name__)
_SPANS: Final = {
    "1": "day",
    "7": "7 days",
    "30": "30 days",
    "90": "90 days",
    "all": "all that is kept",
}
_USUAL: Final = "30"
_DEVIATIONS: Final = 1.96
"""Standard errors to either side of a mean that hold 95 % of the time."""


class LabelledFigure(Struct, frozen=True):
    """A figure with the values that its labels do not rule out.

    Attributes:
        name: `accuracy`, of which more is better, or `mean error`.
        count: Answers that it is of.
        registered: The same figure as it was registered with the version.
    """

    name: str
    value: float
    low: float
    high: float
    count: int
    registered: float | None


class Row(Struct, frozen=True):
    """A version in one role, or one that should answer and did not.

    Attributes:
        why: What is missing, where nothing was measured.
    """

    version: str
    role: str
    served: ServedVersion | None
    measured: tuple[LabelledFigure, ...]
    why: str
    first: str = ""
    last: str = ""


def page(visitor: Visitor, asked: Asked) -> Drawn:
    """Draw what labels say of the versions of a model."""
    model, registry = asked.place.model, visitor.registry
    situation = registry.situation(model)
    span = asked.query.get("days", "")
    span = span if span in _SPANS else _USUAL
    values: dict[str, Any] = {
        "model": model,
        "live": situation.production,
        "rows": (),
        "problem": "",
        "spans": _SPANS,
        "span": span,
    }
    status = 200
    if visitor.log is not None:
        try:
            served = _served(visitor.log, model, span, asked.now)
        except HoldfastError as error:
            _log.warning("the prediction log cannot be read: %s", error)
            values["problem"] = "The prediction log cannot be read now; the server's log says why."
            status = 503
        else:
            versions = {info.version: info for info in registry.versions(model)}
            values["rows"] = list(_rows(served, versions, situation.production))
    values["worst"] = _scale(values["rows"])
    return Drawn("accuracy", common(visitor, asked, "models") | values, status)


def _scale(rows: Sequence[Row]) -> float:
    """Return where the axis of errors ends."""
    ends = [
        figure.high if figure.high < math.inf else figure.value
        for row in rows
        for figure in row.measured
    ]
    return max(ends, default=0.0) or 1.0


def _served(location: str, model: str, span: str, now: str) -> list[ServedVersion]:
    since_us = None
    if span != "all":
        start = datetime.fromisoformat(now) - timedelta(days=int(span))
        since_us = int(start.timestamp()) * 1_000_000
    with closing(open_log(location)) as log:
        return stats(log, Filter(model=model, since_us=since_us))


def _rows(
    served: list[ServedVersion], versions: Mapping[str, VersionInfo], live: str | None
) -> Iterator[Row]:
    """Go through what answered, the newest version first; the live one is there in any case."""
    order = {version: index for index, version in enumerate(versions)}
    if live is not None and all(one.version != live for one in served):
        yield Row(live, "active", None, (), "it answered nothing that is kept of this time")
    newest = sorted(served, key=lambda one: (order.get(one.version, -1), one.role), reverse=True)
    for one in newest:
        info = versions.get(one.version)
        measured = tuple(_measured(one.accuracy, info.metrics if info else {}))
        yield Row(
            one.version,
            one.role,
            one,
            measured,
            "" if measured else _missing(one.accuracy),
            format_timestamp(one.first_us),
            format_timestamp(one.last_us),
        )


def _missing(accuracy: Accuracy) -> str:
    if accuracy.labelled:
        return "its labels have another shape than its answers, or are too far from them"
    return "none of its answers has a label"


def _measured(accuracy: Accuracy, registered: Mapping[str, float]) -> Iterator[LabelledFigure]:
    if accuracy.accuracy is not None:
        wrong = accuracy.classes - round(accuracy.accuracy * accuracy.classes)
        band = confidence_sequence(wrong, accuracy.classes)
        yield LabelledFigure(
            "accuracy",
            accuracy.accuracy,
            1 - band.high,
            1 - band.low,
            accuracy.classes,
            registered.get("accuracy"),
        )
    if accuracy.mae is not None and accuracy.rmse is not None:
        spread = math.sqrt(max(accuracy.rmse**2 - accuracy.mae**2, 0.0) / accuracy.numbers)
        aside = _DEVIATIONS * spread if accuracy.numbers > 1 else math.inf
        yield LabelledFigure(
            "mean error",
            accuracy.mae,
            max(accuracy.mae - aside, 0.0),
            accuracy.mae + aside,
            accuracy.numbers,
            registered.get("mae"),
        )
