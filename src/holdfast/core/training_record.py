"""What a version keeps of its training: curves, figures, and the facts of the run."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from msgspec import Struct, field

from holdfast.core.curves import Curve
from holdfast.core.drawing.curve_lines import MOST_LINES, CurveLine, curve_lines
from holdfast.core.drawing.svg import Drawing
from holdfast.core.figure_content import MEDIA, Kind

FACTS: Final = "training"
"""Key of a manifest's metadata under which the facts of a recorded run stand."""

_MOST_SHOWN_BYTES: Final = 8 << 20
"""Bytes of figures that become part of a notebook; others are named."""

_WIDE: Final = 340.0
_HIGH: Final = 150.0


class FigureFile(Struct, frozen=True):
    """One figure: where its bytes are, and what they are."""

    name: str
    kind: Kind
    sha256: str
    size_bytes: int


class TrainingRecord(Struct, frozen=True):
    """What is kept of the training of one version.

    Attributes:
        ref: The version.
        facts: How long it took, where it ran; empty if it was not recorded.
        curves: By name, sorted.
        figures: By name, sorted.
    """

    ref: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    curves: Mapping[str, Curve] = field(default_factory=dict)
    figures: tuple[FigureFile, ...] = ()

    def _repr_html_(self) -> str:
        """Show curves and the names of figures in a notebook."""
        from holdfast.core import notebook  # noqa: PLC0415 - only notebooks need it

        rows = [(name, curve.last, curve.given) for name, curve in self.curves.items()]
        table = [notebook.table(("curve", "last", "points"), rows)] if rows else []
        pictures = [
            part
            for name, drawing in drawings(self.curves)
            for part in (notebook.line(name), drawing)
        ]
        shown = ", ".join(figure.name for figure in self.figures)
        facts = notebook.facts([*self.facts.items(), ("figures", shown)])
        return notebook.view(notebook.heading(self.ref, "training"), facts, *table, *pictures)


def pictures(kept: TrainingRecord, content: Callable[[FigureFile], bytes | None]) -> Iterator[str]:
    """Draw curves and figures for a notebook, as a version's page shows them.

    Args:
        kept: What there is.
        content: Returns the checked bytes of a figure, None if they cannot be had.
    """
    from holdfast.core import notebook  # noqa: PLC0415 - only notebooks need it

    for name, drawing in drawings(kept.curves):
        yield notebook.line(name)
        yield drawing
    room = _MOST_SHOWN_BYTES
    for figure in kept.figures:
        room -= figure.size_bytes
        raw = content(figure) if room >= 0 else None
        if raw is None:
            yield notebook.line(f"figure {figure.name}", "m")
        else:
            yield notebook.line(figure.name)
            yield notebook.image(MEDIA[figure.kind], raw, f"Figure {figure.name}")


def drawings(curves: Mapping[str, Curve]) -> Iterator[tuple[str, Drawing]]:
    """Draw curves: those of one name behind the last `/`, such as `train/loss`, together."""
    groups: dict[str, list[CurveLine]] = {}
    for name, curve in curves.items():
        head, _, tail = name.rpartition("/")
        line = CurveLine(head or tail, curve.steps, curve.values)
        groups.setdefault(tail, []).append(line)
    for tail, lines in groups.items():
        for start in range(0, len(lines), MOST_LINES):
            drawing = curve_lines(tail, lines[start : start + MOST_LINES], _WIDE, _HIGH)
            if drawing:
                yield tail, drawing
