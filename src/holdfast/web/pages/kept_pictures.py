"""Curves and figures of versions, for the pages that show them."""

from collections.abc import Iterator
from urllib.parse import quote

from markupsafe import Markup

from holdfast.core import wording
from holdfast.core.compare import Comparison
from holdfast.core.drawing.curve_lines import CurveLine, curve_lines
from holdfast.core.figure_content import MEDIA
from holdfast.core.training_record import TrainingRecord, drawings
from holdfast.core.views import VersionInfo
from holdfast.errors import DamagedError
from holdfast.web.pages.drawing import fact, markup
from holdfast.web.pages.page import Asked, Picture
from holdfast.web.pages.page_paths import version_url
from holdfast.web.pages.visitor import Visitor

_WIDE, _HIGH = 340.0, 150.0
_MOST_OVERLAYS = 24


def figure(visitor: Visitor, asked: Asked) -> Picture:
    """Send a figure of a version.

    Raises:
        NotFoundError: If it has none of that name.
    """
    name = asked.query.get("name", "")
    ref = f"{asked.place.model}@{asked.place.version}"
    kept, content = visitor.registry.trainings.figure(ref, name)
    return Picture(MEDIA[kept.kind], content)


def record(visitor: Visitor, ref: str) -> tuple[TrainingRecord, str]:
    """Return what a version keeps of its training, or nothing and why it cannot be read."""
    try:
        return visitor.registry.trainings.record(ref), ""
    except DamagedError as error:
        return TrainingRecord(ref), f"{error.subject} {error.problem}"


def run(kept: TrainingRecord) -> Iterator[str]:
    """Say what is known of the run; whoever registered it may have written anything there."""
    facts = dict(kept.facts)
    took, peak = (facts.pop(name, None) for name in ("took_s", "peak_rss_bytes"))
    if isinstance(took, int | float):
        yield f"took {wording.span(took)}"
    if isinstance(peak, int | float):
        yield f"{wording.size(peak)} of memory at most"
    for name, value in facts.items():
        yield f"{fact(value)} {name}" if name == "processors" else fact(value)


def curves(kept: TrainingRecord) -> list[tuple[str, Markup]]:
    """Draw the curves of one version."""
    return [(name, markup(picture)) for name, picture in drawings(kept.curves)]


def figures(info: VersionInfo, kept: TrainingRecord) -> list[tuple[str, str]]:
    """Return names and addresses of the figures of one version."""
    base = version_url(info.model, info.version, "figure")
    return [(one.name, f"{base}?name={quote(one.name, safe='')}") for one in kept.figures]


def overlays(visitor: Visitor, comparison: Comparison) -> Iterator[tuple[str, Markup]]:
    """Draw each curve that both versions have, one over the other."""
    versions = comparison.a, comparison.b
    kept = [record(visitor, f"{comparison.model}@{version}")[0] for version in versions]
    for row in comparison.curves[:_MOST_OVERLAYS]:
        lines = [
            CurveLine(version, one.curves[row.name].steps, one.curves[row.name].values)
            for version, one in zip(versions, kept, strict=True)
            if row.name in one.curves
        ]
        picture = curve_lines(row.name, lines, _WIDE, _HIGH)
        if picture:
            yield row.name, markup(picture)
