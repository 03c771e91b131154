"""A simulation as a picture: how soon how many runs of each scenario are halted."""

import math
from typing import Final
from xml.sax.saxutils import escape

from holdfast.rollouts.results import ScenarioResult, Simulation

_WIDTH, _HEIGHT = 900, 460
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 250, 64, 56
_LINE: Final = 17
_COLOURS: Final = (
    ("#0b6bcb", "#6cb2ff"),
    ("#b3400a", "#ff9a5c"),
    ("#0f7b4f", "#4fd1a0"),
    ("#8a3ab9", "#d29bff"),
    ("#9a6700", "#e3b341"),
    ("#b0205e", "#ff8ab8"),
    ("#3d6b74", "#8fc7d1"),
)
"""On light and on dark ground."""
_STYLE: Final = """
svg { background: #fff; font: 13px system-ui, sans-serif; }
text { fill: #24292f; } .dim { fill: #57606a; } .title { font-size: 16px; font-weight: 600; }
.grid { stroke: #d8dee4; } .bound { stroke: #57606a; stroke-dasharray: 2 4; }
.run { fill: none; stroke-width: 2.2; stroke-linejoin: round; } .healthy { stroke-dasharray: 7 4; }
.lead { stroke-width: 1; opacity: .5; fill: none; }
%s
@media (prefers-color-scheme: dark) {
svg { background: #0d1117; } text { fill: #e6edf3; } .dim { fill: #9198a1; }
.grid { stroke: #2b323b; } .bound { stroke: #9198a1; }
%s
}
"""


def svg(simulation: Simulation) -> str:
    """Draw the share of halted runs against the requests, one line for each scenario.

    Healthy scenarios are dashed: their lines should stay below the bound that is drawn. Colours
    follow the reader's light or dark ground.
    """
    last = max(simulation.setting.requests, 100)
    steps = " → ".join(f"{100 * step:.3g} %" for step in simulation.plan.steps)
    title = f"Runs halted by then: {simulation.plan.strategy} {steps}"
    rows = _axes(last)
    bound = _y(simulation.analysis.alpha)
    rows.append(f'<path class="bound" d="M{_LEFT} {bound:.1f}H{_WIDTH - _RIGHT}"/>')
    for index, label_y in enumerate(_spread([_end(outcome) for outcome in simulation.outcomes])):
        rows += _line(simulation.outcomes[index], index % len(_COLOURS), label_y, last)
    light, dark = (
        "\n".join(f".c{index} {{ stroke: {pair[ground]}; }}" for index, pair in enumerate(_COLOURS))
        for ground in (0, 1)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        f'width="{_WIDTH}" height="{_HEIGHT}" role="img" aria-label="{escape(title)}">\n'
        f"<style>{_STYLE % (light, dark)}</style>\n"
        f'<text class="title" x="{_LEFT}" y="26">{escape(title)}</text>\n'
        f'<text class="dim" x="{_LEFT}" y="46">{simulation.setting.runs} runs each; dashed: '
        f"healthy, to stay below the dotted bound of {100 * simulation.analysis.alpha:.3g} % for "
        "each kind of test</text>\n" + "\n".join(rows) + "\n</svg>\n"
    )


def _axes(last: int) -> list[str]:
    rows = []
    for tenth in range(0, 11, 2):
        y = _y(tenth / 10)
        rows.append(f'<path class="grid" d="M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}"/>')
        rows.append(_dim(_LEFT - 8, y + 4, f"{10 * tenth} %", "end"))
    for power in range(1, math.floor(math.log10(last)) + 1):
        x = _x(10**power, last)
        rows.append(f'<path class="grid" d="M{x:.1f} {_TOP}V{_HEIGHT - _BOTTOM}"/>')
        rows.append(_dim(x, _HEIGHT - _BOTTOM + 20, f"{10**power:,}", "middle"))
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    rows.append(_dim(middle, _HEIGHT - 14, "requests to both versions together", "middle"))
    return rows


def _dim(x: float, y: float, words: str, anchor: str) -> str:
    return f'<text class="dim" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{words}</text>'


def _line(outcome: ScenarioResult, colour: int, label_y: float, last: int) -> list[str]:
    points = " ".join(f"{_x(x, last):.1f},{_y(share):.1f}" for x, share in outcome.curve)
    kind = "run healthy" if outcome.healthy else "run"
    edge = _WIDTH - _RIGHT
    label = f"{outcome.label} – {100 * outcome.halted:.3g} %"
    return [
        f'<polyline class="{kind} c{colour}" points="{points}"/>',
        f'<path class="lead c{colour}" d="M{edge} {_end(outcome):.1f}L{edge + 12} {label_y:.1f}"/>',
        f'<path class="{kind} c{colour}" d="M{edge + 12} {label_y:.1f}h22"/>',
        f'<text x="{edge + 40}" y="{label_y + 4:.1f}">{escape(label)}</text>',
    ]


def _end(outcome: ScenarioResult) -> float:
    return _y(outcome.curve[-1][1])


def _spread(heights: list[float]) -> list[float]:
    """Move labels apart so that each has a line of its own, in their order."""
    order = sorted(range(len(heights)), key=heights.__getitem__)
    placed = list(heights)
    above = -math.inf
    for index in order:
        placed[index] = above = max(heights[index], above + _LINE)
    below = math.inf
    for index in reversed(order):
        placed[index] = below = min(placed[index], below - _LINE, _HEIGHT - _LINE)
    return placed


def _x(requests: int, last: int) -> float:
    span = math.log10(last) - 1
    return _LEFT + (_WIDTH - _LEFT - _RIGHT) * (math.log10(requests) - 1) / span


def _y(share: float) -> float:
    return _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * share
