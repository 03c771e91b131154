"""How like a version is to what its training makes now: bytes, then answers, then metrics."""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Literal

from msgspec import Struct
from msgspec.structs import replace

from holdfast.core.manifest import Artifact, File, Manifest
from holdfast.datasets import data_digests
from holdfast.errors import HoldfastError, InvalidInputError
from holdfast.formats import trees
from holdfast.registry.loading import Fetched
from holdfast.retraining import scoring
from holdfast.retraining.evaluation_rows import EvaluationRows
from holdfast.retraining.run_results import RunResult
from holdfast.retraining.scoring import RunAnswers
from holdfast.sandbox import Trials

__all__ = ["Likeness", "LikenessVerdict", "check_tolerance", "compare", "example_rows"]

LikenessVerdict = Literal["identical", "same predictions", "within tolerance", "different"]

_NEAR: Final = 1e-9
_MADE: Final = ("model", "preprocessor", "postprocessor")
"""Roles that a training makes; others are made of what it leaves, or are not its own."""


class Likeness(Struct, frozen=True):
    """A verdict with what led to it, in sentences."""

    verdict: LikenessVerdict
    notes: tuple[str, ...]


def compare(
    recorded: Fetched,
    result: RunResult,
    metrics: Mapping[str, float],
    row_sets: list[tuple[str, EvaluationRows]],
    trials: Trials | None,
    tolerance: float,
) -> Likeness:
    """Compare a version with what a run left.

    Args:
        recorded: The version, every byte verified.
        result: Of the run.
        metrics: As the version's own run told them.
        row_sets: Rows that both are asked, and what they are called.
        trials: Where both are loaded.
        tolerance: How far metrics may differ, relative.
    """
    manifest = recorded.manifest
    made = {role: _artifact(manifest, role, path) for role, path in result.sources.items()}
    other = [role for role, one in made.items() if not _is_same(manifest, role, one)]
    lost = [role for role in _MADE if role in manifest.artifacts and role not in made]
    if not other and not lost:
        return Likeness("identical", (f"{', '.join(sorted(made))}: the same bytes",))
    notes = [f"{role}: other bytes" for role in sorted(other)]
    notes += [f"{role}: not made" for role in lost]
    if not lost:
        now = Fetched("the new run", replace(manifest, artifacts=made), dict(result.sources))
        same, remarks = _answers(recorded, now, row_sets, trials)
        notes += remarks
        if same:
            return Likeness("same predictions", tuple(notes))
    differing = list(_differing(metrics, result.metrics, tolerance))
    notes += differing
    if metrics and not differing:
        notes.append(f"{', '.join(sorted(metrics))}: within {tolerance:g} of what was recorded")
        return Likeness("within tolerance", tuple(notes))
    return Likeness("different", (*notes, *(() if metrics else ("no metrics to compare",))))


def _artifact(manifest: Manifest, role: str, path: Path) -> Artifact:
    """Return a file or folder as a registration would record it under a role."""
    known = manifest.artifacts.get(role)
    name = known.path if known else role
    if path.is_dir():
        files = [(f"{name}/{inner}", file) for inner, file in trees.files(path)]
    else:
        files = [(name, path)]
    listed = tuple(
        File(inner, data_digests.of_file(file), file.stat().st_size)
        for inner, file in sorted(files)
    )
    return Artifact(name, known.format if known else "file", listed)


def _is_same(manifest: Manifest, role: str, made: Artifact) -> bool:
    known = manifest.artifacts.get(role)
    return known is not None and known.digest == made.digest


def _answers(
    recorded: Fetched,
    now: Fetched,
    row_sets: list[tuple[str, EvaluationRows]],
    trials: Trials | None,
) -> tuple[bool, list[str]]:
    """Ask both the same rows; whether all answers are the same, and what is to be said of them."""
    notes: list[str] = []
    same = bool(row_sets)
    for name, rows in row_sets:
        try:
            first, second = (scoring.answered(one, trials, rows) for one in (recorded, now))
        except HoldfastError as error:
            notes.append(f"{name}: not compared: {error}")
            same = False
            continue
        far = _farthest(first, second)
        if far is not None and far <= _NEAR:
            notes.append(f"{name}: {len(rows.rows):,} answers the same within {_NEAR:g}")
        else:
            same = False
            by = "" if far is None else f", numbers by up to {far:g}"
            notes.append(f"{name}: answers differ{by}")
    if not row_sets:
        notes.append("no input example and no evaluation rows to ask")
    return same, notes


def _farthest(first: RunAnswers, second: RunAnswers) -> float | None:
    """Return by how much answers differ at most, `None` where they are not numbers and differ."""
    parts = [(first.predictions, second.predictions)]
    if (first.probabilities is None) != (second.probabilities is None):
        return None
    if first.probabilities is not None:
        parts.append((first.probabilities, second.probabilities or []))
    far = 0.0
    for one, two in parts:
        for a, b in _pairs(one, two):
            if a == b:
                continue
            if not (_is_number(a) and _is_number(b)):
                return None
            gap = abs(a - b) / max(1.0, abs(a), abs(b))
            far = max(far, gap if math.isfinite(gap) else math.inf)
    return far


def _pairs(one: Any, two: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(one, list) and isinstance(two, list) and len(one) == len(two):
        for a, b in zip(one, two, strict=True):
            yield from _pairs(a, b)
    else:
        yield one, two


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _differing(
    recorded: Mapping[str, float], now: Mapping[str, float], tolerance: float
) -> Iterator[str]:
    for name, value in sorted(recorded.items()):
        if name not in now:
            yield f"{name}: {value:.10g} was recorded, and the run does not tell it"
        elif not math.isclose(value, now[name], rel_tol=tolerance, abs_tol=tolerance * 1e-3):
            yield f"{name}: {value:.10g} was recorded, {now[name]:.10g} came out"


def example_rows(manifest: Manifest) -> EvaluationRows | None:
    """Return the input example as rows to ask, `None` if there is none that can be asked so."""
    example = manifest.input_example
    if not isinstance(example, list) or not example:
        return None
    if all(isinstance(row, dict) for row in example):
        columns = tuple(example[0])
        rows = [[row.get(name) for name in columns] for row in example]
        return EvaluationRows("", columns, rows, [None] * len(rows))
    if all(isinstance(row, list) for row in example):
        return EvaluationRows("", None, example, [None] * len(example))
    return None


def check_tolerance(tolerance: float) -> None:
    """Refuse what is not a tolerance.

    Raises:
        InvalidInputError: If it is negative or not finite.
    """
    if not (math.isfinite(tolerance) and tolerance >= 0):
        raise InvalidInputError("tolerance", f"must be 0 or more, not {tolerance!r}")
