"""The parts of which pictures are made, and the styles for those that stand alone."""

from collections.abc import Iterable, Mapping
from typing import Final, Self

from holdfast.core.wording import escape, inert

FONT: Final = "ui-monospace,'SF Mono',Menlo,Consolas,'Liberation Mono','DejaVu Sans Mono',monospace"
_MARGIN: Final = 16.0
_GAP: Final = 14.0
_PAPER: Final = {
    "text": "#15201d", "muted": "#54615c", "line": "#dfe4e0", "control": "#7d8a85",
    "surface": "#fff", "halo": "#fff", "sunk": "#eef1ee", "live": "#0b7247", "live_bg": "#e3f4eb",
    "canary": "#9a5200", "bad": "#b0261c",
}  # fmt: skip
"""Colours of a file: dark on white, so that it prints well."""
_RULES: Final = (
    "{0}{{font:11px {font};fill:{text}}}"
    "{0} .line{{fill:none;stroke:{muted};stroke-width:1.5}}"
    "{0} .point{{fill:{surface};stroke:{muted};stroke-width:1.5}}"
    "{0} .live{{fill:{live};stroke:{live}}}{0} text.live{{font-weight:600}}"
    "{0} .grid{{stroke:{line}}}{0} .muted{{fill:{muted}}}"
    "{0} .gate{{fill:none;stroke:{bad};stroke-dasharray:4 3}}"
    "{0} text.gate{{fill:{bad};stroke-dasharray:none}}"
    "{0} text.gate,{0} text.live{{stroke:{halo};stroke-width:3;paint-order:stroke}}"
    "{0} .period{{fill:{sunk};stroke:{control}}}"
    "{0} .period.live{{fill:{live_bg};stroke:{live}}}"
    "{0} .canary{{fill:{canary};stroke:{canary}}}{0} text.canary{{stroke:none;font-weight:600}}"
    "{0} .track{{fill:{line}}}{0} .flat{{fill:{muted}}}"
    "{0} .good{{fill:{live}}}{0} .bad{{fill:{bad}}}{0} text.head{{font-weight:600}}"
    "{0} .curve{{fill:none;stroke-width:1.5}}{0} .curve.bad{{stroke:{bad}}}"
    "{0} .edge{{fill:none;stroke:{control};stroke-width:1.5}}{0} text.name{{font-weight:600}}"
    "{0} .node{{fill:{sunk};stroke:{control}}}{0} .node.version{{stroke:{text};stroke-width:2}}"
    "{0} .node.live{{fill:{live_bg};stroke:{live}}}{0} .node.rollout{{stroke:{canary}}}"
)


def style(scope: str, colours: Mapping[str, str] = _PAPER) -> str:
    """Return the rules of pictures below a selector, in given colours."""
    return _RULES.format(scope, font=FONT, **colours)


class Drawing(str):
    """A whole picture as SVG text, escaped; empty where there is nothing to draw.

    Attributes:
        height: In pixels.
    """

    __slots__ = ("height",)
    height: float

    def __new__(cls, content: str = "", height: float = 0.0) -> Self:
        """Mark text as a picture."""
        made = super().__new__(cls, content)
        made.height = height
        return made


def number(value: float) -> str:
    """Write a coordinate with at most one digit behind the point."""
    return f"{value:.1f}".removesuffix(".0")


def element(name: str, content: str = "", /, **attributes: str | float) -> str:
    """Write an element; `class_` and names with `_` become `class` and names with `-`."""
    shown = "".join(
        f" {key.rstrip('_').replace('_', '-')}="
        f'"{escape(inert(value)) if isinstance(value, str) else number(value)}"'
        for key, value in attributes.items()
    )
    return f"<{name}{shown}>{content}</{name}>" if content else f"<{name}{shown}/>"


def text(content: str, x: float, y: float, class_: str = "", anchor: str = "start") -> str:
    """Write a text."""
    extra = {"text_anchor": anchor} if anchor != "start" else {}
    return element("text", escape(inert(content)), x=x, y=y, class_=class_ or "label", **extra)


def title(content: str) -> str:
    """Write what is shown when the pointer rests on the element around it."""
    return element("title", escape(inert(content)))


def picture(width: float, height: float, sentence: str, parts: Iterable[str], name: str) -> Drawing:
    """Write a whole picture.

    Args:
        width: In pixels; the picture is scaled to the room that it gets.
        height: In pixels.
        sentence: What it shows, for those who do not see it.
        parts: Its elements.
        name: Its class.
    """
    content = element(
        "svg",
        "".join(parts),
        xmlns="http://www.w3.org/2000/svg",
        class_=f"drawing {name}",
        viewBox=f"0 0 {number(width)} {number(height)}",
        width=width,
        height=height,
        role="img",
        aria_label=sentence,
    )
    return Drawing(content, height)


def standalone(head: str, pictures: Iterable[tuple[str, Drawing]], width: float) -> str:
    """Put pictures below each other into a file, with a heading and its own colours.

    Args:
        head: What they show.
        pictures: Each below its caption; those that show nothing are left out.
        width: Of the widest in pixels.
    """
    y = _MARGIN + 14
    parts = [element("text", escape(inert(head)), x=_MARGIN, y=y, class_="head", font_size="14")]
    for caption, drawing in pictures:
        if not drawing:
            continue
        y += _GAP + 16
        parts.append(text(caption, _MARGIN, y, "muted"))
        y += 10
        place = f'<svg x="{number(_MARGIN)}" y="{number(y)}"'
        parts.append(drawing.replace("<svg", place, 1))
        y += drawing.height
    whole, high = width + 2 * _MARGIN, y + _MARGIN
    ground = element("rect", width=whole, height=high, fill="#fff")
    rules = element("style", style(".drawing"))
    return f"{picture(whole, high, head, [rules, ground, *parts], 'plot')}\n"
