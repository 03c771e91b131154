"""Metrics of two versions: how far each went, to the left or right of where it was."""

from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import Struct

from holdfast.core.drawing import labels, svg
from holdfast.core.drawing.svg import Drawing
from holdfast.core.wording import number

_ROW: Final = 24.0
_HEAD: Final = 22.0
_THICK: Final = 10.0
_LEAST: Final = 0.01
"""Share of the first value that fills a side at most: so that noise looks small."""
_WORDY: Final = 200.0
"""Pixels from which on a bar has words beside it."""
_SAID: Final = 68.0
_COLOURS: Final = {"better": "good", "worse": "bad"}


class Change(Struct, frozen=True):
    """One metric on both sides, `None` where a side lacks it.

    Attributes:
        share: The difference as a share of the first value, `None` where that cannot be said.
        verdict: `better`, `worse`, or another word.
    """

    name: str
    before: float | None
    after: float | None
    share: float | None
    verdict: str


def change_bars(changes: Sequence[Change], first: str, second: str, width: float) -> Drawing:
    """Draw a bar for each metric, all to one scale.

    Args:
        changes: One for each metric.
        first: The version on the left.
        second: The version on the right.
        width: In pixels.
    """
    if not changes:
        return Drawing()
    columns = _columns(changes, first, second, width)
    name_ends, first_ends, second_ends, bar_begins = columns
    parts = [svg.text("metric", 0, 12, "muted")]
    for version, x in ((first, first_ends), (second, second_ends)):
        parts.append(svg.text(labels.fitting(version), x, 12, "muted", "end"))
    parts.append(svg.text("change", (bar_begins + width) / 2, 12, "muted", "middle"))
    reach = scale(changes)
    for index, change in enumerate(changes):
        top = _HEAD + index * _ROW
        name = labels.fitting(change.name, int(name_ends / labels.CHARACTER))
        parts.append(svg.text(name, 0, top + 15))
        parts.append(svg.text(number(change.before), first_ends, top + 15, "label", "end"))
        parts.append(svg.text(number(change.after), second_ends, top + 15, "label", "end"))
        parts += _bar(change, reach, (bar_begins, width), top + 6, _THICK)
        parts.append(_said(change, reach, (bar_begins, width), top + 15))
    sentence = f"{second} beside {first}: " + "; ".join(map(_sentence, changes))
    return svg.picture(width, _HEAD + len(changes) * _ROW, sentence, parts, "changes")


def change_bar(change: Change, reach: float, width: float, height: float) -> Drawing:
    """Draw the bar of one metric, for a row of a table; *reach* is what `scale` returned."""
    parts = list(_bar(change, reach, (0.0, width), 1.0, height - 2))
    return svg.picture(width, height, _sentence(change), parts, "change")


def scale(changes: Sequence[Change]) -> float:
    """Return the share that fills a side: of the greatest change, at most the whole value."""
    shares = [abs(change.share) for change in changes if change.share is not None]
    return min(1.0, max([_LEAST, *shares]))


def _columns(
    changes: Sequence[Change], first: str, second: str, width: float
) -> tuple[float, float, float, float]:
    """Return where names, both values and bars end or begin."""
    names = max(labels.wide(labels.fitting(change.name, 30)) for change in changes)
    name_ends = min(names, width * 0.32)
    lefts = [number(change.before) for change in changes] + [labels.fitting(first)]
    rights = [number(change.after) for change in changes] + [labels.fitting(second)]
    first_ends = name_ends + 16 + max(map(labels.wide, lefts))
    second_ends = first_ends + 16 + max(map(labels.wide, rights))
    return name_ends, first_ends, second_ends, min(second_ends + 24, width * 0.75)


def _bar(
    change: Change, reach: float, room: tuple[float, float], top: float, thick: float
) -> Iterator[str]:
    left, right = _ends(change, reach, room)
    middle = sum(room) / 2
    if right > left:
        title = svg.title(_sentence(change))
        colour = _COLOURS.get(change.verdict, "flat")
        box = {"x": left, "y": top, "width": right - left, "height": thick, "rx": 1.5}
        yield svg.element("rect", title, class_=colour, **box)
    yield svg.element("rect", class_="flat", x=middle - 0.5, y=top - 1, width=1.0, height=thick + 2)


def _ends(change: Change, reach: float, room: tuple[float, float]) -> tuple[float, float]:
    """Return where a bar begins and ends; beside it there is room for text where it is wide."""
    left, right = room
    wide = right - left > _WORDY
    middle, half = (left + right) / 2, (right - left) / 2 - (_SAID if wide else 0.0)
    if not change.share:
        return middle, middle
    length = max(1.5, half * min(1.0, abs(change.share) / reach))
    return (middle, middle + length) if change.share > 0 else (middle - length, middle)


def _said(change: Change, reach: float, room: tuple[float, float], y: float) -> str:
    """Write the change beside the end of its bar."""
    left, right = _ends(change, reach, room)
    falls = change.share is not None and change.share < 0
    label = change.verdict if change.share is None else f"{100 * change.share:+.3g} %"
    colour = _COLOURS.get(change.verdict, "muted")
    if falls:
        return svg.text(label, left - 8, y, colour, "end")
    return svg.text(label, right + 8, y, colour)


def _sentence(change: Change) -> str:
    share = "" if change.share is None else f" ({100 * change.share:+.3g} %)"
    return (
        f"{change.name} {number(change.before)} to {number(change.after)}{share}, {change.verdict}"
    )
