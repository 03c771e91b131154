"""A rollout: its steps, both sides' failures with their bounds, and the evidence against it."""

import math
from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import Struct

from holdfast.core.drawing import labels, svg
from holdfast.core.drawing.svg import Drawing

_ROW: Final = 26.0
_AXIS: Final = 20.0
_COUNTLESS: Final = 1_000_000
_WHOLE: Final = 10
"""From here on digits behind the point say nothing."""
_MOST: Final = 1.25
"""Where evidence that goes on beyond its bound is cut, as a share of the way to it."""


class RateInterval(Struct, frozen=True):
    """The failures of one side, with a band that holds at every look.

    Attributes:
        name: Whose.
        said: The counts.
        low: Lower end, a share.
        middle: What was counted, `None` where there was nothing.
        high: Upper end.
        is_canary: True for the candidate.
    """

    name: str
    said: str
    low: float
    middle: float | None
    high: float
    is_canary: bool


class EvidenceBar(Struct, frozen=True):
    """One test: its evidence, and how much decides."""

    test: str
    value: float
    needed: float


def steps(weights: Sequence[str], here: int, outcome: str, width: float) -> Drawing:
    """Draw the steps of a plan as stations.

    Args:
        weights: The share of each, as people read it.
        here: The step it is on or ended on, below 0 before the first.
        outcome: How it ended, empty while it goes on.
        width: In pixels.
    """
    room = max(labels.wide(label) for label in weights) / 2 + 6
    inner = width - 2 * room
    xs = [room + inner * index / max(1, len(weights) - 1) for index in range(len(weights))]
    done = len(weights) if outcome in ("completed", "passed") else max(here, 0)
    parts = [_track(xs[0], xs[-1], "track"), _track(xs[0], xs[min(done, len(xs) - 1)], "good")]
    for index, (label, x) in enumerate(zip(weights, xs, strict=True)):
        is_here = index == here and index >= done
        colour = "live" if index < done else "point"
        if is_here:
            colour = "bad" if outcome else "canary"
        radius = 7.0 if is_here else 5.0
        parts.append(svg.element("circle", svg.title(label), class_=colour, cx=x, cy=12, r=radius))
        parts.append(svg.text(label, x, 38, "head" if is_here else "muted", "middle"))
    return svg.picture(width, 44, _stand(weights, here, outcome), parts, "steps")


def _track(left: float, right: float, colour: str) -> str:
    return svg.element(
        "rect", class_=colour, x=left, y=10.5, width=max(0.0, right - left), height=3
    )


def _stand(weights: Sequence[str], here: int, outcome: str) -> str:
    where = f"on step {here + 1} of {len(weights)}, {weights[here]}" if here >= 0 else "preparing"
    return f"{outcome} {where}".strip() if outcome else where


def intervals(rows: Sequence[RateInterval], width: float) -> Drawing:
    """Draw the rates of failures, each with its band, to one scale."""
    if not rows:
        return Drawing()
    begins = max(labels.wide(labels.fitting(row.name)) for row in rows) + 14
    ends = width - max(labels.wide(row.said) for row in rows) - 14
    top_rate = max((row.high for row in rows if row.high < 1), default=1.0) or 1.0
    middles = [row.middle for row in rows if row.middle is not None]
    top_rate = max([top_rate, *middles])
    bottom = len(rows) * _ROW
    parts = list(_axis([0.0, top_rate / 2, top_rate], (begins, ends), bottom))
    for index, row in enumerate(rows):
        y = index * _ROW + 13
        colour = "canary" if row.is_canary else "flat"
        parts.append(svg.text(labels.fitting(row.name), 0, y + 4))
        if row.middle is None:
            parts.append(svg.text("no requests", begins + 6, y + 4, "muted"))
            continue
        left, right = (
            begins + (ends - begins) * min(1.0, share / top_rate) for share in (row.low, row.high)
        )
        band = {"x": left, "y": y - 2, "width": max(1.0, right - left), "height": 4.0, "rx": 2.0}
        title = svg.title(f"{row.name}: {row.said}")
        parts.append(svg.element("rect", title, class_=colour, **band))
        x = begins + (ends - begins) * row.middle / top_rate
        parts.append(svg.element("circle", class_=colour, cx=x, cy=y, r=4.5))
        parts.append(svg.text(row.said, width, y + 4, "muted", "end"))
    sentence = "; ".join(f"{row.name} {row.said}" for row in rows)
    return svg.picture(width, bottom + _AXIS, sentence, parts, "intervals")


def _axis(ticks: Sequence[float], room: tuple[float, float], bottom: float) -> Iterator[str]:
    left, right = room
    for index, tick in enumerate(ticks):
        x = left + (right - left) * index / (len(ticks) - 1)
        yield svg.element("line", class_="grid", x1=x, x2=x, y1=0, y2=bottom)
        yield svg.text(f"{100 * tick:.2g} %", x, bottom + 13, "muted", "middle")


def evidence(rows: Sequence[EvidenceBar], width: float) -> Drawing:
    """Draw how far each test has come on the way to its bound, by powers of ten."""
    if not rows:
        return Drawing()
    names = [labels.fitting(row.test) for row in rows]
    sentences = [_said(row) for row in rows]
    begins = max(map(labels.wide, names)) + 14
    ends = width - max(map(labels.wide, sentences)) - 14
    bound = begins + (ends - begins) / _MOST
    bottom = len(rows) * _ROW
    parts = []
    for index, row in enumerate(rows):
        y = index * _ROW + 13
        share = min(_MOST, _way(row))
        parts.append(svg.text(names[index], 0, y + 4))
        box = {"x": begins, "y": y - 5, "height": 10.0, "rx": 2.0}
        parts.append(svg.element("rect", class_="track", width=ends - begins, **box))
        if share > 0:
            shown = svg.title(f"{row.test}: {sentences[index]}")
            colour = "bad" if row.value >= row.needed else "flat"
            length = (bound - begins) * share
            parts.append(svg.element("rect", shown, class_=colour, width=length, **box))
        parts.append(svg.text(sentences[index], width, y + 4, "muted", "end"))
    parts.append(svg.element("line", class_="gate", x1=bound, x2=bound, y1=0, y2=bottom))
    parts.append(svg.text("halts here", bound, bottom + 13, "gate", "middle"))
    sentence = "Evidence against it: " + "; ".join(
        f"{row.test} {text}" for row, text in zip(rows, sentences, strict=True)
    )
    return svg.picture(width, bottom + _AXIS, sentence, parts, "evidence")


def _way(row: EvidenceBar) -> float:
    """Return how far evidence is on the way to its bound: 0 at even odds, 1 there."""
    if row.value <= 1 or row.needed <= 1:
        return 1.0 if row.value >= row.needed else 0.0
    return math.log(row.value) / math.log(row.needed)


def _said(row: EvidenceBar) -> str:
    if row.value >= _COUNTLESS:
        return f"over {_COUNTLESS:,} of {row.needed:,.0f}"
    value = f"{row.value:,.0f}" if row.value >= _WHOLE else f"{row.value:.2g}"
    return f"{value} of {row.needed:,.0f}"
