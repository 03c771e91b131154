"""A look as a picture: the evidence of each day, and where the alarm is."""

import math
from collections.abc import Sequence
from typing import Final
from xml.sax.saxutils import escape

from holdfast.core.drawing.svg import style
from holdfast.core.drift.drift_evidence import LOG_ALARM
from holdfast.monitoring.drift_check import DriftReport

_WIDTH, _HEIGHT = 900, 420
_LEFT, _RIGHT, _TOP, _BOTTOM = 72, 30, 64, 60
_LEAST: Final = -8.0
_MOST: Final = 12.0
_TICKS: Final = ((1e-3, "1/1,000"), (1.0, "1"), (20.0, "20"), (1e3, "1,000"), (1e5, "100,000"))


def svg(report: DriftReport) -> str:
    """Draw the evidence day by day on a scale of powers, and the line it must not reach.

    What lies beyond the scale is drawn at its edge.
    """
    logs = report.judgement.log_evidence if report.judgement else ()
    title = f"Evidence of drift: {report.model}, against the training data of {report.reference}"
    rows = []
    for value, label in _TICKS:
        y = _y(math.log(value))
        kind = "gate" if value == math.exp(LOG_ALARM) or label == "20" else "grid"
        rows.append(f'<path class="{kind}" d="M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}"/>')
        rows.append(f'<text class="muted" x="{_LEFT - 8}" y="{y + 4:.1f}" {_END}>{label}</text>')
    alarm_y = _y(LOG_ALARM)
    rows.append(
        f'<text class="gate" x="{_WIDTH - _RIGHT}" y="{alarm_y - 6:.1f}" {_END}>alarm at 20: '
        "at most 5 % of years without drift reach it</text>"
    )
    points = [
        f"{_x(index, len(logs)):.1f},{_y(log):.1f}"
        for index, log in enumerate(logs)
        if log > -math.inf
    ]
    rows.append(f'<polyline class="line" points="{" ".join(points)}"/>')
    if report.judgement is not None and report.judgement.alarm is not None:
        rows += _alarm(logs, report.judgement.alarm)
    for x, text in ((_LEFT, report.since), (_WIDTH - _RIGHT, report.until)):
        anchor = _END if text == report.until else ""
        rows.append(f'<text class="muted" x="{x}" y="{_HEIGHT - 30}" {anchor}>{text}</text>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        f'width="{_WIDTH}" height="{_HEIGHT}" role="img" aria-label="{escape(title)}">\n'
        f"<style>{style('svg')}</style>\n"
        f'<text class="head" x="{_LEFT}" y="26">{escape(title)}</text>\n'
        f'<text class="muted" x="{_LEFT}" y="46">{escape(_subtitle(report))}</text>\n'
        + "\n".join(rows)
        + "\n</svg>\n"
    )


_END: Final = 'text-anchor="end"'


def _subtitle(report: DriftReport) -> str:
    why = f": {report.why}" if report.why else ""
    return f"{report.verdict}{why}; {report.rows:,} rows of {report.requests:,} requests"


def _alarm(logs: Sequence[float], alarm: str) -> list[str]:
    place = next(index for index, log in enumerate(logs) if log >= LOG_ALARM)
    x, y = _x(place, len(logs)), _y(logs[place])
    return [
        f'<circle class="bad" cx="{x:.1f}" cy="{y:.1f}" r="4"/>',
        f'<text class="gate" x="{x:.1f}" y="{y - 10:.1f}" text-anchor="middle">{alarm}</text>',
    ]


def _x(index: int, days: int) -> float:
    return _LEFT + (_WIDTH - _LEFT - _RIGHT) * (index / (days - 1) if days > 1 else 0.5)


def _y(log: float) -> float:
    share = (min(max(log, _LEAST), _MOST) - _LEAST) / (_MOST - _LEAST)
    return _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * share
