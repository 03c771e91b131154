"""How like a version is to what its training makes now: bytes, then answers, then metrics."""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Literal

from msgspec import Struct
from msgspec.structs import replace

from holdfast import scratch
from holdfast.core.manifest import Artifact, File, Manifest
from holdfast.datasets import data_digests
from holdfast.errors import HoldfastError, InvalidInputError
from holdfast.formats import trees
from holdfast.formats.bootstrap import numpy
from holdfast.registry import scored_versions
from holdfast.registry.loading import Fetched
from holdfast.registry.scored_versions import Rows
from holdfast.retraining import labelled_rows
from holdfast.retraining.labelled_rows import LabelledRows
from holdfast.retraining.run_results import RunResult
from holdfast.sandbox import Trials
from holdfast.scoring.answers import Answers
from holdfast.scoring.data_file import DataFile

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
    row_sets: list[tuple[str, LabelledRows]],
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
    row_sets: list[tuple[str, LabelledRows]],
    trials: Trials | None,
) -> tuple[bool, list[str]]:
    """Ask both the same rows; whether all answers are the same, and what is to be said of them."""
    notes: list[str] = []
    same = bool(row_sets)
    for name, rows in row_sets:
        try:
            count, (first, second) = _asked([recorded, now], rows, trials)
        except HoldfastError as error:
            notes.append(f"{name}: not compared: {error}")
            same = False
            continue
        far = _farthest(first, second)
        if far is not None and far <= _NEAR:
            notes.append(f"{name}: {count:,} answers the same within {_NEAR:g}")
        else:
            same = False
            by = "" if far is None else f", numbers by up to {far:g}"
            notes.append(f"{name}: answers differ{by}")
    if not row_sets:
        notes.append("no input example and no evaluation rows to ask")
    return same, notes


def _asked(
    versions: list[Fetched], rows: LabelledRows, trials: Trials | None
) -> tuple[int, list[Answers]]:
    with scratch.folder() as folder, DataFile(rows.path) as file:
        prepared: Rows = scored_versions.prepared(file, versions, rows.label, None, folder)
        return prepared.count, [
            scored_versions.answers_of(one, prepared, trials) for one in versions
        ]


def _farthest(first: Answers, second: Answers) -> float | None:
    """Return by how much answers differ at most, `None` where they are not numbers and differ."""
    if (first.sort == "text") != (second.sort == "text"):
        return None
    if (first.chances is None) != (second.chances is None):
        return None
    far = 0.0
    if first.sort == "text":
        if _texts(first) != _texts(second):
            return None
    else:
        far = _gap(first.values, second.values)
    if first.chances is not None:
        if first.chances.shape != second.chances.shape or first.classes != second.classes:
            return None
        far = max(far, _gap(first.chances, second.chances))
    return far


def _texts(answers: Answers) -> list[str]:
    return [answers.texts[int(code)] for code in answers.values]


def _gap(one: Any, two: Any) -> float:
    np = numpy()
    scale = np.maximum(1.0, np.maximum(np.abs(one), np.abs(two)))
    return float((np.abs(one - two) / scale).max(initial=0.0))


def _differing(
    recorded: Mapping[str, float], now: Mapping[str, float], tolerance: float
) -> Iterator[str]:
    for name, value in sorted(recorded.items()):
        if name not in now:
            yield f"{name}: {value:.10g} was recorded, and the run does not tell it"
        elif not math.isclose(value, now[name], rel_tol=tolerance, abs_tol=tolerance * 1e-3):
            yield f"{name}: {value:.10g} was recorded, {now[name]:.10g} came out"


def example_rows(manifest: Manifest, folder: Path) -> LabelledRows | None:
    """Write the input example as rows to ask, `None` if there is none that can be asked so."""
    example = manifest.input_example
    if not isinstance(example, list) or not example:
        return None
    path = folder / "example.jsonl"
    label = labelled_rows.write(path, example, [0] * len(example))  # which nobody holds against it
    return LabelledRows(path, label, "")


def check_tolerance(tolerance: float) -> None:
    """Refuse what is not a tolerance.

    Raises:
        InvalidInputError: If it is negative or not finite.
    """
    if not (math.isfinite(tolerance) and tolerance >= 0):
        raise InvalidInputError("tolerance", f"must be 0 or more, not {tolerance!r}")
