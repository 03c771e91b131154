"""Lineage as a graph in layers: what a version was made from at the left, what it became right."""

from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import Struct

from holdfast.core.drawing import svg
from holdfast.core.drawing.svg import Drawing
from holdfast.core.wording import inert, shortened

WIDTH: Final = 1180.0
_BOX: Final = 250.0
_HEIGHT: Final = 44.0
_ROW: Final = 56.0
_GENERATIONS: Final = 2
_MOST: Final = 8
_CHARACTERS: Final = 35
_TOLD: Final = (
    *("parent", "child", "adapter", "base", "data", "code", "run", "alias", "environment"),
    *("server", "predictions", "batch"),
)
"""Kinds that a name does not tell of itself."""


class LineageNode(Struct, frozen=True):
    """Something that a version was made from, or became.

    Attributes:
        kind: `version`, `parent`, `base`, `data`, `code`, `environment`, `run`, `child`, `adapter`,
            `alias`, `rollout`, `live`, `server`, `batch` or `predictions`.
        text: Its name.
        note: More about it.
        url: Its page, empty if it has none.
        sources: What it was made from; of a child, what was made from it.
    """

    kind: str
    text: str
    note: str = ""
    url: str = ""
    sources: tuple["LineageNode", ...] = ()


class _Box(Struct, frozen=True):
    node: LineageNode
    x: float
    y: float


Layer = list[tuple[LineageNode, int]]
"""Nodes, each with the place in the layer to its right of the node that was made from it."""


def graph(here: LineageNode, became: Sequence[LineageNode]) -> Drawing:
    """Draw a version between what it was made from, two generations, and what it became."""
    layers: list[Layer] = [[(here, 0)]]
    for _ in range(_GENERATIONS):
        before = [
            (source, place) for place, (node, _) in enumerate(layers[0]) for source in node.sources
        ]
        if before:
            layers.insert(0, _at_most(before))
    version = len(layers) - 1
    if became:
        layers.append(_at_most([(node, 0) for node in became]))
    high = max(len(layer) for layer in layers) * _ROW
    columns = [_column(layer, index, len(layers), high) for index, layer in enumerate(layers)]
    parts = [
        *_edges(layers, columns, version),
        *(part for column in columns for box in column for part in _drawn(box)),
    ]
    return svg.picture(WIDTH, high, _sentence(here, became), parts, "lineage")


def _at_most(layer: Layer) -> Layer:
    if len(layer) <= _MOST:
        return layer
    more = LineageNode("more", f"{len(layer) - _MOST + 1} more", "in the list below")
    return [*layer[: _MOST - 1], (more, layer[_MOST - 1][1])]


def _column(layer: Layer, index: int, count: int, high: float) -> list[_Box]:
    x = 1 + (WIDTH - _BOX - 2) * (index / (count - 1) if count > 1 else 0.5)
    top = (high - len(layer) * _ROW) / 2 + (_ROW - _HEIGHT) / 2
    return [_Box(node, x, top + place * _ROW) for place, (node, _) in enumerate(layer)]


def _edges(layers: list[Layer], columns: list[list[_Box]], version: int) -> Iterator[str]:
    for index in range(len(layers) - 1):
        if index < version:
            ends = [
                (columns[index][place], columns[index + 1][to])
                for place, (_, to) in enumerate(layers[index])
            ]
        else:
            ends = [(columns[index][0], box) for box in columns[index + 1]]
        yield from (_edge(left, right) for left, right in ends)


def _edge(left: _Box, right: _Box) -> str:
    x1, y1 = left.x + _BOX, left.y + _HEIGHT / 2
    x2, y2 = right.x, right.y + _HEIGHT / 2
    middle = svg.number((x1 + x2) / 2)
    start, end = f"{svg.number(x1)} {svg.number(y1)}", f"{svg.number(x2)} {svg.number(y2)}"
    path = f"M{start}C{middle} {svg.number(y1)} {middle} {svg.number(y2)} {end}"
    return svg.element("path", class_="edge", d=path)


def _drawn(box: _Box) -> Iterator[str]:
    node, x, y = box.node, box.x, box.y
    title = f"{node.kind}: {node.text}{f', {node.note}' if node.note else ''}"
    yield svg.element(
        "rect",
        svg.title(inert(title)),
        class_=f"node {node.kind}",
        x=x,
        y=y,
        width=_BOX,
        height=_HEIGHT,
        rx=6.0,
    )
    yield svg.text(_cut(node.text), x + 12, y + 18, "name")
    kind = f"{node.kind} " if node.kind in _TOLD else ""
    yield svg.text(_cut(f"{kind}{node.note}".strip()), x + 12, y + 34, "muted")


def _cut(text: str) -> str:
    return shortened(inert(text), _CHARACTERS)


def _sentence(here: LineageNode, became: Sequence[LineageNode]) -> str:
    made = ", ".join(f"{node.kind} {node.text}" for node in here.sources[:_MOST]) or "nothing known"
    is_now = ", ".join(node.text for node in became[:_MOST]) or "nothing yet"
    sentence = (
        f"{here.text} was made from {made}; it became {is_now}. The list below says the same."
    )
    return inert(sentence)
