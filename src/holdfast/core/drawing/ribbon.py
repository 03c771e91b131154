"""What was live when: one bar for each time in production."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final

from holdfast.core.drawing import labels, svg
from holdfast.core.drawing.svg import Drawing
from holdfast.core.period import Period

_TOP: Final = 20.0
_BAR: Final = 22.0
_TICKS: Final = 4
_LEAST: Final = 1.0
"""Pixels below which a bar is not drawn."""
_APART: Final = 8.0
"""Pixels between two texts."""
_SAID: Final = 12
_HOURS, _YEAR = timedelta(days=4), timedelta(days=300)
_ToPixel = Callable[[datetime], float]


def ribbon(periods: Sequence[Period], now: str, days: int | None, width: float) -> Drawing:
    """Draw the last *days* up to *now*.

    Args:
        periods: Oldest first.
        now: The right end.
        days: How far back the left end is, less where the first period began later; `None` goes
            back to the first.
        width: In pixels.
    """
    end = datetime.fromisoformat(now)
    begin = end - timedelta(days=days) if days is not None else None
    shown = [period for period in periods if begin is None or _end(period, end) > begin]
    if not shown:
        return Drawing()
    first = _time(shown[0].since)
    start = first if begin is None else max(begin, first)
    reach = max((end - start).total_seconds(), 1.0)

    def x(moment: datetime) -> float:
        share = (min(max(moment, start), end) - start).total_seconds() / reach
        return 1 + (width - 2) * share

    parts = [*_bars(shown, x, end), *_axis(start, end, x, width)]
    live = next((period for period in shown if period.until is None), None)
    if live is not None:
        parts.append(svg.text(f"{labels.fitting(live.version)} live", width - 1, 12, "live", "end"))
    return svg.picture(width, _TOP + _BAR + 22, _sentence(shown), parts, "ribbon")


def _bars(shown: Sequence[Period], x: _ToPixel, end: datetime) -> Iterator[str]:
    drawn = 0.0
    for period in shown:
        left, right = x(_time(period.since)), x(_end(period, end))
        if right - drawn < _LEAST and period.until is not None:
            continue  # no eye could tell it from the one before
        drawn = right
        back = period.how == "rolled_back"
        until = "now" if period.until is None else period.until[:16].replace("T", " ")
        name = (
            f"{period.version}, {period.since[:16].replace('T', ' ')} to {until}, "
            f"{'rolled back to' if back else 'promoted'} by {period.by}"
        )
        live = " live" if period.until is None else ""
        yield svg.element(
            "rect",
            svg.title(name),
            class_=f"period{live}",
            x=left,
            y=_TOP,
            width=max(right - left - 1.5, 1.5),
            height=_BAR,
            rx=3.0,
        )
        yield from _named(period.version, left, right - left, back=back)


def _named(version: str, left: float, room: float, *, back: bool) -> Iterator[str]:
    """Write what fits into a bar; the arrow apart, for few fonts with letters have one."""
    arrow = 2 * labels.CHARACTER if back else 0.0
    has_room = room > arrow + labels.wide(version) + 10
    if back and room > labels.CHARACTER + 8:
        yield svg.text("↩", left + (7 if has_room else 4), _TOP + 15, "name")
    if has_room:
        yield svg.text(version, left + 7 + arrow, _TOP + 15, "name")


def _axis(start: datetime, end: datetime, x: _ToPixel, width: float) -> Iterator[str]:
    """Name as many times below as there is room for, and the end always."""
    y, before, ends = _TOP + _BAR + 18, "", 0.0
    begins = width - labels.wide("now") - _APART
    for tick in range(_TICKS - 1):
        moment = start + (end - start) * tick / (_TICKS - 1)
        label = _dated(moment, end - start)
        left = x(moment) - (labels.wide(label) / 2 if tick else 0.0)
        right = left + labels.wide(label)
        if label != before and ends <= left and right <= begins:
            yield svg.text(label, x(moment), y, "muted", "middle" if tick else "start")
            before, ends = label, right + _APART
    yield svg.text("now", width - 1, y, "muted", "end")


def _dated(moment: datetime, reach: timedelta) -> str:
    """Say a time as exactly as the length of the axis asks for."""
    day = f"{moment.day} {moment:%b}"
    if reach < _HOURS:
        return f"{day} {moment:%H:%M}"
    return f"{day} {moment.year}" if reach > _YEAR else day


def _sentence(shown: Sequence[Period]) -> str:
    before = "… " if len(shown) > _SAID else ""
    names = ", ".join(period.version for period in shown[-_SAID:])
    return f"Live in order: {before}{names}"


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _end(period: Period, now: datetime) -> datetime:
    return now if period.until is None else _time(period.until)
