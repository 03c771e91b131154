"""Curves and figures of versions, as commands show them."""

from collections.abc import Container
from typing import TYPE_CHECKING, Any

from holdfast.cli.output import echo
from holdfast.errors import DamagedError, NotFoundError

if TYPE_CHECKING:
    from holdfast.core.compare import Comparison
    from holdfast.registry import Registry


def kept(registry: "Registry", ref: str, roles: Container[str]) -> dict[str, Any]:
    """Name the curves and figures of a version; what cannot be read hides nothing else."""
    if "curves" not in roles and "figures" not in roles:
        return {"curves": {}, "figures": {}}
    try:
        record = registry.trainings.record(ref)
    except DamagedError as error:
        echo(f"holdfast: {error}", err=True)
        return {"curves": {}, "figures": {}}
    curves = {
        name: {"last": curve.last, "points": curve.given} for name, curve in record.curves.items()
    }
    return {"curves": curves, "figures": {one.name: one.kind for one in record.figures}}


def picture(registry: "Registry", comparison: "Comparison", curve: str | None) -> str:
    """Draw the metrics of two versions, or one learning curve of both."""
    from holdfast.core import plots

    if curve is None:
        return plots.comparison(comparison)
    from holdfast.core.drawing.curve_lines import CurveLine
    from holdfast.core.names import nearest

    model, versions = comparison.model, (comparison.a, comparison.b)
    records = [registry.trainings.record(f"{model}@{version}") for version in versions]
    lines = [
        CurveLine(version, record.curves[curve].steps, record.curves[curve].values)
        for version, record in zip(versions, records, strict=True)
        if curve in record.curves
    ]
    if not lines:
        there = {name for record in records for name in record.curves}
        raise NotFoundError(f"curve {curve} of {' and '.join(versions)}", nearest(curve, there))
    return plots.curve(model, curve, lines)
